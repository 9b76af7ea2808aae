//! The due credentials through a few threads.
//!
//! Scoped and joined in the same cycle: no thread outlives it, and a thread that panics fails its own
//! credential only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::refresh::{Context, Report, Reports, heal_from, refresh};

/// One thing to do.
pub(super) enum Job {
    /// Refresh a chain: the names of its files, and the fingerprint of the refresh token that they
    /// held when they were listed.
    Refresh {
        /// The files' names.
        names: Vec<String>,
        /// What they all held.
        expected: Option<String>,
    },
    /// Bring an old copy up to date from the file that holds its successor, if any does.
    Heal {
        /// The copy's name.
        copy: String,
        /// Fingerprint of the successor.
        newest: String,
    },
}

impl Job {
    /// The names of the files that it is about.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Refresh { names, .. } => names,
            Self::Heal { copy, .. } => std::slice::from_ref(copy),
        }
    }

    fn run(&self, context: &Context<'_>) -> Reports {
        match self {
            Self::Refresh { names, expected } => refresh(names, expected.as_deref(), context),
            Self::Heal { copy, newest } => heal_from(copy, newest, context),
        }
    }
}

/// Does `jobs`, at most `threads` at a time, in their order; `done` is called in this thread with the
/// reports of each as it ends.
pub(super) fn run(jobs: &[Job], threads: usize, context: &Context<'_>, mut done: impl FnMut(Reports)) {
    if jobs.is_empty() {
        return;
    }
    let queue = Mutex::new(jobs.iter());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            let (queue, send) = (&queue, send.clone());
            let worker = move || {
                loop {
                    // What has not begun when a stop is asked for is left for the next start.
                    if context.stop.is_asked() {
                        break;
                    }
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(job) = next else { break };
                    // The receiver lives as long as this scope.
                    let _ = send.send(guarded(job, context));
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
        for reports in receive {
            done(reports);
        }
        while let Some(job) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() {
            if context.stop.is_asked() {
                done(job.names().iter().map(|name| (name.clone(), Report::Stopped)).collect());
            } else {
                done(guarded(job, context));
            }
        }
    });
}

/// Runs a job; a panic in it is its own failure.
fn guarded(job: &Job, context: &Context<'_>) -> Reports {
    catch_unwind(AssertUnwindSafe(|| job.run(context))).unwrap_or_else(|_| {
        let report =
            || Report::Unusable("an internal error stopped its refresh; please report it".to_owned());
        job.names().iter().map(|name| (name.clone(), report())).collect()
    })
}
