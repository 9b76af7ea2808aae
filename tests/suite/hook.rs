//! `--on-refresh`, with real commands. If something here fails, an assistant goes on with an old token, or
//! a secret ends up in some script's environment.

use std::fs;
use std::ops::Deref;

use crate::support::{Due, Program, Signal, TokenFile, due};
use serde_json::Value;

const CYCLE_ENDS: &str = "Token refresh cycle completed";

struct Hooked(Due);

impl Deref for Hooked {
    type Target = Due;

    fn deref(&self) -> &Due {
        &self.0
    }
}

impl Hooked {
    fn new() -> Self {
        Self(due::none())
    }

    /// A service whose token is due.
    fn due(&self, provider: &str, server: &str) {
        self.sign_in(provider, server, 60);
    }

    /// The program with a script of these lines as its command.
    fn program(&self, lines: &str) -> Program {
        self.project.write("hook.sh", lines);
        Program::new(&self.project).arg("--on-refresh").arg("sh hook.sh")
    }

    /// What the script has left in a file; empty where it has not.
    fn left(&self, name: &str) -> String {
        fs::read_to_string(self.project.path(name)).unwrap_or_default()
    }

    fn status(&self) -> Value {
        due::report(&self.project)
    }
}

#[test]
fn several_rotations_in_one_cycle_run_it_once_with_their_names_and_nothing_inherited() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    hooked.due("google", "drive");
    let script = "env > environment.new; mv environment.new environment; echo run >> runs";
    let mut daemon = hooked
        .program(script)
        .env("HOME", "/home/somebody")
        .env("EGRESS_OAUTH_CLIENT_SECRET_1", "hunter2")
        .start();
    daemon.wait_until("the hook's environment", || !hooked.left("runs").is_empty());
    let environment = hooked.left("environment");
    let tokens = hooked.project.path(".oauth-tokens");
    let files = ["github-repos-egress.json", "google-drive-egress.json"].map(|name| tokens.join(name));
    for line in [
        "TOKEN_REFRESHER_CHANGED=2".to_owned(),
        "TOKEN_REFRESHER_CHANGED_NAMES=github-repos\ngoogle-drive".to_owned(),
        format!("TOKEN_REFRESHER_CHANGED_FILES={}\n{}", files[0].display(), files[1].display()),
        format!("TOKEN_REFRESHER_DIR={}", hooked.project.root().display()),
        format!("TOKEN_REFRESHER_TOKENS_DIR={}", tokens.display()),
        "HOME=/home/somebody".to_owned(),
    ] {
        assert!(
            format!("\n{environment}").contains(&format!("\n{line}\n")),
            "{line} is missing in {environment}"
        );
    }
    assert!(!environment.contains("hunter2") && !environment.contains("\nTZ="), "{environment}");
    for secret in hooked.endpoint.secrets() {
        assert!(!environment.contains(&secret));
    }
    // A cycle in which nothing changes runs nothing.
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    daemon.stop().expect_code(0);
    assert_eq!(hooked.left("runs"), "run\n");
}

#[test]
fn a_sign_in_is_a_change_too() {
    let hooked = Hooked::new();
    let sign_in =
        || TokenFile::signed_in("github", "repos", &hooked.endpoint, &hooked.client).expires_in(9000);
    hooked.project.write_token(&sign_in());
    let mut daemon = hooked.program("echo $TOKEN_REFRESHER_CHANGED_NAMES >> runs").start();
    daemon.wait_for_log(CYCLE_ENDS);
    hooked.project.write_token(&sign_in());
    daemon.signal(Signal::Usr1);
    daemon.wait_until("the hook", || hooked.left("runs") == "github-repos\n");
    daemon.stop().expect_code(0);
    assert_eq!(hooked.left("runs"), "github-repos\n");
}

#[test]
fn mending_an_old_copy_counts_the_copy_alone() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    let mut copy = hooked.project.read_token("github-repos-egress.json");
    hooked.program("true").once().expect_code(0);
    copy["expires_at"] = (crate::support::now() + 7200).into();
    hooked.project.write_tokens_file("github-copy-egress.json", copy.to_string());
    let script = "echo $TOKEN_REFRESHER_CHANGED $TOKEN_REFRESHER_CHANGED_NAMES >> runs";
    let finished = hooked.program(script).once().expect_code(0);
    assert!(finished.log.contains("github-copy-egress.json: was an old copy"), "{}", finished.log);
    assert!(!finished.log.contains("another process"), "{}", finished.log);
    assert_eq!(hooked.left("runs"), "1 github-copy\n");
}

