//! Signing in again into a file that is there, with a daemon beside it; and signing out.

use serde_json::{Value, json};

use super::{Waiting, expect_clean};
use crate::support::{Endpoint, Program, Project, Signal, browser};

/// A project whose file `wiki-egress.json` comes from a sign-in.
fn signed_in(endpoint: &Endpoint) -> Project {
    let project = Project::bare();
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    Waiting::start(&project, &format!("{server} --name wiki")).signed_in();
    project
}

fn set(project: &Project, name: &str, value: Value) {
    let mut file = project.read_token("wiki-egress.json");
    file[name] = value;
    project.write_tokens_file("wiki-egress.json", format!("{file:#}\n"));
}

#[test]
fn the_same_file_keeps_what_only_others_understand() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    set(&project, "note", json!({"of": ["another", "tool"]}));
    set(&project, "expires_at", json!("2020-01-01T00:00:00Z"));
    let before = project.read_token("wiki-egress.json");
    let finished = Waiting::start(&project, "wiki").signed_in();
    expect_clean(&finished, &endpoint, &project);
    let after = project.read_token("wiki-egress.json");
    assert_ne!(after["access_token"], before["access_token"]);
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    for same in ["note", "client_id", "redirect_uri", "registration_client_uri", "server_url", "scope"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert!(after["expires_at"].as_str().unwrap().ends_with('Z'), "{after:#}");
    let registrations =
        endpoint.requests().into_iter().filter(|one| one.request.target == "/as/register").count();
    assert_eq!(registrations, 1);
}

#[test]
fn a_registration_that_is_replaced_is_deleted_at_the_server() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    let old = project.read_token("wiki-egress.json")["client_id"].as_str().unwrap().to_owned();
    let finished = Waiting::start(&project, "wiki --register").signed_in();
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("the client that was registered before is gone"), "{finished:#?}");
    let after = project.read_token("wiki-egress.json");
    assert_ne!(after["client_id"], json!(old));
    assert!(endpoint.is_live(after["access_token"].as_str().unwrap()));
    let deleted: Vec<_> =
        endpoint.requests().into_iter().filter(|one| one.request.method == "DELETE").collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].request.target, format!("/as/register/{old}"));
    // A server that keeps it, and an address elsewhere, to which the token is not sent: both are said.
    set(&project, "registration_access_token", json!("another"));
    set(&project, "registration_client_uri", json!("https://elsewhere.example/register/1"));
    let finished = Waiting::start(&project, "wiki --register").signed_in();
    let said = "stays at 127.0.0.1: https://elsewhere.example/register/1 is not at the server that registers";
    assert!(finished.stderr.contains(said), "{finished:#?}");
    assert_eq!(endpoint.requests().into_iter().filter(|one| one.request.method == "DELETE").count(), 1);
}

#[test]
fn a_file_whose_token_cannot_be_sent_is_signed_in_again_by_the_command_that_the_log_names() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    set(&project, "note", json!("kept"));
    set(&project, "refresh_token", json!("pasted\nin two lines"));
    let log = Program::new(&project).once().log;
    let said = "another character that no token has; sign in again: token-refresher login ";
    let line = log.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{log}"));
    let (_, command) = line.split_once("token-refresher login ").unwrap();
    let (name, dir) = command.split_once(" --dir ").unwrap();
    assert_eq!((name, dir), ("wiki", project.root().to_str().unwrap()));
    let check = Program::new(&project).arg("check").run();
    let said = format!("wiki cannot be used (token-refresher login wiki --dir {dir})");
    assert!(check.stdout.contains(&said), "{check:#?}");
    let finished = Waiting::start(&project, name).signed_in();
    expect_clean(&finished, &endpoint, &project);
    let after = project.read_token("wiki-egress.json");
    assert_eq!(after["note"], "kept");
    assert!(endpoint.is_live(after["access_token"].as_str().unwrap()));
}

#[test]
fn a_client_that_was_purged_is_registered_anew_once() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    let old = project.read_token("wiki-egress.json")["client_id"].as_str().unwrap().to_owned();
    // The server shows its page still, and refuses the code.
    let mut waiting = Waiting::start(&project, "wiki");
    let location = browser::open(&waiting.address).location.unwrap();
    endpoint.forget(&old);
    assert_eq!(browser::open(&location).status, 200);
    waiting.await_another_address();
    assert_eq!(browser::sign_in(&waiting.address).status, 200);
    let finished = waiting.program.wait().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("registering a new client"), "{}", finished.stderr);
    let file = project.read_token("wiki-egress.json");
    assert_ne!(file["client_id"], json!(old));
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
}

