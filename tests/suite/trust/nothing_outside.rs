//! Nothing that lies about makes the program hang, fills its memory, or is taken for a file of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use super::{OTHER, OWNER, give, is_root};
use crate::support::daemon::built_program;
use crate::support::due::{Due, FILE, due, holds_the_last_answer};
use crate::support::{Finished, Program, Project, holds_in_time};

fn fifo(path: &std::path::Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
}

/// A cycle with this option, in which the due token must be refreshed whatever becomes of the option.
fn beside(option: &str) -> Finished {
    let Due { endpoint, project, .. } = due();
    let finished = Program::new(&project).args(option).once();
    assert!(holds_the_last_answer(&endpoint, &project, FILE), "{option}: {finished:#?}");
    finished
}

#[test]
fn a_metrics_file_that_is_a_pipe_or_endless_is_left_alone() {
    let project = Project::new();
    let pipe = project.outside().join("pipe");
    fifo(&pipe);
    for path in [pipe.to_str().unwrap(), "/dev/zero", "/dev/full"] {
        let finished = beside(&format!("--metrics-file {path}"));
        assert!(finished.log.contains(&format!("{path}: is left alone")), "{finished:#?}");
    }
}

/// A file of notes that begins with a comment was replaced by metrics that everybody may read.
#[test]
fn a_file_with_a_comment_in_front_is_no_metrics_file() {
    let project = Project::new();
    let notes = project.write("notes.md", "# My notes\n");
    let finished = beside(&format!("--metrics-file {}", notes.display()));
    assert!(finished.log.contains("is left alone"), "{finished:#?}");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "# My notes\n");
}

#[test]
fn a_provider_or_certificate_file_that_is_a_pipe_or_endless_is_refused() {
    let Due { endpoint, project, .. } = due();
    let pipe = project.outside().join("pipe");
    fifo(&pipe);
    let endless = project.outside().join("endless");
    symlink("/dev/zero", &endless).unwrap();
    for path in [pipe.to_str().unwrap(), endless.to_str().unwrap(), "/dev/zero"] {
        let providers = Program::new(&project).args(&format!("--providers {path}")).once().expect_code(2);
        assert!(providers.stderr.contains("it is not a regular file"), "{providers:#?}");
        let certificates = Program::new(&project).env("SSL_CERT_FILE", path).once().expect_code(2);
        assert!(certificates.stderr.contains("it is not a regular file"), "{certificates:#?}");
    }
    let large = project.outside().join("large");
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let certificates = Program::new(&project).env("SSL_CERT_FILE", large.to_str().unwrap()).once();
    assert!(certificates.expect_code(2).stderr.contains("it is larger than 16 MiB"));
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn a_clients_file_that_is_a_pipe_or_endless_is_left_alone() {
    let project = Project::new();
    let pipe = project.outside().join("pipe");
    fifo(&pipe);
    for path in [pipe.to_str().unwrap(), "/dev/zero"] {
        let finished = beside(&format!("--client cursor={path}"));
        assert!(finished.log.contains("it is not a regular file"), "{finished:#?}");
    }
}

/// Each plain member was looked for among all others: 80,000 of them cost 49 seconds a cycle.
#[test]
fn a_token_file_of_very_many_members_costs_no_minutes() {
    let Due { endpoint, project, .. } = due();
    let mut document = project.read_token(FILE);
    document.as_object_mut().unwrap().extend((0..80_000).map(|index| (format!("m{index}"), "v".into())));
    project.write_tokens_file(FILE, document.to_string());
    let finished = Program::new(&project).arg("--once").start().wait_within(Duration::from_secs(20));
    assert_eq!(finished.code(), Some(0), "{finished:#?}");
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
}

/// Without /proc the program did not find itself, and clients' files were not written; what a hook started went on.
#[test]
fn where_proc_is_missing_hooks_end_and_clients_files_are_written() {
    if !is_root() {
        return;
    }
    let without = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""];
    let Due { endpoint, project, .. } = due();
    let hook = "sh -c 'sleep 600 & echo $! > started'";
    let program = Program::new(&project).below(&without).args("--once --client claude-code=clients.json");
    program.arg("--on-refresh").arg(hook).run().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert!(project.text("clients.json").contains(built_program().to_str().unwrap()));
    let started = format!("/proc/{}/stat", project.text("started").trim());
    let runs = || fs::read_to_string(&started).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(holds_in_time(|| !runs()), "what the hook started runs on");
}

/// Directories that the program made could not be entered by it.
#[test]
fn a_mask_that_takes_everything_makes_nothing_unusable() {
    let Due { endpoint, project, .. } = due();
    let program = || Program::new(&project).unprivileged();
    program().below(&["sh", "-c", "umask 0777; exec \"$0\" \"$@\""]).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    program().once().expect_code(0);
    assert_eq!(project.mode(".oauth-tokens/.token-refresher"), 0o700);
    let bare = Project::bare();
    Program::new(&bare)
        .unprivileged()
        .below(&["sh", "-c", "umask 0777; exec \"$0\" \"$@\""])
        .once()
        .expect_code(0);
    assert_eq!(bare.mode(".oauth-tokens"), 0o700);
}

/// Another user's locks and marks were believed.
#[test]
fn an_own_directory_of_another_user_or_open_to_others_is_not_used() {
    for (owner, mode) in [(OWNER, 0o777), (OTHER, 0o755)] {
        if owner != OWNER && !is_root() {
            continue;
        }
        let Due { endpoint, project, .. } = due();
        let own = project.token(".token-refresher");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(mode)).unwrap();
        if is_root() {
            give(project.root(), OWNER);
            give(&own, owner);
        }
        let finished = Program::new(&project).once().expect_code(1);
        assert_eq!(endpoint.requests().len(), 0, "{mode:o}");
        let helps = if mode == 0o777 { "run: chmod go-w" } else { "run: chown" };
        assert!(finished.log.contains(helps), "{mode:o}: {finished:#?}");
        assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "{mode:o}");
    }
}

/// Root's `--client` file could be a link of the user in whose directory it is.
#[test]
fn a_clients_file_of_another_user_is_not_written() {
    if !is_root() {
        return;
    }
    for linked in [false, true] {
        let Due { endpoint: _endpoint, project, .. } = due();
        let home = project.outside().join("home");
        fs::create_dir(&home).unwrap();
        let victim = project.outside().join("of-root.json");
        fs::write(&victim, "{}").unwrap();
        let file = home.join("mcp.json");
        if linked {
            symlink(&victim, &file).unwrap();
        } else {
            fs::write(&file, "{}").unwrap();
        }
        give(&home, OTHER);
        let finished = Program::new(&project).args(&format!("--client cursor={}", file.display())).once();
        assert!(finished.log.contains("belongs to another user (uid"), "{linked}: {finished:#?}");
        for path in [&victim, &file] {
            assert_eq!(fs::read_to_string(path).unwrap(), "{}", "{linked}");
        }
    }
}
