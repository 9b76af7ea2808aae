//! One POST of a message that needs an answer: the message is sent once, and the answers are delivered.
//!
//! A stream that ends early is resumed if the server numbers its events; otherwise the request has failed.

use std::time::{Duration, Instant};

use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::access::RequestTarget;
use super::context::{Bridge, Delivery, LARGEST_TO_CLIENT, ServerMessage};
use super::events::{Events, ServerEvent};
use super::http::{Broken, Connection, Incoming, Unanswered, document};
use super::message::{Id, Message, RpcAnswer, read};
use super::modern::HEADER_MISMATCH;
use super::pending::PendingCall;
use super::session::SessionHeaders;
use super::stream::{Followed, follow};
use super::verdict::{BodyKind, BodyMeaning, HttpAnswer, Judgement, TRY_FOR, kind, reopening, verdict};

/// How much is read of a body that is no message.
const NO_MESSAGE_LIMIT: usize = 64 << 10;

/// `Last-Event-ID`
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parts of a request.
pub(super) struct Outgoing<'a> {
    pub target: &'a RequestTarget,
    pub session: &'a SessionHeaders,
    pub headers: HeaderMap,
    pub message: &'a [u8],
}

/// The side that waits for the answer.
pub(super) enum Requester<'a> {
    /// The client.
    Client(&'a PendingCall),
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

impl Requester<'_> {
    fn waits_for(&self, id: &Id) -> bool {
        match self {
            Self::Client(call) => call.waits_for(id),
            Self::Own { id: own, .. } => *own == id,
        }
    }

    fn is_answered(&self) -> bool {
        match self {
            Self::Client(call) => call.is_answered(),
            Self::Own { answer, .. } => answer.is_some(),
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Client(call) if call.is_cancelled())
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self, Self::Client(call) if call.modern)
    }
}

impl Bridge {
    /// Sends a message and delivers the answers.
    pub(super) fn post(
        &self,
        connection: &Connection,
        outgoing: Outgoing<'_>,
        requester: &mut Requester<'_>,
    ) -> Posted {
        if let Some(channel) = &self.channel {
            return self.post_on_channel(connection, channel, outgoing, requester);
        }
        let Outgoing { target, session, headers, message } = outgoing;
        let mut incoming = match connection.send(Method::POST, &target.url, headers, Some(message)) {
            Ok(incoming) => incoming,
            Err(unanswered) if !unanswered.sent => return Posted::Unsent(unanswered),
            Err(_) if requester.is_cancelled() => return Posted::Answered,
            Err(unanswered) => return Posted::Failed(lost_answer(&unanswered.why)),
        };
        self.cookies.take(&incoming.headers);
        let kind = kind(incoming.header("content-type"));
        if (200..300).contains(&incoming.status) && kind == BodyKind::Events {
            return self.stream(connection, incoming, session, requester);
        }
        let limit = if kind == BodyKind::Json { LARGEST_TO_CLIENT } else { NO_MESSAGE_LIMIT };
        match document(connection, &mut incoming, limit) {
            Ok(body) => self.judge(&incoming, kind, body, session, requester),
            Err(_) if requester.is_cancelled() => Posted::Answered,
            // A body that is no message need not be whole.
            Err(Broken { begun, .. }) if kind != BodyKind::Json => {
                self.judge(&incoming, kind, begun, session, requester)
            }
            Err(broken) => Posted::Failed(lost_answer(&broken.why)),
        }
    }

