//! The client's requests that have no answer yet. Each gets exactly one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::message::Id;
use super::socket::{Line, Progress};

/// One message of the client that needs an answer: a request, or a batch with requests.
pub(super) struct Flight {
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
    line: Mutex<Option<Arc<Line>>>,
}

impl Flight {
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
    pub(super) fn begins_on(&self, own: &Arc<Line>) -> bool {
        let mut line = lock(&self.line);
        let wanted = !self.is_cancelled();
        if wanted {
            // The progress that the connection shows is that of the request before.
            own.begin();
            *line = Some(Arc::clone(own));
        }
        wanted
    }

    /// Ends the use of a connection. Even where the request never left, its cancellation must not wait.
    pub(super) fn leaves_line(&self) {
        if let Some(line) = lock(&self.line).take() {
            line.note(Progress::Answered);
        }
    }

    /// Cancels the call. Returns the connection in use; without one the call never begins.
    fn cancel(&self) -> Option<Arc<Line>> {
        let line = lock(&self.line);
        self.cancelled.store(true, Ordering::Release);
        line.clone()
    }

    /// Cuts the connection in use, if there is one.
    pub(super) fn cut(&self) {
        // The lock is held meanwhile, so that the connection cannot pass to another call.
        if let Some(line) = lock(&self.line).as_ref() {
            line.cut();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All calls, in the order of their arrival.
#[derive(Default)]
pub(super) struct Flights(Mutex<Vec<Arc<Flight>>>);

impl Flights {
    pub(super) fn begin(&self, ids: Vec<Id>, method: String, modern: bool, placed: bool) -> Arc<Flight> {
        let flight = Arc::new(Flight {
            method,
            modern,
            open: Mutex::new(ids),
            cancelled: AtomicBool::new(false),
            placed: AtomicBool::new(placed),
            line: Mutex::default(),
        });
        lock(&self.0).push(Arc::clone(&flight));
        flight
    }

    pub(super) fn end(&self, flight: &Arc<Flight>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, flight));
    }

    /// Counts the request as answered, in whichever call it is.
    pub(super) fn answer(&self, id: &Id) -> bool {
        lock(&self.0).iter().any(|flight| flight.answer(id))
    }

    /// Cancels the call of this request, and returns the call with the connection in use.
    pub(super) fn cancel(&self, id: &Id) -> Option<(Arc<Flight>, Option<Arc<Line>>)> {
        let flights = lock(&self.0);
        let flight = flights.iter().find(|flight| lock(&flight.open).contains(id))?;
        Some((Arc::clone(flight), flight.cancel()))
    }

    /// The calls under way.
    pub(super) fn all(&self) -> Vec<Arc<Flight>> {
        lock(&self.0).clone()
    }
}
