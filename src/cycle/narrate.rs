//! All lines of the log about tokens.

use std::path::Path;

use std::collections::BTreeSet;

use log::Level;

use super::cycle_log::{CycleLog, Subject, Topic};
use super::plan::{Agenda, Lead};
use super::scan::{Credential, TokenScan};
use super::token_line::{Expires, TokenLine};
use crate::clock::{Soon, Timestamp, Words};
use crate::refresh::{Job, Report};
use crate::state::{FailureKind, LastFailure, Plan, Store};
use crate::status::{AHEAD, NeededFor};
use crate::text::Count;
use crate::tokens::name::{Role, stem};

/// Logs the files in the directory.
pub(super) fn found(scan: &TokenScan, log: &mut CycleLog) {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let services = scan.tokens.iter().filter(|token| token.source.role == Role::Service).count();
    log.say(Subject::Refresh, format!("Found {services} egress token file{} to check", plural(services)));
    let others = scan.tokens.len() - services;
    if others > 0 {
        log.say(Subject::Refresh, format!("Found {others} other token file{}", plural(others)));
    }
    for (name, problem) in &scan.problems {
        let mut message = format!("not used: {problem}");
        if problem.needs_sign_in() {
            message.extend([": ", &*log.login_command(name)]);
        }
        log.problem(name, Topic::Contents, Level::Warn, &message, "");
    }
    for name in &scan.empty {
        let login = log.login_command(name);
        let message = format!("not used: it holds no token; remove it, or sign in: {login}");
        log.problem(name, Topic::Oddity, Level::Warn, &message, "");
    }
    for name in &scan.copies {
        let message = "is passed over: its name is that of a copy, and a copy's refresh token is never sent";
        log.problem(name, Topic::Oddity, Level::Info, message, "");
    }
    for token in scan.tokens.iter().filter(|token| !token.oddities.is_empty()) {
        log.problem(token.name(), Topic::Oddity, Level::Warn, &token.oddities.join("; "), "");
    }
}

/// Logs that no token file of the last cycle is left.
pub(super) fn vanished(directory: &Path, scan: &TokenScan, memory: &Store, log: &mut CycleLog) {
    if !scan.tokens.is_empty() || !scan.problems.is_empty() {
        return;
    }
    let before = memory.cycle().map_or(0, |cycle| cycle.tokens.max(cycle.vanished));
    if before == 0 {
        return;
    }
    let gone = Count(before, "token file");
    let login = log.login_command("NAME");
    let message = format!("{gone} vanished and none is left; put them back, or sign in again: {login}");
    log.problem(&directory.display().to_string(), Topic::Contents, Level::Error, &message, "");
}

/// Logs that another program changes the refresh token of this file too.
pub(super) fn foreign_writer(name: &str) {
    log::warn!(
        target: "REFRESH",
        "{name}: another program also refreshes this credential: its refresh token has changed while nothing \
         was wrong with it; unless that was a new sign-in, let only one of them do it"
    );
}

/// Logs the expiry of each token, and the action for it.
pub(super) fn agenda(scan: &TokenScan, agenda: &mut Agenda, now: Timestamp, log: &mut CycleLog) {
    if agenda.is_eventful() {
        log.something_happened();
    }
    for (index, token) in scan.tokens.iter().enumerate() {
        if !agenda.due.contains(&index) {
            not_refreshed(token, now, log);
        }
    }
    for token in &scan.tokens {
        early_warning(token, now, log);
    }
    leads(scan, agenda, now, log);
}

/// Logs the endpoints that answer again.
pub(super) fn reachable(endpoints: &BTreeSet<String>) {
    for endpoint in endpoints {
        log::info!(target: "REFRESH", "{endpoint}: reachable again");
    }
}

/// Logs the jobs. The line of a refresh goes with its job, and is written when a request is sent. So no line is
/// written for an endpoint that proves to be down in this cycle.
pub(super) fn leads(scan: &TokenScan, agenda: &mut Agenda, now: Timestamp, log: &mut CycleLog) {
    let Agenda { jobs, leads, .. } = agenda;
    for (job, Lead { index, quiet }) in jobs.iter_mut().zip(leads) {
        let token = &scan.tokens[*index];
        let name = token.name();
        match job {
            Job::Repair { .. } => {
                let line = format!(
                    "{name}: is an old copy: its refresh token has been replaced; bringing it up to date..."
                );
                log.say(Subject::Refresh, line);
            }
            // The token is checked again; most likely no request is sent.
            Job::Refresh(_) if *quiet && !is_retried(token) => {}
            Job::Refresh(chain) => {
                chain.announcement = Some(format!("{name}: {}, refreshing...", Expires::of(token, now)));
            }
        }
    }
}

