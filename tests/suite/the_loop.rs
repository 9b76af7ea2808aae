//! The daemon between its cycles: what wakes it, what stops it, and that there is one of it. If
//! something here fails, tokens are refreshed too late, or a stop loses one.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::daemon::built_program;
use crate::support::{
    self, Client, DEADLINE, Daemon, Due, Endpoint, Program, Project, Signal, TokenFile, due,
};
use serde_json::Value;

const FILE: &str = "github-repos-egress.json";
const PID_FILE: &str = "token_refresher.pid";
const CYCLE_BEGINS: &str = "REFRESH: Token refresh check starting...";
/// A stop while one refresh is under way.
const WAITS: &str = "told to stop; waiting for 1 refresh in flight";
const CYCLE_ENDS: &str = "REFRESH: Token refresh cycle completed successfully";

/// A project without tokens, and one server that needs none.
fn registered() -> Due {
    let registered = due::none();
    registered.project.no_auth_server("currenttime");
    registered
}

fn program(project: &Project) -> Program {
    Program::new(project).env("REGISTRY_URL", "http://gateway")
}

/// A daemon that has its first cycle behind it and would sleep for five minutes.
fn idle(project: &Project) -> Daemon {
    let mut daemon = program(project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    daemon
}

fn server_url(project: &Project) -> Value {
    project.config("mcp.json")["mcpServers"]["currenttime"]["env"]["MCP_SERVER_URL"].clone()
}

#[test]
fn a_token_that_is_due_before_the_interval_is_over_is_refreshed_in_time() {
    let endpoint = Endpoint::start();
    let client = Client::new("app").lifetime(Duration::from_secs(4));
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).fresh_for(4));
    let daemon = program(&project).start();
    // Twice: the second due time comes from our own answer.
    for count in 1..=2 {
        let seen = endpoint.wait_for_answers(count);
        let sent = seen[count - 1].field("refresh_token").unwrap().to_owned();
        assert!(!endpoint.is_revoked(&sent));
        assert!(!endpoint.live_tokens().is_empty(), "the token had expired before it was refreshed");
    }
    daemon.stop().expect_code(0);
    let gap = endpoint.requests().windows(2).map(|two| two[1].arrived - two[0].arrived).min().unwrap();
    assert!(gap >= Duration::from_secs(1), "refreshed again after {gap:?} of a life of 4 s");
}

/// The digest of what the configurations are made from was once that of the scan, before the refresh: where the files
/// had been trusted before, they kept the old token until the next cycle, minutes later.
#[test]
fn a_refresh_after_a_cycle_without_one_is_in_the_configurations_at_once() {
    let Due { endpoint, project, client } = registered();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).fresh_for(10));
    let mut daemon = program(&project).args("--buffer 3 --interval 600").start();
    daemon.wait_for_log(CYCLE_ENDS);
    // What was written two seconds before a cycle is trusted in the next one.
    let written = || fs::metadata(project.token("vscode_mcp.json")).unwrap().modified().unwrap();
    daemon.wait_until("configurations of more than two seconds", || {
        written().elapsed().is_ok_and(|age| age > Duration::from_millis(2_100))
    });
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    endpoint.wait_for_answers(1);
    daemon.wait_for_log_times(CYCLE_ENDS, 3);
    let token = project.read_token(FILE)["access_token"].as_str().unwrap().to_owned();
    assert!(endpoint.is_live(&token));
    assert!(project.text(".oauth-tokens/mcp.json").contains(&token), "{}", daemon.log());
    daemon.stop().expect_code(0);
}

#[test]
fn a_failing_token_does_not_spin() {
    let Due { endpoint, project, client } = registered();
    endpoint.always(support::Who::Anyone, support::Step::error(503, "temporarily_unavailable"));
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    let began = Instant::now();
    let mut daemon = program(&project).args("--interval 1").start();
    // The shortest delay of a passing failure is 15 s, so three cycles more send nothing, one a second.
    daemon.wait_for_log_times("REFRESH: Checked 1 token, 1 not fresh", 4);
    assert!(began.elapsed() >= Duration::from_secs(3), "four cycles in {:?}", began.elapsed());
    assert_eq!(endpoint.requests().len(), 1);
    daemon.stop().expect_code(0);
}

