//! The client's requests that have no answer yet. Each gets exactly one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::message::Id;
use super::socket::{Line, Progress};

/// One message of the client that wants an answer: a request, or a batch with requests in it.
pub(super) struct Flight {
    /// The method; of a batch nothing.
    pub method: String,
    /// Closing its stream is how it is cancelled (2026-07-28).
    pub modern: bool,
    /// The requests that have no answer yet.
    open: Mutex<Vec<Id>>,
    cancelled: AtomicBool,
    /// Whether it holds one of the places.
    placed: AtomicBool,
    /// The connection that it uses now.
    line: Mutex<Option<Arc<Line>>>,
}

impl Flight {
    /// Takes one request as answered; `false` where that was no open request of this flight.
    pub(super) fn answer(&self, id: &Id) -> bool {
        let mut open = lock(&self.open);
        let before = open.len();
        open.retain(|other| other != id);
        open.len() < before
    }

    /// Whether this request is one that has no answer yet.
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

    /// Takes the place away from it; `true` the first time, where it had one.
    pub(super) fn take_place(&self) -> bool {
        self.placed.swap(false, Ordering::AcqRel)
    }

    /// It uses this connection from now on; `false` where it was cancelled before.
    pub(super) fn begins_on(&self, own: &Arc<Line>) -> bool {
        let mut line = lock(&self.line);
        let wanted = !self.is_cancelled();
        if wanted {
            // What the line knows is of the request before.
            own.begin();
            *line = Some(Arc::clone(own));
        }
        wanted
    }

    /// It uses no connection any more. Where it never left, its cancellation must not wait for that.
    pub(super) fn leaves_line(&self) {
        if let Some(line) = lock(&self.line).take() {
            line.note(Progress::Answered);
        }
    }

    /// The client wants it no more. Gives back the connection that it uses; without one it never begins.
    fn cancel(&self) -> Option<Arc<Line>> {
        let line = lock(&self.line);
        self.cancelled.store(true, Ordering::Release);
        line.clone()
    }

    /// Cuts the connection that it uses, if it uses one.
    pub(super) fn cut(&self) {
        // The lock is held meanwhile, so that it is never the connection of another one.
        if let Some(line) = lock(&self.line).as_ref() {
            line.cut();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of them, in the order in which they came.
#[derive(Default)]
pub(super) struct Flights(Mutex<Vec<Arc<Flight>>>);

impl Flights {
    /// Another one.
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

    /// It is over.
    pub(super) fn end(&self, flight: &Arc<Flight>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, flight));
    }

    /// Takes the request as answered, whichever flight it is in.
    pub(super) fn answer(&self, id: &Id) -> bool {
        lock(&self.0).iter().any(|flight| flight.answer(id))
    }

    /// Cancels the flight of this request, and gives it back with the connection that it uses.
    pub(super) fn cancel(&self, id: &Id) -> Option<(Arc<Flight>, Option<Arc<Line>>)> {
        let flights = lock(&self.0);
        let flight = flights.iter().find(|flight| lock(&flight.open).contains(id))?;
        Some((Arc::clone(flight), flight.cancel()))
    }

    /// Those that are under way.
    pub(super) fn all(&self) -> Vec<Arc<Flight>> {
        lock(&self.0).clone()
    }
}
