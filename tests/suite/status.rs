//! `status` and `check` as a person and a monitoring system meet them. If something here fails, a person
//! is told that all is well while it is not, or is woken for nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::daemon::built_program;
use crate::support::due::report;
use crate::support::{
    self, Daemon, Due, Finished, Program, Project, Signal, Step, TokenFile, Who, due, holds_in_time,
    internals,
};
use serde_json::Value;

const CYCLE_ENDS: &str = "Token refresh cycle completed";

fn idle(project: &Project) -> Daemon {
    let mut daemon = Program::new(project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    daemon
}

fn status(project: &Project) -> Finished {
    Program::new(project).arg("status").run().expect_code(0)
}

/// The line of `check`, which must be one, after its exit status was as expected.
fn check(project: &Project, arguments: &str, code: i32) -> String {
    let finished = Program::new(project).arg("check").args(arguments).run().expect_code(code);
    assert_eq!((finished.stdout.lines().count(), finished.stderr.as_str()), (1, ""), "{finished:#?}");
    finished.stdout
}

fn token<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tokens"].as_array().unwrap().iter().find(|token| token["name"] == name).expect(name)
}

#[test]
fn a_project_where_nobody_has_run_is_told_as_it_is_and_left_as_it_is() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    let before = project.stamps();
    let table = status(&project).stdout;
    assert!(table.starts_with("No daemon runs; no cycle yet;"), "{table}");
    assert!(
        table.contains("github-repos ") && table.contains(" due ") && table.contains(" 9 minutes "),
        "{table}"
    );
    assert!(
        check(&project, "", 2)
            .starts_with("CRITICAL: no daemon runs and there was no cycle ever | tokens=1 ")
    );
    assert_eq!(check(&project, "--alive", 1), "WARNING: no daemon has ever run here\n");
    assert_eq!((endpoint.requests().len(), project.stamps()), (0, before));
    let entries: Vec<_> =
        fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 2, "only the tokens and the registry: {entries:?}");
}

#[test]
fn a_daemon_with_fresh_tokens_is_well() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(9000));
    let mut daemon = Program::new(&project).args("--buffer 1800 --interval 700").start();
    daemon.wait_for_log(CYCLE_ENDS);
    let line = check(&project, "", 0);
    assert!(
        line.starts_with("OK: 1 token, the next is due in ") && line.contains(" | tokens=1 expired=0 "),
        "{line}"
    );
    assert!(check(&project, "--alive", 0).starts_with("OK: the daemon is well"));

    let report = report(&project);
    assert_eq!(report["version"], 1);
    let expected = [
        ("running", Value::from(true)),
        ("alive", true.into()),
        ("pid", daemon.pid().into()),
        // The daemon's, which this command was not told of.
        ("interval", 700.into()),
        ("buffer", 1800.into()),
    ];
    for (member, value) in expected {
        assert_eq!(report["daemon"][member], value, "{member}");
    }
    let repos = token(&report, "github-repos");
    assert_eq!(repos["state"], "fresh");
    assert_eq!(repos["why"], "refreshed 30 minutes before its end (the buffer)");
    let (end, next) = (repos["expires_at"].as_i64().unwrap(), repos["next_attempt_at"].as_i64().unwrap());
    assert_eq!(end - next, 1800);
    daemon.stop().expect_code(0);
}

