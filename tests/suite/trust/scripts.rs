//! Root runs the scripts over the project of a user: they open nothing that the user could have turned.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{OWNER, give, is_root};
use crate::support::daemon::{built_program, signal_process};
use crate::support::{Program, Project, Signal, holds_in_time};

/// A project whose daemon, started in the background by a script, ends with the test.
struct Background(Project);

impl Background {
    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.0.path("token_refresher.pid")).ok()?.trim().parse().ok()
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    Program::at(&path, project).env("TOKEN_REFRESHER", built_program().to_str().unwrap())
}

/// The user's log was a link to a file of root's, to which the shell appended.
#[test]
fn the_start_script_writes_nowhere_as_root() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let victim = project.outside().join("of-root");
    fs::write(&victim, "alias ls=ls\n").unwrap();
    symlink(&victim, project.path("token_refresher.log")).unwrap();
    give(project.root(), OWNER);
    let project = Background(project);
    let started = script("start_token_refresher.sh", &project.0).run();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "alias ls=ls\n", "{started:#?}");
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("it needs a log file that it can write"), "{started:#?}");
}

#[test]
fn the_start_script_of_root_starts_a_daemon_of_the_owner() {
    if !is_root() {
        return;
    }
    let background = Background(Project::new());
    let project = &background.0;
    give(project.root(), OWNER);
    let start = |words: &str| script("start_token_refresher.sh", project).args(words).run().expect_code(0);
    start("");
    let first = background.pid().unwrap();
    let status = fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    assert!(status.contains(&format!("Uid:\t{OWNER}\t{OWNER}\t{OWNER}\t{OWNER}")), "{status}");
    script("check-token-refresher.sh", project).run().expect_code(0);
    start("--replace");
    assert_ne!(background.pid(), Some(first));
    signal_process(Signal::Term, background.pid().unwrap());
    assert!(holds_in_time(|| background.pid().is_none()));
}

/// A user's note in the lock made root end any process.
#[test]
fn the_start_script_of_root_ends_no_process_of_another_user() {
    if !is_root() {
        return;
    }
    let background = Background(Project::new());
    let project = &background.0;
    give(project.root(), OWNER);
    // A daemon of another project, root's own, is a token-refresher too.
    let roots = Project::new();
    let mut victim = Program::new(&roots).start();
    victim.wait_for_log("Token refresh cycle completed successfully");
    let mut daemon = Program::new(project).start();
    daemon.wait_for_log("Token refresh cycle completed successfully");
    // Paused: it writes the note again whenever it wakes up.
    daemon.signal(Signal::Pause);
    fs::write(project.token(".token-refresher/daemon.lock"), format!("{}\n", victim.pid())).unwrap();
    let refused = script("start_token_refresher.sh", project).arg("--replace").run().expect_code(1);
    assert!(refused.stderr.contains("stop it yourself"), "{refused:#?}");
    assert!(!victim.has_ended());
    daemon.signal(Signal::Continue);
    daemon.stop().expect_code(0);
}

/// The check looked at the lock that a user's link leads to.
#[test]
fn the_check_script_reads_no_link_of_another_user() {
    if !is_root() {
        return;
    }
    for linked in [".token-refresher", ".token-refresher/daemon.lock"] {
        let project = Project::new();
        let target = project.outside().join("target");
        fs::create_dir(&target).unwrap();
        if linked == ".token-refresher" {
            fs::write(target.join("daemon.lock"), "").unwrap();
        } else {
            fs::create_dir(project.token(".token-refresher")).unwrap();
        }
        let leads_to = if linked == ".token-refresher" { target.clone() } else { target.join("new") };
        symlink(leads_to, project.token(linked)).unwrap();
        give(project.root(), OWNER);
        let checked = script("check-token-refresher.sh", &project).run().expect_code(3);
        assert!(checked.stdout.contains("is a link"), "{linked}: {checked:#?}");
        assert!(!target.join("new").exists());
    }
}
