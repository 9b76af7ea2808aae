//! What goes wrong for hours is told once, tried again when it may be well, and costs no other token
//! anything.

use std::fs;

use crate::support::due::{many, report};
use crate::support::{Answer, Due, Endpoint, Program, Project, Signal, Step, TokenFile, Who, due, internals};

#[test]
fn an_outage_is_not_told_in_every_cycle() {
    let Due { endpoint, project, .. } = many(3);
    endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    let mut daemon = Program::new(&project).args("--interval 1 --jobs 1").start();
    let log = daemon.wait_for_log_times("Checked 3 tokens, 3 not fresh", 3);
    // Only the one that was sent.
    assert_eq!(log.matches(", refreshing...").count(), 1, "{log}");
    assert_eq!(log.matches("its endpoint is in trouble").count(), 2, "{log}");
    assert_eq!(endpoint.requests().len(), 1, "{log}");
}

/// An endpoint that is overloaded for a second, so often.
fn overloaded(endpoint: &Endpoint, times: usize) {
    let busy = || Answer::new(503, "").header("Retry-After", "1");
    endpoint.script(Who::Anyone, std::iter::repeat_with(|| Step::answer(busy())).take(times));
}

#[test]
fn an_outage_is_told_as_it_is_and_so_is_its_end() {
    let Due { endpoint, project, .. } = many(3);
    overloaded(&endpoint, 3);
    let mut daemon = Program::new(&project).args("--jobs 1").start();
    let ends = |name: &str| format!("github-{name}-egress.json: refreshed again");
    for name in ["s0", "s1", "s2"] {
        daemon.wait_for_log(&ends(name));
    }
    let finished = daemon.stop().expect_code(0);
    let log = &finished.log;
    let origin = format!("http://{}", endpoint.address());
    assert_eq!(log.matches(&format!("{origin}: reachable again")).count(), 1, "{log}");
    for name in ["s0", "s1", "s2"] {
        assert_eq!(log.matches(&ends(name)).count(), 1, "{log}");
    }
    assert!(!log.contains("no longer") && !log.contains("in 0 seconds"), "{log}");
    assert_eq!(endpoint.requests().len(), 6, "{log}");
    // Each request was announced, and nothing else.
    assert_eq!(log.matches(", refreshing...").count(), 6, "{log}");
}

#[test]
fn log_and_status_tell_one_next_attempt() {
    let Due { endpoint, project, .. } = many(3);
    let busy = Answer::new(503, "").header("Retry-After", "1000");
    endpoint.always(Who::Anyone, Step::answer(busy));
    let mut daemon = Program::new(&project).args("--jobs 1 --interval 1").start();
    daemon.wait_for_log_times("Checked 3 tokens, 3 not fresh", 2);
    let told = report(&project);
    let next = |value: &serde_json::Value| value["next_attempt_at"].as_i64().unwrap();
    let endpoints = told["endpoints"].as_array().map(|all| all.iter().map(next).collect::<Vec<_>>());
    let tokens: Vec<i64> = told["tokens"].as_array().unwrap().iter().map(next).collect();
    assert_eq!(tokens, vec![tokens[0]; 3], "{told:#}");
    assert_eq!(endpoints, Some(vec![tokens[0]]), "{told:#}");
    let table = Program::new(&project).arg("status").run().stdout;
    assert_eq!(table.matches("in 16 minutes").count(), 4, "{table}");
    assert_eq!(daemon.log().matches("next attempt in 16 minutes").count(), 3, "{}", daemon.log());
    assert_eq!(endpoint.requests().len(), 1);
    daemon.stop().expect_code(0);
}

#[test]
fn a_token_that_expires_in_an_outage_is_an_error_once() {
    let Due { endpoint, project, .. } = many(1);
    let busy = Answer::new(503, "").header("Retry-After", "1000");
    endpoint.script(Who::Anyone, [Step::answer(busy)]);
    let mut document = project.read_token("github-s0-egress.json");
    document["expires_at"] = (crate::support::now() + 2).into();
    project.write_tokens_file("github-s0-egress.json", document.to_string());
    let mut daemon = Program::new(&project).args("--interval 1").start();
    let error =
        "[ERROR] REFRESH: github-s0-egress.json: its access token has expired before it could be refreshed";
    daemon.wait_for_log(error);
    let checked = daemon.log().matches("Checked 1 token").count();
    daemon.wait_for_log_times("Checked 1 token", checked + 2);
    assert_eq!(daemon.log().matches(error).count(), 1, "{}", daemon.log());
    assert_eq!(daemon.log().matches("[WARNING] REFRESH: github-s0").count(), 1, "{}", daemon.log());
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log("github-s0-egress.json: refreshed again");
    assert_eq!(daemon.stop().log.matches(error).count(), 1);
}

#[test]
fn one_cycle_refreshes_all_that_waited_for_an_endpoint_which_is_well_again() {
    let Due { endpoint, project, .. } = many(4);
    overloaded(&endpoint, 1);
    Program::new(&project).args("--jobs 1").once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 1);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let finished = Program::new(&project).once().expect_code(0);
    assert_eq!(finished.log.matches("Successfully refreshed token for").count(), 4, "{}", finished.log);
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (5, 0));
}

#[test]
fn a_persons_word_that_the_network_is_back_ends_every_wait() {
    let Due { endpoint, project, .. } = many(1);
    endpoint.script(Who::Anyone, [Step::error(503, "temporarily_unavailable")]);
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("1 not refreshed");
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log("Successfully refreshed token for github-s0");
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn a_wrong_setting_is_known_since_it_was_found() {
    let project = Project::new();
    project.write_token(&TokenFile::named("x-egress.json").field("refresh_token", "rt").expires_in(60));
    let since = || {
        Program::new(&project).once().expect_code(1);
        internals::trouble(&project, "x-egress.json").since
    };
    assert_eq!(since(), since());
}

#[test]
fn a_slip_in_the_pid_file_costs_no_token() {
    let Due { endpoint, project, client } = due::none();
    let file = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(90_000);
    let path = project.write_token(&file);
    let before = fs::read(&path).unwrap();
    let mut daemon = Program::new(&project).args("--pid-file .oauth-tokens/github-repos-egress.json").start();
    let log = daemon.wait_for_log("Token refresh cycle completed");
    assert!(log.contains("is left alone: something else stands there"), "{log}");
    daemon.stop().expect_code(0);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_slip_in_the_metrics_file_costs_no_token() {
    let project = Project::new();
    let path =
        project.write_token(&TokenFile::named("x-egress.json").field("access_token", "at").fresh_for(90_000));
    let before = fs::read(&path).unwrap();
    let finished =
        Program::new(&project).args("--metrics-file .oauth-tokens/x-egress.json").once().expect_code(1);
    assert!(finished.log.contains("is left alone: it holds something else than metrics"), "{finished:#?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_forced_cycle_asks_once_for_each_token() {
    let Due { endpoint, project, .. } = many(2);
    endpoint.always(Who::Anyone, Step::error(500, "server_error"));
    Program::new(&project).args("--force --jobs 2").once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 2);
}
