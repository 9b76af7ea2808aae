//! Notifications that wait for the one before, and the standing stream's pauses: what threads wait at.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flights::Flight;
use super::session::Text;
use super::socket::Line;

/// A notification on its way.
pub(super) struct Note {
    pub message: Text,
    /// The request that it cancels, and the connection on which that was sent.
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
    /// Takes a note in; `true` where the caller has to send what waits.
    pub(super) fn push(&self, note: Note) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.notes.push_back(note);
        !std::mem::replace(&mut waiting.running, true)
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).running
    }

    /// The one that is next; after none the caller is done.
    pub(super) fn next(&self) -> Option<Note> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.notes.pop_front();
        waiting.running = next.is_some();
        next
    }
}

/// What other threads say to the one that keeps the stream open.
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

    /// The thread ends, unless there is a new session in the meantime.
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

    /// There is a new session: the stream is opened again at once.
    pub(super) fn kick(&self) {
        let mut state = self.state();
        state.kicked = true;
        if let Some(line) = &state.line {
            line.cut();
        }
        self.changed.notify_all();
    }

    /// Waits so long, or until there is a new session.
    pub(super) fn pause(&self, pause: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.kicked);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
