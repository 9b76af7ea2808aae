//! `check`: one line and an exit status, for monitoring plugins.
//!
//! The form is that of the Monitoring Plugins Development Guidelines: `STATE: text | label=value ...`, with 0 OK, 1
//! WARNING, 2 CRITICAL, 3 UNKNOWN.

use std::fmt::Write as _;
use std::time::Duration;

use super::judge::TokenState;
use super::report::Overview;
use super::seals::SealCounts;
use super::token::{Severity, Token};
use crate::clock::{Soon, Timestamp, Words};
use crate::files::Holder;
use crate::ordered;
use crate::text::{Count, escaped};

/// The exit status of a check that could not be made.
pub(crate) const UNKNOWN: u8 = 3;

/// The shortest time without a cycle that counts as trouble. For longer intervals, three of them count.
const SHORTEST_PATIENCE: Duration = Duration::from_mins(3);

/// The number of complaints in the line, which must remain readable in a list of services.
const NAMED: usize = 3;

/// The line and the exit status of `check`.
pub(crate) fn check(report: &Overview) -> (String, u8) {
    let mut complaints: Vec<(Severity, String)> = no_daemon(report).into_iter().collect();
    complaints.extend(vanished(report));
    complaints.extend(failing_hooks(report));
    complaints.extend(unwritten(report));
    let open = report.open_to_others.as_ref();
    complaints.extend(open.map(|why| (Severity::Warning, why.clone())));
    complaints.extend(report.tokens.iter().filter_map(|token| token.complaint(report.now)));
    // The sort is stable: a missing daemon comes before the tokens that are in trouble because of it.
    ordered::sort(&mut complaints, |(one, _), (other, _)| other.cmp(one));
    let severity = complaints.first().map_or(Severity::Ok, |(severity, _)| *severity);
    let mut text: Vec<String> = complaints.iter().take(NAMED).map(|(_, words)| words.clone()).collect();
    if complaints.len() > NAMED {
        text.push(format!("{} more", complaints.len() - NAMED));
    }
    if text.is_empty() {
        text.push(all_is_well(report));
    }
    // A bar begins the figures.
    let text = escaped(&text.join(", ")).replace('|', "/");
    (format!("{}: {text} | {}\n", word(severity), figures(report)), severity as u8)
}

/// The line of a check that could not be made.
pub(crate) fn unknown(why: &str) -> String {
    format!("UNKNOWN: {}\n", escaped(why).replace('|', "/"))
}

