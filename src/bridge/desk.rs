//! Receives the client's messages and sends each on its way, in the order of their arrival.
//!
//! The thread that reads never waits for the server. Messages during the handshake are held back: no message may leave
//! before the server has accepted the one before.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::context::{Bridge, LARGEST_TO_SERVER};
use super::lines::{Input, InputLine};
use super::message::{Id, Message, NotAMessage, Notification, Request, member, read};
use super::modern::version;
use super::out::{INVALID_REQUEST, PARSE_ERROR};
use super::queue::Note;
use super::session::Text;

/// Sends the client's messages on their way.
pub(super) struct Desk {
    bridge: Arc<Bridge>,
    gate: Mutex<Handshake>,
}

/// The handshake, during which messages are held back.
#[derive(Default)]
struct Handshake {
    closed: bool,
    held: VecDeque<Text>,
}

/// A message that needs an answer.
struct Wanted {
    ids: Vec<Id>,
    /// The method; empty for a batch.
    method: String,
    modern: bool,
}

/// The kind of a client's message.
enum Errand {
    /// A request that begins a session.
    Initialize(Wanted),
    /// The notification that ends the handshake.
    Initialized,
    /// A request, or a batch with requests.
    Requests(Wanted),
    /// Another notification; the request that it cancels.
    Notification(Option<Id>),
    /// An answer to the server, or several.
    Answer,
    /// A batch, which the negotiated version does not have.
    NoBatches,
    /// No message; the error code, and the id if there is one.
    Wrong(i64, Option<Id>),
}

/// Ends a handshake, also after a panic, because all other messages wait for the end.
struct Opens<'a>(&'a Arc<Desk>);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Desk {
    pub(super) fn new(bridge: Arc<Bridge>) -> Arc<Self> {
        Arc::new(Self { bridge, gate: Mutex::default() })
    }

    /// Receives messages until the end of the input.
    pub(super) fn serve(self: &Arc<Self>, input: impl Read) -> io::Result<()> {
        let mut lines = Input::new(input, LARGEST_TO_SERVER);
        loop {
            match lines.next()? {
                InputLine::Message(message) => self.arrived(Arc::new(message)),
                InputLine::TooLong => {
                    self.bridge.out.error(
                        None,
                        INVALID_REQUEST,
                        "a message of more than 16 MiB is not passed on",
                    );
                }
                InputLine::End => return Ok(()),
            }
        }
    }

    /// Whether no message is held back.
    pub(super) fn is_idle(&self) -> bool {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        !gate.closed && gate.held.is_empty()
    }

