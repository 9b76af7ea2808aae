//! The state of the transport before streamable HTTP (revision 2024-11-05). One stream carries all messages of the
//! server, and names the address for those of the client.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Id;

/// The present stream, and the threads that wait for it.
#[derive(Default)]
pub(super) struct Channel {
    state: Mutex<ChannelState>,
    changed: Condvar,
}

#[derive(Default)]
struct ChannelState {
    /// The number of the stream, counted from 1.
    number: u64,
    /// The address for messages, while the stream is open.
    address: Option<String>,
    /// The requests of the bridge itself, with their answers.
    own: Vec<(Id, Option<Vec<u8>>)>,
}

impl Channel {
    /// Whether an earlier stream was open.
    pub(super) fn was_open(&self) -> bool {
        self.state().number > 0
    }

    /// The stream has named the address for messages.
    pub(super) fn open(&self, address: String) {
        let mut state = self.state();
        state.number += 1;
        state.address = Some(address);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().address = None;
        self.changed.notify_all();
    }

    /// Wakes the threads that wait for an answer, after a message or a cancellation.
    pub(super) fn wake(&self) {
        // A thread that has checked and does not wait yet holds the lock: without this step it would miss the signal.
        drop(self.state());
        self.changed.notify_all();
    }

    /// The number of the stream and the address for messages, as soon as they are known.
    pub(super) fn address(&self, limit: Duration) -> Option<(u64, String)> {
        let waited = self.changed.wait_timeout_while(self.state(), limit, |state| state.address.is_none());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.address.clone().map(|address| (state.number, address))
    }

    /// Waits until `done` is true; `false` if the stream of that number ends first.
    pub(super) fn wait_for(&self, number: u64, done: impl Fn() -> bool) -> bool {
        let mut state = self.state();
        loop {
            // A message that came just before the end counts.
            if done() {
                return true;
            }
            if state.number != number || state.address.is_none() {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Expects an answer to a request of the bridge itself.
    pub(super) fn expect(&self, id: &Id) {
        self.state().own.push((id.clone(), None));
    }

    /// Keeps an answer to a request of the bridge itself; `false` for any other message.
    pub(super) fn keep(&self, id: &Id, message: &[u8]) -> bool {
        let mut state = self.state();
        let own = state.own.iter_mut().find(|(own, answer)| own == id && answer.is_none());
        own.map(|(_, answer)| *answer = Some(message.to_vec())).is_some()
    }

    /// Takes a kept answer, and expects it no longer. Waits for the answer while the stream is open.
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

/// The address that a stream at `base` names; `None` for an address of another origin, which must not get a token.
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
