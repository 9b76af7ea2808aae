//! Messages of the client that need no answer: its notifications, one after the other, and its answers to the server,
//! each at once.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Method;

use super::context::Bridge;
use super::http::{Incoming, Wire};
use super::message::{Message, read};
use super::modern::{add_standard, version};
use super::queue::Note;
use super::session::{Carried, Text};
use super::socket::Progress;
use super::verdict::{TRY_FOR, is_session_lost, pause};

/// How long a cancellation waits for its request to leave.
const LEAVES: Duration = Duration::from_secs(30);

/// How long a server may need to read a request that has left, since the cancellation comes on another connection.
const ARRIVES: Duration = Duration::from_millis(500);

/// How long an answer to a cancelled request may still come.
const TOO_LATE: Duration = Duration::from_secs(2);

/// Why the server did not accept a message.
enum Untold {
    /// The session is gone.
    SessionLost,
    /// The server refuses the token.
    Refused,
    /// Another reason.
    Failed(String),
}

impl Bridge {
    /// Sends a notification after those before it.
    pub(super) fn note(self: &Arc<Self>, note: Note) {
        if !self.notes.push(note) {
            return;
        }
        self.send_notes();
    }

    fn send_notes(self: &Arc<Self>) {
        let bridge = Arc::clone(self);
        self.crew.run(Box::new(move |wire| {
            bridge.notes.send_all(|note| bridge.send_note(wire, &note), || bridge.send_notes());
        }));
    }

    fn send_note(self: &Arc<Self>, wire: &Wire, note: &Note) {
        let Some((flight, line)) = &note.cancels else {
            self.say(wire, &note.message);
            return;
        };
        line.wait_for(Progress::Left, LEAVES);
        line.wait_for(Progress::Answered, ARRIVES);
        self.say(wire, &note.message);
        self.free(flight);
        let (bridge, flight) = (Arc::clone(self), Arc::clone(flight));
        self.crew.run(Box::new(move |_| {
            let until = Instant::now() + TOO_LATE;
            while Instant::now() < until && !flight.is_answered() {
                // Forty looks, after a cancellation only. Otherwise each answer would have to send a signal.
                std::thread::sleep(Duration::from_millis(50));
            }
            if !flight.is_answered() {
                bridge.flights.end(&flight);
                flight.cut();
            }
        }));
    }

    /// Sends the client's answer to a request of the server.
    pub(super) fn reply(self: &Arc<Self>, message: Text) {
        let bridge = Arc::clone(self);
        self.crew.run(Box::new(move |wire| {
            let carried = bridge.session.carried();
            if let Err(why) = bridge.tell(wire, &message, &carried) {
                log::warn!(target: "BRIDGE", "an answer of the client was not taken: {why}");
            }
        }));
    }

    /// Sends a notification, to a new session if the present one is gone. Returns whether the server accepted it.
    pub(super) fn say(&self, wire: &Wire, message: &[u8]) -> bool {
        let carried = self.session.carried();
        let outcome = match self.told(wire, message, &carried) {
            Err(Untold::SessionLost) => {
                self.renew(wire, &carried).and_then(|()| self.tell(wire, message, &self.session.carried()))
            }
            other => other.map_err(words),
        };
        if let Err(why) = &outcome {
            log::warn!(target: "BRIDGE", "a notification of the client was not taken: {why}");
        }
        outcome.is_ok()
    }

    /// Sends a message that needs no answer.
    pub(super) fn tell(&self, wire: &Wire, message: &[u8], carried: &Carried) -> Result<(), String> {
        self.told(wire, message, carried).map_err(words)
    }

    fn told(&self, wire: &Wire, message: &[u8], carried: &Carried) -> Result<(), Untold> {
        let begun = Instant::now();
        let (mut tries, mut refused) = (0, false);
        loop {
            let pass = self.access.current().map_err(Untold::Failed)?;
            let mut headers = self.headers(&pass);
            carried.add_to(&mut headers);
            if let Ok(Message::Notification(notification)) = read(message)
                && let Some(version) = version(notification.params)
            {
                add_standard(&mut headers, &version, &notification.method);
            }
            let address = match &self.channel {
                Some(channel) => channel.address(TRY_FOR).map(|(_, address)| address),
                None => Some(pass.url.clone()),
            };
            let address = address.ok_or_else(|| Untold::Failed("the server cannot be reached".to_owned()))?;
            match wire.send(Method::POST, &address, headers, Some(message)) {
                Ok(incoming) => {
                    self.cookies.take(&incoming.headers);
                    match accepted(wire, incoming, carried) {
                        Err(Untold::Refused) if !refused && self.access.other_than(&pass).is_some() => {
                            refused = true;
                        }
                        told => return told,
                    }
                }
                Err(unanswered) if unanswered.passing && begun.elapsed() < TRY_FOR => {
                    // The server is not up. The pauses grow from a twentieth of a second to most of one.
                    std::thread::sleep(pause(tries));
                    tries += 1;
                }
                Err(unanswered) => return Err(Untold::Failed(unanswered.why)),
            }
        }
    }
}

/// Reads the server's acceptance of a message that needs no answer.
fn accepted(wire: &Wire, mut incoming: Incoming, carried: &Carried) -> Result<(), Untold> {
    wire.line.hurry();
    let mut text = Vec::new();
    // The body is not for the client, and need not be whole.
    let _ = incoming.body.by_ref().take(4096).read_to_end(&mut text);
    let (status, text) = (incoming.status, String::from_utf8_lossy(&text));
    match status {
        200..=299 => Ok(()),
        401 => Err(Untold::Refused),
        _ if carried.id.is_some() && is_session_lost(status, &text) => Err(Untold::SessionLost),
        _ => Err(Untold::Failed(format!("HTTP {status}"))),
    }
}

fn words(untold: Untold) -> String {
    match untold {
        Untold::SessionLost => "the server has ended the session".to_owned(),
        Untold::Refused => "the server refuses the token".to_owned(),
        Untold::Failed(why) => why,
    }
}
