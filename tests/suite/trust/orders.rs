//! Files that give orders are obeyed only where no other user could have written them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{OTHER, OWNER, give, is_root};
use crate::support::due::{Due, FILE, due, holds_the_last_answer};
use crate::support::{Program, Project, Signal};

/// How another user could have written a file; which file or directory is at fault, and what helps.
#[derive(Clone, Copy, Debug)]
enum Attack {
    OfAnotherUser,
    OpenToOthers,
    OpenToAGroup,
    OpenByAnAccessControlList,
    LinkOfAnotherUser,
    DirectoryOpenToOthers,
    DirectoryOfAnotherUser,
}

const ATTACKS: [Attack; 7] = [
    Attack::OfAnotherUser,
    Attack::OpenToOthers,
    Attack::OpenToAGroup,
    Attack::OpenByAnAccessControlList,
    Attack::LinkOfAnotherUser,
    Attack::DirectoryOpenToOthers,
    Attack::DirectoryOfAnotherUser,
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

impl Attack {
    /// Does it to the file at `path`, which is the owner's. What helps, or `None` where it cannot be done here.
    fn to(self, path: &Path) -> Option<String> {
        let directory = path.parent().unwrap();
        let (at, helps) = match self {
            Self::OfAnotherUser => {
                chown(path, Some(OTHER), Some(OTHER)).unwrap();
                set_mode(path, 0o644);
                (path, format!("chown {OWNER}"))
            }
            Self::OpenToOthers => {
                set_mode(path, 0o666);
                (path, "chmod go-w".to_owned())
            }
            Self::OpenToAGroup => {
                chown(path, None, Some(OTHER)).unwrap();
                set_mode(path, 0o664);
                (path, "chmod go-w".to_owned())
            }
            Self::OpenByAnAccessControlList => {
                let entry = format!("user:{OTHER}:rw");
                let set = Command::new("setfacl").args(["-m", &entry]).arg(path).status();
                if !set.is_ok_and(|status| status.success()) {
                    eprintln!("skipped: no setfacl, or a file system without access control lists");
                    return None;
                }
                (path, "chmod go-w".to_owned())
            }
            Self::LinkOfAnotherUser => {
                let target = path.with_extension("real");
                fs::rename(path, &target).unwrap();
                symlink(&target, path).unwrap();
                lchown(path, Some(OTHER), Some(OTHER)).unwrap();
                (path, format!("chown -h {OWNER}"))
            }
            Self::DirectoryOpenToOthers => {
                set_mode(directory, 0o777);
                (directory, "chmod go-w".to_owned())
            }
            Self::DirectoryOfAnotherUser => {
                chown(directory, Some(OTHER), Some(OTHER)).unwrap();
                set_mode(directory, 0o755);
                (directory, format!("chown {OWNER}"))
            }
        };
        Some(format!("run: {helps} {}", at.display()))
    }
}

/// A project of the owner with a due token, and a directory of the owner's for other files.
fn owned() -> (Due, PathBuf) {
    let due = due();
    let directory = due.project.outside().join("elsewhere");
    fs::create_dir(&directory).unwrap();
    give(&directory, OWNER);
    give(due.project.root(), OWNER);
    (due, directory)
}

/// Runs it with a file that gives orders in `directory`, named by `option`, under each attack.
fn refused_at_the_start(option: &str, name: &str, text: &str) {
    for attack in ATTACKS {
        let (due, directory) = owned();
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o644);
        give(&path, OWNER);
        let run = || Program::new(&due.project).arg(option).arg(path.to_str().unwrap()).once();
        let Some(helps) = attack.to(&path) else { continue };
        let refused = run().expect_code(2);
        assert_eq!(due.endpoint.requests().len(), 0, "{attack:?}");
        let says = |text: &str| refused.stderr.contains(text);
        assert!(says(&helps) && says(path.to_str().unwrap()), "{attack:?}: {helps}: {refused:#?}");
        assert!(says("(uid ") && says(", mode "), "{attack:?}: {refused:#?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{attack:?}: {refused:#?}");
    }
}

#[test]
fn an_env_file_that_another_user_could_have_written_is_refused_at_the_start() {
    if is_root() {
        refused_at_the_start("--env-file", "my.env", "LOG_LEVEL=DEBUG\n");
    }
}

