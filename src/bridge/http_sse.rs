//! The transport before streamable HTTP, for servers that have no other. The client's messages are posted to an
//! address, and all messages of the server come on one stream.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::Method;

use super::channel::{Channel, resolve};
use super::context::{Bridge, LARGEST_TO_CLIENT, ServerMessage};
use super::events::Events;
use super::http::{Connection, Incoming, document};
use super::post::{Outgoing, Posted, Requester, lost_answer};
use super::session::{Renewing, SessionHeaders};
use super::stream::{Followed, follow};
use super::verdict::{BodyKind, TRY_FOR, kind, reopening};

impl Bridge {
    /// Keeps the stream open from now on.
    pub(super) fn keep_channel(self: &Arc<Self>, channel: &Arc<Channel>) {
        let connection = self.workers.connection();
        let mut failures = 0_u32;
        loop {
            let mut retry = None;
            let outcome = self.open_channel(&connection).map(|(url, mut incoming)| {
                let mut events = Events::new(LARGEST_TO_CLIENT);
                let came = self.read_channel(channel, &url, &mut incoming, &mut events);
                retry = events.retry();
                channel.close();
                came
            });
            match outcome {
                Ok(true) => failures = 0,
                Ok(false) => failures = failures.saturating_add(1),
                Err(why) => {
                    if failures == 0 {
                        log::warn!(target: "BRIDGE", "the server's stream cannot be opened: {why}; trying again");
                    }
                    failures = failures.saturating_add(1);
                }
            }
            // The wait is shorter than for a standing stream, because without this stream no message gets through.
            std::thread::sleep(reopening(retry, failures).min(Duration::from_secs(5)));
        }
    }

    fn open_channel(&self, connection: &Connection) -> Result<(String, Incoming), String> {
        let target = self.access.current()?;
        let headers = self.listening(&target, &SessionHeaders::default(), None);
        let incoming =
            connection.send(Method::GET, &target.url, headers, None).map_err(|unanswered| unanswered.why)?;
        self.cookies.take(&incoming.headers);
        match incoming.status {
            200 if kind(incoming.header("content-type")) == BodyKind::Events => {
                Ok((target.url.clone(), incoming))
            }
            401 if self.access.other_than(&target).is_some() => Err("the token was refused".to_owned()),
            401 => Err(self.access.remedy(&target)),
            status => Err(format!("HTTP {status}")),
        }
    }

    /// Delivers the messages of the stream until its end. Returns whether the stream was of use.
    fn read_channel(
        self: &Arc<Self>,
        channel: &Channel,
        url: &str,
        incoming: &mut Incoming,
        events: &mut Events,
    ) -> bool {
        let followed = follow(&mut incoming.body, events, |event| {
            let Ok(event) = event else {
                // The message may be an answer. Each request that waits for one fails with the stream.
                log::warn!(target: "BRIDGE", "the server sent a message of more than 10 MiB; its stream is cut");
                return Some(());
            };
            if event.name != "endpoint" {
                self.deliver(ServerMessage::new(event.data));
                channel.wake();
                return None;
            }
            let Some(address) = resolve(url, &String::from_utf8_lossy(&event.data)) else {
                log::error!(target: "BRIDGE", "the server names an address of another origin");
                return Some(());
            };
            self.open_for_messages(channel, address);
            None
        });
        matches!(followed, Followed::Over { came: true, .. })
    }

    /// Opens the address for messages. Another stream is another session, which comes before the messages. The thread
    /// that reads the stream cannot wait for the session's answers, so another thread makes the session.
    fn open_for_messages(self: &Arc<Self>, channel: &Channel, address: String) {
        let number = self.session.headers_meanwhile().number;
        let renewing = channel.was_open().then(|| self.session.lost(number));
        channel.open(address);
        if let Some(Renewing::Yours(replay)) = renewing {
            let bridge = Arc::clone(self);
            self.workers.run(Box::new(move |connection| {
                if let Err(why) = bridge.make_session(connection, &replay) {
                    log::warn!(target: "BRIDGE", "there is no new session: {why}");
                }
            }));
        }
    }

    /// The present address for messages. A message of the client waits until the session is ready.
    fn destination(&self, channel: &Channel, requester: &Requester<'_>) -> Option<(u64, String)> {
        loop {
            let found = channel.address(TRY_FOR)?;
            if matches!(requester, Requester::Own { .. }) {
                return Some(found);
            }
            // The call waits for a renewal that is under way, and the stream may end meanwhile.
            self.session.headers();
            if channel.address(Duration::ZERO).as_ref() == Some(&found) {
                return Some(found);
            }
        }
    }

    /// Posts a message to the address of the stream, and waits for the answer on the stream.
    pub(super) fn post_on_channel(
        &self,
        connection: &Connection,
        channel: &Channel,
        outgoing: Outgoing<'_>,
        requester: &mut Requester<'_>,
    ) -> Posted {
        let Some((number, address)) = self.destination(channel, requester) else {
            return Posted::Failed(format!("cannot reach {}; nothing was sent", outgoing.target.shown));
        };
        if let Requester::Own { id, .. } = requester {
            channel.expect(id);
        }
        let sent = connection.send(Method::POST, &address, outgoing.headers, Some(outgoing.message));
        let mut incoming = match sent {
            Ok(incoming) => incoming,
            Err(unanswered) if !unanswered.sent => return Posted::Unsent(unanswered),
            Err(unanswered) => return Posted::Failed(lost_answer(&unanswered.why)),
        };
        self.cookies.take(&incoming.headers);
        // The body is not for the client, and is read so that the connection can be used again.
        let _ = document(connection, &mut incoming, 4096);
        match incoming.status {
            200..=299 => {}
            401 => return Posted::TokenRefused,
            status => return Posted::Failed(format!("the server answered HTTP {status}")),
        }
        let answered = match requester {
            Requester::Own { id, answer } => {
                *answer = channel.kept(number, id, TRY_FOR).map(|message| (message, incoming.headers));
                answer.is_some()
            }
            Requester::Client(call) => channel.wait_for(number, || call.is_answered() || call.is_cancelled()),
        };
        if answered { Posted::Answered } else { Posted::Failed(lost_answer("the stream has ended")) }
    }
}
