//! Root starts the program over the project of a user: it becomes that user before it reads a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::{OTHER, OWNER, give, is_root};
use crate::support::due::{Due, FILE, due, holds_the_last_answer, text};
use crate::support::{Program, Project, TokenFile};

/// A file that root alone may read, beside the project.
fn of_root(project: &Project, name: &str, text: &str) -> std::path::PathBuf {
    let path = project.outside().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// Every file and directory of the project that does not belong to `uid`.
fn foreign(path: &Path, uid: u32) -> Vec<String> {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut found = Vec::new();
    if metadata.uid() != uid {
        found.push(format!("{} of uid {}", path.display(), metadata.uid()));
    }
    if metadata.is_dir() {
        found.extend(fs::read_dir(path).unwrap().flat_map(|entry| foreign(&entry.unwrap().path(), uid)));
    }
    found
}

#[test]
fn root_becomes_the_owner_and_all_is_the_owners() {
    if !is_root() {
        return;
    }
    let Due { endpoint, project, .. } = due();
    give(project.root(), OWNER);
    let mut daemon = Program::new(&project).env("HOME", "/root").start();
    let log = daemon.wait_for_log("Token refresh cycle completed successfully");
    assert!(log.contains(&format!("started by root; runs as uid {OWNER} (gid {OWNER})")), "{log}");
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), vec![OWNER.to_string(); 4], "{status}");
        assert_eq!(field("Gid:"), vec![OWNER.to_string(); 4], "{status}");
        assert_eq!(field("Groups:"), Vec::<String>::new(), "{status}");
        for rights in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
            assert_eq!(field(rights), ["0000000000000000"], "{status}");
        }
    }
    for command in ["status", "check --alive", "headers repos"] {
        Program::new(&project).args(command).run().expect_code(0);
    }
    assert_eq!(foreign(project.root(), OWNER), Vec::<String>::new());
    daemon.stop().expect_code(0);
}

#[test]
fn a_missing_tokens_directory_is_made_by_the_owner_of_the_project() {
    if !is_root() {
        return;
    }
    let project = Project::bare();
    give(project.root(), OWNER);
    Program::new(&project).once().expect_code(0);
    assert!(project.path(".oauth-tokens").exists());
    assert_eq!(foreign(project.root(), OWNER), Vec::<String>::new());
}

#[test]
fn a_tree_of_roots_own_stays_roots() {
    if !is_root() {
        return;
    }
    let Due { endpoint, project, .. } = due();
    let finished = Program::new(&project).once().expect_code(0);
    assert!(!finished.log.contains("started by root"), "{}", finished.log);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(foreign(project.root(), 0), Vec::<String>::new());
}

/// A link in a user's tokens directory made a root daemon write the tokens of a root-only file into the
/// user's configurations.
#[test]
fn a_file_that_only_root_may_read_does_not_reach_a_users_files() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    let secret = of_root(&project, "only-root.json", "{\"access_token\": \"of-root-alone\"}");
    symlink(&secret, project.token("github-repos-egress.json")).unwrap();
    give(project.root(), OWNER);
    let finished = Program::new(&project).once();
    let configuration = fs::read_to_string(project.token("mcp.json")).unwrap_or_default();
    assert!(!configuration.contains("of-root-alone"), "{configuration}\n{finished:#?}");
}

/// A user's `.env` made root write into any file: its log lines, or metrics that everybody may read.
#[test]
fn a_users_env_file_does_not_choose_where_root_writes() {
    if !is_root() {
        return;
    }
    for (variable, before) in
        [("TOKEN_REFRESHER_LOG_FILE", "alias ls=ls\n"), ("TOKEN_REFRESHER_METRICS_FILE", "# of root\n")]
    {
        let Due { endpoint: _endpoint, project, .. } = due();
        let victim = of_root(&project, "of-root", before);
        project.write(".env", format!("{variable}={}\n", victim.display()));
        give(project.root(), OWNER);
        Program::new(&project).once();
        assert_eq!(fs::read_to_string(&victim).unwrap(), before, "{variable}");
        let metadata = fs::metadata(&victim).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600), "{variable}");
    }
}

