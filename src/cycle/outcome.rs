//! The results of a cycle's jobs. Pure.

use std::collections::BTreeSet;

use super::scan::Credential;
use crate::clock::Timestamp;
use crate::refresh::{BUSY_AGAIN, Report, Storing};
use crate::status::metrics::Counters;

#[derive(Default)]
pub(super) struct Outcome {
    /// Files with new tokens.
    pub changed: BTreeSet<String>,
    /// Credentials that were due and are not fresh.
    pub failing: BTreeSet<String>,
    /// Times before which no look is needed, one for each job that has one.
    pub next: Vec<Timestamp>,
    /// Files that were not refreshed, since their endpoint is in trouble.
    pub waiting: BTreeSet<String>,
    /// Answers that are not stored yet.
    pub held: Vec<Storing>,
    pub counters: Counters,
}

impl Outcome {
    /// Adds the report about one file, as the scan found it.
    pub(super) fn take(&mut self, name: &str, report: &Report, found: Option<&Credential>, now: Timestamp) {
        let (changed, failing) = match report {
            Report::Refreshed(_)
            | Report::RefreshedElsewhere
            | Report::Finished
            | Report::Followed
            | Report::Repaired(_)
            | Report::SignedInMeanwhile => (true, false),
            Report::HalfRefreshed(_) => (true, true),
            Report::Moved(_) | Report::NotDue | Report::Gone | Report::Monitored(_) => (false, false),
            Report::Busy | Report::Stopped | Report::Waiting(_) | Report::Failed(_) | Report::Unusable(_) => {
                (false, true)
            }
        };
        if changed {
            self.changed.insert(name.to_owned());
            // An earlier job of this cycle may have failed for the file.
            self.failing.remove(name);
        }
        if failing {
            self.failing.insert(name.to_owned());
        }
        match report {
            Report::Refreshed(_) => self.counters.refreshed += 1,
            Report::Busy => self.next.push(now + BUSY_AGAIN),
            Report::Waiting(until) => {
                self.waiting.insert(name.to_owned());
                self.next.push(*until);
            }
            Report::Failed(failure) | Report::HalfRefreshed(failure) => {
                self.next.extend(failure.next_attempt(now));
                // An unchanged failure means that no request was sent.
                if found.is_none_or(|token| token.state.failure.as_deref() != Some(failure)) {
                    self.counters.failure(failure.kind);
                }
            }
            _ => {}
        }
    }

    /// Adds the results of further jobs, of other files.
    pub(super) fn add(&mut self, more: Self) {
        self.changed.extend(more.changed);
        self.failing.extend(more.failing);
        self.next.extend(more.next);
        self.waiting.extend(more.waiting);
        self.held.extend(more.held);
        self.counters = self.counters + more.counters;
    }

    /// Adds an answer that is not stored yet.
    pub(super) fn hold(&mut self, storing: Storing) {
        self.failing.extend(storing.names().cloned());
        self.held.push(storing);
    }
}
