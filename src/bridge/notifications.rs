//! Messages of the client that need no answer: its notifications, one after the other, and its answers to the server,
//! each at once.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Method;

use super::context::Bridge;
use super::http::{Connection, Incoming};
use super::message::{Message, read};
use super::modern::{add_standard, version};
use super::queue::QueuedNotification;
use super::session::{ClientMessage, SessionHeaders};
use super::socket::Progress;
use super::verdict::{TRY_FOR, is_session_lost, pause};

/// How long a cancellation waits for its request to leave.
const LEAVES: Duration = Duration::from_secs(30);

/// How long a server may need to read a request that has left: the cancellation comes on another connection.
const ARRIVES: Duration = Duration::from_millis(500);

/// How long an answer to a cancelled request may still come.
const TOO_LATE: Duration = Duration::from_secs(2);

/// Why the server did not accept a message.
enum NotAccepted {
    /// The session is gone.
    SessionLost,
    /// The server refuses the token.
    Refused,
    /// Another reason.
    Failed(String),
}

impl Bridge {
    /// Sends a notification after those before it.
    pub(super) fn queue_notification(self: &Arc<Self>, notification: QueuedNotification) {
        if !self.notifications.push(notification) {
            return;
        }
        self.send_queue();
    }

    fn send_queue(self: &Arc<Self>) {
        let bridge = Arc::clone(self);
        self.workers.run(Box::new(move |connection| {
            bridge.notifications.send_all(
                |notification| bridge.send_queued(connection, &notification),
                || bridge.send_queue(),
            );
        }));
    }

    fn send_queued(self: &Arc<Self>, connection: &Connection, notification: &QueuedNotification) {
        let Some((call, control)) = &notification.cancels else {
            self.send_notification(connection, &notification.message);
            return;
        };
        control.wait_for(Progress::Left, LEAVES);
        control.wait_for(Progress::Answered, ARRIVES);
        self.send_notification(connection, &notification.message);
        self.free(call);
        let (bridge, call) = (Arc::clone(self), Arc::clone(call));
        self.workers.run(Box::new(move |_| {
            let until = Instant::now() + TOO_LATE;
            while Instant::now() < until && !call.is_answered() {
                // Forty looks, after a cancellation only. Otherwise each answer would have to send a signal.
                std::thread::sleep(Duration::from_millis(50));
            }
            if !call.is_answered() {
                bridge.pending.end(&call);
                call.cut();
            }
        }));
    }

    /// Sends the client's answer to a request of the server.
    pub(super) fn reply(self: &Arc<Self>, message: ClientMessage) {
        let bridge = Arc::clone(self);
        self.workers.run(Box::new(move |connection| {
            let session = bridge.session.headers();
            if let Err(why) = bridge.send_unanswered(connection, &message, &session) {
                log::warn!(target: "BRIDGE", "an answer of the client was not taken: {why}");
            }
        }));
    }

    /// Sends a notification, to a new session if the present one is gone. Returns whether the server accepted it.
    pub(super) fn send_notification(&self, connection: &Connection, message: &[u8]) -> bool {
        let session = self.session.headers();
        let outcome = match self.try_unanswered(connection, message, &session) {
            Err(NotAccepted::SessionLost) => self
                .renew(connection, &session)
                .and_then(|()| self.send_unanswered(connection, message, &self.session.headers())),
            other => other.map_err(words),
        };
        if let Err(why) = &outcome {
            log::warn!(target: "BRIDGE", "a notification of the client was not taken: {why}");
        }
        outcome.is_ok()
    }

    /// Sends a message that needs no answer.
    pub(super) fn send_unanswered(
        &self,
        connection: &Connection,
        message: &[u8],
        session: &SessionHeaders,
    ) -> Result<(), String> {
        self.try_unanswered(connection, message, session).map_err(words)
    }

    fn try_unanswered(
        &self,
        connection: &Connection,
        message: &[u8],
        session: &SessionHeaders,
    ) -> Result<(), NotAccepted> {
        let begun = Instant::now();
        let (mut tries, mut refused) = (0, false);
        loop {
            let target = self.access.current().map_err(NotAccepted::Failed)?;
            let mut headers = self.headers(&target);
            session.add_to(&mut headers);
            if let Ok(Message::Notification(notification)) = read(message)
                && let Some(version) = version(notification.params)
            {
                add_standard(&mut headers, &version, &notification.method);
            }
            let address = match &self.channel {
                Some(channel) => channel.address(TRY_FOR).map(|(_, address)| address),
                None => Some(target.url.clone()),
            };
            let address =
                address.ok_or_else(|| NotAccepted::Failed("the server cannot be reached".to_owned()))?;
            match connection.send(Method::POST, &address, headers, Some(message)) {
                Ok(incoming) => {
                    self.cookies.take(&incoming.headers);
                    match accepted(connection, incoming, session) {
                        Err(NotAccepted::Refused)
                            if !refused && self.access.other_than(&target).is_some() =>
                        {
                            refused = true;
                        }
                        outcome => return outcome,
                    }
                }
                Err(unanswered) if unanswered.passing && begun.elapsed() < TRY_FOR => {
                    // The server is not up. The pauses grow from a twentieth of a second to most of one.
                    std::thread::sleep(pause(tries));
                    tries += 1;
                }
                Err(unanswered) => return Err(NotAccepted::Failed(unanswered.why)),
            }
        }
    }
}

/// Reads the server's acceptance of a message that needs no answer.
fn accepted(
    connection: &Connection,
    mut incoming: Incoming,
    session: &SessionHeaders,
) -> Result<(), NotAccepted> {
    connection.control.limit_silence();
    let mut text = Vec::new();
    // The body is not for the client, and need not be whole.
    let _ = incoming.body.by_ref().take(4096).read_to_end(&mut text);
    let (status, text) = (incoming.status, String::from_utf8_lossy(&text));
    match status {
        200..=299 => Ok(()),
        401 => Err(NotAccepted::Refused),
        _ if session.id.is_some() && is_session_lost(status, &text) => Err(NotAccepted::SessionLost),
        _ => Err(NotAccepted::Failed(format!("HTTP {status}"))),
    }
}

fn words(why: NotAccepted) -> String {
    match why {
        NotAccepted::SessionLost => "the server has ended the session".to_owned(),
        NotAccepted::Refused => "the server refuses the token".to_owned(),
        NotAccepted::Failed(why) => why,
    }
}
