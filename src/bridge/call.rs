//! A request of the client, from its turn to its answer.
//!
//! A request that was never sent is tried for a while. A request that the server refused before doing anything is
//! repeated once, when the reason is gone. No other request is ever repeated.

use std::sync::Arc;
use std::time::Instant;

use super::access::Admission;
use super::context::Bridge;
use super::flights::Flight;
use super::http::{Unanswered, Wire};
use super::message::{Id, Message, Request, member, read};
use super::modern::version;
use super::out::NO_ANSWER;
use super::post::{Asker, Outgoing, Posted, rest, using};
use super::session::Carried;
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
struct Landing<'a> {
    bridge: &'a Bridge,
    flight: &'a Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.bridge.fail(self.flight, "an internal error stopped this request; please report it");
        self.bridge.end(self.flight);
    }
}

impl Bridge {
    /// Carries out a request of the client, and answers it in any case.
    pub(super) fn call(&self, wire: &Wire, flight: &Arc<Flight>, message: &[u8]) {
        // Also after a panic, because the client waits for an answer, and other calls for the place.
        let _landing = Landing { bridge: self, flight };
        let outcome = using(flight, wire, || self.attempts(wire, &mut Asker::Client(flight), None, message));
        if let Err(why) = outcome {
            self.fail(flight, &why);
        }
    }

    /// Answers the open requests of a call with an error.
    pub(super) fn fail(&self, flight: &Flight, why: &str) {
        for id in flight.open() {
            if flight.answer(&id) && !flight.is_cancelled() {
                log::warn!(target: "BRIDGE", "{} {}: {why}", flight.method.escape_debug(), id.as_json().escape_debug());
                self.out.error(Some(&id), NO_ANSWER, why);
            }
        }
    }

    /// Sends a message until it is answered or has failed for good. `other` is a session that is not the present one.
    pub(super) fn attempts(
        &self,
        wire: &Wire,
        asker: &mut Asker<'_>,
        other: Option<&Carried>,
        message: &[u8],
    ) -> Result<(), String> {
        let begun = Instant::now();
        let (mut repeats, mut tries) = (Repeats::default(), 0);
        loop {
            if matches!(asker, Asker::Client(flight) if flight.is_cancelled()) {
                return Ok(());
            }
            let pass = self.access.current()?;
            let carried = other.cloned().unwrap_or_else(|| self.carried_by(asker));
            let outgoing = self.outgoing(&pass, &carried, message, asker.is_modern());
            match self.post(wire, outgoing, asker) {
                Posted::Answered => return Ok(()),
                Posted::Unsent(Unanswered { passing, why, .. }) => {
                    if !passing || begun.elapsed() > TRY_FOR {
                        return Err(format!("cannot reach {}: {why}; nothing was sent", pass.shown));
                    }
                    rest(pause(tries), asker);
                    tries += 1;
                }
                Posted::TokenRefused => {
                    let other =
                        if repeats.first(Repeat::Token) { self.access.other_than(&pass) } else { None };
                    if other.is_none() {
                        return Err(format!(
                            "{} refuses the token: {}",
                            pass.shown,
                            self.access.remedy(&pass)
                        ));
                    }
                }
                Posted::SessionLost if repeats.first(Repeat::Session) => self.renew(wire, &carried)?,
                Posted::SessionLost => return Err(format!("{} forgets every session", pass.shown)),
                Posted::Later(pause) if repeats.first(Repeat::Later) => rest(pause, asker),
                Posted::Later(_) => {
                    return Err("the server answered HTTP 429: it is asked too often".to_owned());
                }
                Posted::HeaderMismatch(answer) => {
                    if repeats.first(Repeat::List) && self.list_tools(wire, &pass, message) {
                        continue;
                    }
                    self.deliver(answer);
                    return Ok(());
                }
                Posted::Failed(why) => return Err(why),
            }
        }
    }

    fn carried_by(&self, asker: &Asker<'_>) -> Carried {
        match asker {
            // The messages of the new era name everything themselves, and the handshake begins a session.
            Asker::Client(flight) if flight.modern || flight.method == "initialize" => Carried::default(),
            _ => self.session.carried(),
        }
    }

    /// A message with its headers. A message of the old era is not parsed again, since it may be large.
    fn outgoing<'a>(
        &self,
        pass: &'a Admission,
        carried: &'a Carried,
        message: &'a [u8],
        modern: bool,
    ) -> Outgoing<'a> {
        let mut headers = self.headers(pass);
        carried.add_to(&mut headers);
        if modern
            && let Ok(Message::Request(request)) = read(message)
            && let Some(version) = version(request.params)
        {
            self.tools.add_to(&mut headers, &version, &request);
        }
        Outgoing { pass, carried, headers, message }
    }

    /// Reads the lists of tools again for a call whose headers did not fit. `false` after an error, or where the
    /// request is no call.
    fn list_tools(&self, wire: &Wire, pass: &Admission, call: &[u8]) -> bool {
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
            let mut asker = Asker::Own { id: &id, answer: None };
            let outgoing = self.outgoing(pass, &NO_SESSION, list.as_bytes(), true);
            let ended = self.post(wire, outgoing, &mut asker);
            let (Posted::Answered, Asker::Own { answer: Some((answer, _)), .. }) = (ended, asker) else {
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
static NO_SESSION: Carried = Carried { number: 0, id: None, version: None };
