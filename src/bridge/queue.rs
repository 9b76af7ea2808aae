//! The queue of the client's notifications, and the state of the standing stream.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flights::Flight;
use super::session::Text;
use super::socket::Line;

/// A notification on its way.
pub(super) struct Note {
    pub message: Text,
    /// The request that the notification cancels, and the connection on which the request was sent.
    pub cancels: Option<(Arc<Flight>, Arc<Line>)>,
}

/// The notifications that wait for the one before.
#[derive(Default)]
pub(super) struct Notes(Mutex<NoteQueue>);

#[derive(Default)]
struct NoteQueue {
    notes: VecDeque<Note>,
    running: bool,
}

impl Notes {
    /// Adds a notification; `true` where the caller has to send the queue.
    pub(super) fn push(&self, note: Note) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.notes.push_back(note);
        !std::mem::replace(&mut waiting.running, true)
    }

    /// Whether no notification waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).running
    }

    /// Sends the queue, one notification after the other. If sending one panics, `again` has the rest sent.
    pub(super) fn send_all(&self, send: impl Fn(Note), again: impl Fn()) {
        let _rest = Rest(again);
        while let Some(note) = self.next() {
            send(note);
        }
    }

    /// The next notification; without one the caller is done.
    fn next(&self) -> Option<Note> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.notes.pop_front();
        waiting.running = next.is_some();
        next
    }
}

/// Has the rest of the queue sent after a panic, because the notifications would wait for ever otherwise.
struct Rest<F: Fn()>(F);

impl<F: Fn()> Drop for Rest<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

/// The orders of other threads to the thread that keeps the stream open.
#[derive(Default)]
pub(super) struct Push {
    state: Mutex<StreamState>,
    changed: Condvar,
}

#[derive(Default)]
struct StreamState {
    running: bool,
    kicked: bool,
    line: Option<Arc<Line>>,
}

impl Push {
    /// Whether a thread has to be started, which ends with [`Self::stopped`].
    pub(super) fn start(&self) -> bool {
        let running = std::mem::replace(&mut self.state().running, true);
        if running {
            self.kick();
        }
        !running
    }

    /// Ends the thread, unless there is a new session in the meantime.
    pub(super) fn stopped(&self) -> bool {
        let mut state = self.state();
        state.running = std::mem::take(&mut state.kicked);
        !state.running
    }

    /// The stream uses this connection.
    pub(super) fn uses(&self, line: &Arc<Line>) {
        let mut state = self.state();
        state.line = Some(Arc::clone(line));
        state.kicked = false;
    }

    /// Opens the stream again at once, for a new session.
    pub(super) fn kick(&self) {
        let mut state = self.state();
        state.kicked = true;
        if let Some(line) = &state.line {
            line.cut();
        }
        self.changed.notify_all();
    }

    /// Waits for the pause, or until there is a new session.
    pub(super) fn pause(&self, pause: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.kicked);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn note(text: &str) -> Note {
        Note { message: Arc::new(text.as_bytes().to_vec()), cancels: None }
    }

    #[test]
    fn a_note_that_makes_a_panic_holds_none_of_the_others_back() {
        let (notes, sent) = (Notes::default(), Mutex::new(Vec::new()));
        assert!(notes.push(note("bad")), "the first has to be sent");
        assert!(!notes.push(note("good")) && !notes.push(note("better")), "the others by the same thread");
        let one = |note: Note| {
            assert_ne!(*note.message, b"bad");
            sent.lock().unwrap().push(note.message);
        };
        let again = Cell::new(false);
        assert!(catch_unwind(AssertUnwindSafe(|| notes.send_all(one, || again.set(true)))).is_err());
        assert!(again.get() && !notes.is_idle());
        notes.send_all(one, || unreachable!("no panic"));
        assert_eq!(*sent.lock().unwrap(), [note("good").message, note("better").message]);
        assert!(notes.is_idle());
    }
}
