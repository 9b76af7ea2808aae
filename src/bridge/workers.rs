//! The threads that exchange messages with the server, and the limit for requests under way.
//!
//! A thread has one connection. The thread that was idle last gets the next job, so that its connection is used again.
//! A thread that is idle for a while ends, since its connection would be closed soon anyway.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::http::{Connection, IDLE, Route};
use crate::threads;

/// How many requests of the client may be under way at once.
const PLACES: usize = 64;

/// How many more wait for a place before the client gets an error.
const QUEUE: usize = 4096;

/// A job that needs a connection.
pub(super) type Exchange = Box<dyn FnOnce(&Connection) + Send>;

/// Too many requests wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The threads, and the jobs that wait.
pub(super) struct Workers {
    route: Route,
    state: Mutex<WorkersState>,
}

#[derive(Default)]
struct WorkersState {
    /// The senders of jobs to idle threads, the latest last.
    idle: Vec<(u64, Sender<Exchange>)>,
    /// The number of threads so far, from which each gets its number.
    count: u64,
    taken: usize,
    waiting: VecDeque<Exchange>,
}

impl Workers {
    pub(super) fn new(route: Route) -> Self {
        Self { route, state: Mutex::default() }
    }

    /// Does a job as soon as there is a place for it. The job gives the place back with [`Self::give_back`].
    pub(super) fn queue(self: &Arc<Self>, job: Exchange) -> Result<(), Full> {
        let mut state = self.state();
        if state.taken < PLACES {
            state.taken += 1;
            self.start(&mut state, job);
        } else if state.waiting.len() < QUEUE {
            state.waiting.push_back(job);
        } else {
            return Err(Full);
        }
        Ok(())
    }

    pub(super) fn run(self: &Arc<Self>, job: Exchange) {
        self.start(&mut self.state(), job);
    }

    /// Gives a place back.
    pub(super) fn give_back(self: &Arc<Self>) {
        let mut state = self.state();
        match state.waiting.pop_front() {
            Some(job) => self.start(&mut state, job),
            None => state.taken -= 1,
        }
    }

    /// A separate connection, for a stream that stays open.
    pub(super) fn connection(&self) -> Connection {
        Connection::new(&self.route)
    }

    fn state(&self) -> MutexGuard<'_, WorkersState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, state: &mut WorkersState, job: Exchange) {
        let mut job = job;
        while let Some((_, thread)) = state.idle.pop() {
            match thread.send(job) {
                Ok(()) => return,
                // The thread has panicked, so the job comes back.
                Err(back) => job = back.0,
            }
        }
        state.count += 1;
        let (number, workers) = (state.count, Arc::clone(self));
        let (sender, receiver) = channel();
        // The channel holds a job until its thread runs.
        let sent = sender.send(job).is_ok();
        let work = move || workers.work(number, &sender, &receiver);
        if let Err(error) = threads::start("exchange", work) {
            log::error!(target: "BRIDGE", "no thread can be started ({error}); sent: {sent}");
            std::process::exit(1);
        }
    }

    /// Runs one thread: does jobs until none has come for a while.
    fn work(self: Arc<Self>, number: u64, own: &Sender<Exchange>, jobs: &Receiver<Exchange>) {
        let connection = Connection::new(&self.route);
        loop {
            let job = match jobs.recv_timeout(IDLE) {
                Ok(job) => job,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let mut state = self.state();
                    let before = state.idle.len();
                    state.idle.retain(|(idle, _)| *idle != number);
                    if state.idle.len() < before {
                        return;
                    }
                    // Another thread gave a job to this thread in the meantime.
                    continue;
                }
            };
            job(&connection);
            self.state().idle.push((number, own.clone()));
        }
    }
}
