//! The Prometheus text format, for the textfile collector of `node_exporter`: metrics without a listener.
//!
//! The text is written anew at the end of each cycle. Names follow the Prometheus conventions (base units, `_total`
//! for counters). All labels are file names, states, classes and commands, so none can hold a secret.

use std::io::{self, Write};
use std::ops::Add;
use std::path::Path;
use std::time::Duration;

use super::judge::{Facts, TokenState};
use super::remedy::login_command;
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::state::{FailureKind, HookRecord};

/// The events since the process began.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counters {
    /// Completed cycles.
    pub cycles: u64,
    /// Token files that got new tokens.
    pub refreshed: u64,
    /// Failed attempts, in the order of [`KINDS`].
    pub failed: [u64; 5],
}

/// The kinds of failures, with their names as labels.
const KINDS: [(FailureKind, &str); 5] = [
    (FailureKind::ReauthRequired, "sign_in_again"),
    (FailureKind::Configuration, "configuration"),
    (FailureKind::Local, "local"),
    (FailureKind::Transient, "passing"),
    (FailureKind::OutcomeUnknown, "in_doubt"),
];

impl Add for Counters {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        let mut failed = self.failed;
        failed.iter_mut().zip(more.failed).for_each(|(count, more)| *count += more);
        Self { cycles: self.cycles + more.cycles, refreshed: self.refreshed + more.refreshed, failed }
    }
}

impl Counters {
    /// Counts one failed attempt.
    pub(crate) fn failure(&mut self, kind: FailureKind) {
        let counted = self.failed.iter_mut().zip(KINDS).find(|(_, (known, _))| *known == kind);
        if let Some((count, _)) = counted {
            *count += 1;
        }
    }
}

/// The process and the last cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricsSnapshot<'a> {
    /// Whether a daemon writes the file; a process of `--once` has ended when the file is read.
    pub up: bool,
    /// The start of the process.
    pub started: Timestamp,
    /// The end of the cycle.
    pub ended: Timestamp,
    /// The duration of the cycle.
    pub took: Duration,
    /// The project root, for the commands that a person may type.
    pub project: &'a Path,
    /// The events so far.
    pub counters: Counters,
    /// Files in the tokens directory that cannot be used.
    pub unusable: usize,
    /// The state of `--on-refresh`.
    pub refresh_hook: HookFigures,
    /// The state of `--on-trouble`.
    pub trouble_hook: HookFigures,
    /// How many files other than token files could not be written.
    pub unwritten: usize,
}

/// One of the user's commands, in figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookFigures {
    /// The failures in a row.
    pub failures: u32,
    /// The number of files that the command still has to be told of.
    pub waiting: usize,
}

impl HookFigures {
    /// The figures of a record.
    pub(crate) fn of(record: &HookRecord) -> Self {
        Self { failures: record.failures, waiting: record.waiting.len() }
    }
}

/// The line of a running daemon.
const UP: &str = "token_refresher_up 1\n";

/// The line that replaces [`UP`] when the daemon has ended.
const DOWN: &str = "token_refresher_up 0\n";

/// The text after the daemon's end; `None` where the text shows no running daemon.
pub(crate) fn ended(text: &str) -> Option<String> {
    text.contains(UP).then(|| text.replacen(UP, DOWN, 1))
}

