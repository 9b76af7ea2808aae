//! The client's requests that have no answer yet. Each gets exactly one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::message::Id;
use super::socket::{ConnectionControl, Progress, lock};

/// One message of the client that needs an answer: a request, or a batch with requests.
pub(super) struct PendingCall {
    /// The method; empty for a batch.
    pub method: String,
    /// Whether closing the stream is the cancellation (2026-07-28).
    pub modern: bool,
    /// The requests that have no answer yet.
    open: Mutex<Vec<Id>>,
    cancelled: AtomicBool,
    /// Whether the call has one of the places.
    placed: AtomicBool,
    /// The connection in use.
    control: Mutex<Option<Arc<ConnectionControl>>>,
}

impl PendingCall {
    /// Counts one request as answered; `false` where no open request of this call has the id.
    pub(super) fn answer(&self, id: &Id) -> bool {
        let mut open = lock(&self.open);
        let before = open.len();
        open.retain(|other| other != id);
        open.len() < before
    }

    /// Whether this request has no answer yet.
    pub(super) fn waits_for(&self, id: &Id) -> bool {
        lock(&self.open).contains(id)
    }

    /// The requests that have no answer yet.
    pub(super) fn open(&self) -> Vec<Id> {
        lock(&self.open).clone()
    }

    /// Whether every request has its answer.
    pub(super) fn is_answered(&self) -> bool {
        lock(&self.open).is_empty()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Takes the place from the call; `true` the first time, if it had one.
    pub(super) fn take_place(&self) -> bool {
        self.placed.swap(false, Ordering::AcqRel)
    }

    /// Begins to use this connection; `false` for a call that was cancelled before.
    pub(super) fn begins_on(&self, own: &Arc<ConnectionControl>) -> bool {
        let mut control = lock(&self.control);
        let wanted = !self.is_cancelled();
        if wanted {
            // The progress that the connection shows is that of the request before.
            own.begin();
            *control = Some(Arc::clone(own));
        }
        wanted
    }

    /// Ends the use of a connection. Even where the request never left, its cancellation must not wait.
    pub(super) fn leaves_connection(&self) {
        if let Some(control) = lock(&self.control).take() {
            control.record(Progress::Answered);
        }
    }

    /// Cancels the call. Returns the connection in use; without one the call never begins.
    fn cancel(&self) -> Option<Arc<ConnectionControl>> {
        let control = lock(&self.control);
        self.cancelled.store(true, Ordering::Release);
        control.clone()
    }

    /// Cuts the connection in use, if there is one.
    pub(super) fn cut(&self) {
        // The lock is held meanwhile, so that the connection cannot pass to another call.
        if let Some(control) = lock(&self.control).as_ref() {
            control.cut();
        }
    }
}

/// All calls, in the order of their arrival.
#[derive(Default)]
pub(super) struct PendingCalls(Mutex<Vec<Arc<PendingCall>>>);

impl PendingCalls {
    pub(super) fn begin(&self, ids: Vec<Id>, method: String, modern: bool, placed: bool) -> Arc<PendingCall> {
        let call = Arc::new(PendingCall {
            method,
            modern,
            open: Mutex::new(ids),
            cancelled: AtomicBool::new(false),
            placed: AtomicBool::new(placed),
            control: Mutex::default(),
        });
        lock(&self.0).push(Arc::clone(&call));
        call
    }

    pub(super) fn end(&self, call: &Arc<PendingCall>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, call));
    }

    /// Counts the request as answered, in whichever call it is.
    pub(super) fn answer(&self, id: &Id) -> bool {
        lock(&self.0).iter().any(|call| call.answer(id))
    }

    /// Cancels the call of this request, and returns the call with the connection in use.
    pub(super) fn cancel(&self, id: &Id) -> Option<(Arc<PendingCall>, Option<Arc<ConnectionControl>>)> {
        let pending = lock(&self.0);
        let call = pending.iter().find(|call| lock(&call.open).contains(id))?;
        Some((Arc::clone(call), call.cancel()))
    }

    /// The calls under way.
    pub(super) fn all(&self) -> Vec<Arc<PendingCall>> {
        lock(&self.0).clone()
    }
}