    /// Judges an answer that is one document.
    fn judge(
        &self,
        incoming: &Incoming,
        kind: BodyKind,
        body: Vec<u8>,
        session: &SessionHeaders,
        requester: &mut Requester<'_>,
    ) -> Posted {
        let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned();
        let body = ServerMessage::new(body);
        let reply = HttpAnswer {
            status: incoming.status,
            kind,
            meaning: meaning(&body.delivery, incoming.status, requester),
            text: &text,
            session: session.id.is_some(),
            challenge: incoming.header("www-authenticate"),
            retry_after: incoming.header("retry-after"),
        };
        match verdict(&reply) {
            Judgement::Pass => match self.take(body, &incoming.headers, requester) {
                Some(mismatch) => Posted::HeaderMismatch(mismatch),
                None if requester.is_answered() => Posted::Answered,
                None => Posted::Failed("the server did not answer all requests of a batch".to_owned()),
            },
            Judgement::PassWithId => match with_id(&body.bytes, requester) {
                Some(body) => match self.take(ServerMessage::new(body), &incoming.headers, requester) {
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
    fn stream(
        &self,
        connection: &Connection,
        incoming: Incoming,
        session: &SessionHeaders,
        requester: &mut Requester<'_>,
    ) -> Posted {
        let mut events = Events::new(LARGEST_TO_CLIENT);
        let mut incoming = incoming;
        loop {
            let over = match self.pump(connection, &mut incoming, &mut events, requester) {
                Followed::Left(posted) => return posted,
                Followed::Over { why, .. } => why,
            };
            if requester.is_answered() || requester.is_cancelled() {
                return Posted::Answered;
            }
            if requester.is_modern() || events.last_id().is_none() {
                return Posted::Failed(lost_answer(&over));
            }
            incoming = match self.resume(connection, &mut events, session, requester) {
                Ok(incoming) => incoming,
                Err(_) if requester.is_cancelled() => return Posted::Answered,
                Err(why) => return Posted::Failed(lost_answer(&why)),
            };
        }
    }

    /// Opens a stream again behind the last event.
    fn resume(
        &self,
        connection: &Connection,
        events: &mut Events,
        session: &SessionHeaders,
        requester: &Requester<'_>,
    ) -> Result<Incoming, String> {
        let begun = Instant::now();
        let mut failures = 0;
        let mut refused = false;
        loop {
            sleep_unless_cancelled(reopening(events.retry(), failures), requester);
            if requester.is_cancelled() {
                return Err(String::new());
            }
            let target = self.access.current()?;
            let headers = self.listening(&target, session, events.last_id());
            let why = match connection.send(Method::GET, &target.url, headers, None) {
                Ok(incoming)
                    if incoming.status == 200
                        && kind(incoming.header("content-type")) == BodyKind::Events =>
                {
                    events.restart();
                    return Ok(incoming);
                }
                Ok(incoming) if incoming.status == 401 && !refused => {
                    refused = true;
                    self.access.other_than(&target).ok_or_else(|| self.access.remedy(&target))?;
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
    pub(super) fn listening(
        &self,
        target: &RequestTarget,
        session: &SessionHeaders,
        last_id: Option<&str>,
    ) -> HeaderMap {
        let mut headers = self.headers(target);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.remove(CONTENT_TYPE);
        session.add_to(&mut headers);
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        headers
    }

    /// Reads a stream to its end. Returns the result early if the request ends before.
    fn pump(
        &self,
        connection: &Connection,
        incoming: &mut Incoming,
        events: &mut Events,
        requester: &mut Requester<'_>,
    ) -> Followed<Posted> {
        let Incoming { headers, body, .. } = incoming;
        follow(body, events, |event| {
            let Ok(ServerEvent { data, .. }) = event else {
                return Some(Posted::Failed("the server sent a message of more than 10 MiB".to_owned()));
            };
            if let Some(mismatch) = self.take(ServerMessage::new(data), headers, requester) {
                return Some(Posted::HeaderMismatch(mismatch));
            }
            if requester.is_answered() {
                if let Requester::Client(call) = requester {
                    self.free(call);
                }
                // The stream should end now.
                connection.control.limit_silence();
            }
            None
        })
    }

    /// Delivers one message. Returns it if the server reports headers that do not fit.
    fn take(
        &self,
        message: ServerMessage,
        headers: &HeaderMap,
        requester: &mut Requester<'_>,
    ) -> Option<ServerMessage> {
        if requester.is_modern() && requester.is_cancelled() {
            return None;
        }
        match &message.delivery {
            Delivery::Answer(id, error) if requester.waits_for(id) => match requester {
                Requester::Own { answer, .. } => *answer = Some((message.bytes, headers.clone())),
                Requester::Client(call) if call.modern && *error == Some(HEADER_MISMATCH) => {
                    return Some(message);
                }
                Requester::Client(call) => {
                    let id = id.clone();
                    self.answer(message.bytes, headers, call, &id);
                }
            },
            _ => self.deliver(message),
        }
        None
    }

    /// Passes on the answer to one of the client's requests.
    fn answer(&self, mut message: Vec<u8>, headers: &HeaderMap, call: &PendingCall, id: &Id) {
        if call.method == "initialize"
            && let Ok(Message::Answer(RpcAnswer { result: Some(result), .. })) = read(&message)
        {
            self.session.established(headers, result);
        }
        if call.modern
            && call.method == "tools/list"
            && let Some((edited, why)) = self.tools.learn(&message)
        {
            for why in why {
                log::warn!(target: "BRIDGE", "{why}");
            }
            message = edited;
        }
        if call.answer(id) {
            self.out.pass(message);
        }
    }
}

/// The error for a request that has left and will have no answer.
pub(super) fn lost_answer(why: &str) -> String {
    format!("no answer came: {why}; the request may have been carried out or not")
}

/// The meaning of a document for the requester.
fn meaning(delivery: &Delivery, status: u16, requester: &Requester<'_>) -> BodyMeaning {
    match delivery {
        Delivery::Answer(id, _) if requester.waits_for(id) => BodyMeaning::Answer,
        Delivery::Batch(ids) if ids.iter().any(|id| requester.waits_for(id)) => BodyMeaning::Answer,
        Delivery::Error => BodyMeaning::Error,
        // Some servers put their own name of an error in the place of an id.
        Delivery::Answer(_, Some(_)) if status >= 400 => BodyMeaning::Error,
        _ => BodyMeaning::Nothing,
    }
}

/// The error with the id of the one request that waits for it.
fn with_id(body: &[u8], requester: &Requester<'_>) -> Option<Vec<u8>> {
    let Requester::Client(call) = requester else { return None };
    let [id] = &call.open()[..] else { return None };
    let text = std::str::from_utf8(body).ok()?;
    Some(crate::json::with_member(text, "id", id.as_json()).ok()?.as_bytes().to_vec())
}

/// Sleeps, unless the client has cancelled the call.
pub(super) fn sleep_unless_cancelled(pause: Duration, requester: &Requester<'_>) {
    let until = Instant::now() + pause;
    while !requester.is_cancelled() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // In pieces, so that a cancelled call keeps its place for a twentieth of a second at most.
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// Uses a connection for a call, and no longer. Does nothing for a call that was cancelled before.
pub(super) fn with_connection(
    call: &PendingCall,
    connection: &Connection,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    if !call.begins_on(&connection.control) {
        return Ok(());
    }
    let outcome = work();
    call.leaves_connection();
    outcome
}
