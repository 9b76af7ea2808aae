//! What became of each credential, said once and in words that help.

use std::collections::BTreeSet;

use log::Level;

use super::story::{Story, Subject, Topic};
use super::survey::Seen;
use crate::clock::{Timestamp, Words};
use crate::refresh::{BUSY_AGAIN, Kind, Report, Reports, Storing, Trouble};
use crate::status::metrics::Counters;
use crate::tokens::name::stem;

/// What the jobs of a cycle came to.
#[derive(Default)]
pub(super) struct Outcome {
    /// Files whose contents have changed.
    pub changed: BTreeSet<String>,
    /// Credentials that were due and are not fresh.
    pub failing: BTreeSet<String>,
    /// Times before which nothing needs to be looked at, one for each that has one.
    pub next: Vec<Timestamp>,
    /// Files that were not asked for, since their endpoint is in trouble.
    pub waiting: BTreeSet<String>,
    /// Answers that are not in their files yet.
    pub held: Vec<Storing>,
    /// What was counted on the way.
    pub counters: Counters,
}

impl Outcome {
    /// Takes in the reports of one job and says them.
    pub(super) fn take(&mut self, reports: Reports, tokens: &[Seen], now: Timestamp, story: &mut Story) {
        for (name, report) in reports {
            let seen = tokens.iter().find(|seen| seen.name == name);
            self.take_one(&name, report, seen, now, story);
        }
    }

    fn take_one(
        &mut self,
        name: &str,
        report: Report,
        seen: Option<&Seen>,
        now: Timestamp,
        story: &mut Story,
    ) {
        match report {
            Report::Refreshed(warnings) => {
                story.something_happened();
                story.say(Subject::Refresh, format!("Successfully refreshed token for {}", stem(name)));
                for warning in warnings {
                    log::warn!(target: "REFRESH", "{name}: {warning}");
                }
                self.changed.insert(name.to_owned());
                self.counters.refreshed += 1;
            }
            Report::Adopted => {
                story.say(
                    Subject::Refresh,
                    format!("{name}: another process has refreshed it; using its token"),
                );
                self.changed.insert(name.to_owned());
            }
            Report::Finished => {
                log::info!(target: "REFRESH", "{name}: finished a refresh that was interrupted");
                self.changed.insert(name.to_owned());
            }
            Report::Followed => {
                let line = format!("{name}: took over the new refresh token of its chain");
                story.say(Subject::Refresh, line);
                self.changed.insert(name.to_owned());
            }
            Report::Healed(holder) => {
                log::warn!(
                    target: "REFRESH",
                    "{name}: was an old copy, with a refresh token that has been replaced; took the one in {holder}"
                );
                self.changed.insert(name.to_owned());
            }
            Report::Stopped => {
                story.say(Subject::Refresh, format!("{name}: left for the next start"));
                self.failing.insert(name.to_owned());
            }
            Report::SignedInMeanwhile => {
                log::warn!(target: "REFRESH", "{name}: somebody signed in while it was being refreshed; theirs stays");
                self.changed.insert(name.to_owned());
            }
            Report::Gone => story.say(Subject::Refresh, format!("{name}: is gone; nothing is made again")),
            Report::Busy => {
                story.say(Subject::Refresh, format!("{name}: another process is refreshing it"));
                self.failing.insert(name.to_owned());
                self.next.push(now + BUSY_AGAIN);
            }
            Report::Waiting(until) => {
                let detail = format!("; next attempt in {}", Words(until.since(now)));
                story.problem(name, Topic::Freshness, Level::Warn, "its endpoint is in trouble", &detail);
                self.waiting.insert(name.to_owned());
                self.failing.insert(name.to_owned());
                self.next.push(until);
            }
            Report::Monitored(why) => {
                if let Some(seen) = seen {
                    super::planning::monitored(seen, &why, now, story);
                }
            }
            Report::Failed(trouble) => {
                say_trouble(name, &trouble, seen.and_then(|seen| seen.life.expires_at), now, story);
                self.failing.insert(name.to_owned());
                self.next.extend(trouble.next_attempt(now));
                // The same as before: looked at again without asking.
                if seen.is_none_or(|seen| seen.standing.trouble.as_ref() != Some(&trouble)) {
                    self.counters.failure(trouble.kind);
                }
            }
            Report::Unusable(why) => {
                story.problem(name, Topic::Freshness, Level::Error, &why, "");
                self.failing.insert(name.to_owned());
            }
            Report::Held(storing) => {
                self.failing.extend(storing.names().cloned());
                self.held.push(*storing);
            }
        }
    }
}

/// Says a credential's trouble: a warning while another attempt is planned, an error when a person
/// must act. What the message does not say is when the next attempt is, and whether a token that
/// stands in the configurations has expired meanwhile.
pub(super) fn say_trouble(
    name: &str,
    trouble: &Trouble,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    story: &mut Story,
) {
    let level = match trouble.kind {
        Kind::SignInAgain | Kind::Configuration | Kind::Local => Level::Error,
        Kind::Passing | Kind::InDoubt => Level::Warn,
    };
    let mut detail = String::new();
    if let Some(next) = trouble.next_attempt(now) {
        detail = format!("; next attempt in {}", Words(next.since(now)));
    }
    let expired = expires_at.is_some_and(|end| end <= now);
    let message = if expired {
        format!("{} (its token has expired)", trouble.message)
    } else {
        trouble.message.clone()
    };
    story.problem(name, Topic::Freshness, level, &message, &detail);
}
