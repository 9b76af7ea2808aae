//! The state that all threads of the bridge share.

use std::sync::Arc;

use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderValue};

use super::access::{RequestTarget, ServerAccess};
use super::channel::Channel;
use super::cookies::Cookies;
use super::message::{Id, Message, member, read, whole_number};
use super::modern::Tools;
use super::out::ClientOutput;
use super::pending::{PendingCall, PendingCalls};
use super::queue::{NotificationQueue, StandingStream};
use super::session::Session;
use super::workers::Workers;

/// The largest message to the client: the official readers of standard input fail above 10 MiB.
pub(super) const LARGEST_TO_CLIENT: usize = (10 << 20) - (64 << 10);

/// The largest message to the server.
pub(super) const LARGEST_TO_SERVER: usize = 16 << 20;

/// The state that all threads share.
pub(super) struct Bridge {
    pub access: ServerAccess,
    pub workers: Arc<Workers>,
    pub out: ClientOutput,
    pub pending: PendingCalls,
    pub session: Session,
    pub cookies: Cookies,
    pub tools: Tools,
    pub notifications: NotificationQueue,
    pub standing_stream: StandingStream,
    /// The state of the transport before streamable HTTP, for a server that has no other.
    pub channel: Option<Arc<Channel>>,
}

/// A message from the server. A message may be large, so its kind is found out once.
pub(super) struct ServerMessage {
    pub bytes: Vec<u8>,
    pub delivery: Delivery,
}

/// The kind of a message from the server, as far as it decides the destination.
pub(super) enum Delivery {
    /// An answer to this request, with the code of an error.
    Answer(Id, Option<i64>),
    /// An error that names no request.
    Error,
    /// A request or a notification for the client.
    News,
    /// Several messages, of which these are answers.
    Batch(Vec<Id>),
    /// No message.
    Nothing,
}

impl ServerMessage {
    /// Finds out the kind of the message.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let delivery = match read(&bytes) {
            Ok(Message::Answer(answer)) => match (answer.id, answer.error) {
                (Some(id), None) => Delivery::Answer(id, None),
                (Some(id), Some(error)) => Delivery::Answer(id, member(error, "code").and_then(whole_number)),
                (None, Some(_)) => Delivery::Error,
                (None, None) => Delivery::Nothing,
            },
            Ok(Message::Request(_) | Message::Notification(_)) => Delivery::News,
            Ok(Message::Batch(parts)) => {
                let id =
                    |part: Message<'_>| if let Message::Answer(answer) = part { answer.id } else { None };
                Delivery::Batch(parts.into_iter().filter_map(id).collect())
            }
            Err(_) => Delivery::Nothing,
        };
        Self { bytes, delivery }
    }
}

impl Bridge {
    /// The headers of a request, without those of a session and those that repeat parts of the message.
    pub(super) fn headers(&self, target: &RequestTarget) -> HeaderMap {
        let mut headers = target.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.cookies.add_to(&mut headers);
        headers
    }

    /// Passes on a message that came on a stream for all.
    pub(super) fn deliver(&self, message: ServerMessage) {
        let ServerMessage { bytes, delivery } = message;
        match delivery {
            Delivery::News => self.out.pass(bytes),
            Delivery::Answer(id, _)
                if self.channel.as_ref().is_some_and(|channel| channel.keep(&id, &bytes)) => {}
            Delivery::Answer(id, _) if self.pending.answer(&id) => self.out.pass(bytes),
            Delivery::Batch(ids) => {
                let answered = ids.iter().filter(|id| self.pending.answer(id)).count();
                if ids.is_empty() || answered > 0 {
                    self.out.pass(bytes);
                }
            }
            Delivery::Answer(id, _) => {
                let id = id.as_json().escape_debug();
                log::warn!(target: "BRIDGE", "the server answered {id}, which has no open request");
            }
            Delivery::Error | Delivery::Nothing => {
                log::warn!(target: "BRIDGE", "the server sent {} bytes that are no message", bytes.len());
            }
        }
    }

    /// Whether no answer is awaited and no message waits to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.all().is_empty() && self.notifications.is_idle()
    }

    /// Ends a call, and gives its place to another one.
    pub(super) fn end(&self, call: &Arc<PendingCall>) {
        self.pending.end(call);
        self.free(call);
    }

    /// Gives the place of a call to another one, if the call has a place.
    pub(super) fn free(&self, call: &PendingCall) {
        if call.take_place() {
            self.workers.give_back();
        }
    }
}