#[test]
fn a_dead_sign_in_is_critical_for_a_service_and_no_reason_to_restart() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    let other = endpoint.sign_in(client.id());
    let file = TokenFile::named("my-own-tool.json").tokens(&other).at(&endpoint, &client).expires_in(600);
    project.write_token(&file);
    endpoint.revoke(&other.refresh_token);
    let daemon = idle(&project);
    // A token that no configuration uses is a warning only.
    let line = check(&project, "", 1);
    assert!(
        line.starts_with(
            "WARNING: my-own-tool needs a new sign-in (token-refresher login my-own-tool --dir /"
        ),
        "{line}"
    );

    let repos = project.read_token("github-repos-egress.json")["refresh_token"].as_str().unwrap().to_owned();
    endpoint.revoke(&repos);
    Program::new(&project).args("--force").once().expect_code(1);
    let line = check(&project, "", 2);
    assert!(
        line.starts_with(
            "CRITICAL: github-repos needs a new sign-in (token-refresher login github-repos --dir /"
        ),
        "{line}"
    );
    check(&project, "--alive", 0);

    let report = report(&project);
    assert_eq!(report["tokens"][0]["name"], "github-repos", "the most urgent first");
    let repos = token(&report, "github-repos");
    assert_eq!((&repos["state"], &repos["severity"]), (&"sign_in_again".into(), &"critical".into()));
    assert!(repos["last_error"].as_str().unwrap().contains("invalid_grant"), "{repos}");
    let table = status(&project);
    assert!(table.stdout.contains("sign in again") && table.stdout.contains("after a sign-in"), "{table:#?}");
    // In a pipe every reason is one line.
    assert!(table.stdout.lines().any(|line| line.starts_with("    ") && line.contains("invalid_grant")));
    assert!(!table.stdout.contains('\u{1b}'), "colour is for terminals");
    table.expect_none_of(&endpoint.secrets());
    daemon.stop().expect_code(0);
}

#[test]
fn an_outage_is_a_warning_with_the_next_attempt() {
    let Due { endpoint, project, client } = due::none();
    endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(1800));
    let daemon = idle(&project);
    let line = check(&project, "", 1);
    assert!(line.starts_with("WARNING: github-repos is retried (1 failed) | "), "{line}");
    let report = report(&project);
    let repos = token(&report, "github-repos");
    assert_eq!((&repos["state"], &repos["failures"]), (&"retrying".into(), &1.into()));
    let wait = repos["next_attempt_at"].as_i64().unwrap() - report["now"].as_i64().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(report["endpoints"][0]["failures"], 1);
    daemon.stop().expect_code(0);
}

#[test]
fn what_ends_within_a_day_is_said_before() {
    let project = Project::new();
    let vended =
        |hours: i64| TokenFile::named("vended.json").field("access_token", "vended").expires_in(hours * 3600);
    project.write_token(&vended(30));
    let mut daemon = idle(&project);
    check(&project, "", 0);
    project.write_token(&vended(20));
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert!(
        daemon.log().contains("[WARNING] REFRESH: vended.json: expires within a day"),
        "{}",
        daemon.log()
    );
    let line = check(&project, "", 1);
    assert!(line.starts_with("WARNING: vended needs a new token within 19 hours | "), "{line}");
    let need = token(&report(&project), "vended")["person_needed_by"].clone();
    assert_eq!(need, token(&report(&project), "vended")["expires_at"]);
    daemon.stop().expect_code(0);
}

#[test]
fn a_refresh_token_that_ends_is_said_a_day_before() {
    let Due { endpoint, project, client } = due::none();
    // A session of fixed length: its end does not move when the token is refreshed.
    let session = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60);
    project.write_token(&session.field("refresh_expires_at", support::now() + 20 * 3600));
    let mut daemon = idle(&project);
    daemon.wait_for_log("Successfully refreshed");
    check(&project, "", 1);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 3);
    let log = daemon.log();
    assert_eq!(log.matches("its refresh token ends within a day").count(), 1, "{log}");
    assert!(log.contains("(needs a new sign-in within 19 hours)"), "{log}");
    daemon.stop().expect_code(0);
}

#[test]
fn a_daemon_that_died_is_missed() {
    let Due { endpoint, project, client } = due::none();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(9000));
    let daemon = idle(&project);
    daemon.signal(Signal::Kill);
    assert_eq!(daemon.wait().killed_by(), Some(9));
    // Said from the first second, and not yet critical: a service manager may be starting another one.
    let line = check(&project, "", 1);
    assert!(line.starts_with("WARNING: no daemon runs, the last sign of one is "), "{line}");
    assert_eq!(check(&project, "--alive", 1), "WARNING: no daemon runs\n");
    assert!(status(&project).stdout.starts_with("No daemon runs; last cycle "));
    internals::age_the_last_cycle(&project, Duration::from_secs(901));
    let line = check(&project, "", 2);
    assert!(line.starts_with("CRITICAL: no daemon runs and there was no cycle for 15 minutes | "), "{line}");
    // A cycle from a timer counts, and leaves its interval.
    Program::new(&project).args("--interval 7000").once().expect_code(0);
    check(&project, "", 0);
    assert_eq!(report(&project)["daemon"]["interval"], 7000);
}

