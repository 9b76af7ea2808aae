//! The standing stream of a session, for the server's own messages.
//!
//! The stream is opened again while the bridge runs, with growing pauses after failures. A server without such a stream
//! gets one request for each session.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Method;

use super::context::{Bridge, LARGEST_TO_CLIENT, ServerMessage};
use super::events::Events;
use super::http::{Connection, Incoming};
use super::session::SessionHeaders;
use super::stream::{Followed, follow};
use super::verdict::{BodyKind, is_session_lost, kind, reopening};
use crate::threads;

/// A stream that lasted so long has not failed, with or without messages.
const LASTED: Duration = Duration::from_secs(5);

/// The result of an attempt.
enum Listened {
    /// The stream was open and has ended; whether it served its purpose.
    Over(bool),
    /// The server has no such stream, as this status says.
    None(u16),
    /// The server does not know the session any more.
    SessionLost,
    /// The stream could not be opened, for this reason.
    Failed(String),
}

impl Bridge {
    /// Keeps the stream open from now on.
    pub(super) fn listen(self: &Arc<Self>) {
        if self.channel.is_some() || !self.standing_stream.start() {
            return;
        }
        let bridge = Arc::clone(self);
        if let Err(error) = threads::start("listening", move || bridge.keep_listening()) {
            let lost = "the server's own messages will not arrive";
            log::warn!(target: "BRIDGE", "{lost}: no thread can be started ({error})");
        }
    }

    fn keep_listening(&self) {
        let connection = self.workers.connection();
        let mut events = Events::new(LARGEST_TO_CLIENT);
        let (mut number, mut failures) = (0, 0_u32);
        loop {
            let session = self.session.headers();
            if session.number != number {
                number = session.number;
                failures = 0;
                events = Events::new(LARGEST_TO_CLIENT);
            }
            self.standing_stream.uses(&connection.control);
            match self.attempt(&connection, &session, &mut events) {
                Listened::Over(true) => failures = 0,
                Listened::Over(false) => failures = failures.saturating_add(1),
                Listened::None(status) => {
                    log::debug!(target: "BRIDGE", "the server has no standing stream: HTTP {status}");
                    if self.standing_stream.stopped() {
                        return;
                    }
                    continue;
                }
                Listened::SessionLost => match self.renew(&connection, &session) {
                    Ok(()) => continue,
                    Err(why) => failures = failed(failures, &why),
                },
                Listened::Failed(why) => failures = failed(failures, &why),
            }
            self.standing_stream.pause(reopening(events.retry(), failures));
        }
    }

    fn attempt(&self, connection: &Connection, session: &SessionHeaders, events: &mut Events) -> Listened {
        let target = match self.access.current() {
            Ok(target) => target,
            Err(why) => return Listened::Failed(why),
        };
        let headers = self.listening(&target, session, events.last_id());
        let mut incoming = match connection.send(Method::GET, &target.url, headers, None) {
            Ok(incoming) => incoming,
            Err(unanswered) => return Listened::Failed(unanswered.why),
        };
        self.cookies.take(&incoming.headers);
        let status = incoming.status;
        match status {
            200 if kind(incoming.header("content-type")) == BodyKind::Events => {
                events.restart();
                let begun = Instant::now();
                let came = self.read_stream(&mut incoming, events);
                Listened::Over(came || begun.elapsed() > LASTED)
            }
            401 => match self.access.other_than(&target) {
                Some(_) => Listened::Over(true),
                None => Listened::Failed(self.access.remedy(&target)),
            },
            _ if session.id.is_some()
                && is_session_lost(status, &body_beginning(connection, &mut incoming)) =>
            {
                Listened::SessionLost
            }
            408 | 409 | 425 | 429 | 500..=599 => Listened::Failed(format!("HTTP {status}")),
            _ => Listened::None(status),
        }
    }

    /// Delivers the messages of the stream until its end. Returns whether any bytes came.
    fn read_stream(&self, incoming: &mut Incoming, events: &mut Events) -> bool {
        let Followed::Over { came, .. } = follow(&mut incoming.body, events, |event| -> Option<Infallible> {
            match event {
                Ok(event) => self.deliver(ServerMessage::new(event.data)),
                Err(_) => {
                    log::warn!(target: "BRIDGE", "the server sent a message of more than 10 MiB; it is left out");
                }
            }
            None
        });
        came
    }
}

/// Logs the first failure of a run, and counts the failure.
fn failed(failures: u32, why: &str) -> u32 {
    if failures == 0 {
        let stream = "the stream of the server's own messages cannot be opened";
        log::info!(target: "BRIDGE", "{stream}: {why}; trying again for as long as it takes");
    }
    failures.saturating_add(1)
}

/// The beginning of a body, which may mention the session.
fn body_beginning(connection: &Connection, incoming: &mut Incoming) -> String {
    connection.control.limit_silence();
    let mut text = Vec::new();
    // The bytes before an error suffice.
    let _ = incoming.body.by_ref().take(4096).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
