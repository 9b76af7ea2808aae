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
use super::queue::QueuedNotification;
use super::session::ClientMessage;

/// Sends the client's messages on their way.
pub(super) struct Dispatcher {
    bridge: Arc<Bridge>,
    handshake: Mutex<Handshake>,
}

/// The handshake, during which messages are held back.
#[derive(Default)]
struct Handshake {
    under_way: bool,
    held: VecDeque<ClientMessage>,
}

/// A message that needs an answer.
struct CallToAnswer {
    ids: Vec<Id>,
    /// The method; empty for a batch.
    method: String,
    modern: bool,
}

/// The kind of a client's message.
enum MessageKind {
    /// A request that begins a session.
    Initialize(CallToAnswer),
    /// The notification that ends the handshake.
    Initialized,
    /// A request, or a batch with requests.
    Requests(CallToAnswer),
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
struct EndsHandshake<'a>(&'a Arc<Dispatcher>);

impl Drop for EndsHandshake<'_> {
    fn drop(&mut self) {
        self.0.end_handshake();
    }
}

impl Dispatcher {
    pub(super) fn new(bridge: Arc<Bridge>) -> Arc<Self> {
        Arc::new(Self { bridge, handshake: Mutex::default() })
    }

    /// Receives messages until the end of the input.
    pub(super) fn serve(self: &Arc<Self>, input: impl Read) -> io::Result<()> {
        let mut lines = Input::new(input, LARGEST_TO_SERVER);
        loop {
            match lines.next()? {
                InputLine::Message(message) => self.receive(Arc::new(message)),
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
        let handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner);
        !handshake.under_way && handshake.held.is_empty()
    }

    fn receive(self: &Arc<Self>, message: ClientMessage) {
        let mut handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner);
        if handshake.under_way && !matches!(read(&message), Ok(Message::Answer(_))) {
            handshake.held.push_back(message);
        } else {
            self.dispatch(&mut handshake, message);
        }
    }

    /// Sends the held messages on, up to the next one that begins a handshake.
    fn end_handshake(self: &Arc<Self>) {
        let mut handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner);
        handshake.under_way = false;
        while !handshake.under_way
            && let Some(message) = handshake.held.pop_front()
        {
            self.dispatch(&mut handshake, message);
        }
    }

    /// Sends a message on its way.
    fn dispatch(self: &Arc<Self>, handshake: &mut Handshake, message: ClientMessage) {
        let bridge = &self.bridge;
        match self.classify(&message) {
            MessageKind::Initialize(asked) => {
                handshake.under_way = true;
                self.call(message, asked, true);
            }
            MessageKind::Initialized => {
                handshake.under_way = true;
                bridge.session.remember(|replay| replay.initialized = Some(Arc::clone(&message)));
                let dispatcher = Arc::clone(self);
                bridge.workers.run(Box::new(move |connection| {
                    let handshake_end = EndsHandshake(&dispatcher);
                    let accepted = dispatcher.bridge.send_notification(connection, &message);
                    drop(handshake_end);
                    if accepted {
                        dispatcher.bridge.listen();
                    }
                }));
            }
            MessageKind::Requests(asked) => self.call(message, asked, false),
            MessageKind::Notification(cancelled) => self.notify(message, cancelled.as_ref()),
            MessageKind::Answer => bridge.reply(message),
            MessageKind::NoBatches => {
                let why = "an array of messages: only revision 2025-03-26 has them";
                bridge.out.error(None, INVALID_REQUEST, why);
            }
            MessageKind::Wrong(code, id) => {
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
    fn call(self: &Arc<Self>, message: ClientMessage, asked: CallToAnswer, begins_session: bool) {
        let CallToAnswer { ids, method, modern } = asked;
        // A standing stream needs no place, in which it would block other requests.
        let placed = method != "subscriptions/listen";
        let call = self.bridge.pending.begin(ids, method, modern, placed);
        let (dispatcher, own) = (Arc::clone(self), Arc::clone(&call));
        let job = Box::new(move |connection: &super::http::Connection| {
            let _handshake = begins_session.then(|| EndsHandshake(&dispatcher));
            dispatcher.bridge.call(connection, &own, &message);
        });
        if !placed {
            self.bridge.workers.run(job);
        } else if self.bridge.workers.queue(job).is_err() {
            call.take_place();
            self.bridge.fail(&call, "too many requests wait for an answer");
            self.bridge.end(&call);
        }
    }

    fn notify(&self, message: ClientMessage, cancelled: Option<&Id>) {
        let call = cancelled.and_then(|id| self.bridge.pending.cancel(id));
        if let Some(channel) = &self.bridge.channel {
            channel.wake();
        }
        let cancels = match call {
            // Closing the stream is the cancellation; the server expects no message.
            Some((call, _)) if call.modern => return call.cut(),
            // The request was not sent, and never will be.
            Some((_, None)) => return,
            Some((call, Some(control))) => Some((call, control)),
            None => None,
        };
        self.bridge.queue_notification(QueuedNotification { message, cancels });
    }

    fn classify(&self, message: &ClientMessage) -> MessageKind {
        match read(message) {
            Ok(Message::Request(request)) => {
                let modern = version(request.params).is_some();
                if !modern {
                    self.bridge.remember(&request, message);
                }
                let Request { id, method, .. } = request;
                let asked = CallToAnswer { ids: vec![id], method: method.into_owned(), modern };
                if !modern && asked.method == "initialize" {
                    MessageKind::Initialize(asked)
                } else {
                    MessageKind::Requests(asked)
                }
            }
            Ok(Message::Notification(notification)) if notification.method == "notifications/initialized" => {
                MessageKind::Initialized
            }
            Ok(Message::Notification(notification)) => MessageKind::Notification(cancelled_by(&notification)),
            Ok(Message::Answer(_)) => MessageKind::Answer,
            Ok(Message::Batch(_)) if !self.bridge.session.has_batches() => MessageKind::NoBatches,
            Ok(Message::Batch(parts)) => {
                let ids: Vec<Id> = parts.into_iter().filter_map(id_of).collect();
                // A batch without a request gets no answer but its acceptance.
                if ids.is_empty() {
                    MessageKind::Answer
                } else {
                    MessageKind::Requests(CallToAnswer { ids, method: String::new(), modern: false })
                }
            }
            Err(NotAMessage::Syntax) => MessageKind::Wrong(PARSE_ERROR, None),
            Err(NotAMessage::Invalid(id)) => MessageKind::Wrong(INVALID_REQUEST, id),
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