#[test]
fn usr1_runs_a_cycle_now() {
    let Due { project, .. } = registered();
    let mut daemon = idle(&project);
    project.no_auth_server("mcpgw");
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert!(project.text(".oauth-tokens/mcp.json").contains("mcpgw"));
    daemon.stop().expect_code(0);
}

#[test]
fn hup_reads_the_settings_again_and_opens_the_log_anew() {
    let Due { project, .. } = registered();
    project.write(".env", "REGISTRY_URL=http://one\n");
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    assert_eq!(server_url(&project), "http://one/currenttime/mcp");

    fs::rename(project.path("token_refresher.log"), project.path("token_refresher.log.1")).unwrap();
    project.write(".env", "REGISTRY_URL=http://two\n");
    daemon.signal(Signal::Hup);
    daemon.wait_for_log(CYCLE_ENDS);
    assert_eq!(server_url(&project), "http://two/currenttime/mcp");
    assert_eq!(project.mode("token_refresher.log"), 0o600);

    project.write(".env", "REGISTRY_URL=http://three\nTOKEN_REFRESH_INTERVAL=never\n");
    daemon.signal(Signal::Hup);
    let log = daemon.wait_for_log("TOKEN_REFRESH_INTERVAL");
    assert!(log.contains("[ERROR]"), "{log}");
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert_eq!(server_url(&project), "http://two/currenttime/mcp", "the old settings stay as a whole");
    daemon.stop().expect_code(0);
}

#[test]
fn a_sign_in_is_noticed_at_the_next_check() {
    let Due { endpoint, project, client } = registered();
    let mut daemon = program(&project).args("--interval 1").start();
    daemon.wait_for_log(CYCLE_ENDS);
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    endpoint.wait_for_answers(1);
    let token = project.token("mcp.json");
    daemon
        .wait_until("the new service's entry", || fs::read_to_string(&token).unwrap().contains("\"repos\""));
    daemon.stop().expect_code(0);
}

/// How soon a written file must be acted on: two seconds, and room for a machine that runs other tests too.
/// The look of every minute alone would take half a minute on average.
const SOON: Duration = Duration::from_secs(8);

/// Runs `write`, and waits until the daemon has acted on it, which must be soon.
fn noticed_soon(daemon: &mut Daemon, what: &str, write: impl FnOnce(), done: impl FnMut() -> bool) {
    let began = Instant::now();
    write();
    daemon.wait_until(what, done);
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
}

#[test]
fn a_sign_in_is_in_the_configurations_at_once() {
    let due = registered();
    let mut daemon = idle(&due.project);
    let config = due.project.token("mcp.json");
    let listed = |server: &str| fs::read_to_string(&config).unwrap().contains(server);
    let sign_in = || due.sign_in("github", "repos", 7200);
    noticed_soon(&mut daemon, "the new service's entry", sign_in, || listed("\"repos\""));
    // A file that another program makes elsewhere and moves here.
    let aside = due.project.outside().join("aside.json");
    fs::write(&aside, due.signed_in("github", "wiki").expires_in(7200).text()).unwrap();
    let moved = || fs::rename(&aside, due.project.token("github-wiki-egress.json")).unwrap();
    noticed_soon(&mut daemon, "the moved file's entry", moved, || listed("\"wiki\""));
    let gone = || fs::remove_file(due.project.token("github-wiki-egress.json")).unwrap();
    noticed_soon(&mut daemon, "the end of the entry", gone, || !listed("\"wiki\""));
    daemon.stop().expect_code(0);
}

