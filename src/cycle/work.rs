//! The jobs of a cycle through a few threads.
//!
//! Scoped and joined in the same cycle: no thread outlives it, and a job that panics fails its own credential only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::queue::{Begun, JobQueue};
use crate::refresh::{Context, Done, Job, Report, Reports, Storing};

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

    /// Ends a job of `lane`, and puts those that follow from it before all others. One that sends a request again comes
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
        // Every change of it is whole, so a panicking thread leaves a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `jobs`, at most `threads` at a time, in their order; `done` is called in this thread with what came of each as
/// it ends.
pub(super) fn run(
    jobs: Vec<Job>,
    threads: usize,
    context: &Context<'_>,
    mut done: impl FnMut(Reports, Vec<Storing>),
) {
    let threads = threads.min(jobs.len());
    let queue = SharedQueue::of(jobs);
    let (send, receive) = std::sync::mpsc::channel();
    // A single one would only make this thread wait for it.
    let helpers = if threads > 1 { threads } else { 0 };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            let (queue, send) = (&queue, send.clone());
            let worker = move || {
                // What has not begun when the process is told to stop is left for the next start.
                while !context.stop.is_asked() {
                    let Some(begun) = queue.next() else { break };
                    // The receiver lives as long as this scope.
                    let _ = send.send(one(begun, queue, context));
                }
            };
            // Without another thread (a limit of the system) the others do the work; the first one
            // failing leaves it to this thread.
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
                let (reports, held) = one(begun, &queue, context);
                done(reports, held);
            }
        }
    });
}

/// Runs a job and puts what follows from it into the queue.
fn one(begun: Begun<Job>, queue: &SharedQueue, context: &Context<'_>) -> (Reports, Vec<Storing>) {
    let Begun { job, lane } = begun;
    let Done { reports, held, then } = guarded(&job, context);
    queue.end(&lane, then);
    (reports, held)
}

/// Runs a job; a panic in it is its own failure.
fn guarded(job: &Job, context: &Context<'_>) -> Done {
    catch_unwind(AssertUnwindSafe(|| job.run(context))).unwrap_or_else(|_| {
        let report =
            || Report::Unusable("an internal error stopped its refresh; please report it".to_owned());
        job.names().into_iter().map(|name| (name, report())).collect::<Reports>().into()
    })
}
