//! A request of the client, from its turn to its answer.
//!
//! A request that was never sent is tried for a while. A request that the server refused before doing anything is
//! repeated once, when the reason is gone. No other request is ever repeated.

use std::sync::Arc;
use std::time::Instant;

use super::access::RequestTarget;
use super::context::Bridge;
use super::http::{Connection, Unanswered};
use super::message::{Id, Message, Request, member, read};
use super::modern::version;
use super::out::NO_ANSWER;
use super::pending::PendingCall;
use super::post::{Outgoing, Posted, Requester, sleep_unless_cancelled, with_connection};
use super::session::SessionHeaders;
use super::verdict::{TRY_FOR, pause};

/// The largest number of pages of a list of tools that are read.
const PAGES: usize = 100;

/// The reason for a repeat. Each occurs once at most.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// There is another token.
    Token,
    /// There is another session.
    Session,
    /// The server named a later time.
    Later,
    /// The list of tools was read again.
    List,
}

/// The repeats that were made.
#[derive(Default)]
struct Repeats(Vec<Repeat>);

impl Repeats {
    /// Records a repeat; `false` for a second one with the same reason.
    fn first(&mut self, repeat: Repeat) -> bool {
        let first = !self.0.contains(&repeat);
        self.0.push(repeat);
        first
    }
}

/// Ends a call in any case.
struct EndsCall<'a> {
    bridge: &'a Bridge,
    call: &'a Arc<PendingCall>,
}

impl Drop for EndsCall<'_> {
    fn drop(&mut self) {
        self.bridge.fail(self.call, "an internal error stopped this request; please report it");
        self.bridge.end(self.call);
    }
}

impl Bridge {
    /// Carries out a request of the client, and answers it in any case.
    pub(super) fn call(&self, connection: &Connection, call: &Arc<PendingCall>, message: &[u8]) {
        // Also after a panic, because the client waits for an answer, and other calls for the place.
        let _end = EndsCall { bridge: self, call };
        let outcome = with_connection(call, connection, || {
            self.attempts(connection, &mut Requester::Client(call), None, message)
        });
        if let Err(why) = outcome {
            self.fail(call, &why);
        }
    }

    /// Answers the open requests of a call with an error.
    pub(super) fn fail(&self, call: &PendingCall, why: &str) {
        for id in call.open() {
            if call.answer(&id) && !call.is_cancelled() {
                log::warn!(target: "BRIDGE", "{} {}: {why}", call.method.escape_debug(), id.as_json().escape_debug());
                self.out.error(Some(&id), NO_ANSWER, why);
            }
        }
    }

    /// Sends a message until it is answered or has failed for good. `other` is a session that is not the present one.
    pub(super) fn attempts(
        &self,
        connection: &Connection,
        requester: &mut Requester<'_>,
        other: Option<&SessionHeaders>,
        message: &[u8],
    ) -> Result<(), String> {
        let begun = Instant::now();
        let (mut repeats, mut tries) = (Repeats::default(), 0);
        loop {
            if matches!(requester, Requester::Client(call) if call.is_cancelled()) {
                return Ok(());
            }
            let target = self.access.current()?;
            let session = other.cloned().unwrap_or_else(|| self.session_for(requester));
            let outgoing = self.outgoing(&target, &session, message, requester.is_modern());
            match self.post(connection, outgoing, requester) {
                Posted::Answered => return Ok(()),
                Posted::Unsent(Unanswered { passing, why, .. }) => {
                    if !passing || begun.elapsed() > TRY_FOR {
                        return Err(format!("cannot reach {}: {why}; nothing was sent", target.shown));
                    }
                    sleep_unless_cancelled(pause(tries), requester);
                    tries += 1;
                }
                Posted::TokenRefused => {
                    let other =
                        if repeats.first(Repeat::Token) { self.access.other_than(&target) } else { None };
                    if other.is_none() {
                        return Err(format!(
                            "{} refuses the token: {}",
                            target.shown,
                            self.access.remedy(&target)
                        ));
                    }
                }
                Posted::SessionLost if repeats.first(Repeat::Session) => self.renew(connection, &session)?,
                Posted::SessionLost => return Err(format!("{} forgets every session", target.shown)),
                Posted::Later(pause) if repeats.first(Repeat::Later) => {
                    sleep_unless_cancelled(pause, requester);
                }
                Posted::Later(_) => {
                    return Err("the server answered HTTP 429: it is asked too often".to_owned());
                }
                Posted::HeaderMismatch(answer) => {
                    if repeats.first(Repeat::List) && self.list_tools(connection, &target, message) {
                        continue;
                    }
                    self.deliver(answer);
                    return Ok(());
                }
                Posted::Failed(why) => return Err(why),
            }
        }
    }

    fn session_for(&self, requester: &Requester<'_>) -> SessionHeaders {
        match requester {
            // The messages of the new era name everything themselves, and the handshake begins a session.
            Requester::Client(call) if call.modern || call.method == "initialize" => {
                SessionHeaders::default()
            }
            _ => self.session.headers(),
        }
    }

    /// A message with its headers. A message of the old era is not parsed again, since it may be large.
    fn outgoing<'a>(
        &self,
        target: &'a RequestTarget,
        session: &'a SessionHeaders,
        message: &'a [u8],
        modern: bool,
    ) -> Outgoing<'a> {
        let mut headers = self.headers(target);
        session.add_to(&mut headers);
        if modern
            && let Ok(Message::Request(request)) = read(message)
            && let Some(version) = version(request.params)
        {
            self.tools.add_to(&mut headers, &version, &request);
        }
        Outgoing { target, session, headers, message }
    }

    /// Reads the lists of tools again for a call whose headers did not fit. `false` after an error, or where the
    /// request is no call.
    fn list_tools(&self, connection: &Connection, target: &RequestTarget, call: &[u8]) -> bool {
        let Ok(Message::Request(Request { method, params: Some(params), .. })) = read(call) else {
            return false;
        };
        let Some(meta) = member(params, "_meta").filter(|_| method == "tools/call") else { return false };
        let mut cursor = None;
        for page in 0..PAGES {
            let cursor_member =
                cursor.as_ref().map(|cursor| format!(r#","cursor":{cursor}"#)).unwrap_or_default();
            let (id, meta) = (format!(r#""token-refresher-{page}""#), meta.get());
            let list = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"_meta":{meta}{cursor_member}}}}}"#
            );
            let id = Id::new(&id);
            let mut requester = Requester::Own { id: &id, answer: None };
            let outgoing = self.outgoing(target, &NO_SESSION, list.as_bytes(), true);
            let ended = self.post(connection, outgoing, &mut requester);
            let (Posted::Answered, Requester::Own { answer: Some((answer, _)), .. }) = (ended, requester)
            else {
                return false;
            };
            self.tools.learn(&answer);
            let Ok(Message::Answer(answer)) = read(&answer) else { return false };
            let Some(result) = answer.result else { return false };
            match member(result, "nextCursor").filter(|next| next.get() != "null") {
                Some(next) => cursor = Some(next.get().to_owned()),
                None => return true,
            }
        }
        false
    }
}

/// The session of a request of the new era: none.
static NO_SESSION: SessionHeaders = SessionHeaders { number: 0, id: None, version: None };