#[test]
fn a_corrected_secret_is_tried_at_once() {
    let due = registered();
    let file = due.signed_in("github", "repos").without("client_secret").expires_in(600);
    due.project.write_token(&file);
    let expiry = due.project.read_token(FILE)["expires_at"].clone();
    let env = |secret: &str| {
        let id = due.client.id();
        let set = format!("EGRESS_OAUTH_CLIENT_ID_1={id}\nEGRESS_OAUTH_CLIENT_SECRET_1={secret}\n");
        format!("{set}EGRESS_PROVIDER_NAME_1=github\n")
    };
    // The file itself is elsewhere, as a link in the home or a mounted secret has it.
    let elsewhere = due.project.outside().join("secrets.env");
    fs::write(&elsewhere, env("wrong")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, due.project.path(".env")).unwrap();
    let mut daemon = program(&due.project).start();
    daemon.wait_for_log("cycle completed, 1 not refreshed");
    assert_eq!(due.endpoint.requests().len(), 1, "{}", daemon.log());
    let corrected = || fs::write(&elsewhere, env(due.client.secret())).unwrap();
    let refreshed = || due.project.read_token(FILE)["expires_at"] != expiry;
    noticed_soon(&mut daemon, "the refresh with the right secret", corrected, refreshed);
    daemon.stop().expect_code(0);
}

#[test]
fn a_token_file_behind_a_link_is_noticed_where_it_is() {
    let due = registered();
    let elsewhere = due.project.outside().join("repos.json");
    fs::write(&elsewhere, "{").unwrap();
    std::os::unix::fs::symlink(&elsewhere, due.project.token(FILE)).unwrap();
    let mut daemon = idle(&due.project);
    let config = due.project.token("mcp.json");
    let write = || fs::write(&elsewhere, due.signed_in("github", "repos").expires_in(7200).text()).unwrap();
    noticed_soon(&mut daemon, "the file's entry", write, || {
        fs::read_to_string(&config).unwrap().contains("\"repos\"")
    });
    daemon.stop().expect_code(0);
}

#[test]
fn an_edit_of_the_env_file_is_not_lost_in_a_cycle_of_another_reason() {
    let Due { project, .. } = registered();
    project.write(".env", "REGISTRY_URL=http://one\n");
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    project.write(".env", "REGISTRY_URL=http://two\n");
    // The signal is there before the loop looks.
    daemon.signal(Signal::Usr1);
    daemon.wait_until("the new setting", || server_url(&project) == "http://two/currenttime/mcp");
    daemon.stop().expect_code(0);
}

#[test]
fn an_edit_of_the_env_file_that_leaves_its_size_and_its_time_is_noticed() {
    let Due { project, .. } = registered();
    let path = project.write(".env", "REGISTRY_URL=http://one\n");
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    project.write(".env", "REGISTRY_URL=http://two\n");
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    daemon.wait_until("the new setting", || server_url(&project) == "http://two/currenttime/mcp");
    daemon.stop().expect_code(0);
}

#[test]
fn a_tokens_directory_that_is_not_there_is_made_and_waited_on() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::bare();
    let daemon = program(&project).args("--interval 1").start();
    assert!(support::holds_in_time(|| project.token("mcp.json").exists()), "{}", daemon.log());
    assert_eq!(project.mode(".oauth-tokens"), 0o700);
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    endpoint.wait_for_answers(1);
    daemon.stop().expect_code(0);
}

#[test]
fn a_cycle_in_which_nothing_happens_is_one_line() {
    let Due { endpoint, project, client } = registered();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(7200));
    let mut daemon = program(&project).args("--interval 1").start();
    daemon.wait_for_log(CYCLE_ENDS);
    let first = daemon.log().lines().count();
    daemon
        .wait_until("three more lines", || project.text("token_refresher.log").lines().count() >= first + 3);
    assert_eq!(daemon.log().matches(CYCLE_BEGINS).count(), 1, "{}", daemon.log());
    daemon.stop().expect_code(0);
}