#[test]
fn a_daemon_that_hangs_is_not_alive() {
    let project = Project::new();
    let mut daemon = idle(&project);
    check(&project, "--alive", 0);
    internals::age_sign_of_life(&project, Duration::from_secs(200));
    assert_eq!(check(&project, "--alive", 1), "WARNING: the daemon hangs, last seen 3 minutes ago\n");
    assert!(status(&project).stdout.starts_with("The daemon hangs (process "));
    // It turns again, and shows it.
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    daemon.wait_until("its sign of life", || {
        Program::new(&project).args("check --alive").run().code() == Some(0)
    });
    daemon.stop().expect_code(0);
}

#[test]
fn what_cannot_be_found_out_is_unknown() {
    let project = Project::new();
    for arguments in
        ["--wrong", "--alive --interval 3", "--dir /nowhere/at/all", "--tokens-dir nowhere", "twice"]
    {
        let line = check(&project, arguments, 3);
        assert!(line.starts_with("UNKNOWN: "), "{line}");
    }
    let finished =
        Program::new(&project).arg("check").env("TOKEN_REFRESH_INTERVAL", "soon").run().expect_code(3);
    assert!(finished.stdout.starts_with("UNKNOWN: TOKEN_REFRESH_INTERVAL: "), "{finished:#?}");
    // Wherever the command is in the line.
    for line in ["--dir . check --bogus", "--bogus check", "--alive --interval 3 check"] {
        let finished = Program::new(&project).args(line).run().expect_code(3);
        let one_line = finished.stdout.starts_with("UNKNOWN: --") && finished.stdout.lines().count() == 1;
        assert!(one_line && finished.stderr.is_empty(), "{line}: {finished:#?}");
    }
    // For a person it is an error like any other.
    Program::new(&project).args("status --tokens-dir nowhere").run().expect_code(1);
    Program::new(&project).args("status --alive").run().expect_code(2);
}

#[test]
fn a_file_that_cannot_be_used_is_listed_with_the_reason() {
    let project = Project::new();
    project.write_tokens_file("broken-egress.json", "{\"access_token\": ");
    let daemon = idle(&project);
    assert!(check(&project, "", 1).starts_with("WARNING: broken cannot be used | "));
    let report = report(&project);
    assert_eq!(token(&report, "broken")["state"], "unusable");
    assert!(!token(&report, "broken")["why"].as_str().unwrap().is_empty());
    daemon.stop().expect_code(0);
}

#[test]
fn a_token_that_is_named_tells_its_story() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    due.sign_in("github", "wiki", 7200);
    let finished = Program::new(&due.project).args("status github-wiki").run().expect_code(0);
    assert!(finished.stdout.contains("\n    access token ends: ") && finished.stdout.contains("github-wiki"));
    assert!(!finished.stdout.contains("github-repos"), "{finished:#?}");
    let finished = Program::new(&due.project).args("status wat").run().expect_code(1);
    let said = "no token file is called \"wat\"; known are: github-repos, github-wiki";
    assert!(finished.stderr.contains(said), "{finished:#?}");
    let finished = Program::new(&due.project).args("status --watch").run().expect_code(2);
    assert!(finished.stderr.contains("--watch: "), "{finished:#?}");
}

#[test]
fn token_files_that_vanish_under_a_daemon_are_critical() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    let mut daemon = Program::new(&due.project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    fs::remove_file(due.project.token("github-repos-egress.json")).unwrap();
    daemon.wait_until("the alarm, also after another cycle", || {
        let line = Program::new(&due.project).arg("check").run();
        line.code() == Some(2) && line.stdout.contains("1 token file vanished")
    });
    daemon.stop().expect_code(0);
    // From the first second without a daemon.
    due.sign_in("github", "repos", 7200);
    let line = Program::new(&due.project).arg("check").run().expect_code(1);
    assert!(line.stdout.starts_with("WARNING: no daemon runs, "), "{line:#?}");
}