/// The line and the exit status of `check --alive`, which only tells whether a restart would help.
pub(crate) fn alive(holder: Holder, now: Timestamp) -> (String, u8) {
    let line = match holder {
        Holder::Held { touched } if holder.is_alive(now) => {
            return (format!("OK: the daemon is well, seen {} ago\n", Words(now.since(touched))), 0);
        }
        Holder::Held { touched } => {
            format!("the daemon hangs, last seen {} ago", Words(now.since(touched)))
        }
        Holder::Free => "no daemon runs".to_owned(),
        Holder::NoFile => "no daemon has ever run here".to_owned(),
    };
    (format!("WARNING: {line}\n"), 1)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "OK",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

/// The complaint that tokens are not refreshed. No daemon runs, or the running one hangs, and there was no cycle for a
/// while. A cycle of `--once` from a timer counts.
fn no_daemon(report: &Overview) -> Option<(Severity, String)> {
    let patience = (report.interval * 3).max(SHORTEST_PATIENCE);
    let quiet = report.quiet_for();
    if report.is_alive() {
        return None;
    }
    if let Some(quiet) = quiet.filter(|quiet| *quiet <= patience) {
        // The state is right after `--once` from a timer, but not after a daemon.
        let daemon = report.daemon.record.as_ref().is_some_and(|record| !record.once);
        let ended = daemon && report.daemon.holder == Holder::Free;
        let words = || format!("no daemon runs, the last sign of one is {} old", Words(quiet));
        return ended.then(|| (Severity::Warning, words()));
    }
    let since = quiet.map_or_else(|| "ever".to_owned(), |quiet| format!("for {}", Words(quiet)));
    let words = if report.is_running() {
        format!("the daemon hangs, no cycle {since}")
    } else {
        format!("no daemon runs and there was no cycle {since}")
    };
    Some((Severity::Critical, words))
}

/// The complaint that all token files are gone.
fn vanished(report: &Overview) -> Option<(Severity, String)> {
    let before = report.vanished();
    (before > 0).then(|| (Severity::Critical, format!("{} vanished", Count(before, "token file"))))
}

fn failing_hooks(report: &Overview) -> impl Iterator<Item = (Severity, String)> {
    report.hooks.iter().filter_map(|(kind, hook)| {
        let (option, error) = (kind.option(), hook.error.as_ref()?);
        Some((Severity::Warning, format!("{option} {error} ({} failed)", hook.failures)))
    })
}

/// The complaints about files that cannot be written, so that their readers see old contents.
fn unwritten(report: &Overview) -> impl Iterator<Item = (Severity, String)> {
    let files = report.cycle.iter().flat_map(|cycle| &cycle.unwritten);
    files.map(|(file, why)| (Severity::Warning, format!("{file}: {why}")))
}

fn all_is_well(report: &Overview) -> String {
    let next = report.tokens.iter().filter_map(|token| token.next_attempt).min();
    let next = next.map_or_else(
        || "none is due".to_owned(),
        |next| format!("the next is due {}", Soon(next.since(report.now))),
    );
    let at_rest = Some(report.at_rest).filter(SealCounts::is_in_use);
    let at_rest = at_rest.map(|counts| format!("; at rest: {counts}")).unwrap_or_default();
    format!("{}, {next}{at_rest}", Count(report.tokens.len(), "token"))
}

/// Figures for graphs: `label=value[unit]`, separated by blanks.
fn figures(report: &Overview) -> String {
    let count =
        |matches: &dyn Fn(&Token) -> bool| report.tokens.iter().filter(|token| matches(token)).count();
    let expired = count(&|token| token.expired);
    let sign_in = count(&|token| token.state == TokenState::SignInAgain);
    let failing = count(&|token| {
        use TokenState::{InDoubt, Local, Misconfigured, Retrying, Unusable};
        matches!(token.state, InDoubt | Local | Misconfigured | Retrying | Unusable)
    });
    let soon = count(&|token| token.need.is_some());
    let mut text = format!(
        "tokens={} expired={expired} sign_in_again={sign_in} failing={failing} person_soon={soon}",
        report.tokens.len()
    );
    if let Some(end) = report.tokens.iter().filter_map(|token| token.expires_at).min() {
        // Writing to a String cannot fail.
        let _ = write!(text, " first_expiry={}s", end.as_seconds() - report.now.as_seconds());
    }
    if let Some(cycle) = &report.cycle {
        let age = report.now.since(cycle.ended).as_secs();
        let _ = write!(text, " last_cycle={age}s");
    }
    let counts = &report.at_rest;
    if counts.is_in_use() {
        let _ =
            write!(text, " sealed={} plain={} older_key={}", counts.sealed, counts.plain, counts.older_key);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::report::DaemonSeen;
    use super::super::report::tests::{NOW, fresh, report};
    use super::*;
    use crate::state::{CycleRecord, DaemonRecord};

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn all_is_well_with_figures() {
        let (line, status) = check(&report(vec![fresh("a"), fresh("b")]));
        let figures =
            "tokens=2 expired=0 sign_in_again=0 failing=0 person_soon=0 first_expiry=7200s last_cycle=40s";
        assert_eq!((line, status), (format!("OK: 2 tokens, the next is due in 1 hour | {figures}\n"), 0));
    }

    #[test]
    fn the_worst_is_named_first_and_the_rest_counted() {
        let state = |name: &str, state| Token { state, failures: 2, ..fresh(name) };
        let (line, status) = check(&report(vec![
            state("a|b", TokenState::Retrying),
            state("c\n", TokenState::SignInAgain),
            fresh("d"),
            state("e", TokenState::Local),
            state("f", TokenState::InDoubt),
        ]));
        let text = "CRITICAL: c\\n needs a new sign-in, a/b is retried (2 failed), e is held up on \
             this machine, 1 more | ";
        assert!(line.starts_with(text), "{line}");
        assert!(line.contains(" sign_in_again=1 failing=3 "), "{line}");
        assert_eq!((line.lines().count(), status), (1, 2));
        assert_eq!(check(&report(vec![state("a", TokenState::Retrying)])).1, 1);
    }

    #[test]
    fn a_command_that_fails_is_a_warning() {
        let mut report = report(vec![fresh("a")]);
        report.hooks[0].1.failures = 2;
        report.hooks[0].1.error = Some("ended with exit status 3".to_owned());
        let (line, status) = check(&report);
        assert!(line.starts_with("WARNING: --on-refresh ended with exit status 3 (2 failed) | "), "{line}");
        assert_eq!(status, 1);
    }

    /// The exit status for a state of the daemon's lock and the ages of cycle and start. The start is the daemon's, or
    /// that of the process that left the record.
    fn runs(holder: Holder, cycle: Option<Duration>, started: Option<Duration>, interval: Duration) -> u8 {
        let mut report = report(vec![fresh("a")]);
        report.interval = interval;
        report.cycle =
            report.cycle.map(|record| CycleRecord { ended: cycle.map_or(NOW, |ago| NOW - ago), ..record });
        if cycle.is_none() {
            report.cycle = None;
        }
        let record = report.daemon.record.take();
        let record = record.zip(started).map(|(record, ago)| DaemonRecord { started: NOW - ago, ..record });
        report.daemon = DaemonSeen { holder, record };
        check(&report).1
    }

    #[test]
    fn no_daemon_is_critical_after_three_intervals() {
        let well = Holder::Held { touched: NOW - MINUTE };
        let hangs = Holder::Held { touched: NOW - MINUTE * 4 };
        let five = MINUTE * 5;
        let day = Some(MINUTE * 1440);
        for (case, status, expected) in [
            ("a daemon before its first cycle", runs(well, None, None, five), 0),
            ("a daemon with a long interval", runs(well, day, day, five), 0),
            ("--once from a timer", runs(Holder::NoFile, Some(five * 3), day, five), 0),
            ("--once has not run for long", runs(Holder::NoFile, Some(five * 3 + MINUTE), day, five), 2),
            ("a daemon ended lately", runs(Holder::Free, None, Some(MINUTE), five), 1),
            (
                "short intervals get three minutes",
                runs(Holder::NoFile, Some(MINUTE * 3), day, MINUTE / 60),
                0,
            ),
            ("and not more", runs(Holder::Free, Some(MINUTE * 4), day, MINUTE / 60), 2),
            ("nobody has ever run", runs(Holder::NoFile, None, None, five), 2),
            ("a daemon that hangs", runs(hangs, day, day, five), 2),
            ("one that hangs in a cycle lately begun", runs(hangs, Some(five), day, five), 0),
        ] {
            assert_eq!(status, expected, "{case}");
        }
    }

    #[test]
    fn vanished_token_files_are_critical_until_one_is_there() {
        let gone = |tokens, vanished| {
            let mut report = report(Vec::new());
            report.cycle = report.cycle.map(|cycle| CycleRecord { tokens, vanished, ..cycle });
            check(&report)
        };
        assert_eq!(gone(0, 0).1, 0);
        for (tokens, vanished) in [(2, 0), (0, 2)] {
            let (line, status) = gone(tokens, vanished);
            assert!(line.starts_with("CRITICAL: 2 token files vanished | ") && status == 2, "{line}");
        }
    }

    #[test]
    fn alive_is_about_the_daemon_alone() {
        for (holder, line, status) in [
            (Holder::Held { touched: NOW - MINUTE }, "OK: the daemon is well, seen 1 minute ago\n", 0),
            (
                Holder::Held { touched: NOW - MINUTE * 4 },
                "WARNING: the daemon hangs, last seen 4 minutes ago\n",
                1,
            ),
            (Holder::Free, "WARNING: no daemon runs\n", 1),
            (Holder::NoFile, "WARNING: no daemon has ever run here\n", 1),
        ] {
            assert_eq!(alive(holder, NOW), (line.to_owned(), status));
        }
        assert_eq!(unknown("--x|y: unknown\n"), "UNKNOWN: --x/y: unknown\\n\n");
    }
}
