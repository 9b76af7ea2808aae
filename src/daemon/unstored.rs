//! Received answers that could not be written: a full disk, or a read-only directory.
//!
//! Such an answer holds the only refresh token that the endpoint still accepts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::clock::Words;
use crate::cycle::Cycles;
use crate::ordered;
use crate::refresh::Storing;

/// How long a stop waits for an answer that cannot be written.
const LAST_TRIES: Duration = Duration::from_mins(1);

/// Answers that could not be written yet. Each is kept until it is written, while other cycles run.
#[derive(Default)]
pub(super) struct Unstored(Vec<UnstoredAnswer>);

struct UnstoredAnswer {
    storing: Storing,
    next: Instant,
    delay: Duration,
    said: String,
}

impl UnstoredAnswer {
    fn new(storing: Storing) -> Self {
        let delay = Duration::from_secs(1);
        Self { storing, next: Instant::now() + delay, delay, said: String::new() }
    }

    /// Tries once more, and returns whether the answer is written. After a failure the delay doubles to 30 s.
    fn retry(&mut self) -> bool {
        match self.storing.attempt() {
            Ok(()) => true,
            Err(why) => {
                let message = why.to_string();
                if message != self.said {
                    log::error!(target: "REFRESH", "{message}");
                    self.said = message;
                }
                self.delay = (self.delay * 2).min(Duration::from_secs(30));
                self.next = Instant::now() + self.delay;
                false
            }
        }
    }
}

impl Unstored {
    /// Takes over the unwritten answers of a cycle.
    pub(super) fn extend(&mut self, held: Vec<Storing>) {
        self.0.extend(held.into_iter().map(UnstoredAnswer::new));
    }

    /// The token files that wait for their answers. No cycle refreshes them meanwhile.
    pub(super) fn names(&self) -> BTreeSet<String> {
        ordered::set(self.0.iter().flat_map(|waiting| waiting.storing.names().cloned()))
    }

    /// The time of the next attempt.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.next).min()
    }

    /// Tries the answers whose time has come. Returns whether one was written.
    pub(super) fn retry(&mut self, keeper: &mut Cycles) -> bool {
        let before = self.0.len();
        let mut waiting = std::mem::take(&mut self.0);
        for mut one in waiting.drain(..) {
            if one.next > Instant::now() || !one.retry() {
                self.0.push(one);
            } else {
                keeper.stored(one.storing);
            }
        }
        self.0.len() < before
    }

    /// Tries for a minute at the end of the process, and then names the files. An unwritten answer is kept beside its
    /// file for the next start. A second signal ends the wait.
    pub(super) fn last_tries(&mut self, keeper: &mut Cycles) -> Result<(), String> {
        let deadline = Instant::now() + LAST_TRIES;
        while !self.0.is_empty() {
            self.retry(keeper);
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            // The last attempt is at the very end of the minute, even after longer delays.
            for waiting in &mut self.0 {
                waiting.next = waiting.next.min(deadline);
            }
            let next = self.next().unwrap_or(now);
            std::thread::sleep(next.saturating_duration_since(now));
        }
        let files: Vec<String> = self
            .0
            .iter()
            .filter_map(|waiting| waiting.storing.waiting_file())
            .map(|file| file.display().to_string())
            .collect();
        if files.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "a new refresh token could not be stored in {} within {}; \
                 start token-refresher again when it can be written",
                files.join(", "),
                Words(LAST_TRIES)
            ))
        }
    }
}
