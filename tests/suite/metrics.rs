//! The metrics file, read as strictly as Prometheus reads it. If something here fails, a graph is empty or
//! an alert is silent.

#![allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "whole numbers far below 2^53 are exact")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::{self, Daemon, Due, Program, Signal, Step, TokenFile, Who, due};

const CYCLE_ENDS: &str = "Token refresh cycle completed";

/// Reads the text format (version 0.0.4) and refuses what a strict reader would: a sample outside of its
/// metric's group, one without HELP and TYPE, a series twice, a bad name, label or number, no line break at
/// the end. Gives each series as it is written, with its value.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line must end");
    let mut series = BTreeMap::new();
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(is_name(name) && !help.is_empty() && helped.insert(name.to_owned()), "{line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert!(name == current && typed.insert(name.to_owned()), "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').expect(line);
            let labels =
                name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("out of its group: {line}"));
            assert!(typed.contains(&current), "without a type: {line}");
            check_labels(labels);
            assert!(series.insert(name.to_owned(), value.parse().expect(line)).is_none(), "twice: {line}");
        }
    }
    series
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|c: char| c.is_numeric())
}

/// `{name="value",...}` with `\\`, `\"` and `\n` as the only escapes, or nothing.
fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inside = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix("\"}")).expect(labels);
    for label in inside.split("\",") {
        let (name, value) = label.split_once("=\"").expect(labels);
        assert!(is_name(name), "{labels}");
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            assert_ne!(letter, '"', "{labels}");
            if letter == '\\' {
                assert!(matches!(letters.next(), Some('\\' | '"' | 'n')), "{labels}");
            }
        }
    }
}

struct Watched(Due);

impl Watched {
    fn new() -> Self {
        Self(due::none())
    }

    fn program(&self) -> Program {
        Program::new(&self.0.project).arg("--metrics-file").arg("metrics/token-refresher.prom")
    }

    fn start(&self) -> Daemon {
        fs::create_dir(self.0.project.path("metrics")).unwrap();
        let mut daemon = self.program().start();
        daemon.wait_for_log(CYCLE_ENDS);
        daemon
    }

    fn metrics(&self) -> BTreeMap<String, f64> {
        parse(&self.0.project.text("metrics/token-refresher.prom"))
    }
}

#[test]
fn every_cycle_is_told() {
    let watched = Watched::new();
    let Due { endpoint, project, client } = &watched.0;
    let before = support::now();
    project.write_token(&TokenFile::signed_in("github", "repos", endpoint, client).expires_in(60));
    let odd = "a \"quoted\\name-egress.json";
    project.write_token(&TokenFile::named(odd).field("access_token", "x").field("expires_at", before + 5));
    project.write_tokens_file("broken.json", "{");
    let mut daemon = watched.start();
    let metrics = watched.metrics();
    assert_eq!(metrics["token_refresher_up"], 1.0);
    assert_eq!(metrics["token_refresher_cycles_total"], 1.0);
    assert_eq!(metrics["token_refresher_refreshes_total"], 1.0);
    assert_eq!(metrics["token_refresher_tokens{state=\"fresh\"}"], 1.0);
    assert_eq!(metrics["token_refresher_tokens{state=\"monitored\"}"], 1.0);
    assert_eq!(metrics["token_refresher_tokens{state=\"unusable\"}"], 1.0);
    assert_eq!(metrics["token_refresher_token_failures{file=\"github-repos-egress.json\"}"], 0.0);
    let success =
        metrics["token_refresher_token_last_success_timestamp_seconds{file=\"github-repos-egress.json\"}"];
    assert!(success >= before as f64 && success <= support::now() as f64, "{success}");
    let expiry = "token_refresher_token_expiry_timestamp_seconds{file=\"a \\\"quoted\\\\name-egress.json\"}";
    assert_eq!(metrics[expiry], (before + 5) as f64);
    assert_eq!(fs::metadata(project.path("metrics/token-refresher.prom")).unwrap().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(project.path("metrics")).unwrap().count(), 1, "a temporary file is left");

    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert_eq!(watched.metrics()["token_refresher_cycles_total"], 2.0);
    // One that ends at once must not speak for the daemon, nor begin its counters anew.
    watched.program().once().expect_code(0);
    assert_eq!(watched.metrics()["token_refresher_cycles_total"], 2.0);
    for secret in endpoint.secrets() {
        assert!(!project.text("metrics/token-refresher.prom").contains(&secret));
    }
    daemon.stop().expect_code(0);
    assert_eq!(watched.metrics()["token_refresher_up"], 0.0);
    assert_eq!(watched.metrics()["token_refresher_cycles_total"], 2.0);
    watched.program().once().expect_code(0);
    let metrics = watched.metrics();
    assert_eq!((metrics["token_refresher_up"], metrics["token_refresher_cycles_total"]), (0.0, 1.0));
}

#[test]
fn failures_are_counted_by_class_and_not_twice() {
    let watched = Watched::new();
    let Due { endpoint, project, client } = &watched.0;
    project.write_token(&TokenFile::signed_in("github", "repos", endpoint, client).expires_in(600));
    let dead = TokenFile::signed_in("google", "drive", endpoint, client).expires_in(600);
    endpoint.script(Who::Anyone, [Step::error(400, "invalid_grant"), Step::error(400, "invalid_client")]);
    project.write_token(&dead);
    fs::create_dir(project.path("metrics")).unwrap();
    let mut daemon = watched.program().args("--jobs 1").start();
    daemon.wait_for_log(CYCLE_ENDS);
    // The credential that was refused for a setting is sent again after the signal, and the dead one is not.
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    let metrics = watched.metrics();
    let failures =
        |class: &str| metrics[&format!("token_refresher_refresh_failures_total{{class=\"{class}\"}}")];
    assert_eq!((failures("sign_in_again"), failures("configuration"), failures("passing")), (1.0, 1.0, 0.0));
    assert_eq!(endpoint.requests().len(), 3);
    let needed = "token_refresher_token_person_needed_timestamp_seconds";
    assert_eq!(metrics.keys().filter(|name| name.starts_with(needed)).count(), 1);
    let dir = project.root().display();
    let names = ["github-repos", "google-drive"];
    let remedy = names.map(|name| {
        let command = format!("token-refresher login {name} --dir {dir}");
        format!("token_refresher_token_remedy_info{{file=\"{name}-egress.json\",command=\"{command}\"}} 1\n")
    });
    // Which of the two was asked first is chance.
    let text = project.text("metrics/token-refresher.prom");
    assert_eq!(remedy.iter().filter(|line| text.contains(*line)).count(), 1, "{text}");
    daemon.stop().expect_code(0);
}

#[test]
fn a_metrics_file_that_cannot_be_written_is_said_once_and_stops_nothing() {
    let watched = Watched::new();
    let Due { endpoint, project, client } = &watched.0;
    project.write_token(&TokenFile::signed_in("github", "repos", endpoint, client).expires_in(60));
    let mut daemon = watched.program().start();
    daemon.wait_for_log(CYCLE_ENDS);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    let log = daemon.stop().expect_code(0).log;
    assert_eq!(log.matches("the metrics cannot be written: no such file or directory").count(), 1, "{log}");
    assert!(log.contains("Successfully refreshed token for github-repos"), "{log}");
}