    fn arrived(self: &Arc<Self>, message: Text) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.closed && !matches!(read(&message), Ok(Message::Answer(_))) {
            gate.held.push_back(message);
        } else {
            self.go(&mut gate, message);
        }
    }

    /// Sends the held messages on, up to the next one that begins a handshake.
    fn open(self: &Arc<Self>) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.closed = false;
        while !gate.closed
            && let Some(message) = gate.held.pop_front()
        {
            self.go(&mut gate, message);
        }
    }

    /// Sends a message on its way.
    fn go(self: &Arc<Self>, gate: &mut Handshake, message: Text) {
        let bridge = &self.bridge;
        match self.kind(&message) {
            Errand::Initialize(asked) => {
                gate.closed = true;
                self.call(message, asked, true);
            }
            Errand::Initialized => {
                gate.closed = true;
                bridge.session.remember(|replay| replay.initialized = Some(Arc::clone(&message)));
                let desk = Arc::clone(self);
                bridge.crew.run(Box::new(move |wire| {
                    let opens = Opens(&desk);
                    let told = desk.bridge.say(wire, &message);
                    drop(opens);
                    if told {
                        desk.bridge.listen();
                    }
                }));
            }
            Errand::Requests(asked) => self.call(message, asked, false),
            Errand::Notification(cancelled) => self.notify(message, cancelled.as_ref()),
            Errand::Answer => bridge.reply(message),
            Errand::NoBatches => {
                let why = "an array of messages: only revision 2025-03-26 has them";
                bridge.out.error(None, INVALID_REQUEST, why);
            }
            Errand::Wrong(code, id) => {
                let why = if code == PARSE_ERROR {
                    "this line is not JSON"
                } else {
                    "this line is no JSON-RPC message"
                };
                bridge.out.error(id.as_ref(), code, why);
            }
        }
    }

    /// Has a request carried out. With `gated` the end of the call ends the handshake.
    fn call(self: &Arc<Self>, message: Text, asked: Wanted, gated: bool) {
        let Wanted { ids, method, modern } = asked;
        // A standing stream needs no place, in which it would block other requests.
        let placed = method != "subscriptions/listen";
        let flight = self.bridge.flights.begin(ids, method, modern, placed);
        let (desk, own) = (Arc::clone(self), Arc::clone(&flight));
        let job = Box::new(move |wire: &super::http::Wire| {
            let _opens = gated.then(|| Opens(&desk));
            desk.bridge.call(wire, &own, &message);
        });
        if !placed {
            self.bridge.crew.run(job);
        } else if self.bridge.crew.queue(job).is_err() {
            flight.take_place();
            self.bridge.fail(&flight, "too many requests wait for an answer");
            self.bridge.end(&flight);
        }
    }

    fn notify(&self, message: Text, cancelled: Option<&Id>) {
        let flight = cancelled.and_then(|id| self.bridge.flights.cancel(id));
        if let Some(channel) = &self.bridge.channel {
            channel.wake();
        }
        match flight {
            // Closing the stream is the cancellation; the server expects no message.
            Some((flight, _)) if flight.modern => flight.cut(),
            Some((flight, Some(line))) => self.bridge.note(Note { message, cancels: Some((flight, line)) }),
            // The request was not sent, and never will be.
            Some((_, None)) => {}
            None => self.bridge.note(Note { message, cancels: None }),
        }
    }

    fn kind(&self, message: &Text) -> Errand {
        match read(message) {
            Ok(Message::Request(request)) => {
                let modern = version(request.params).is_some();
                if !modern {
                    self.bridge.remember(&request, message);
                }
                let Request { id, method, .. } = request;
                let asked = Wanted { ids: vec![id], method: method.into_owned(), modern };
                if !modern && asked.method == "initialize" {
                    Errand::Initialize(asked)
                } else {
                    Errand::Requests(asked)
                }
            }
            Ok(Message::Notification(notification)) if notification.method == "notifications/initialized" => {
                Errand::Initialized
            }
            Ok(Message::Notification(notification)) => Errand::Notification(cancelled_by(&notification)),
            Ok(Message::Answer(_)) => Errand::Answer,
            Ok(Message::Batch(_)) if !self.bridge.session.has_batches() => Errand::NoBatches,
            Ok(Message::Batch(parts)) => {
                let ids: Vec<Id> = parts.into_iter().filter_map(id_of).collect();
                // A batch without a request gets no answer but its acceptance.
                if ids.is_empty() {
                    Errand::Answer
                } else {
                    Errand::Requests(Wanted { ids, method: String::new(), modern: false })
                }
            }
            Err(NotAMessage::Syntax) => Errand::Wrong(PARSE_ERROR, None),
            Err(NotAMessage::Invalid(id)) => Errand::Wrong(INVALID_REQUEST, id),
        }
    }
}

fn id_of(message: Message<'_>) -> Option<Id> {
    if let Message::Request(request) = message { Some(request.id) } else { None }
}

/// The request that a notification cancels.
fn cancelled_by(notification: &Notification<'_>) -> Option<Id> {
    let cancels = notification.method == "notifications/cancelled";
    let id = member(notification.params.filter(|_| cancels)?, "requestId")?;
    Some(Id::new(id.get()))
}
