//! A new session in the place of one that the server has forgotten: the client's own handshake is repeated, and then
//! its later settings.

use std::sync::Arc;

use serde_json::value::RawValue;
use ureq::http::HeaderMap;

use super::context::Bridge;
use super::http::Connection;
use super::message::{Message, Request, RpcAnswer, member, read, text};
use super::post::Requester;
use super::session::{ClientMessage, Renewing, Replay, Session, SessionHeaders};
use crate::ordered;

/// Ends a renewal in any case, also after a panic, because other threads wait for the end.
struct SessionRenewal<'a>(&'a Session, Result<(), String>);

impl Drop for SessionRenewal<'_> {
    fn drop(&mut self) {
        self.0.end_renewal(&self.1);
    }
}

impl Bridge {
    /// Makes a new session in the place of `lost`, or waits until another thread has made one.
    pub(super) fn renew(&self, connection: &Connection, lost: &SessionHeaders) -> Result<(), String> {
        match self.session.lost(lost.number) {
            Renewing::Done => Ok(()),
            Renewing::Failed(why) => Err(why),
            Renewing::Yours(replay) => {
                log::info!(target: "BRIDGE", "the server has ended the session; beginning a new one");
                self.make_session(connection, &replay)
            }
        }
    }

    /// Makes the new session. Requests wait for it from the moment at which the old one was reported lost.
    pub(super) fn make_session(&self, connection: &Connection, replay: &Replay) -> Result<(), String> {
        let mut renewal = SessionRenewal(&self.session, Err("the renewal was broken off".to_owned()));
        renewal.1 = self.begin_again(connection, replay);
        let outcome = renewal.1.clone();
        drop(renewal);
        self.standing_stream.reopen();
        outcome
    }

    fn begin_again(&self, connection: &Connection, replay: &Replay) -> Result<(), String> {
        let initialize =
            replay.initialize.as_ref().ok_or("the server wants a session, and the client has begun none")?;
        let (answer, headers) = self.ask(connection, initialize, &SessionHeaders::default())?;
        let Ok(Message::Answer(RpcAnswer { result: Some(result), .. })) = read(&answer) else {
            return Err("the server refuses a new session".to_owned());
        };
        let lists = self.session.established(&headers, result);
        let session = self.session.headers_meanwhile();
        if let Some(initialized) = &replay.initialized {
            self.send_unanswered(connection, initialized, &session)?;
        }
        for message in replay.level.iter().chain(replay.subscriptions.values()) {
            if let Err(why) = self.ask(connection, message, &session) {
                log::warn!(target: "BRIDGE", "a setting of the old session is not in the new one: {why}");
            }
        }
        for list in lists {
            let changed = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#);
            self.out.pass(changed.into_bytes());
        }
        Ok(())
    }

    /// Repeats a request of the client, and returns the answer.
    fn ask(
        &self,
        connection: &Connection,
        message: &[u8],
        session: &SessionHeaders,
    ) -> Result<(Vec<u8>, HeaderMap), String> {
        let Ok(Message::Request(Request { id, .. })) = read(message) else {
            return Err("what was kept is no request".to_owned());
        };
        let mut requester = Requester::Own { id: &id, answer: None };
        self.attempts(connection, &mut requester, Some(session), message)?;
        match requester {
            Requester::Own { answer: Some(answer), .. } => Ok(answer),
            _ => Err("no answer came".to_owned()),
        }
    }

    /// Records a message that a new session would need.
    pub(super) fn remember(&self, request: &Request<'_>, message: &ClientMessage) {
        let uri = || request.params.and_then(uri_of);
        match request.method.as_ref() {
            "initialize" => self.session.remember(|replay| {
                *replay = Replay { initialize: Some(Arc::clone(message)), ..Replay::default() };
            }),
            "logging/setLevel" => self.session.remember(|replay| replay.level = Some(Arc::clone(message))),
            "resources/subscribe" => {
                if let Some(uri) = uri() {
                    self.session
                        .remember(|replay| drop(replay.subscriptions.insert(uri, Arc::clone(message))));
                }
            }
            "resources/unsubscribe" => {
                if let Some(uri) = uri() {
                    self.session.remember(|replay| ordered::remove(&mut replay.subscriptions, &uri));
                }
            }
            _ => {}
        }
    }
}

fn uri_of(params: &RawValue) -> Option<String> {
    member(params, "uri").and_then(text).map(std::borrow::Cow::into_owned)
}