/// A user's link to the tokens of another one lent them to the orders in the user's own `.env`.
#[test]
fn a_link_to_the_tokens_of_another_user_lends_them_to_nobody() {
    if !is_root() {
        return;
    }
    for owner in [OTHER, 0] {
        let Due { endpoint, project, .. } = due();
        give(&project.path(".oauth-tokens"), owner);
        let attacker = Project::bare();
        symlink(project.path(".oauth-tokens"), attacker.path(".oauth-tokens")).unwrap();
        give(attacker.root(), OWNER);
        let before = text(&project, FILE, "refresh_token");
        for command in ["--once", "status", "headers repos"] {
            let refused = Program::new(&attacker).args(command).run().expect_code(1);
            let said = format!("belongs to uid {OWNER}");
            assert!(refused.stderr.contains(&said) && refused.stderr.contains("chown"), "{refused:#?}");
            assert_eq!(refused.stdout, "");
        }
        let check = Program::new(&attacker).arg("check").run().expect_code(3);
        assert!(check.stdout.starts_with("UNKNOWN"), "{check:#?}");
        assert_eq!(text(&project, FILE, "refresh_token"), before);
        assert_eq!(endpoint.requests().len(), 0);
    }
}

#[test]
fn where_root_may_not_become_the_owner_it_does_nothing() {
    if !is_root() {
        return;
    }
    let Due { endpoint, project, .. } = due();
    give(project.root(), OWNER);
    for right in ["-setuid", "-setgid", "-all"] {
        let program = Program::new(&project).below(&["setpriv", "--bounding-set", right]);
        let refused = program.once().expect_code(1);
        let said = format!("the tokens belong to uid {OWNER}, and this process cannot become that user");
        assert!(refused.stderr.contains(&said), "{right}: {refused:#?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    }
    assert_eq!(endpoint.requests().len(), 0);
    assert_eq!(foreign(project.root(), OWNER), Vec::<String>::new());
}

#[test]
fn roots_home_is_not_the_owners() {
    if !is_root() {
        return;
    }
    let project = Project::new();
    give(project.root(), OWNER);
    let program = Program::new(&project).env("HOME", "/root").args("--client cursor=~/mcp.json");
    let refused = program.once().expect_code(2);
    assert!(refused.stderr.contains("begins with a ~"), "{refused:#?}");
    let Due { endpoint: _endpoint, project, .. } = due();
    give(project.root(), OWNER);
    let hook = "sh -c 'echo \"${HOME-none}\" > home'";
    Program::new(&project).env("HOME", "/root").arg("--on-refresh").arg(hook).once().expect_code(0);
    assert_eq!(project.text("home"), "none\n");
}

#[test]
fn a_file_of_another_user_in_the_owners_directory_is_not_refreshed() {
    if !is_root() {
        return;
    }
    let Due { endpoint, project, .. } = due();
    give(project.root(), OWNER);
    // It may be read by all, so it is not the system that keeps the program from it.
    give(&project.token(FILE), OTHER);
    fs::set_permissions(project.token(FILE), Permissions::from_mode(0o644)).unwrap();
    Program::new(&project).once();
    assert_eq!(endpoint.requests().len(), 0);
}

/// What `strace` saw of the program: the calls, in their order.
fn calls(project: &Project, arguments: &str) -> Vec<String> {
    let trace = project.outside().join("trace");
    let program = Program::new(project).args(arguments);
    let traced = program.below(&["strace", "-f", "-o", trace.to_str().unwrap()]);
    traced.run();
    fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn nothing_of_the_project_is_opened_before_the_change_of_user() {
    if !is_root() {
        return;
    }
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let project = Project::new();
    project.write(".env", "LOG_LEVEL=DEBUG\n");
    project.write_token(&TokenFile::egress("github", "repos").field("access_token", "a"));
    give(project.root(), OWNER);
    for command in ["--once", "status", "check", "headers repos", "token github-repos", "revoke github-repos"]
    {
        let calls = calls(&project, command);
        let changed =
            calls.iter().position(|call| call.contains(&format!("setresuid({OWNER}, {OWNER}, {OWNER})")));
        let changed =
            changed.unwrap_or_else(|| panic!("{command}: root has not become the owner: {calls:#?}"));
        let root = project.root().to_str().unwrap();
        let touches = |call: &&String| {
            call.contains("open")
                && (call.contains(root) || call.contains(".oauth-tokens") || call.contains(".env"))
        };
        let before: Vec<&String> = calls[..changed].iter().filter(touches).collect();
        assert!(before.is_empty(), "{command}: {before:#?}");
        assert!(calls[changed..].iter().any(|call| touches(&call)), "{command}: it opened nothing");
        let threads = calls[..changed].iter().filter(|call| call.contains("clone")).count();
        assert_eq!(threads, 0, "{command}: it had threads");
    }
}