#[test]
fn another_servers_file_is_not_overwritten() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    set(&project, "server_url", json!("https://other.example/mcp"));
    let before = project.read_token("wiki-egress.json");
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let line = format!("login {server} --name wiki");
    let finished = Program::new(&project).args(&line).run().expect_code(1);
    assert!(finished.stderr.contains("--name NAME"), "{}", finished.stderr);
    assert_eq!(project.read_token("wiki-egress.json"), before);
}

#[test]
fn a_word_that_means_nothing_is_told_what_it_could_be() {
    let project = Project::new();
    let finished = Program::new(&project).args("login nowhere").run().expect_code(1);
    assert!(finished.stderr.contains("no address of an MCP server"), "{}", finished.stderr);
    let finished = Program::new(&project).args("login github --member client_secret=x").run().expect_code(2);
    assert!(finished.stderr.contains("client_secret is a secret"), "{}", finished.stderr);
    let finished = Program::new(&project).args("login github --paste --device").run().expect_code(2);
    assert!(finished.stderr.contains("--device: does not go with --paste"), "{}", finished.stderr);
    let finished = Program::new(&project).args("login intercom").run().expect_code(1);
    assert!(finished.stderr.contains("Developer Hub"), "{}", finished.stderr);
    let finished = Program::new(&project).args("login").run().expect_code(2);
    assert!(finished.stderr.contains("WHAT"), "{}", finished.stderr);
}

#[test]
fn a_running_daemon_takes_it_over_at_once() {
    let (project, endpoint) = (Project::new(), Endpoint::start());
    let mut daemon = Program::new(&project).args("--interval 3600").start();
    daemon.wait_for_log("completed successfully");
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let finished = Waiting::start(&project, &format!("{server} --name wiki")).signed_in();
    assert!(
        finished.stdout.contains(&format!("the daemon (process {}) has been told", daemon.pid())),
        "{}",
        finished.stdout
    );
    daemon.wait_for_log("Generated Roocode config with 1 server");
    // Its first token has an hour; half of that is the widest buffer.
    assert!(
        daemon.log().contains("wiki-egress.json: expires in 59 minutes, no refresh needed"),
        "{}",
        daemon.log()
    );
    daemon.signal(Signal::Term);
    daemon.wait().expect_code(0);
    let line = format!("{server} --name other");
    let finished = Waiting::start(&project, &line).signed_in();
    assert!(finished.stdout.contains("start token-refresher"), "{}", finished.stdout);
}

#[test]
fn a_refresh_follows_a_sign_in() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    let before = project.read_token("wiki-egress.json");
    Program::new(&project).args("--once --force").run().expect_code(0);
    let after = project.read_token("wiki-egress.json");
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    assert!(endpoint.is_live(after["access_token"].as_str().unwrap()));
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn a_sign_in_is_ended_at_its_provider() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    let before = project.read_token("wiki-egress.json");
    let (access, refresh) =
        (before["access_token"].as_str().unwrap(), before["refresh_token"].as_str().unwrap());
    let finished = Program::new(&project).args("revoke wiki").run().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stdout.starts_with("signed out of "), "{}", finished.stdout);
    assert!(!endpoint.is_live(access) && endpoint.is_revoked(refresh));
    let after = project.read_token("wiki-egress.json");
    assert_eq!((&after["access_token"], &after["refresh_token"]), (&Value::Null, &Value::Null));
    assert_eq!(after["client_id"], before["client_id"]);
    assert!(after["signed_out_at"].is_i64());
    let finished = Program::new(&project).args("revoke wiki").run().expect_code(1);
    assert!(finished.stderr.contains("it holds no token"), "{}", finished.stderr);
    // The way back.
    Waiting::start(&project, "wiki").signed_in();
    let again = project.read_token("wiki-egress.json");
    assert!(endpoint.is_live(again["access_token"].as_str().unwrap()) && again["signed_out_at"].is_null());
}

#[test]
fn a_revocation_that_is_refused_leaves_the_file() {
    let endpoint = Endpoint::start();
    let project = signed_in(&endpoint);
    let before = project.text(".oauth-tokens/wiki-egress.json");
    let client = project.read_token("wiki-egress.json")["client_id"].as_str().unwrap().to_owned();
    endpoint.forget(&client);
    let finished = Program::new(&project).args("revoke wiki").run().expect_code(1);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.contains("invalid_client"), "{}", finished.stderr);
    assert_eq!(project.text(".oauth-tokens/wiki-egress.json"), before);
}
