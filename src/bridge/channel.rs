//! The state of the transport before streamable HTTP (revision 2024-11-05): one stream for all that the server
//! says, and in it the address for what the client says.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Id;

/// One stream after the other, and what waits for them.
#[derive(Default)]
pub(super) struct Channel {
    state: Mutex<ChannelState>,
    changed: Condvar,
}

#[derive(Default)]
struct ChannelState {
    /// Which stream it is: the first, the second, ...
    number: u64,
    /// Where messages go, while the stream is open.
    address: Option<String>,
    /// The requests of the bridge itself, with their answers.
    own: Vec<(Id, Option<Vec<u8>>)>,
}

impl Channel {
    /// Whether a stream was open before.
    pub(super) fn was_open(&self) -> bool {
        self.state().number > 0
    }

    /// The stream has said where messages go.
    pub(super) fn open(&self, address: String) {
        let mut state = self.state();
        state.number += 1;
        state.address = Some(address);
        self.changed.notify_all();
    }

    /// The stream has ended.
    pub(super) fn close(&self) {
        self.state().address = None;
        self.changed.notify_all();
    }

    /// Something has come, or is not wanted any more: the threads that wait for an answer look again.
    pub(super) fn wake(&self) {
        // A thread that has looked and does not wait yet holds this: it would miss the bell.
        drop(self.state());
        self.changed.notify_all();
    }

    /// The number of the stream and where messages go, as soon as that is known.
    pub(super) fn address(&self, limit: Duration) -> Option<(u64, String)> {
        let waited = self.changed.wait_timeout_while(self.state(), limit, |state| state.address.is_none());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.address.clone().map(|address| (state.number, address))
    }

    /// Waits until `done` says so; `false` where the stream of that number ended first.
    pub(super) fn wait_for(&self, number: u64, done: impl Fn() -> bool) -> bool {
        let mut state = self.state();
        loop {
            // What came just before the end counts.
            if done() {
                return true;
            }
            if state.number != number || state.address.is_none() {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The bridge itself waits for this answer.
    pub(super) fn expect(&self, id: &Id) {
        self.state().own.push((id.clone(), None));
    }

    /// Keeps an answer that the bridge itself waits for; `false` where it is none.
    pub(super) fn keep(&self, id: &Id, message: &[u8]) -> bool {
        let mut state = self.state();
        let own = state.own.iter_mut().find(|(own, answer)| own == id && answer.is_none());
        own.map(|(_, answer)| *answer = Some(message.to_vec())).is_some()
    }

    /// Takes the answer that was kept, and expects it no longer. Waits for it while the stream is open.
    pub(super) fn kept(&self, number: u64, id: &Id, limit: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + limit;
        let has = |state: &ChannelState| state.own.iter().any(|(own, answer)| own == id && answer.is_some());
        let waits = |state: &mut ChannelState| {
            !has(state) && state.number == number && state.address.is_some() && Instant::now() < until
        };
        let waited = self.changed.wait_timeout_while(self.state(), limit, waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let at = state.own.iter().position(|(own, _)| own == id)?;
        state.own.remove(at).1
    }

    fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a stream at `base` names; none where it is on another origin, to which no token may go.
pub(super) fn resolve(base: &str, named: &str) -> Option<String> {
    let named = named.trim();
    let (scheme, rest) = base.split_once("://")?;
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let origin = format!("{scheme}://{}", &rest[..path_at]);
    if named.contains("://") && !named.starts_with('/') {
        let inside = named.strip_prefix(&origin)?;
        return (inside.is_empty() || inside.starts_with(['/', '?'])).then(|| named.to_owned());
    }
    if named.starts_with("//") || named.is_empty() {
        return None;
    }
    if named.starts_with('/') {
        return Some(format!("{origin}{named}"));
    }
    let path = rest[path_at..].split(['?', '#']).next().unwrap_or_default();
    let directory = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    Some(if named.starts_with('?') {
        format!("{origin}{path}{named}")
    } else {
        format!("{origin}{directory}{named}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_one_of_the_same_origin() {
        for (named, expected) in [
            ("/messages?id=1", Some("https://h:1/messages?id=1")),
            ("messages/1", Some("https://h:1/a/messages/1")),
            ("?id=1", Some("https://h:1/a/sse?id=1")),
            ("https://h:1/m", Some("https://h:1/m")),
            ("https://h:10/m", None),
            ("https://other/m", None),
            ("http://h:1/m", None),
            ("//other/m", None),
            ("", None),
        ] {
            assert_eq!(resolve("https://h:1/a/sse?x=/", named).as_deref(), expected, "{named}");
        }
    }
}
