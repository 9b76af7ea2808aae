//! The queue of the client's notifications, and the state of the standing stream.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pending::PendingCall;
use super::session::ClientMessage;
use super::socket::ConnectionControl;

/// A notification on its way.
pub(super) struct QueuedNotification {
    pub message: ClientMessage,
    /// The request that the notification cancels, and the connection on which the request was sent.
    pub cancels: Option<(Arc<PendingCall>, Arc<ConnectionControl>)>,
}

/// The notifications that wait for the one before.
#[derive(Default)]
pub(super) struct NotificationQueue(Mutex<NotificationQueueState>);

#[derive(Default)]
struct NotificationQueueState {
    notifications: VecDeque<QueuedNotification>,
    running: bool,
}

impl NotificationQueue {
    /// Adds a notification; `true` where the caller has to send the queue.
    pub(super) fn push(&self, notification: QueuedNotification) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.notifications.push_back(notification);
        !std::mem::replace(&mut waiting.running, true)
    }

    /// Whether no notification waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).running
    }

    /// Sends the queue, one notification after the other. If sending one panics, `again` has the rest sent.
    pub(super) fn send_all(&self, send: impl Fn(QueuedNotification), again: impl Fn()) {
        let _rest = Rest(again);
        while let Some(notification) = self.next() {
            send(notification);
        }
    }

    /// The next notification; without one the caller is done.
    fn next(&self) -> Option<QueuedNotification> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.notifications.pop_front();
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
pub(super) struct StandingStream {
    state: Mutex<StreamState>,
    changed: Condvar,
}

#[derive(Default)]
struct StreamState {
    running: bool,
    reopens: bool,
    control: Option<Arc<ConnectionControl>>,
}

impl StandingStream {
    /// Whether a thread has to be started, which ends with [`Self::stopped`].
    pub(super) fn start(&self) -> bool {
        let running = std::mem::replace(&mut self.state().running, true);
        if running {
            self.reopen();
        }
        !running
    }

    /// Ends the thread, unless there is a new session in the meantime.
    pub(super) fn stopped(&self) -> bool {
        let mut state = self.state();
        state.running = std::mem::take(&mut state.reopens);
        !state.running
    }

    /// The stream uses this connection.
    pub(super) fn uses(&self, control: &Arc<ConnectionControl>) {
        let mut state = self.state();
        state.control = Some(Arc::clone(control));
        state.reopens = false;
    }

    /// Opens the stream again at once, for a new session.
    pub(super) fn reopen(&self) {
        let mut state = self.state();
        state.reopens = true;
        if let Some(control) = &state.control {
            control.cut();
        }
        self.changed.notify_all();
    }

    /// Waits for the pause, or until there is a new session.
    pub(super) fn pause(&self, pause: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.reopens);
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

    fn note(text: &str) -> QueuedNotification {
        QueuedNotification { message: Arc::new(text.as_bytes().to_vec()), cancels: None }
    }

    #[test]
    fn a_note_that_makes_a_panic_holds_none_of_the_others_back() {
        let (notifications, sent) = (NotificationQueue::default(), Mutex::new(Vec::new()));
        assert!(notifications.push(note("bad")), "the first has to be sent");
        assert!(
            !notifications.push(note("good")) && !notifications.push(note("better")),
            "the others by the same thread"
        );
        let one = |notification: QueuedNotification| {
            assert_ne!(*notification.message, b"bad");
            sent.lock().unwrap().push(notification.message);
        };
        let again = Cell::new(false);
        assert!(catch_unwind(AssertUnwindSafe(|| notifications.send_all(one, || again.set(true)))).is_err());
        assert!(again.get() && !notifications.is_idle());
        notifications.send_all(one, || unreachable!("no panic"));
        assert_eq!(*sent.lock().unwrap(), [note("good").message, note("better").message]);
        assert!(notifications.is_idle());
    }
}