#[test]
fn a_directory_that_cannot_be_written_is_said_once_and_tried_until_it_can() {
    let Due { endpoint, project, client } = registered();
    // Our own small files are there already, as after any earlier run.
    let mut daemon = program(&project).unprivileged().start();
    daemon.wait_for_log(CYCLE_ENDS);
    daemon.stop().expect_code(0);
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    project.set_mode(".oauth-tokens", 0o500);
    let mut daemon = program(&project).args("--interval 1").unprivileged().start();
    daemon.wait_for_log("[ERROR]");
    for count in 3..=4 {
        daemon.signal(Signal::Usr1);
        daemon.wait_for_log_times(CYCLE_BEGINS, count);
    }
    let log = daemon.log();
    let said = log.lines().filter(|line| line.contains("[ERROR]") && line.contains("github-repos")).count();
    assert_eq!(said, 1, "{log}");
    assert_eq!(endpoint.requests().len(), 0, "a token that could not be stored must not be spent");
    project.set_mode(".oauth-tokens", 0o700);
    endpoint.wait_for_answers(1);
    daemon.wait_for_log("Successfully refreshed token for github-repos");
    daemon.stop().expect_code(0);
}

#[test]
fn a_stop_waits_for_the_refresh_in_flight() {
    for signal in [Signal::Term, Signal::Int] {
        let Due { endpoint, project, client } = registered();
        project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
        let hold = endpoint.hold();
        let mut daemon = program(&project).start();
        endpoint.wait_for_requests(1);
        daemon.signal(signal);
        daemon.wait_for_log(WAITS);
        assert!(!daemon.has_ended(), "{}", daemon.log());
        drop(hold);
        daemon.wait().expect_code(0);
        let token = project.read_token(FILE)["access_token"].as_str().unwrap().to_owned();
        assert!(endpoint.is_live(&token), "{signal:?}");
        assert_eq!((endpoint.requests().len(), project.leftovers().len()), (1, 0));
        assert!(!project.path(PID_FILE).exists());
    }
}

#[test]
fn a_second_signal_during_a_stop_ends_at_once() {
    let Due { endpoint, project, client } = registered();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    let _hold = endpoint.hold();
    let mut daemon = program(&project).start();
    endpoint.wait_for_requests(1);
    daemon.signal(Signal::Term);
    // Two signals of one kind that arrive together are one.
    daemon.wait_for_log(WAITS);
    assert!(!daemon.has_ended(), "{}", daemon.log());
    daemon.signal(Signal::Term);
    let finished = daemon.wait().expect_code(128 + 15);
    assert!(finished.log.contains("told to stop twice"), "{}", finished.log);
}

#[test]
fn the_pid_file_names_the_daemon_and_goes_with_it() {
    let Due { project, .. } = registered();
    let daemon = idle(&project);
    assert_eq!(project.text(PID_FILE).trim(), daemon.pid().to_string());
    daemon.stop().expect_code(0);
    assert!(!project.path(PID_FILE).exists());

    let mut daemon = program(&project).args("--pid-file -").start();
    daemon.wait_for_log_times(CYCLE_ENDS, 2);
    assert!(!project.path(PID_FILE).exists() && !project.path("-").exists());
    daemon.stop().expect_code(0);
}

#[test]
fn a_second_daemon_says_which_one_runs_and_leaves_it_alone() {
    let Due { project, .. } = registered();
    let mut daemon = idle(&project);
    let second = program(&project).run().expect_code(1);
    let said = second.stderr.clone() + &second.log;
    assert!(said.contains(&daemon.pid().to_string()), "{second:#?}");
    assert_eq!(project.text(PID_FILE).trim(), daemon.pid().to_string());
    program(&project).once().expect_code(0);
    assert!(!daemon.has_ended());
    daemon.stop().expect_code(0);
}

#[test]
fn a_daemon_that_was_killed_does_not_keep_the_next_from_starting() {
    let Due { project, .. } = registered();
    let daemon = idle(&project);
    daemon.signal(Signal::Kill);
    assert_eq!(daemon.wait().killed_by(), Some(9));
    let mut next = program(&project).start();
    next.wait_for_log_times(CYCLE_ENDS, 2);
    assert_eq!(project.text(PID_FILE).trim(), next.pid().to_string());
    next.stop().expect_code(0);
}

