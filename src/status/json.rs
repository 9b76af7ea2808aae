//! `status --json` for programs. docs/watching.md documents the form. A change that breaks readers raises [`VERSION`];
//! a new member does not. Times are whole seconds since 1970, as in token files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::report::Overview;
use super::seals::SealCounts;
use super::token::{Severity, Token};
use crate::clock::Timestamp;
use crate::state::HookRecord;
use crate::text::acts;

/// The version of the form.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct JsonStatus<'a> {
    version: u32,
    now: i64,
    tokens_dir: &'a str,
    daemon: JsonDaemon,
    last_cycle: Option<JsonCycle<'a>>,
    on_refresh: JsonHook<'a>,
    on_trouble: JsonHook<'a>,
    at_rest: SealCounts,
    endpoints: Vec<JsonEndpoint<'a>>,
    copies: &'a [String],
    tokens: Vec<JsonToken<'a>>,
}

#[derive(Serialize)]
struct JsonDaemon {
    running: bool,
    alive: bool,
    pid: Option<u32>,
    started_at: Option<i64>,
    interval: u64,
    buffer: u64,
}

#[derive(Serialize)]
struct JsonCycle<'a> {
    ended_at: i64,
    tokens: usize,
    failing: usize,
    vanished: usize,
    unwritten: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct JsonHook<'a> {
    failures: u32,
    last_error: Option<&'a str>,
    next_attempt_at: Option<i64>,
    waiting: &'a BTreeSet<String>,
}

#[derive(Serialize)]
struct JsonEndpoint<'a> {
    origin: &'a str,
    failures: u32,
    next_attempt_at: i64,
}

#[derive(Serialize)]
struct JsonToken<'a> {
    file: &'a str,
    name: &'a str,
    in_configurations: bool,
    state: &'static str,
    severity: &'static str,
    expired: bool,
    expires_at: Option<i64>,
    refresh_expires_at: Option<i64>,
    last_success_at: Option<i64>,
    next_attempt_at: Option<i64>,
    failures: u32,
    last_error: Option<&'a str>,
    why: &'a str,
    remedy: Option<&'a str>,
    person_needed_by: Option<i64>,
    oddities: &'a [String],
}

/// The document, with a line break at its end.
pub(crate) fn json(report: &Overview) -> String {
    let running = report.is_running();
    let record = report.daemon.record.as_ref().filter(|_| running);
    let document = JsonStatus {
        version: VERSION,
        now: report.now.as_seconds(),
        tokens_dir: &report.tokens_dir,
        daemon: JsonDaemon {
            running,
            alive: report.is_alive(),
            pid: record.map(|record| record.pid),
            started_at: record.map(|record| record.started.as_seconds()),
            interval: whole(report.interval),
            buffer: whole(report.buffer),
        },
        last_cycle: report.cycle.as_ref().map(|cycle| JsonCycle {
            ended_at: cycle.ended.as_seconds(),
            tokens: cycle.tokens,
            failing: cycle.failing,
            vanished: cycle.vanished,
            unwritten: &cycle.unwritten,
        }),
        on_refresh: hook(&report.hooks[0].1),
        on_trouble: hook(&report.hooks[1].1),
        at_rest: report.at_rest,
        endpoints: report
            .endpoints
            .iter()
            .map(|(origin, outage)| JsonEndpoint {
                origin,
                failures: outage.failures,
                next_attempt_at: outage.next_attempt.as_seconds(),
            })
            .collect(),
        copies: &report.copies,
        tokens: report.tokens.iter().map(|token| entry(token, report.now)).collect(),
    };
    // Texts, numbers and lists of them can always be printed as JSON.
    escaped(&serde_json::to_string(&document).unwrap_or_default()) + "\n"
}

fn hook(record: &HookRecord) -> JsonHook<'_> {
    JsonHook {
        failures: record.failures,
        last_error: record.error.as_deref(),
        next_attempt_at: record.next_attempt.map(Timestamp::as_seconds),
        waiting: &record.waiting,
    }
}

/// Escapes the letters that a terminal would obey or that mislead a reader's eye. Such letters are in strings only,
/// and below U+10000.
fn escaped(json: &str) -> String {
    let letter =
        |letter| if acts(letter) { format!("\\u{:04x}", u32::from(letter)) } else { String::from(letter) };
    json.chars().map(letter).collect()
}