/// Whether a request is sent again after a transient failure.
fn is_retried(token: &Credential) -> bool {
    if token.in_trouble.is_some() {
        return true;
    }
    let failure = token.facts().failure();
    failure.is_some_and(|failure| failure.kind == FailureKind::Transient)
}

/// Logs a token that is not refreshed in this cycle.
fn not_refreshed(token: &Credential, now: Timestamp, log: &mut CycleLog) {
    if let Some(why) = &token.monitored {
        return monitored(token, why, now, log);
    }
    if let Some(why) = token.unresolved.as_ref().filter(|_| matches!(token.plan, Plan::Later(_))) {
        let message = format!("cannot be refreshed when it is due: {why}");
        log.problem(token.name(), Topic::Means, Level::Warn, &message, "");
    }
    let name = token.name();
    log.say_of_token(TokenLine::new(token, now));
    let until = match token.plan {
        Plan::Waiting(until) => Some(until),
        Plan::Blocked => None,
        Plan::Later(_) | Plan::Never | Plan::Due | Plan::Recheck => return,
    };
    match token.facts().failure() {
        Some(failure) => failed(name, failure, until, now, log),
        None if until.is_some() => waiting(name, until, now, log),
        None => {}
    }
    has_expired(name, token.source.life.expires_at, now, log);
}

/// Logs a token whose endpoint is in trouble, as another token found out.
fn waiting(name: &str, until: Option<Timestamp>, now: Timestamp, log: &mut CycleLog) {
    log.problem(name, Topic::Freshness, Level::Warn, "its endpoint is in trouble", &next_attempt(until, now));
}

/// The time of the next attempt, as the end of a line.
fn next_attempt(next: Option<Timestamp>, now: Timestamp) -> String {
    next.map_or_else(String::new, |next| format!("; next attempt {}", Soon(next.since(now))))
}

/// Logs a token that expired before it could be refreshed: an error, once.
fn has_expired(name: &str, expires_at: Option<Timestamp>, now: Timestamp, log: &mut CycleLog) {
    if expires_at.is_some_and(|end| end <= now) {
        let message = "its access token has expired before it could be refreshed";
        log.problem(name, Topic::Expiry, Level::Error, message, "");
    }
}

/// Logs a token that only a person can renew: when it is found, a day before it expires, and when it has expired.
fn monitored(token: &Credential, why: &str, now: Timestamp, log: &mut CycleLog) {
    let name = token.name();
    match token.source.life.expires_at {
        Some(end) if end <= now => {
            let message = format!("has expired and cannot be refreshed ({why}); put a new token there");
            log.problem(name, Topic::Ending, Level::Error, &message, "");
        }
        Some(end) if end.since(now) <= AHEAD => {
            let message =
                format!("expires within a day and cannot be refreshed ({why}); put a new token there");
            let detail = format!(" (in {})", Words(end.since(now)));
            log.problem(name, Topic::Ending, Level::Warn, &message, &detail);
        }
        _ => {}
    }
    log.say(Subject::Refresh, format!("{name}: {}, monitored only: {why}", Expires::of(token, now)));
}

/// Warns that a person will be needed, within a day before. A monitored token has a line of its own for this.
fn early_warning(token: &Credential, now: Timestamp, log: &mut CycleLog) {
    let facts = token.facts();
    match facts.need(now) {
        Some(need) if need.what != NeededFor::TokenEnds => {
            let mut detail = format!(" ({})", need.words(now));
            if need.what == NeededFor::RefreshTokenEnds {
                detail.extend(["; sign in again before: ", &*log.login_command(token.name())]);
            }
            log.problem(token.name(), Topic::Ending, Level::Warn, need.message(), &detail);
        }
        // The need has come, and another line has the error.
        None if token.monitored.is_none() && facts.failure().is_some() => {
            log.keep_problem(token.name(), Topic::Ending);
        }
        _ => {}
    }
}

