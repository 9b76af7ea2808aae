//! Runs the jobs of a cycle in a few threads.
//!
//! The threads end with the cycle. A job that panics fails its own credential only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::queue::{Begun, JobQueue};
use crate::refresh::{Context, Done, Job, Report, Reports, Slot, Slots, Storing};

/// The queue, shared by the threads.
struct SharedQueue(Mutex<JobQueue<Job>>);

impl SharedQueue {
    fn of(jobs: Vec<Job>) -> Self {
        let mut queue = JobQueue::new();
        for job in jobs {
            let endpoint = job.endpoint().map(ToOwned::to_owned);
            queue.add(job, endpoint.as_deref());
        }
        Self(Mutex::new(queue))
    }

    fn next(&self) -> Option<Begun<Job>> {
        self.jobs().begin()
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

    fn jobs(&self) -> MutexGuard<'_, JobQueue<Job>> {
        // Every change of the queue is whole, so a panicking thread leaves a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `jobs` in their order, at most `threads` at a time. `done` is called in this thread with the result of each.
pub(super) fn run(
    jobs: Vec<Job>,
    threads: usize,
    context: &Context<'_>,
    mut done: impl FnMut(Reports, Vec<Storing>),
) {
    let at_once = threads.min(jobs.len());
    // A single one would only make this thread wait for it. Where many wait, as many again store answers meanwhile.
    let helpers = match at_once {
        ..=1 => 0,
        _ if jobs.len() > 2 * at_once => 2 * at_once,
        _ => at_once,
    };
    let slots = Slots::new(at_once.max(1));
    let queue = SharedQueue::of(jobs);
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            let (queue, slots, send) = (&queue, &slots, send.clone());
            let worker = move || {
                // Jobs that have not begun when the process is told to stop are left for the next start.
                loop {
                    let slot = slots.take();
                    let next = if context.stop.is_asked() { None } else { queue.next() };
                    let Some(begun) = next else { break };
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
        for (reports, held) in receive {
            done(reports, held);
        }
        while let Some(begun) = queue.next() {
            if context.stop.is_asked() {
                done(begun.job.names().into_iter().map(|name| (name, Report::Stopped)).collect(), Vec::new());
            } else {
                let (reports, held) = one(begun, slots.take(), &queue, context);
                done(reports, held);
            }
        }
    });
}

/// Runs a job, and puts the jobs that follow into the queue.
fn one(
    begun: Begun<Job>,
    slot: Slot<'_>,
    queue: &SharedQueue,
    context: &Context<'_>,
) -> (Reports, Vec<Storing>) {
    let Begun { job, lane } = begun;
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
