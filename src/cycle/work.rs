//! The jobs of a cycle through a few threads.
//!
//! Scoped and joined in the same cycle: no thread outlives it, and a job that panics fails its own credential only.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::refresh::{Context, Done, Job, Report, Reports, Storing};

/// The jobs that no thread has begun yet.
struct Queue(Mutex<VecDeque<Job>>);

impl Queue {
    fn next(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Puts the jobs that follow from another one before all others. One that sends a request again comes last: its
    /// endpoint may take another timeout to answer.
    fn put(&self, jobs: Vec<Job>) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for job in jobs.into_iter().rev() {
            if job.sends_again() {
                queue.push_back(job);
            } else {
                queue.push_front(job);
            }
        }
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
    let queue = Queue(Mutex::new(jobs.into()));
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (queue, send) = (&queue, send.clone());
            let worker = move || {
                // What has not begun when the process is told to stop is left for the next start.
                while !context.stop.is_asked() {
                    let Some(job) = queue.next() else { break };
                    // The receiver lives as long as this scope.
                    let _ = send.send(one(&job, queue, context));
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
        while let Some(job) = queue.next() {
            if context.stop.is_asked() {
                done(job.names().into_iter().map(|name| (name, Report::Stopped)).collect(), Vec::new());
            } else {
                let (reports, held) = one(&job, &queue, context);
                done(reports, held);
            }
        }
    });
}

/// Runs a job and puts what follows from it into the queue.
fn one(job: &Job, queue: &Queue, context: &Context<'_>) -> (Reports, Vec<Storing>) {
    let Done { reports, held, then } = guarded(job, context);
    queue.put(then);
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
