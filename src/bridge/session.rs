//! The session with a server of 2025: the headers of its requests, and the messages that make a new session like the
//! old one.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::message::{member, text};

/// `MCP-Session-Id`
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// `MCP-Protocol-Version`
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A message of the client, unchanged. An `Arc<[u8]>` would copy a message that may be large.
pub(super) type ClientMessage = Arc<Vec<u8>>;

/// The headers of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionHeaders {
    /// The number of the session, counted from 1; 0 before the first.
    pub number: u64,
    pub id: Option<HeaderValue>,
    pub version: Option<HeaderValue>,
}

impl SessionHeaders {
    /// Adds the headers to a request.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(version) = &self.version {
            headers.insert(PROTOCOL_VERSION, version.clone());
        }
    }
}

/// The server's description of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerFacts {
    server: Option<String>,
    capabilities: Option<String>,
}

impl ServerFacts {
    /// Reads an `InitializeResult`.
    pub(super) fn of(result: &RawValue) -> Self {
        let part = |name| member(result, name).map(|value| value.get().to_owned());
        Self { server: part("serverInfo"), capabilities: part("capabilities") }
    }

    /// The lists that may differ from those of `before`.
    pub(super) fn changed_lists(&self, before: &Self) -> Vec<&'static str> {
        if self == before {
            return Vec::new();
        }
        let has = |announced: &Self, list: &str| {
            let capabilities =
                announced.capabilities.as_deref().and_then(|text| serde_json::from_str(text).ok());
            capabilities.is_some_and(|capabilities: &RawValue| member(capabilities, list).is_some())
        };
        ["tools", "prompts", "resources"]
            .into_iter()
            .filter(|list| has(self, list) || has(before, list))
            .collect()
    }
}

/// The messages that a new session gets after its handshake, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay {
    pub initialize: Option<ClientMessage>,
    pub initialized: Option<ClientMessage>,
    /// The last `logging/setLevel`.
    pub level: Option<ClientMessage>,
    /// The last `resources/subscribe` of each resource.
    pub subscriptions: BTreeMap<String, ClientMessage>,
}

#[derive(Default)]
struct SessionState {
    headers: SessionHeaders,
    announced: ServerFacts,
    replay: Replay,
    renewing: bool,
    /// Why the last renewal failed.
    failure: Option<String>,
}

/// The session, shared by all threads.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<SessionState>,
    renewed: Condvar,
}

/// The state of a renewal.
pub(super) enum Renewing {
    /// The caller makes the new session, from these messages.
    Yours(Box<Replay>),
    /// The new session exists already.
    Done,
    /// The new session could not be made, for this reason.
    Failed(String),
}

impl Session {
    /// The headers of a request now. Waits for a renewal that is under way.
    pub(super) fn headers(&self) -> SessionHeaders {
        let waited = self.renewed.wait_while(self.state(), |state| state.renewing);
        waited.unwrap_or_else(PoisonError::into_inner).headers.clone()
    }

    /// The headers of a request of the renewal itself.
    pub(super) fn headers_meanwhile(&self) -> SessionHeaders {
        self.state().headers.clone()
    }

    /// Begins a session, whose `InitializeResult` came with these headers. Returns the lists that may have changed
    /// since the session before.
    pub(super) fn established(&self, headers: &HeaderMap, result: &RawValue) -> Vec<&'static str> {
        let mut state = self.state();
        let version = member(result, "protocolVersion").and_then(text);
        state.headers = SessionHeaders {
            number: state.headers.number + 1,
            id: headers.get(SESSION_ID).cloned(),
            version: version.and_then(|version| HeaderValue::from_str(&version).ok()),
        };
        let announced = ServerFacts::of(result);
        let changed = announced.changed_lists(&state.announced);
        state.announced = announced;
        changed
    }

    /// Whether arrays of messages may be sent: one version had them.
    pub(super) fn has_batches(&self) -> bool {
        self.state().headers.version.as_ref().is_some_and(|version| version == "2025-03-26")
    }

    /// Changes the messages for a new session.
    pub(super) fn remember(&self, change: impl FnOnce(&mut Replay)) {
        change(&mut self.state().replay);
    }

    /// Reports the loss of the session with that number. The first caller makes a new one and ends with
    /// [`Self::end_renewal`]; the others wait for it.
    pub(super) fn lost(&self, number: u64) -> Renewing {
        let mut state = self.state();
        if state.headers.number != number {
            return Renewing::Done;
        }
        if !state.renewing {
            state.renewing = true;
            return Renewing::Yours(Box::new(state.replay.clone()));
        }
        let waited = self.renewed.wait_while(state, |state| state.renewing);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            Some(why) if state.headers.number == number => Renewing::Failed(why.clone()),
            _ => Renewing::Done,
        }
    }

    /// Ends a renewal: there is a new session, or none for this reason.
    pub(super) fn end_renewal(&self, outcome: &Result<(), String>) {
        let mut state = self.state();
        state.renewing = false;
        state.failure = outcome.as_ref().err().cloned();
        self.renewed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn lists_are_told_where_the_server_is_another_one() {
        let old = ServerFacts::of(raw(
            r#"{"serverInfo":{"version":"1"},"capabilities":{"tools":{},"logging":{}}}"#,
        ));
        for (new, expected) in [
            (r#"{"capabilities":{"tools":{},"logging":{}},"serverInfo":{"version":"1"}}"#, &[][..]),
            (r#"{"serverInfo":{"version":"2"},"capabilities":{"tools":{},"logging":{}}}"#, &["tools"]),
            (r#"{"serverInfo":{"version":"1"},"capabilities":{"prompts":{}}}"#, &["tools", "prompts"]),
        ] {
            assert_eq!(ServerFacts::of(raw(new)).changed_lists(&old), expected, "{new}");
        }
    }

    #[test]
    fn one_of_many_makes_the_new_session() {
        let session = Session::default();
        let result = raw(r#"{"protocolVersion":"2025-06-18"}"#);
        session.established(&HeaderMap::new(), result);
        assert!(matches!(session.lost(1), Renewing::Yours(_)));
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..9).map(|_| scope.spawn(|| session.lost(1))).collect();
            session.established(&HeaderMap::new(), result);
            session.end_renewal(&Ok(()));
            assert!(others.into_iter().all(|other| matches!(other.join().unwrap(), Renewing::Done)));
        });
        assert!(matches!(session.lost(2), Renewing::Yours(_)));
        session.end_renewal(&Err("down".to_owned()));
        assert!(matches!(session.lost(2), Renewing::Yours(_)), "it is tried again");
    }
}