/// Logs the report about one file. `again`: this cycle has logged new tokens for the file before.
pub(super) fn report(
    name: &str,
    report: &Report,
    found: Option<&Credential>,
    again: bool,
    now: Timestamp,
    log: &mut CycleLog,
) {
    match report {
        Report::Refreshed(warnings) => {
            log.something_happened();
            log.solved(name, &[Topic::Freshness, Topic::Expiry]);
            log.say(Subject::Refresh, format!("Successfully refreshed token for {}", stem(name)));
            for warning in warnings {
                log::warn!(target: "REFRESH", "{name}: {warning}");
            }
        }
        Report::NotDue => {}
        Report::Followed if again => {}
        Report::RefreshedElsewhere => {
            log.say(Subject::Refresh, format!("{name}: another process has refreshed it; using its token"));
        }
        Report::Finished => log::info!(target: "REFRESH", "{name}: finished a refresh that was interrupted"),
        Report::Followed => {
            log.say(Subject::Refresh, format!("{name}: took over the new refresh token of its chain"));
        }
        Report::Repaired(holder) => log::warn!(
            target: "REFRESH",
            "{name}: was an old copy of {holder}, whose refresh token has been replaced since; took the present one"
        ),
        Report::Stopped => log.say(Subject::Refresh, format!("{name}: left for the next start")),
        Report::SignedInMeanwhile => log::warn!(
            target: "REFRESH", "{name}: a new sign-in was stored while it was being refreshed; the new sign-in stays"
        ),
        Report::Moved(now) => log::info!(
            target: "REFRESH", "{name}: was renamed to {now} during its refresh, which has the new token"
        ),
        Report::Gone => log.say(Subject::Refresh, format!("{name}: is gone; nothing is made again")),
        Report::Busy => log.say(Subject::Refresh, format!("{name}: another process is refreshing it")),
        Report::Waiting(until) => {
            waiting(name, Some(*until), now, log);
            has_expired(name, found.and_then(|token| token.source.life.expires_at), now, log);
        }
        Report::Monitored(why) => {
            if let Some(token) = found {
                monitored(token, why, now, log);
            }
        }
        Report::Failed(failure) | Report::HalfRefreshed(failure) => {
            failed(name, failure, failure.next_attempt(now), now, log);
            has_expired(name, found.and_then(|token| token.source.life.expires_at), now, log);
        }
        Report::Unusable(why) => {
            log.problem(name, Topic::Freshness, Level::Error, why, "");
        }
    }
}

/// Logs a failure: a warning while another attempt is planned, an error when a person must act. The time of the `next`
/// attempt is a detail, not part of the message.
fn failed(name: &str, failure: &LastFailure, next: Option<Timestamp>, now: Timestamp, log: &mut CycleLog) {
    let level = match failure.kind {
        _ if failure.warning => Level::Warn,
        FailureKind::ReauthRequired | FailureKind::Configuration | FailureKind::Local => Level::Error,
        FailureKind::Transient | FailureKind::OutcomeUnknown => Level::Warn,
    };
    let mut message = failure.message.clone();
    if failure.says_to_sign_in() {
        message.extend([": ", &*log.login_command(name)]);
    }
    log.problem(name, Topic::Freshness, level, &message, &next_attempt(next, now));
}

pub(super) fn ended(failing: usize, log: &mut CycleLog) {
    if failing == 0 {
        log.say(Subject::Refresh, "Token refresh cycle completed successfully");
    } else {
        log.say(Subject::Refresh, format!("Token refresh cycle completed, {failing} not refreshed"));
    }
}

/// The one line of a cycle without events.
pub(super) fn idle(tokens: usize, failing: usize, next: Option<Timestamp>, now: Timestamp) {
    let due = next.map_or_else(
        || "none is due".to_owned(),
        |next| format!("the next is due {}", Soon(next.since(now))),
    );
    let done = if failing == 0 {
        "nothing to do".to_owned()
    } else {
        format!("{failing} not fresh (`token-refresher status` says why)")
    };
    log::info!(target: "REFRESH", "Checked {tokens} token{}, {done}; {due}", if tokens == 1 { "" } else { "s" });
}
