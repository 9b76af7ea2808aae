//! The state that all threads of the bridge share.

use std::sync::Arc;

use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderValue};

use super::access::{Admission, Doorman};
use super::channel::Channel;
use super::cookies::Cookies;
use super::crew::Crew;
use super::flights::{Flight, Flights};
use super::message::{Id, Message, member, read, whole_number};
use super::modern::Tools;
use super::out::Out;
use super::queue::{Notes, Push};
use super::session::Session;

/// The largest message to the client: the official readers of standard input fail above 10 MiB.
pub(super) const LARGEST_TO_CLIENT: usize = (10 << 20) - (64 << 10);

/// The largest message to the server.
pub(super) const LARGEST_TO_SERVER: usize = 16 << 20;

/// The state that all threads share.
pub(super) struct Bridge {
    pub access: Doorman,
    pub crew: Arc<Crew>,
    pub out: Out,
    pub flights: Flights,
    pub session: Session,
    pub cookies: Cookies,
    pub tools: Tools,
    pub notes: Notes,
    pub push: Push,
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
    pub(super) fn headers(&self, pass: &Admission) -> HeaderMap {
        let mut headers = pass.headers.clone();
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
            Delivery::Answer(id, _) if self.flights.answer(&id) => self.out.pass(bytes),
            Delivery::Batch(ids) => {
                let answered = ids.iter().filter(|id| self.flights.answer(id)).count();
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
        self.flights.all().is_empty() && self.notes.is_idle()
    }

    /// Ends a call, and gives its place to another one.
    pub(super) fn end(&self, flight: &Arc<Flight>) {
        self.flights.end(flight);
        self.free(flight);
    }

    /// Gives the place of a call to another one, if the call has a place.
    pub(super) fn free(&self, flight: &Flight) {
        if flight.take_place() {
            self.crew.give_back();
        }
    }
}
