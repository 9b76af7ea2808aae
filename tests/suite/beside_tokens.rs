//! What is around a token: the mode of its file, and the file for a shell beside it. If something here fails,
//! another user reads a token, or an agent goes on with an old one.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::due::text;
use crate::support::{self, Due, Program, Project, TokenFile, due};

const FILE: &str = ".oauth-tokens/github-repos-egress.json";
const TWIN: &str = "agent-x.env";
const TOKEN: &str = "agent-x-token.json";

fn fresh() -> Due {
    let due = due::none();
    due.sign_in("github", "repos", 86_400);
    due
}

#[test]
fn a_token_file_that_others_may_read_is_closed_to_them_with_a_line() {
    for mode in [0o644, 0o640, 0o604, 0o744] {
        let Due { project, .. } = fresh();
        project.set_mode(FILE, mode);
        let finished = Program::new(&project).once().expect_code(0);
        assert_eq!(project.mode(FILE), mode & 0o700);
        let line = format!(
            "[WARNING] REFRESH: github-repos-egress.json: others could read it (mode {mode:04o}); \
             only its owner can now"
        );
        assert!(finished.log.contains(&line), "{finished:#?}");
        let again = Program::new(&project).once().expect_code(0);
        assert_eq!(again.log.matches("others could read it").count(), 1);
    }
    // Secrets of clients, and of the gateway.
    let Due { project, .. } = fresh();
    project.write_client_credentials("client.json", "id", "a secret");
    project.write_tokens_file("ingress.json", "{\"access_token\": \"at-0123456789\", \"refresh\": false}");
    project.write_tokens_file("notes.json", "{}");
    for name in ["client.json", "ingress.json", "notes.json"] {
        project.set_mode(&format!(".oauth-tokens/{name}"), 0o644);
    }
    Program::new(&project).once().expect_code(0);
    let mode = |name: &str| project.mode(&format!(".oauth-tokens/{name}"));
    assert_eq!((mode("client.json"), mode("ingress.json"), mode("notes.json")), (0o600, 0o600, 0o644));
}

#[test]
fn what_only_looks_closes_nothing() {
    let Due { project, .. } = fresh();
    project.set_mode(FILE, 0o644);
    for arguments in ["status", "check", "token github-repos"] {
        Program::new(&project).args(arguments).run();
    }
    assert_eq!(project.mode(FILE), 0o644);
}

#[test]
fn a_link_to_elsewhere_is_told_of_and_left_as_it_is() {
    let Due { project, .. } = fresh();
    let elsewhere = project.path("elsewhere.json");
    fs::rename(project.path(FILE), &elsewhere).unwrap();
    symlink(&elsewhere, project.path(FILE)).unwrap();
    project.set_mode("elsewhere.json", 0o644);
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("cycle completed");
    daemon.signal(support::Signal::Usr1);
    daemon.wait_for_log_times("cycle completed", 2);
    let log = daemon.stop().expect_code(0).log;
    let line = format!("others may read {0}, to which it leads; run: chmod 600 {0}", elsewhere.display());
    assert_eq!(log.matches(&line).count(), 1, "{log}");
    assert_eq!(project.mode("elsewhere.json"), 0o644);
}

#[test]
fn a_file_of_another_user_is_told_of_once_and_refreshed_as_before() {
    let Due { project, .. } = fresh();
    project.set_mode(FILE, 0o644);
    let program = || Program::new(&project).unprivileged();
    let given_away = program();
    if std::os::unix::fs::chown(project.path(FILE), Some(0), Some(0)).is_err() {
        return;
    }
    let mut daemon = given_away.start();
    daemon.wait_for_log("cycle completed");
    daemon.signal(support::Signal::Usr1);
    daemon.wait_for_log_times("cycle completed", 2);
    let log = daemon.stop().expect_code(0).log;
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        let line = "others may read it, and that cannot be changed: it belongs to another user (uid 0)";
        assert_eq!(log.matches(line).count(), 1, "{log}");
        assert_eq!(project.mode(FILE), 0o644);
    }
}