#[test]
fn a_failure_is_visible_everywhere_and_tried_again() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    let script = "echo $TOKEN_REFRESHER_CHANGED_NAMES >> runs; test -e repaired || exit 3";
    let mut daemon = hooked.program(script).args("--metrics-file metrics.prom").start();
    daemon.wait_for_log(
        "[WARNING] REFRESH: --on-refresh: sh ended with exit status 3; next attempt in 30 seconds",
    );
    daemon.wait_until("the note", || hooked.status()["on_refresh"]["failures"] == 1);
    let status = hooked.status()["on_refresh"].clone();
    assert_eq!((&status["failures"], &status["waiting"][0]), (&1.into(), &"github-repos-egress.json".into()));
    assert_eq!(status["last_error"], "ended with exit status 3");
    let check = Program::new(&hooked.project).arg("check").run().expect_code(1);
    assert!(check.stdout.starts_with("WARNING: --on-refresh ended with exit status 3"), "{check:#?}");

    // A person who has repaired the command does not want to wait.
    daemon.signal(Signal::Usr1);
    daemon.wait_until("a second run", || hooked.left("runs").lines().count() == 2);
    daemon.wait_until("its failure", || hooked.status()["on_refresh"]["failures"] == 2);
    hooked.project.write("repaired", "");
    daemon.signal(Signal::Usr1);
    let log = daemon.wait_for_log("--on-refresh: works again");
    assert_eq!(log.matches("exit status 3").count(), 1, "said once: {log}");
    assert_eq!(hooked.left("runs"), "github-repos\n".repeat(3));
    let waiting = || hooked.status()["on_refresh"]["waiting"].clone();
    daemon.wait_until("the end of the note", || waiting() == Value::Array(Vec::new()));
    assert!(hooked.left("metrics.prom").contains("\ntoken_refresher_hook_failures 2\n"));
    daemon.signal(Signal::Usr1);
    daemon.wait_until("the metrics of the end", || {
        hooked.left("metrics.prom").contains("\ntoken_refresher_hook_failures 0\n")
    });
    daemon.stop().expect_code(0);
}

#[test]
fn what_it_was_not_told_of_outlives_the_daemon() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    let mut daemon = hooked.program("exit 1").start();
    daemon.wait_for_log("--on-refresh: sh ended with exit status 1");
    daemon.wait_until("the note", || hooked.status()["on_refresh"]["failures"] == 1);
    daemon.signal(Signal::Kill);
    assert_eq!(daemon.wait().killed_by(), Some(9));
    hooked.due("google", "drive");
    let mut daemon = hooked.program("echo $TOKEN_REFRESHER_CHANGED_NAMES >> runs").start();
    daemon.wait_until("both", || hooked.left("runs") == "github-repos google-drive\n");
    daemon.stop().expect_code(0);
}

#[test]
fn the_loop_goes_on_beside_it_and_a_stop_waits_for_it() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    // Ends when the test says so.
    let script = "echo begun >> runs; until test -e go; do sleep 0.01; done; echo ended >> runs";
    let mut daemon = hooked.program(script).start();
    daemon.wait_until("the hook", || hooked.left("runs") == "begun\n");
    hooked.due("google", "drive");
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log("Successfully refreshed token for google-drive");
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert_eq!(hooked.left("runs"), "begun\n");
    daemon.signal(Signal::Term);
    daemon.wait_for_log("stopping");
    assert!(!daemon.has_ended());
    hooked.project.write("go", "");
    daemon.wait().expect_code(0);
    // The second for what changed during the first.
    assert_eq!(hooked.left("runs"), "begun\nended\n".repeat(2));
}

#[test]
fn once_tells_by_its_exit_status_that_the_command_failed() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    let finished = hooked.program("exit 7").once().expect_code(1);
    assert!(
        finished.log.contains("[ERROR] REFRESH: --on-refresh: ended with exit status 7"),
        "{finished:#?}"
    );
    // It is told of the change at the next chance, which may be a timer's.
    hooked.program("echo $TOKEN_REFRESHER_CHANGED_NAMES >> runs").once().expect_code(0);
    assert_eq!(hooked.left("runs"), "github-repos\n");
    hooked.program("echo again >> runs").once().expect_code(0);
    assert_eq!(hooked.left("runs"), "github-repos\n");
}

#[test]
fn only_the_command_line_and_the_environment_may_name_a_command() {
    let hooked = Hooked::new();
    hooked.due("github", "repos");
    hooked.project.write(".env", "TOKEN_REFRESHER_ON_REFRESH=touch taken\n");
    let finished = Program::new(&hooked.project).once().expect_code(0);
    assert!(finished.log.contains("TOKEN_REFRESHER_ON_REFRESH has no effect in this file"), "{finished:#?}");
    assert!(!hooked.project.path("taken").exists());
    let program = Program::new(&hooked.project).env("TOKEN_REFRESHER_ON_REFRESH", "touch taken");
    program.arg("--force").once().expect_code(0);
    assert!(hooked.project.path("taken").exists());
    let wrong = Program::new(&hooked.project).arg("--on-refresh").arg("a | b").once().expect_code(2);
    assert!(
        wrong.stderr.contains("--on-refresh: \"a | b\" holds what only a shell understands"),
        "{wrong:#?}"
    );
}
