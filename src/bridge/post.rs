//! One POST of a message that needs an answer: the message is sent once, and the answers are delivered.
//!
//! A stream that ends early is resumed if the server numbers its events; otherwise the request has failed.

use std::time::{Duration, Instant};

use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::access::Admission;
use super::context::{Bridge, Delivery, LARGEST_TO_CLIENT, ServerMessage};
use super::events::{Events, ServerEvent};
use super::flights::Flight;
use super::http::{Broken, Incoming, Unanswered, Wire, document};
use super::message::{Id, Message, RpcAnswer, read};
use super::modern::HEADER_MISMATCH;
use super::session::Carried;
use super::stream::{Followed, follow};
use super::verdict::{BodyKind, HttpAnswer, Judgement, Says, TRY_FOR, kind, reopening, verdict};

/// How much is read of a body that is no message.
const GLANCE: usize = 64 << 10;

/// `Last-Event-ID`
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parts of a request.
pub(super) struct Outgoing<'a> {
    pub pass: &'a Admission,
    pub carried: &'a Carried,
    pub headers: HeaderMap,
    pub message: &'a [u8],
}

/// The side that waits for the answer.
pub(super) enum Asker<'a> {
    /// The client.
    Client(&'a Flight),
    /// The bridge itself.
    Own {
        /// The id of the request.
        id: &'a Id,
        /// The answer, and the header that came with it.
        answer: Option<(Vec<u8>, HeaderMap)>,
    },
}

/// The result of a POST.
pub(super) enum Posted {
    /// Every request has an answer, or the client has cancelled the call.
    Answered,
    /// Nothing was sent.
    Unsent(Unanswered),
    /// The server refuses the token.
    TokenRefused,
    /// The server does not know the session any more.
    SessionLost,
    /// The server did nothing, and wants the request again after this time.
    Later(Duration),
    /// The headers do not fit the message, according to this answer.
    HeaderMismatch(ServerMessage),
    /// There will be no answer, for this reason.
    Failed(String),
}

impl Asker<'_> {
    fn waits_for(&self, id: &Id) -> bool {
        match self {
            Self::Client(flight) => flight.waits_for(id),
            Self::Own { id: own, .. } => *own == id,
        }
    }

    fn is_answered(&self) -> bool {
        match self {
            Self::Client(flight) => flight.is_answered(),
            Self::Own { answer, .. } => answer.is_some(),
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Client(flight) if flight.is_cancelled())
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self, Self::Client(flight) if flight.modern)
    }
}

impl Bridge {
    /// Sends a message and delivers the answers.
    pub(super) fn post(&self, wire: &Wire, outgoing: Outgoing<'_>, asker: &mut Asker<'_>) -> Posted {
        if let Some(channel) = &self.channel {
            return self.post_on_channel(wire, channel, outgoing, asker);
        }
        let Outgoing { pass, carried, headers, message } = outgoing;
        let mut incoming = match wire.send(Method::POST, &pass.url, headers, Some(message)) {
            Ok(incoming) => incoming,
            Err(unanswered) if !unanswered.sent => return Posted::Unsent(unanswered),
            Err(_) if asker.is_cancelled() => return Posted::Answered,
            Err(unanswered) => return Posted::Failed(lost(&unanswered.why)),
        };
        self.cookies.take(&incoming.headers);
        let kind = kind(incoming.header("content-type"));
        if (200..300).contains(&incoming.status) && kind == BodyKind::Events {
            return self.stream(wire, incoming, carried, asker);
        }
        let limit = if kind == BodyKind::Json { LARGEST_TO_CLIENT } else { GLANCE };
        match document(wire, &mut incoming, limit) {
            Ok(body) => self.judge(&incoming, kind, body, carried, asker),
            Err(_) if asker.is_cancelled() => Posted::Answered,
            // A body that is no message need not be whole.
            Err(Broken { begun, .. }) if kind != BodyKind::Json => {
                self.judge(&incoming, kind, begun, carried, asker)
            }
            Err(broken) => Posted::Failed(lost(&broken.why)),
        }
    }