#[test]
fn a_closed_terminal_ends_a_foreground_run() {
    let Due { project, .. } = registered();
    // A test run under nohup hands an ignored SIGHUP down, which the program would respect.
    let (program, dir) = (built_program(), project.root());
    let command = format!("exec env --default-signal=HUP {} --dir {}", program.display(), dir.display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let Ok(mut terminal) = terminal.spawn() else {
        eprintln!("script is not installed: no terminal to close");
        return;
    };
    let log = || fs::read_to_string(project.path("token_refresher.log")).unwrap_or_default();
    wait_for("the first cycle", || log().contains(CYCLE_ENDS));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    wait_for("the end", || log().contains("REFRESH: stopping"));
    wait_for("the end of the pid file", || !project.path(PID_FILE).exists());
    assert!(!log().contains("settings read again"), "{}", log());
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(support::POLL);
    }
}

#[test]
fn the_start_says_what_is_in_effect() {
    let due = registered();
    due.sign_in("github", "repos", 7200);
    let daemon = program(&due.project).args("--interval 90 --log-level DEBUG --client cursor");
    let mut daemon = daemon.env("TOKEN_EXPIRY_BUFFER", "1800").start();
    let log = daemon.wait_for_log(CYCLE_ENDS);
    let tokens = due.project.path(".oauth-tokens");
    for line in [
        format!(
            "[INFO] CONFIG: token-refresher {} keeps {}: 1 token file, a look every 90 seconds, refreshed \
             30 minutes before expiry; gateway http://gateway; assistants: cursor",
            env!("CARGO_PKG_VERSION"),
            tokens.display()
        ),
        "[DEBUG] CONFIG: --interval: \"90\" (the command line)".to_owned(),
        "[DEBUG] CONFIG: --buffer: \"1800\" (TOKEN_EXPIRY_BUFFER)".to_owned(),
    ] {
        assert!(log.contains(&line), "{line} is missing in\n{log}");
    }
    daemon.stop().expect_code(0);
}

#[test]
fn a_directory_that_is_no_project_is_named_before_files_are_made_there() {
    let project = Project::bare();
    let finished = Program::new(&project).once();
    let said = format!("{} has no .oauth-tokens, no registry and no .env", project.root().display());
    assert!(finished.stderr.contains(&said), "{finished:#?}");
    let again = Program::new(&project).once();
    assert!(!again.stderr.contains("is it the project?"), "{again:#?}");
}

#[test]
fn the_log_goes_to_standard_error_where_it_is_asked_to() {
    let Due { project, .. } = registered();
    let finished = program(&project).args("--log-file -").once().expect_code(0);
    assert!(finished.stderr.contains(CYCLE_BEGINS) && finished.stderr.contains(CYCLE_ENDS), "{finished:#?}");
    assert_eq!((finished.stdout.as_str(), finished.log.as_str()), ("", ""));
    assert!(!project.path("-").exists());
}

#[test]
fn the_log_is_for_its_owner_alone() {
    let Due { project, .. } = registered();
    program(&project).once().expect_code(0);
    assert_eq!(project.mode("token_refresher.log"), 0o600);
}

/// Started in an empty directory it said what it keeps, and left a new user alone with that.
#[test]
fn a_start_without_tokens_names_the_command_that_gets_one() {
    let project = Project::new();
    let mut daemon = Program::new(&project).start();
    let log = daemon.wait_for_log("there is no token yet");
    assert!(log.contains(&format!("login WHAT --dir {}", project.root().display())), "{log}");
    project.write_token(&TokenFile::egress("acme", "wiki").field("access_token", "at").expires_in(7200));
    daemon.wait_for_log("wiki-egress.json: expires in");
    daemon.stop().expect_code(0);
}

#[test]
fn a_start_with_tokens_says_when_the_next_is_due() {
    let (project, endpoint, client) = (Project::new(), Endpoint::start(), Client::new("app"));
    endpoint.register(client.clone());
    project.write_token(&TokenFile::signed_in("acme", "wiki", &endpoint, &client).expires_in(7200));
    let mut daemon = Program::new(&project).args("--buffer 600").start();
    daemon.wait_for_log("REFRESH: keeping 1 token; the next is due in 1 h");
    daemon.stop().expect_code(0);
}
