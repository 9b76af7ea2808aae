//! Runs the jobs of a cycle in a few threads.
//!
//! The threads end with the cycle. A job that panics fails its own credential only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Begun, JobQueue, NextJob};
use crate::refresh::{Context, Done, Job, Report, Reports, Slot, Slots, Stop, Storing};

/// How long no job ends until the results so far are used.
const QUIET: Duration = Duration::from_secs(1);

/// The events of the jobs.
pub(super) enum WorkEvent {
    /// One has ended.
    Ended(Reports, Vec<Storing>),
    /// None has ended for a while, and those that are left may take half a minute.
    Quiet,
}

/// The queue, shared by the threads.
struct SharedQueue {
    queue: Mutex<JobQueue<Job>>,
    /// Something has changed that a thread may wait for.
    changed: Condvar,
}

impl SharedQueue {
    fn of(jobs: Vec<Job>, at_once: usize) -> Self {
        let mut queue = JobQueue::new(at_once);
        for job in jobs {
            let endpoint = job.endpoint().map(ToOwned::to_owned);
            queue.add(job, endpoint.as_deref());
        }
        Self { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    /// The next job and its place; waits for the place. `None`: there is no job, or a stop was ordered. The jobs are
    /// then left for the next start.
    fn next(&self, stop: &Stop) -> Option<(Begun<Job>, Slot<'_>)> {
        let mut queue = self.jobs();
        loop {
            let next = if stop.is_asked() { NextJob::End } else { queue.begin(Instant::now()) };
            queue = match next {
                NextJob::Job(begun) => {
                    let slot = Slot { slots: self, number: begun.number };
                    return Some((begun, slot));
                }
                NextJob::Wait(None) => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                NextJob::Wait(Some(wait)) => {
                    self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                NextJob::End => {
                    // The others find the same.
                    self.changed.notify_all();
                    return None;
                }
            };
        }
    }

    /// Ends a job of `lane`, and puts the jobs that follow before all others. A job that sends a request again comes
    /// last: its endpoint may take another timeout to answer.
    fn end(&self, lane: &str, then: Vec<Job>) {
        let mut queue = self.jobs();
        queue.end(lane);
        for job in then.into_iter().rev() {
            let endpoint = job.endpoint().map(ToOwned::to_owned);
            if job.sends_again() {
                queue.add(job, endpoint.as_deref());
            } else {
                queue.add_first(job, endpoint.as_deref());
            }
        }
    }

    /// The jobs that no thread has begun.
    fn rest(&self) -> Vec<Job> {
        self.jobs().take_rest()
    }

    fn jobs(&self) -> MutexGuard<'_, JobQueue<Job>> {
        // Every change of the queue is whole, so a panicking thread leaves a usable one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots for SharedQueue {
    fn free(&self, number: u64) {
        self.jobs().answered(number);
        self.changed.notify_one();
    }
}

/// Runs `jobs` in their order, with at most `at_once` requests in flight beside those that have waited long. `event` is
/// called in this thread.
pub(super) fn run(jobs: Vec<Job>, at_once: usize, context: &Context<'_>, mut event: impl FnMut(WorkEvent)) {
    let threads = match jobs.len().min(at_once) {
        // A single one would only make this thread wait for it.
        ..=1 => 0,
        // As many again store answers meanwhile, or wait for an endpoint that is silent.
        _ => jobs.len().min(2 * at_once),
    };
    let queue = SharedQueue::of(jobs, at_once);
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (queue, send) = (&queue, send.clone());
            let worker = move || {
                while let Some((begun, slot)) = queue.next(context.stop) {
                    // The receiver lives as long as this scope.
                    let _ = send.send(one(begun, slot, queue, context));
                }
            };
            // Where the system allows no further thread, the others do the work. Where it allows none, this thread
            // does.
            if std::thread::Builder::new().name("refresh".to_owned()).spawn_scoped(scope, worker).is_err() {
                log::warn!(target: "REFRESH", "no more threads can be started; refreshing with fewer");
                break;
            }
        }
        drop(send);
        let mut is_quiet = false;
        loop {
            let received = if is_quiet {
                receive.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                receive.recv_timeout(QUIET)
            };
            is_quiet = matches!(received, Err(RecvTimeoutError::Timeout));
            match received {
                Ok((reports, held)) => event(WorkEvent::Ended(reports, held)),
                Err(RecvTimeoutError::Timeout) => event(WorkEvent::Quiet),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    while let Some((begun, slot)) = queue.next(context.stop) {
        let (reports, held) = one(begun, slot, &queue, context);
        event(WorkEvent::Ended(reports, held));
    }
    for job in queue.rest() {
        let stopped = job.names().into_iter().map(|name| (name, Report::Stopped));
        event(WorkEvent::Ended(stopped.collect(), Vec::new()));
    }
}

/// Runs a job, and puts the jobs that follow into the queue.
fn one(
    begun: Begun<Job>,
    slot: Slot<'_>,
    queue: &SharedQueue,
    context: &Context<'_>,
) -> (Reports, Vec<Storing>) {
    let Begun { job, lane, .. } = begun;
    let Done { reports, held, then } = guarded(&job, slot, context);
    queue.end(&lane, then);
    (reports, held)
}

/// Runs a job. A panic in it is the job's own failure.
fn guarded(job: &Job, slot: Slot<'_>, context: &Context<'_>) -> Done {
    catch_unwind(AssertUnwindSafe(|| job.run(context, slot))).unwrap_or_else(|_| {
        let report =
            || Report::Unusable("an internal error stopped its refresh; please report it".to_owned());
        job.names().into_iter().map(|name| (name, report())).collect::<Reports>().into()
    })
}