#[test]
fn a_provider_file_that_another_user_could_have_written_is_refused_at_the_start() {
    if is_root() {
        refused_at_the_start("--providers", "my.json", "{}");
    }
}

#[test]
fn the_projects_own_env_file_is_refused_too() {
    if !is_root() {
        return;
    }
    let (due, _) = owned();
    let path = due.project.write(".env", "LOG_LEVEL=DEBUG\n");
    give(&path, OTHER);
    for command in ["--once", "", "status"] {
        let refused = Program::new(&due.project).args(command).run().expect_code(2);
        assert!(refused.stderr.contains(&format!("run: chown {OWNER} ")), "{refused:#?}");
    }
    assert_eq!(due.endpoint.requests().len(), 0);
}

#[test]
fn a_reload_of_an_env_file_that_another_user_could_have_written_changes_nothing() {
    if !is_root() {
        return;
    }
    let Due { endpoint: _endpoint, project, .. } = due();
    let path = project.write(".env", "REGISTRY_URL=http://before\n");
    project.no_auth_server("currenttime");
    give(project.root(), OWNER);
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("Token refresh cycle completed successfully");
    fs::write(&path, "REGISTRY_URL=http://attacker\n").unwrap();
    give(&path, OTHER);
    daemon.signal(Signal::Hup);
    let log = daemon.wait_for_log("the settings stay as they were");
    let line = log.lines().find(|line| line.contains("the settings stay")).unwrap();
    assert!(line.contains("[ERROR]") && line.contains(&format!("run: chown {OWNER} ")), "{line}");
    assert!(project.text(".oauth-tokens/mcp.json").contains("http://before/"));
    daemon.stop().expect_code(0);
}

#[test]
fn a_token_file_that_another_user_could_have_written_is_left_alone() {
    if !is_root() {
        return;
    }
    for attack in ATTACKS {
        let (due, _) = owned();
        // The tokens directory as a whole is another matter: it is said when a token is due.
        if matches!(attack, Attack::DirectoryOpenToOthers | Attack::DirectoryOfAnotherUser) {
            continue;
        }
        let Some(helps) = attack.to(&due.project.token(FILE)) else { continue };
        let finished = Program::new(&due.project).once();
        assert_eq!(due.endpoint.requests().len(), 0, "{attack:?}: {finished:#?}");
        let line = finished.log.lines().find(|line| line.contains(&helps));
        assert!(line.is_some_and(|line| line.contains(FILE)), "{attack:?}: {helps}: {finished:#?}");
        assert!(!due.project.text(".oauth-tokens/mcp.json").contains("MCP_SERVER_AUTH_TOKEN"), "{attack:?}");
    }
}

#[test]
fn a_link_to_a_token_file_in_an_open_directory_is_not_followed() {
    if !is_root() {
        return;
    }
    let (due, directory) = owned();
    fs::rename(due.project.token(FILE), directory.join(FILE)).unwrap();
    symlink(directory.join(FILE), due.project.token(FILE)).unwrap();
    give(due.project.root(), OWNER);
    set_mode(&directory, 0o777);
    let finished = Program::new(&due.project).once();
    assert_eq!(due.endpoint.requests().len(), 0, "{finished:#?}");
}

