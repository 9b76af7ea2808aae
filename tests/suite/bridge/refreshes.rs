//! A token that is due where no daemon runs: the bridge refreshes it, with the locks of all others.

use std::time::Duration;

use super::client::{Bridge, project};
use super::mcp::Server;
use crate::support::{Client, Endpoint, Program, Project, TokenFile, holds_in_time};

/// A token of `wiki` that can be refreshed and ends in so many seconds.
fn scene(seconds: i64) -> (Server, Endpoint, Project) {
    let (server, endpoint) = (Server::start(), Endpoint::start());
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = project(&server);
    project.write_token(&TokenFile::signed_in("acme", "wiki", &endpoint, &client).expires_in(seconds));
    (server, endpoint, project)
}

fn token(project: &Project) -> String {
    project.read_token("acme-wiki-egress.json")["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_that_is_due_is_refreshed_beside_the_requests() {
    let (server, endpoint, project) = scene(60);
    let old = token(&project);
    let hold = endpoint.hold();
    let mut bridge = Bridge::ready(&project);
    endpoint.wait_for_requests(1);
    bridge.works();
    assert_eq!(server.calls("tools/call")[0].header("authorization"), Some(&*format!("Bearer {old}")));
    drop(hold);
    assert!(holds_in_time(|| token(&project) != old));
    bridge.works();
    let new = format!("Bearer {}", token(&project));
    assert_eq!(server.calls("tools/call")[1].header("authorization"), Some(&*new));
    assert_eq!(endpoint.requests().len(), 1);
    assert!(!bridge.log().contains(&old) && !bridge.log().contains(&token(&project)), "{}", bridge.log());
}

#[test]
fn a_token_that_has_expired_is_refreshed_before_the_request_leaves() {
    let (server, endpoint, project) = scene(-600);
    let old = token(&project);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    assert!(server.seen().iter().all(|seen| seen.header("authorization") != Some(&*format!("Bearer {old}"))));
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn eight_bridges_a_daemon_and_one_run_spend_one_request() {
    let (_server, endpoint, project) = scene(60);
    let old = token(&project);
    let hold = endpoint.hold();
    let mut bridges: Vec<Bridge> = (0..8).map(|_| Bridge::ready(&project)).collect();
    endpoint.wait_for_requests(1);
    let mut daemon = Program::new(&project).start();
    let once = Program::new(&project).args("--log-file - --once").start();
    bridges.iter_mut().for_each(Bridge::works);
    std::thread::sleep(Duration::from_millis(300));
    drop(hold);
    assert!(holds_in_time(|| token(&project) != old));
    once.wait().expect_code(0);
    daemon.wait_for_log("cycle completed");
    bridges.iter_mut().for_each(Bridge::works);
    daemon.stop();
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_daemon_does_it_where_there_is_one() {
    let (_server, endpoint, project) = scene(7200);
    let mut daemon = Program::new(&project).args("--interval 3600 --buffer 60").start();
    daemon.wait_for_log("cycle completed");
    let mut bridge = Bridge::spawn(super::client::command(&project).env("TOKEN_EXPIRY_BUFFER", "7100"));
    bridge.handshake(super::mcp::OLD);
    bridge.works();
    bridge.close();
    bridge.wait(Duration::from_secs(1));
    assert_eq!(endpoint.requests().len(), 0, "the daemon holds the directory");
    daemon.stop();
}

#[test]
fn a_token_that_was_spent_is_stored_although_the_client_has_gone() {
    let (_server, endpoint, project) = scene(60);
    let old = token(&project);
    let hold = endpoint.hold();
    let mut bridge = Bridge::ready(&project);
    endpoint.wait_for_requests(1);
    bridge.close();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(bridge.runs(), "{}", bridge.log());
    drop(hold);
    assert!(bridge.wait(Duration::from_secs(5)).success());
    assert_ne!(token(&project), old);
    assert!(endpoint.is_live(&token(&project)));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}