fn entry(token: &Token, now: Timestamp) -> JsonToken<'_> {
    let at = |time: Option<Timestamp>| time.map(Timestamp::as_seconds);
    JsonToken {
        file: &token.file,
        name: &token.name,
        in_configurations: token.in_configurations,
        state: token.state.name(),
        severity: match token.complaint(now).map(|(severity, _)| severity) {
            None | Some(Severity::Ok) => "ok",
            Some(Severity::Warning) => "warning",
            Some(Severity::Critical) => "critical",
        },
        expired: token.expired,
        expires_at: at(token.expires_at),
        refresh_expires_at: at(token.refresh_expires_at),
        last_success_at: at(token.last_success),
        next_attempt_at: at(token.next_attempt),
        failures: token.failures,
        last_error: token.error.as_deref(),
        why: &token.why,
        remedy: token.remedy.as_deref(),
        person_needed_by: token.need.map(|need| need.by.as_seconds()),
        oddities: &token.oddities.lines,
    }
}

fn whole(duration: Duration) -> u64 {
    duration.as_secs()
}

#[cfg(test)]
mod tests {
    use super::super::judge::TokenState;
    use super::super::need::{Need, NeededFor};
    use super::super::report::tests::{NOW, fresh, report};
    use super::*;

    #[test]
    fn no_name_moves_the_cursor_of_a_reader() {
        let name = "a\u{9b}2J\u{202e}\u{7f}\u{200f}\u{1b}é";
        let text = json(&report(vec![fresh(name)]));
        assert!(text.contains("a\\u009b2J\\u202e\\u007f\\u200f\\u001bé") && text.ends_with("}\n"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["tokens"][0]["name"], name);
    }

    /// Every member with its value, as readers may rely on it. A change here is a change of docs/watching.md. A member
    /// that is removed or means something else is a new version.
    #[test]
    fn the_form_is_what_the_documentation_says() {
        let troubled = Token {
            state: TokenState::Retrying,
            failures: 2,
            error: Some("HTTP 503".to_owned()),
            why: "HTTP 503 (2 attempts in 1 minute)".to_owned(),
            refresh_expires_at: Some(NOW + Duration::from_secs(5)),
            last_success: Some(NOW - Duration::from_secs(5)),
            need: Some(Need { by: NOW + Duration::from_secs(5), what: NeededFor::RefreshTokenEnds }),
            ..fresh("github-repos")
        };
        let text = json(&report(vec![troubled]));
        let expected = serde_json::json!({
            "version": 1,
            "now": 1_000_000,
            "tokens_dir": "/srv/project/.oauth-tokens",
            "daemon": {
                "running": true, "alive": true, "pid": 4711, "started_at": 989_200, "interval": 300, "buffer": 3600,
            },
            "last_cycle": {"ended_at": 999_960, "tokens": 1, "failing": 0, "vanished": 0, "unwritten": {}},
            "on_refresh": {"failures": 0, "last_error": null, "next_attempt_at": null, "waiting": []},
            "on_trouble": {"failures": 0, "last_error": null, "next_attempt_at": null, "waiting": []},
            "at_rest": {"key": null, "plain": 0, "sealed": 0, "older_key": 0},
            "endpoints": [], "copies": [],
            "tokens": [{
                "file": "github-repos-egress.json",
                "name": "github-repos",
                "in_configurations": true,
                "state": "retrying",
                "severity": "warning",
                "expired": false,
                "expires_at": 1_007_200,
                "refresh_expires_at": 1_000_005,
                "last_success_at": 999_995,
                "next_attempt_at": 1_003_600,
                "failures": 2,
                "last_error": "HTTP 503",
                "why": "HTTP 503 (2 attempts in 1 minute)",
                "remedy": null,
                "person_needed_by": 1_000_005,
                "oddities": [],
            }],
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        let page = include_str!("../../docs/watching.md");
        let token = expected["tokens"][0].as_object().unwrap().keys();
        for member in token
            .chain(expected["daemon"].as_object().unwrap().keys())
            .chain(expected.as_object().unwrap().keys())
        {
            assert!(page.contains(&format!("`{member}`")), "docs/watching.md does not explain {member}");
        }
        for state in TokenState::ALL {
            assert!(
                page.contains(&format!("`{}`", state.name())),
                "docs/watching.md does not explain {}",
                state.name()
            );
        }
    }
}