/// What people have, and what must go on working.
#[test]
fn files_that_no_other_user_could_have_written_are_obeyed() {
    if !is_root() {
        return;
    }
    let level = "LOG_LEVEL=DEBUG\n";
    let obeyed = |what: &str, prepare: &dyn Fn(&Project)| {
        let (due, _) = owned();
        prepare(&due.project);
        let finished = Program::new(&due.project).once().expect_code(0);
        assert!(finished.log.contains("[DEBUG]"), "{what}: {finished:#?}");
        assert!(holds_the_last_answer(&due.endpoint, &due.project, FILE), "{what}: {finished:#?}");
    };
    let owned_file = |path: &Path, text: &str, mode: u32| {
        fs::write(path, text).unwrap();
        set_mode(path, mode);
        give(path, OWNER);
    };
    obeyed("a private group may write", &|project| {
        owned_file(&project.path(".env"), level, 0o664);
        set_mode(&project.token(FILE), 0o664);
        for directory in [project.root(), &project.path(".oauth-tokens")] {
            set_mode(directory, 0o775);
        }
    });
    obeyed("it is root's, and all may read it", &|project| {
        project.write(".env", level);
    });
    obeyed("a link to a dotfile of one's own", &|project| {
        let dotfiles = project.outside().join("dotfiles");
        fs::create_dir(&dotfiles).unwrap();
        owned_file(&dotfiles.join("env"), level, 0o600);
        give(&dotfiles, OWNER);
        symlink(dotfiles.join("env"), project.path(".env")).unwrap();
        lchown(project.path(".env"), Some(OWNER), Some(OWNER)).unwrap();
    });
    obeyed("a secret that a container mounts", &|project| {
        // As Kubernetes does it: read-only files in a sticky directory, reached through two links, all root's.
        let mount = project.path("secrets");
        fs::create_dir_all(mount.join("..2026_11_25")).unwrap();
        set_mode(&mount, 0o1777);
        fs::write(mount.join("..2026_11_25/env"), level).unwrap();
        set_mode(&mount.join("..2026_11_25/env"), 0o444);
        symlink("..2026_11_25", mount.join("..data")).unwrap();
        symlink("..data/env", mount.join("env")).unwrap();
        symlink("secrets/env", project.path(".env")).unwrap();
    });
}

/// A server file may be anybody's: it can only choose a path under the gateway's address.
#[test]
fn a_server_file_of_another_user_is_read_and_chooses_no_host() {
    if !is_root() {
        return;
    }
    let (due, _) = owned();
    for (index, path) in
        ["//attacker.example/x", "@attacker.example/x", "/x", ":81/x", "http://attacker.example/x"]
            .into_iter()
            .enumerate()
    {
        let server = serde_json::json!({
            "path": path, "auth_type": "none", "proxy_pass_url": "http://attacker.example",
            "url": "http://attacker.example", "server_name": "http://attacker.example", "host": "attacker.example",
        });
        due.project.server(&format!("s{index}"), &server);
    }
    give(&due.project.path("registry"), OTHER);
    set_mode(&due.project.path("registry/servers"), 0o777);
    Program::new(&due.project).args("--registry-url http://gateway").once().expect_code(0);
    let configuration = due.project.config("mcp.json");
    let servers = configuration["mcpServers"].as_object().unwrap();
    assert!(servers.contains_key("x"), "{servers:?}");
    for server in servers.values() {
        let url = server["env"]["MCP_SERVER_URL"].as_str().unwrap();
        assert!(url.starts_with("http://gateway/"), "{url}");
    }
}

/// The list of a directory was not asked: its mask looks like the rights of the owner's private group.
#[test]
fn a_tokens_directory_that_a_list_opens_is_open() {
    if !is_root() {
        return;
    }
    for directory in [".oauth-tokens", ".oauth-tokens/.token-refresher"] {
        let (due, _) = owned();
        let path = due.project.path(directory);
        let _ = fs::create_dir(&path);
        set_mode(&path, 0o700);
        give(&path, OWNER);
        let set = Command::new("setfacl").args(["-m", &format!("user:{OTHER}:rwx")]).arg(&path).status();
        if !set.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no setfacl, or a file system without access control lists");
            return;
        }
        let finished = Program::new(&due.project).once().expect_code(1);
        assert!(finished.log.contains(&format!("run: chmod go-w {}", path.display())), "{finished:#?}");
        assert_eq!(due.endpoint.requests().len(), 0, "{directory}");
    }
}

/// An open tokens directory was said only when a token was due.
#[test]
fn an_open_tokens_directory_is_said_at_the_start_and_by_the_check() {
    let project = Project::new();
    set_mode(&project.path(".oauth-tokens"), 0o777);
    let finished = Program::new(&project).once().expect_code(0);
    let line = finished.log.lines().find(|line| line.contains("run: chmod go-w ")).unwrap_or_default();
    assert!(
        line.contains("[WARNING]") && line.contains("users other than the owner may write"),
        "{}",
        finished.log
    );
    let check = Program::new(&project).arg("check").run();
    assert!(check.stdout.contains("run: chmod go-w ") && check.code() == Some(1), "{check:#?}");
    set_mode(&project.path(".oauth-tokens"), 0o700);
    let check = Program::new(&project).arg("check").run().expect_code(0);
    assert!(!check.stdout.contains("chmod"), "{check:#?}");
}
