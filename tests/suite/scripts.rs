//! The scripts around the program. If something here fails, a user who starts it from a shell, or
//! watches it with a monitoring system, is told something that is not so.

use std::path::Path;

use crate::support::daemon::{built_program, signal_process};
use crate::support::{Finished, Program, Project, Signal, holds_in_time};

/// A project whose daemon, started in the background, ends with the test.
struct Background(Project);

impl Background {
    fn pid(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.0.path("token_refresher.pid")).ok()?;
        text.trim().parse().ok()
    }

    fn script(&self) -> Program {
        let program = built_program();
        script("start_token_refresher.sh", &self.0).env("TOKEN_REFRESHER", program.to_str().unwrap())
    }

    fn start(&self, arguments: &str, environment: &[(&str, &str)]) -> Finished {
        let mut script = self.script().args(arguments);
        for (name, value) in environment {
            script = script.env(name, value);
        }
        script.run()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            signal_process(Signal::Kill, pid);
        }
    }
}

fn script(name: &str, project: &Project) -> Program {
    Program::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name), project)
}

fn check(project: &Project) -> Finished {
    script("check-token-refresher.sh", project).run()
}

#[test]
fn the_check_tells_a_running_daemon_from_none() {
    let project = Project::new();
    let never = check(&project).expect_code(2);
    assert!(never.stdout.starts_with("CRITICAL: "), "{never:#?}");

    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("Token refresh cycle completed successfully");
    assert!(check(&project).expect_code(0).stdout.starts_with("OK: "));
    daemon.signal(Signal::Kill);
    assert_eq!(daemon.wait().killed_by(), Some(9));
    let killed = check(&project).expect_code(2);
    assert!(killed.stdout.starts_with("CRITICAL: ") && project.path("token_refresher.pid").exists());

    let elsewhere = script("check-token-refresher.sh", &project).arg("/nowhere/at/all").run().expect_code(3);
    assert!(elsewhere.stdout.starts_with("UNKNOWN: "), "{elsewhere:#?}");
}

/// Whether the process runs; one that has ended and was not waited for by its parent (no process
/// does it in a container without an init) does not.
fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn a_start_leaves_a_daemon_that_a_second_start_replaces_only_when_told_to() {
    let background = Background(Project::new());
    let started = background.start("", &[]).expect_code(0);
    let first = background.pid().expect("a pid file");
    let log = background.0.path("token_refresher.log");
    assert!(started.stdout.contains(&first.to_string()), "{started:#?}");
    assert!(started.stdout.contains(log.to_str().unwrap()), "{started:#?}");
    check(&background.0).expect_code(0);

    let refused = background.start("", &[]).expect_code(1);
    assert!(
        refused.stderr.contains("--replace") && refused.stderr.contains(&first.to_string()),
        "{refused:#?}"
    );
    assert_eq!(background.pid(), Some(first));

    background.start("--replace", &[]).expect_code(0);
    let second = background.pid().expect("a pid file");
    assert_ne!(second, first);
    assert!(holds_in_time(|| !is_running(first)), "the first still runs");
    assert_eq!(background.0.mode("token_refresher.log"), 0o600);

    signal_process(Signal::Term, second);
    assert!(holds_in_time(|| background.pid().is_none()));
}

#[test]
fn a_start_that_does_not_last_is_said_with_the_reason() {
    let background = Background(Project::new());
    let failed = background.start("", &[("TOKEN_REFRESH_INTERVAL", "0")]).expect_code(1);
    assert!(failed.stderr.contains("TOKEN_REFRESH_INTERVAL"), "{failed:#?}");
    assert!(failed.stderr.contains("exit status 2"), "{failed:#?}");
    background.start("--surprise", &[]).expect_code(2);
}

/// The daemon inherited what its caller held open: a lock that cron was told to take was held for the daemon's life.
#[test]
fn the_daemon_keeps_nothing_open_that_its_caller_holds() {
    let background = Background(Project::new());
    let lock = background.0.path("lock");
    background.script().below(&["flock", "-n", lock.to_str().unwrap()]).run().expect_code(0);
    assert!(background.pid().is_some_and(is_running));
    let free = std::process::Command::new("flock").arg("-n").arg(&lock).arg("true").status().unwrap();
    assert!(free.success(), "the daemon holds the lock of its caller");
}
