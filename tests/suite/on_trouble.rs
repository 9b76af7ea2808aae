//! `--on-trouble`, with real commands. If something here fails, a person learns from a dead assistant that they
//! should have signed in, or is told of the same thing every five minutes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Due, Program, Signal, Step, Who, due};

const CYCLE_ENDS: &str = "Token refresh cycle completed";

/// What the script of these tests leaves of a run: a line with what it was told.
const NOTE: &str = "echo \"$TOKEN_REFRESHER_TROUBLE: $TOKEN_REFRESHER_TROUBLE_TEXT\" >> runs";

/// A project with one due token, `github-repos`, whose sign-in its provider has ended.
fn ended() -> Due {
    let due = due::due();
    due.endpoint.script(Who::Anyone, [Step::error(400, "invalid_grant")]);
    due
}

/// The program with a script of these lines as its command.
fn program(due: &Due, lines: &str) -> Program {
    due.project.write("trouble.sh", lines);
    Program::new(&due.project).arg("--on-trouble").arg("sh trouble.sh")
}

/// What the script has left in a file; empty where it has not.
fn left(due: &Due, name: &str) -> String {
    fs::read_to_string(due.project.path(name)).unwrap_or_default()
}

/// The note of a lost sign-in.
fn lost(due: &Due) -> String {
    let dir = due.project.root().display();
    format!("1: github-repos needs a new sign-in: token-refresher login github-repos --dir {dir}\n")
}

#[test]
fn a_lost_sign_in_runs_it_once_with_what_to_type_and_no_secret() {
    let due = ended();
    let script = format!("env > environment.new; mv environment.new environment; {NOTE}");
    let mut daemon = program(&due, &script).env("EGRESS_OAUTH_CLIENT_SECRET_1", "hunter2").start();
    daemon.wait_until("a run", || !left(&due, "runs").is_empty());
    let (environment, dir) = (left(&due, "environment"), due.project.root().display().to_string());
    for line in [
        "TOKEN_REFRESHER_TROUBLE=1".to_owned(),
        "TOKEN_REFRESHER_TROUBLE_NAMES=github-repos".to_owned(),
        format!("TOKEN_REFRESHER_TROUBLE_COMMANDS=token-refresher login github-repos --dir {dir}"),
        format!("TOKEN_REFRESHER_DIR={dir}"),
    ] {
        assert!(format!("\n{environment}").contains(&format!("\n{line}\n")), "{line}: {environment}");
    }
    for secret in due.endpoint.secrets().into_iter().chain(["hunter2".to_owned()]) {
        assert!(!environment.contains(&secret), "{environment}");
    }
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    daemon.stop().expect_code(0);
    // A restart is no new trouble.
    let mut daemon = program(&due, NOTE).start();
    daemon.wait_for_log_times(CYCLE_ENDS, 3);
    assert_eq!(left(&due, "runs"), lost(&due));
    // After a new sign-in it is well, and losing that one is news.
    due.sign_in("github", "repos", 9000);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 4);
    due.endpoint.script(Who::Anyone, [Step::error(400, "invalid_grant")]);
    due.sign_in("github", "repos", 60);
    daemon.signal(Signal::Usr1);
    daemon.wait_until("a second run", || left(&due, "runs") == lost(&due).repeat(2));
    daemon.stop().expect_code(0);
}

#[test]
fn what_was_foreseen_is_told_once_more_when_it_has_come() {
    let due = due::none();
    let token = |seconds| due.signed_in("github", "repos").without("refresh_token").expires_in(seconds);
    due.project.write_token(&token(7230));
    let mut daemon = program(&due, NOTE).start();
    daemon.wait_until("the warning", || left(&due, "runs").contains("needs a new token within 2 hours"));
    due.project.write_token(&token(-120));
    daemon.wait_until("the end", || left(&due, "runs").contains("github-repos expired 2 minutes ago"));
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 3);
    daemon.stop().expect_code(0);
    assert_eq!(left(&due, "runs").lines().count(), 2, "{}", left(&due, "runs"));
}

#[test]
fn an_outage_needs_a_person_when_it_lasts_and_the_token_has_expired() {
    let due = due::none();
    due.sign_in("github", "repos", -60);
    due.endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    let mut daemon = program(&due, NOTE).start();
    daemon.wait_for_log("503");
    for attempts in 2..=4 {
        daemon.signal(Signal::Usr1);
        daemon
            .wait_until("another attempt", || due::report(&due.project)["tokens"][0]["failures"] == attempts);
    }
    assert_eq!(left(&due, "runs"), "", "a blip of an endpoint is nobody's task");
    daemon.signal(Signal::Usr1);
    daemon.wait_until("a run", || left(&due, "runs").starts_with("1: github-repos expired "));
    daemon.stop().expect_code(0);
    assert_eq!(left(&due, "runs").lines().count(), 1);
}