#[test]
fn one_token_is_shown_with_the_files_that_use_it() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    due.project.write_token(&TokenFile::named("other.json").field("access_token", "at").expires_in(7200));
    let program = Program::new(&due.project).args("--client cursor=cursor.json");
    program.env("REGISTRY_URL", "http://gateway").once().expect_code(0);
    let shown = |name: &str| Program::new(&due.project).args("status").arg(name).run().expect_code(0).stdout;
    let (tokens, root) = (due.project.path(".oauth-tokens"), due.project.root());
    let expected = format!(
        "    used by: {0}/mcp.json, {0}/vscode_mcp.json, cursor: {1}/cursor.json\n",
        tokens.display(),
        root.display()
    );
    assert!(shown("github-repos").contains(&expected), "{}", shown("github-repos"));
    assert!(!shown("other").contains("used by"), "{}", shown("other"));
}

/// Only the refusal in a pipe was tested, never the watching itself.
#[test]
fn watch_shows_the_table_again_on_a_terminal() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    let command =
        format!("exec {} status --watch --dir {}", built_program().display(), due.project.root().display());
    let shown = due.project.outside().join("shown");
    let mut terminal = Command::new("script");
    terminal
        .args(["-qefc", &command])
        .arg(&shown)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let Ok(mut terminal) = terminal.spawn() else {
        eprintln!("script is not installed: no terminal to watch on");
        return;
    };
    let text = || String::from_utf8_lossy(&fs::read(&shown).unwrap_or_default()).into_owned();
    assert!(holds_in_time(
        || text().matches("\u{1b}[H\u{1b}[J").count() >= 1 && text().contains("github-repos")
    ));
    due.sign_in("linear", "issues", 7200);
    let again =
        || text().rsplit("\u{1b}[H\u{1b}[J").next().is_some_and(|last| last.contains("linear-issues"));
    assert!(holds_in_time(again), "{}", text());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
}

/// `headers SERVER` took the server's name, `token` and `status` did not.
#[test]
fn a_token_is_found_by_its_servers_name() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    let run = |arguments: &str| Program::new(&due.project).args(arguments).run();
    assert_eq!(run("status repos").expect_code(0).stdout, run("status github-repos").stdout);
    assert_eq!(run("token repos").expect_code(0).stdout, run("token github-repos").stdout);
    // A provider of the user's own, which no name of a file tells from a server's.
    due.sign_in("acme", "my-wiki", 7200);
    assert_eq!(run("token my-wiki").expect_code(0).stdout, run("token acme-my-wiki").stdout);
    assert!(run("status my-wiki").expect_code(0).stdout.contains("acme-my-wiki"));
    let message = "no token file is called \"wiki\"; acme-my-wiki is for \"my-wiki\"";
    assert!(run("token wiki").expect_code(1).stderr.contains(message), "{}", run("token wiki").stderr);
    due.sign_in("linear", "repos", 7200);
    let message = "more than one token file is for \"repos\"; known are: github-repos, linear-repos";
    assert!(run("token repos").expect_code(1).stderr.contains(message));
    assert!(run("status repos").expect_code(0).stdout.contains("linear-repos"));
}

/// The log gave the next attempt, and the table said that there is none before a change.
#[test]
fn a_refused_token_has_its_next_attempt_in_the_table() {
    let due = due::due();
    due.endpoint.always(Who::client(due.client.id()), Step::error(401, "invalid_client"));
    let mut daemon = Program::new(&due.project).start();
    let log = daemon.wait_for_log("next attempt in ");
    let shown = Program::new(&due.project).arg("status").run().expect_code(0).stdout;
    let row = shown.lines().find(|line| line.starts_with("github-repos")).unwrap_or_default();
    // Due in ten minutes: tried again a minute before.
    assert!(row.contains("refused") && row.ends_with("in 8 minutes"), "{shown}{log}");
    daemon.stop().expect_code(0);
}