/// A machine's token as the gateway's generator leaves it, and the file for a shell beside it.
fn agent(due: &Due, twin: &str) -> String {
    let old = due.endpoint.machine_token(due.client.id());
    let file = TokenFile::named(TOKEN).field("access_token", old.as_str());
    let file = file.at(&due.endpoint, &due.client).field("grant_type", "client_credentials").expires_in(60);
    due.project.write_token(&file);
    due.project.write_tokens_file(TWIN, twin.replace("OLD", &old));
    old
}

fn twin(project: &Project) -> String {
    project.text(&format!(".oauth-tokens/{TWIN}"))
}

#[test]
fn the_file_for_a_shell_holds_the_new_token() {
    for before in [
        "# Generated access token for agent-x\nexport ACCESS_TOKEN=\"OLD\"\nexport CLIENT_ID=\"c\"\n",
        "export ACCESS_TOKEN='OLD'\r\n",
        "ACCESS_TOKEN=OLD",
    ] {
        let due = due::none();
        let old = agent(&due, before);
        due.project.set_mode(&format!(".oauth-tokens/{TWIN}"), 0o644);
        let finished = Program::new(&due.project).once().expect_code(0);
        let new = text(&due.project, TOKEN, "access_token");
        assert_ne!(new, old);
        assert_eq!(twin(&due.project), before.replace("OLD", &new), "{finished:#?}");
        assert!(finished.log.contains("agent-x.env: holds the new access token"), "{finished:#?}");
        assert_eq!(due.project.mode(&format!(".oauth-tokens/{TWIN}")), 0o600);
    }
}

#[test]
fn a_token_of_its_owners_choice_stays_in_the_file_for_a_shell() {
    for before in
        ["export ACCESS_TOKEN=theirs\n", "export REFRESH_TOKEN=\"OLD\"\n", "export OTHER_ACCESS_TOKEN=OLD\n"]
    {
        let due = due::none();
        let old = agent(&due, before);
        let stamp = due.project.stamp(&format!(".oauth-tokens/{TWIN}"));
        Program::new(&due.project).once().expect_code(0);
        assert_ne!(text(&due.project, TOKEN, "access_token"), old);
        assert_eq!(due.project.stamp(&format!(".oauth-tokens/{TWIN}")), stamp);
    }
}

#[test]
fn a_file_for_a_shell_that_was_left_behind_catches_up() {
    let due = due::none();
    agent(&due, "export ACCESS_TOKEN=\"OLD\"\n");
    let away = due.project.path("away.env");
    // Two refreshes; at the second the file cannot be written, as after a crash before it was.
    Program::new(&due.project).once().expect_code(0);
    let place = due.project.token(TWIN);
    fs::rename(&place, &away).unwrap();
    Program::new(&due.project).args("--force").once().expect_code(0);
    fs::create_dir(&place).unwrap();
    fs::remove_dir(&place).unwrap();
    fs::rename(&away, &place).unwrap();
    let behind = twin(&due.project);
    Program::new(&due.project).once();
    // Nothing was known of it while it was away, so it is its owner's now.
    assert_eq!(twin(&due.project), behind);

    // Read-only for a moment: it is kept in mind.
    let due = due::none();
    agent(&due, "export ACCESS_TOKEN=\"OLD\"\n");
    Program::new(&due.project).once().expect_code(0);
    let behind = twin(&due.project);
    fs::set_permissions(due.project.token(TWIN), fs::Permissions::from_mode(0o622)).unwrap();
    let finished = Program::new(&due.project).args("--force").once().expect_code(1);
    assert!(finished.log.contains("agent-x.env: cannot be kept in step: "), "{finished:#?}");
    assert_eq!(twin(&due.project), behind);
    fs::set_permissions(due.project.token(TWIN), fs::Permissions::from_mode(0o600)).unwrap();
    Program::new(&due.project).once().expect_code(0);
    let new = text(&due.project, TOKEN, "access_token");
    assert_eq!(twin(&due.project), format!("export ACCESS_TOKEN=\"{new}\"\n"));
}