/// A metric with a value for each token that has one.
struct PerToken {
    name: &'static str,
    help: &'static str,
    value: fn(&Facts<'_>, Timestamp) -> Option<i64>,
}

/// The metrics, in the order of the text.
const PER_TOKEN: &[PerToken] = &[
    PerToken {
        name: "token_refresher_token_expiry_timestamp_seconds",
        help: "When the access token ends.",
        value: |facts, _| facts.life.expires_at.map(Timestamp::as_seconds),
    },
    PerToken {
        name: "token_refresher_token_refresh_expiry_timestamp_seconds",
        help: "When the refresh token ends, where the provider says so.",
        value: |facts, _| facts.life.refresh_expires_at.map(Timestamp::as_seconds),
    },
    PerToken {
        name: "token_refresher_token_last_success_timestamp_seconds",
        help: "When a refresh last succeeded.",
        value: |facts, _| facts.remembered.last_success.map(Timestamp::as_seconds),
    },
    PerToken {
        name: "token_refresher_token_failures",
        help: "Failed attempts in a row; 0 after a success.",
        value: |facts, _| Some(facts.failure().map_or(0, |trouble| i64::from(trouble.failures))),
    },
    PerToken {
        name: "token_refresher_token_person_needed_timestamp_seconds",
        help: "By when a person is needed: already, or within a day.",
        value: |facts, now| match facts.state() {
            TokenState::SignInAgain => facts.failure().map(|trouble| trouble.since.as_seconds()),
            _ => facts.need(now).map(|need| need.by.as_seconds()),
        },
    },
];

/// Writes all metrics. `tokens` is iterated once for each metric, so that ten thousand lines are never in memory.
pub(crate) fn write<'a, I>(
    out: &mut dyn Write,
    moment: &MetricsSnapshot<'_>,
    tokens: impl Fn() -> I,
) -> io::Result<()>
where
    I: Iterator<Item = Facts<'a>>,
{
    process(out, moment)?;
    let states = "token_refresher_tokens";
    head(out, states, "gauge", "Token files by state.")?;
    for state in TokenState::ALL {
        let count = match state {
            TokenState::Unusable => moment.unusable,
            _ => tokens().filter(|facts| facts.state() == state).count(),
        };
        writeln!(out, "{states}{{state=\"{}\"}} {count}", state.name())?;
    }
    let remedy = "token_refresher_token_remedy_info";
    head(out, remedy, "gauge", "The command to type where a new sign-in is needed, as a label.")?;
    for facts in tokens().filter(|facts| Trouble::is_for_sign_in(facts, moment.ended)) {
        let command = login_command(facts.name(), moment.project);
        writeln!(out, "{remedy}{{file=\"{}\",command=\"{}\"}} 1", label(facts.file), label(&command))?;
    }
    for metric in PER_TOKEN {
        head(out, metric.name, "gauge", metric.help)?;
        for facts in tokens() {
            if let Some(value) = (metric.value)(&facts, moment.ended) {
                writeln!(out, "{}{{file=\"{}\"}} {value}", metric.name, label(facts.file))?;
            }
        }
    }
    Ok(())
}