#[test]
fn a_command_that_fails_is_seen_and_what_was_well_by_then_is_not_told() {
    let due = ended();
    let script = format!("test -e mended || exit 3; {NOTE}");
    let mut daemon = program(&due, &script).args("--metrics-file metrics.prom").start();
    daemon.wait_for_log("--on-trouble: sh ended with exit status 3; next attempt in 30 seconds");
    daemon.wait_until("its record", || due::report(&due.project)["on_trouble"]["failures"] == 1);
    let check = Program::new(&due.project).arg("check").run();
    assert!(check.stdout.contains("--on-trouble ended with exit status 3 (1 failed)"), "{check:#?}");
    let table = Program::new(&due.project).arg("status").run();
    assert!(table.stdout.contains("--on-trouble ended with exit status 3 (1 failed); 1 token"), "{table:#?}");
    due.sign_in("github", "repos", 9000);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert!(left(&due, "metrics.prom").contains("\ntoken_refresher_trouble_hook_failures 1\n"));
    due.project.write("mended", "");
    due.endpoint.script(Who::Anyone, [Step::error(400, "invalid_grant")]);
    due.sign_in("google", "drive", 60);
    daemon.wait_until("a run", || !left(&due, "runs").is_empty());
    daemon.stop().expect_code(0);
    let runs = left(&due, "runs");
    assert!(runs.starts_with("1: google-drive needs") && runs.lines().count() == 1, "{runs}");
}

#[test]
fn once_from_a_timer_tells_it_once() {
    let due = ended();
    let finished = program(&due, "exit 7").once().expect_code(1);
    assert!(finished.log.contains("--on-trouble: sh ended with exit status 7"), "{finished:#?}");
    for _ in 0..2 {
        program(&due, NOTE).once().expect_code(1);
        assert_eq!(left(&due, "runs"), lost(&due));
    }
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_the_reason() {
    let due = due::none();
    due.project.write_tokens_file("github-repos-egress.json", "{\"access_token\": 7}");
    program(&due, NOTE).once();
    let runs = left(&due, "runs");
    assert!(runs.starts_with("1: github-repos cannot be used: its access_token is a number"), "{runs}");
    assert!(runs.contains(": token-refresher status github-repos --dir "), "{runs}");
}

#[test]
fn only_the_command_line_and_the_environment_may_name_it() {
    let due = ended();
    due.project.write(".env", "TOKEN_REFRESHER_ON_TROUBLE=touch taken\n");
    let finished = Program::new(&due.project).once().expect_code(1);
    assert!(finished.log.contains("TOKEN_REFRESHER_ON_TROUBLE has no effect in this file"), "{finished:#?}");
    assert!(!due.project.path("taken").exists());
    Program::new(&due.project).env("TOKEN_REFRESHER_ON_TROUBLE", "touch taken").once().expect_code(1);
    assert!(due.project.path("taken").exists());
}

/// The commands that the documentation shows, with programs in the place of `notify-send` and `mail`.
#[test]
fn the_examples_of_the_documentation_work() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/running.md");
    let page = fs::read_to_string(page).unwrap();
    let examples: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("$ token-refresher --on-trouble ")).collect();
    assert_eq!(examples.len(), 2, "{examples:?}");
    for (example, called) in examples.into_iter().zip(["notify-send", "mail"]) {
        let due = ended();
        due.project.write(
            &format!("bin/{called}"),
            "#!/bin/sh\n{ echo \"$0\"; printf '<%s>' \"$@\"; [ \"${0##*/}\" != mail ] || cat; } > told\n",
        );
        let program = due.project.path(&format!("bin/{called}"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // As a shell reads the line.
        let words = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {example}")).output();
        let command = String::from_utf8(words.unwrap().stdout).unwrap();
        let path = format!("{}:/usr/bin:/bin", due.project.path("bin").display());
        Program::new(&due.project).arg("--on-trouble").arg(&command).env("PATH", &path).once().expect_code(1);
        let told = left(&due, "told");
        let text = lost(&due).trim_end().trim_start_matches("1: ").to_owned();
        assert!(told.contains(called) && told.contains(&text), "{example}: {told}");
    }
}