    /// Judges an answer that is one document.
    fn judge(
        &self,
        incoming: &Incoming,
        kind: BodyKind,
        body: Vec<u8>,
        carried: &Carried,
        asker: &mut Asker<'_>,
    ) -> Posted {
        let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned();
        let body = ServerMessage::new(body);
        let reply = HttpAnswer {
            status: incoming.status,
            kind,
            says: says(&body.delivery, incoming.status, asker),
            text: &text,
            session: carried.id.is_some(),
            challenge: incoming.header("www-authenticate"),
            retry_after: incoming.header("retry-after"),
        };
        match verdict(&reply) {
            Judgement::Pass => match self.take(body, &incoming.headers, asker) {
                Some(mismatch) => Posted::HeaderMismatch(mismatch),
                None if asker.is_answered() => Posted::Answered,
                None => Posted::Failed("the server did not answer all requests of a batch".to_owned()),
            },
            Judgement::PassWithId => match with_id(&body.bytes, asker) {
                Some(body) => match self.take(ServerMessage::new(body), &incoming.headers, asker) {
                    Some(mismatch) => Posted::HeaderMismatch(mismatch),
                    None => Posted::Answered,
                },
                None => Posted::Failed(format!("the server answered HTTP {} with an error", incoming.status)),
            },
            Judgement::TokenRefused => Posted::TokenRefused,
            Judgement::SessionLost => Posted::SessionLost,
            Judgement::Later(pause) => Posted::Later(pause),
            Judgement::LacksScope(scope) => Posted::Failed(format!(
                "the server answered HTTP 403: the token lacks the scope {scope}{}",
                self.access.with_scope(&scope)
            )),
            Judgement::Failed(why) => Posted::Failed(why),
        }
    }

    /// Delivers the events of a stream up to the answer, and those behind it.
    fn stream(&self, wire: &Wire, incoming: Incoming, carried: &Carried, asker: &mut Asker<'_>) -> Posted {
        let mut events = Events::new(LARGEST_TO_CLIENT);
        let mut incoming = incoming;
        loop {
            let over = match self.pump(wire, &mut incoming, &mut events, asker) {
                Followed::Left(posted) => return posted,
                Followed::Over { why, .. } => why,
            };
            if asker.is_answered() || asker.is_cancelled() {
                return Posted::Answered;
            }
            if asker.is_modern() || events.last_id().is_none() {
                return Posted::Failed(lost(&over));
            }
            incoming = match self.resume(wire, &mut events, carried, asker) {
                Ok(incoming) => incoming,
                Err(_) if asker.is_cancelled() => return Posted::Answered,
                Err(why) => return Posted::Failed(lost(&why)),
            };
        }
    }

    /// Opens a stream again behind the last event.
    fn resume(
        &self,
        wire: &Wire,
        events: &mut Events,
        carried: &Carried,
        asker: &Asker<'_>,
    ) -> Result<Incoming, String> {
        let begun = Instant::now();
        let mut failures = 0;
        let mut refused = false;
        loop {
            rest(reopening(events.retry(), failures), asker);
            if asker.is_cancelled() {
                return Err(String::new());
            }
            let pass = self.access.current()?;
            let headers = self.listening(&pass, carried, events.last_id());
            let why = match wire.send(Method::GET, &pass.url, headers, None) {
                Ok(incoming)
                    if incoming.status == 200
                        && kind(incoming.header("content-type")) == BodyKind::Events =>
                {
                    events.restart();
                    return Ok(incoming);
                }
                Ok(incoming) if incoming.status == 401 && !refused => {
                    refused = true;
                    self.access.other_than(&pass).ok_or_else(|| self.access.remedy(&pass))?;
                    continue;
                }
                Ok(incoming) if incoming.status < 500 => {
                    return Err(format!("the stream cannot be resumed: HTTP {}", incoming.status));
                }
                Ok(incoming) => format!("HTTP {}", incoming.status),
                Err(unanswered) => unanswered.why,
            };
            failures += 1;
            if begun.elapsed() > TRY_FOR {
                return Err(format!("the stream cannot be resumed: {why}"));
            }
        }
    }

    /// The headers of a GET for a stream.
    pub(super) fn listening(&self, pass: &Admission, carried: &Carried, last_id: Option<&str>) -> HeaderMap {
        let mut headers = self.headers(pass);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.remove(CONTENT_TYPE);
        carried.add_to(&mut headers);
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        headers
    }