fn process(out: &mut dyn Write, moment: &MetricsSnapshot<'_>) -> io::Result<()> {
    head(out, "token_refresher_up", "gauge", "Whether the daemon runs. One that was killed leaves a 1.")?;
    out.write_all(if moment.up { UP } else { DOWN }.as_bytes())?;
    head(out, "token_refresher_build_info", "gauge", "The version of the program.")?;
    writeln!(out, "token_refresher_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
    let MetricsSnapshot { started, ended, took, counters, .. } = moment;
    for (name, kind, help, value) in [
        (
            "token_refresher_start_timestamp_seconds",
            "gauge",
            "When the process began.",
            started.as_seconds().to_string(),
        ),
        (
            "token_refresher_cycle_end_timestamp_seconds",
            "gauge",
            "When the last cycle ended.",
            ended.as_seconds().to_string(),
        ),
        (
            "token_refresher_cycle_duration_seconds",
            "gauge",
            "How long the last cycle took.",
            format!("{}.{:03}", took.as_secs(), took.subsec_millis()),
        ),
        ("token_refresher_cycles_total", "counter", "Cycles that ended.", counters.cycles.to_string()),
        (
            "token_refresher_refreshes_total",
            "counter",
            "Token files that got new tokens.",
            counters.refreshed.to_string(),
        ),
        (
            "token_refresher_unwritten_files",
            "gauge",
            "Configurations and other files that cannot be written.",
            moment.unwritten.to_string(),
        ),
    ] {
        head(out, name, kind, help)?;
        writeln!(out, "{name} {value}")?;
    }
    hooks(out, moment)?;
    failures(out, counters)
}

fn failures(out: &mut dyn Write, counters: &Counters) -> io::Result<()> {
    let failures = "token_refresher_refresh_failures_total";
    head(out, failures, "counter", "Attempts that failed, by class.")?;
    for ((_, class), count) in KINDS.iter().zip(counters.failed) {
        writeln!(out, "{failures}{{class=\"{class}\"}} {count}")?;
    }
    Ok(())
}

fn hooks(out: &mut dyn Write, moment: &MetricsSnapshot<'_>) -> io::Result<()> {
    let (refresh, trouble) = (moment.refresh_hook, moment.trouble_hook);
    for (name, help, value) in [
        (
            "token_refresher_hook_failures",
            "How often in a row --on-refresh failed; 0 after it did not.",
            refresh.failures.to_string(),
        ),
        (
            "token_refresher_hook_waiting",
            "Changed token files that --on-refresh is still to be told of.",
            refresh.waiting.to_string(),
        ),
        (
            "token_refresher_trouble_hook_failures",
            "How often in a row --on-trouble failed; 0 after it did not.",
            trouble.failures.to_string(),
        ),
        (
            "token_refresher_trouble_hook_waiting",
            "Tokens that --on-trouble is still to be told of.",
            trouble.waiting.to_string(),
        ),
    ] {
        head(out, name, "gauge", help)?;
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}

fn head(out: &mut dyn Write, name: &str, kind: &str, help: &str) -> io::Result<()> {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// A label's value, with backslash, quote and line break escaped, as the format requires.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{CredentialState, Plan};
    use crate::tokens::Life;

    fn snapshot() -> MetricsSnapshot<'static> {
        let mut counters = Counters { cycles: 7, refreshed: 3, failed: [0; 5] };
        counters.failure(FailureKind::Transient);
        counters.failure(FailureKind::Transient);
        counters.failure(FailureKind::ReauthRequired);
        MetricsSnapshot {
            up: true,
            started: Timestamp::from_seconds(900_000),
            ended: Timestamp::from_seconds(1_000_000),
            took: Duration::from_millis(1_042),
            project: Path::new("/p"),
            counters,
            unusable: 1,
            refresh_hook: HookFigures { failures: 4, waiting: 2 },
            trouble_hook: HookFigures { failures: 5, waiting: 3 },
            unwritten: 5,
        }
    }

    /// The metrics of one token.
    fn written() -> String {
        let life = Life {
            expires_at: Some(Timestamp::from_seconds(1_003_600)),
            refresh_expires_at: Some(Timestamp::from_seconds(1_003_000)),
            ..Life::default()
        };
        let standing = CredentialState {
            last_success: Some(Timestamp::from_millis(999_000_500)),
            ..CredentialState::default()
        };
        let facts = Facts {
            file: "a\"b\\c\n-egress.json",
            in_configurations: true,
            life: &life,
            has_access: true,
            refresh_hash: None,
            monitored: None,
            unresolved: None,
            remembered: &standing,
            plan: Plan::Later(Timestamp::from_seconds(1_003_100)),
        };
        let mut text = Vec::new();
        write(&mut text, &snapshot(), || std::iter::once(facts)).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_whole_text() {
        let text = written();
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let version = format!("token_refresher_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        let file = "{file=\"a\\\"b\\\\c\\n-egress.json\"}";
        let per_token = [
            format!("token_refresher_token_expiry_timestamp_seconds{file} 1003600"),
            format!("token_refresher_token_refresh_expiry_timestamp_seconds{file} 1003000"),
            format!("token_refresher_token_last_success_timestamp_seconds{file} 999000"),
            format!("token_refresher_token_failures{file} 0"),
            format!("token_refresher_token_person_needed_timestamp_seconds{file} 1003000"),
        ];
        let mut expected = vec![
            "token_refresher_up 1",
            &version,
            "token_refresher_start_timestamp_seconds 900000",
            "token_refresher_cycle_end_timestamp_seconds 1000000",
            "token_refresher_cycle_duration_seconds 1.042",
            "token_refresher_cycles_total 7",
            "token_refresher_refreshes_total 3",
            "token_refresher_unwritten_files 5",
            "token_refresher_hook_failures 4",
            "token_refresher_hook_waiting 2",
            "token_refresher_trouble_hook_failures 5",
            "token_refresher_trouble_hook_waiting 3",
            "token_refresher_refresh_failures_total{class=\"sign_in_again\"} 1",
            "token_refresher_refresh_failures_total{class=\"configuration\"} 0",
            "token_refresher_refresh_failures_total{class=\"local\"} 0",
            "token_refresher_refresh_failures_total{class=\"passing\"} 2",
            "token_refresher_refresh_failures_total{class=\"in_doubt\"} 0",
            "token_refresher_tokens{state=\"fresh\"} 1",
            "token_refresher_tokens{state=\"lasting\"} 0",
            "token_refresher_tokens{state=\"due\"} 0",
            "token_refresher_tokens{state=\"retrying\"} 0",
            "token_refresher_tokens{state=\"in_doubt\"} 0",
            "token_refresher_tokens{state=\"local\"} 0",
            "token_refresher_tokens{state=\"misconfigured\"} 0",
            "token_refresher_tokens{state=\"sign_in_again\"} 0",
            "token_refresher_tokens{state=\"monitored\"} 0",
            "token_refresher_tokens{state=\"unusable\"} 1",
            "token_refresher_token_remedy_info{file=\"a\\\"b\\\\c\\n-egress.json\",\
             command=\"token-refresher login 'a\\\"b\\\\c\\n' --dir /p\"} 1",
        ];
        expected.extend(per_token.iter().map(String::as_str));
        assert_eq!(values, expected);

        let down = ended(&text).unwrap();
        assert!(down.contains("\ntoken_refresher_up 0\n") && down.len() == text.len());
        assert_eq!(ended(&down), None);
    }
}
