//! What goes wrong for hours is told once, tried again when it may be well, and costs no other token
//! anything.

use std::fs;

use crate::support::due::many;
use crate::support::{Due, Program, Project, Signal, Step, TokenFile, Who, due, internals};

#[test]
fn an_outage_is_not_told_in_every_cycle() {
    let Due { endpoint, project, .. } = many(3);
    endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    let mut daemon = Program::new(&project).args("--interval 1 --jobs 1").start();
    let log = daemon.wait_for_log_times("Checked 3 tokens, 3 not fresh", 3);
    assert_eq!(log.matches(", refreshing...").count(), 3, "{log}");
    assert_eq!(log.matches("its endpoint is in trouble").count(), 2, "{log}");
    assert_eq!(endpoint.requests().len(), 1, "{log}");
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