    /// Reads a stream to its end. Returns the result early if the request ends before.
    fn pump(
        &self,
        wire: &Wire,
        incoming: &mut Incoming,
        events: &mut Events,
        asker: &mut Asker<'_>,
    ) -> Followed<Posted> {
        let Incoming { headers, body, .. } = incoming;
        follow(body, events, |event| {
            let Ok(ServerEvent { data, .. }) = event else {
                return Some(Posted::Failed("the server sent a message of more than 10 MiB".to_owned()));
            };
            if let Some(mismatch) = self.take(ServerMessage::new(data), headers, asker) {
                return Some(Posted::HeaderMismatch(mismatch));
            }
            if asker.is_answered() {
                if let Asker::Client(flight) = asker {
                    self.free(flight);
                }
                // The stream should end now.
                wire.line.hurry();
            }
            None
        })
    }

    /// Delivers one message. Returns it if the server reports headers that do not fit.
    fn take(
        &self,
        message: ServerMessage,
        headers: &HeaderMap,
        asker: &mut Asker<'_>,
    ) -> Option<ServerMessage> {
        if asker.is_modern() && asker.is_cancelled() {
            return None;
        }
        match &message.delivery {
            Delivery::Answer(id, error) if asker.waits_for(id) => match asker {
                Asker::Own { answer, .. } => *answer = Some((message.bytes, headers.clone())),
                Asker::Client(flight) if flight.modern && *error == Some(HEADER_MISMATCH) => {
                    return Some(message);
                }
                Asker::Client(flight) => {
                    let id = id.clone();
                    self.answer(message.bytes, headers, flight, &id);
                }
            },
            _ => self.deliver(message),
        }
        None
    }

    /// Passes on the answer to one of the client's requests.
    fn answer(&self, mut message: Vec<u8>, headers: &HeaderMap, flight: &Flight, id: &Id) {
        if flight.method == "initialize"
            && let Ok(Message::Answer(RpcAnswer { result: Some(result), .. })) = read(&message)
        {
            self.session.established(headers, result);
        }
        if flight.modern
            && flight.method == "tools/list"
            && let Some((edited, why)) = self.tools.learn(&message)
        {
            for why in why {
                log::warn!(target: "BRIDGE", "{why}");
            }
            message = edited;
        }
        if flight.answer(id) {
            self.out.pass(message);
        }
    }
}

/// The error for a request that has left and will have no answer.
pub(super) fn lost(why: &str) -> String {
    format!("no answer came: {why}; the request may have been carried out or not")
}

/// The meaning of a document for the requester.
fn says(delivery: &Delivery, status: u16, asker: &Asker<'_>) -> Says {
    match delivery {
        Delivery::Answer(id, _) if asker.waits_for(id) => Says::Answer,
        Delivery::Batch(ids) if ids.iter().any(|id| asker.waits_for(id)) => Says::Answer,
        Delivery::Error => Says::Error,
        // Some servers put their own name of an error in the place of an id.
        Delivery::Answer(_, Some(_)) if status >= 400 => Says::Error,
        _ => Says::Nothing,
    }
}

/// The error with the id of the one request that waits for it.
fn with_id(body: &[u8], asker: &Asker<'_>) -> Option<Vec<u8>> {
    let Asker::Client(flight) = asker else { return None };
    let [id] = &flight.open()[..] else { return None };
    let text = std::str::from_utf8(body).ok()?;
    Some(crate::json::with_member(text, "id", id.as_json()).ok()?.as_bytes().to_vec())
}

/// Sleeps, unless the client has cancelled the call.
pub(super) fn rest(pause: Duration, asker: &Asker<'_>) {
    let until = Instant::now() + pause;
    while !asker.is_cancelled() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // In pieces, so that a cancelled call keeps its place for a twentieth of a second at most.
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// Uses a connection for a call, and no longer. Does nothing for a call that was cancelled before.
pub(super) fn using(
    flight: &Flight,
    wire: &Wire,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    if !flight.begins_on(&wire.line) {
        return Ok(());
    }
    let outcome = work();
    flight.leaves_line();
    outcome
}
