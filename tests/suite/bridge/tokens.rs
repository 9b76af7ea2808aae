//! The token changes while the client runs.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Bridge, command, project, write_token};
use super::mcp::Server;
use crate::support::{Project, TokenFile};

#[test]
fn a_rotated_token_is_used_at_once() {
    let server = Server::start();
    server.accept(&["at-1"]);
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    server.accept(&["at-2"]);
    write_token(&project, "at-2");
    bridge.works();
    let tokens: Vec<_> = server
        .calls("tools/call")
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer at-1", "Bearer at-2"], "the old one was not tried again");
}

#[test]
fn a_token_that_comes_a_second_late_is_waited_for() {
    let server = Server::start();
    server.accept(&["at-1"]);
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.accept(&["at-2"]);
    let id = bridge.call("echo", &json!({}));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bridge.answers(id), 0);
    write_token(&project, "at-2");
    assert!(bridge.answer(id)["result"].is_object());
    assert_eq!(server.calls("tools/call").len(), 2);
}

#[test]
fn a_token_that_never_comes_is_an_error_that_says_what_to_do_and_the_bridge_stays() {
    let server = Server::start();
    server.accept(&["at-1"]);
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.accept(&["at-2"]);
    let begun = Instant::now();
    let id = bridge.call("echo", &json!({}));
    let answer = bridge.answer(id);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(": token-refresher login acme-wiki --dir /"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(7));
    // The same token is not waited for again.
    let begun = Instant::now();
    let id = bridge.call("echo", &json!({}));
    assert!(bridge.answer(id)["error"].is_object());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    write_token(&project, "at-2");
    bridge.works();
    assert!(bridge.runs());
}

#[test]
fn a_new_token_that_is_refused_too_is_an_error_after_one_repeat() {
    let server = Server::start();
    server.accept(&["at-1"]);
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.accept(&["at-3"]);
    let id = bridge.call("echo", &json!({}));
    server.wait_for("tools/call", 1);
    write_token(&project, "at-2");
    let message = bridge.answer(id)["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("token-refresher login acme-wiki"), "{message}");
    let tokens = server.calls("tools/call");
    let tokens: Vec<_> = tokens.iter().map(|seen| seen.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer at-1", "Bearer at-2"]);
}

#[test]
fn an_expired_token_is_not_sent() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let file = TokenFile::egress("acme", "wiki").field("access_token", "at-old").expires_in(-600);
    project.write_token(&file);
    let id = bridge.call("echo", &json!({}));
    let answer = bridge.answer(id);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("its token expired 10 minutes ago"), "{message}");
    assert!(server.calls("tools/call").is_empty());
    write_token(&project, "at-2");
    bridge.works();
}

#[test]
fn a_token_that_changes_during_a_long_stream_does_not_end_it() {
    let server = Server::start();
    server.accept(&["at-1"]);
    let project = project(&server);
    server.behave(|seen, reply| {
        seen.json()["params"]["name"] == "long" && {
            let id = seen.json()["id"].clone();
            let events = reply.events();
            for step in 0..5 {
                let params = json!({"progressToken": 1, "progress": step});
                events.message(
                    &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
                        .to_string(),
                );
                std::thread::sleep(Duration::from_millis(100));
            }
            events.message(&json!({"jsonrpc": "2.0", "id": id, "result": {"long": true}}).to_string());
            events.end();
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    let long = bridge.call("long", &json!({}));
    bridge.message("notifications/progress");
    server.accept(&["at-2"]);
    write_token(&project, "at-2");
    bridge.works();
    assert_eq!(bridge.answer(long)["result"]["long"], true);
    let steps = bridge.lines().iter().filter(|line| line.contains("notifications/progress")).count();
    assert_eq!(steps, 5);
}

#[test]
fn a_scope_that_lacks_is_named_and_nothing_is_repeated() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.behave(|seen, reply| {
        seen.rpc() == "tools/call" && {
            let challenge = r#"Bearer error="insufficient_scope", scope="files:write""#;
            reply.send(403, &[("WWW-Authenticate", challenge)], b"");
            true
        }
    });
    let id = bridge.call("echo", &json!({}));
    let answer = bridge.answer(id);
    let (dir, message) = (project.root().display(), answer["error"]["message"].as_str().unwrap());
    let command = format!("token-refresher login acme-wiki --dir {dir} --scope files:write");
    let said = "lacks the scope files:write; sign in again with it: ";
    assert!(message.ends_with(&format!("{said}{command}")), "{message}");
    assert_eq!(server.calls("tools/call").len(), 1);
}

#[test]
fn gateway_headers_are_those_of_headers() {
    let server = Server::start();
    let project = project(&server);
    let gateway = TokenFile::named("ingress.json").field("provider", "cognito").field("access_token", "at-g");
    project.write_token(&gateway.field("client_id", "m2m").expires_in(7200));
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    for seen in server.seen() {
        let headers =
            ["authorization", "x-authorization", "x-client-id"].map(|name| seen.header(name).unwrap());
        assert_eq!(headers, ["Bearer at-1", "Bearer at-g", "m2m"]);
    }
}

#[test]
fn a_server_that_is_not_the_gateways_gets_no_header_of_the_gateway() {
    let (gateway, server) = (Server::start(), Server::start());
    let project = project(&gateway);
    let token = TokenFile::egress("acme", "wiki").field("access_token", "at-1").expires_in(7200);
    project.write_token(&token.field("server_url", format!("{}/mcp", server.url())));
    let ingress = TokenFile::named("ingress.json").field("provider", "cognito").field("access_token", "at-g");
    project.write_token(&ingress.field("client_id", "m2m").expires_in(7200));
    Bridge::ready(&project).works();
    assert_eq!(gateway.seen().len(), 0);
    for seen in server.seen() {
        let headers = ["authorization", "x-authorization", "x-client-id"].map(|name| seen.header(name));
        assert_eq!(headers, [Some("Bearer at-1"), None, None]);
    }
}

#[test]
fn no_token_is_in_the_log_at_any_level() {
    let server = Server::start();
    server.accept(&["canary-1"]);
    let project = Project::new();
    project.write(".env", format!("REGISTRY_URL={}\n", server.url()));
    write_token(&project, "canary-1");
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    server.behave(|seen, reply| {
        seen.rpc() == "tools/call" && {
            reply.send(500, &[("Set-Cookie", "lb=canary-cookie")], b"canary-1 in a page");
            true
        }
    });
    let id = bridge.call("echo", &json!({"secret": "canary-argument"}));
    bridge.answer(id);
    server.behave_well();
    server.forget_sessions();
    bridge.works();
    server.accept(&["canary-2"]);
    write_token(&project, "canary-2");
    bridge.works();
    bridge.close();
    bridge.wait(Duration::from_secs(1));
    assert!(bridge.log().contains("BRIDGE"), "{}", bridge.log());
    assert!(!bridge.log().contains("canary"), "{}", bridge.log());
    assert!(!bridge.lines().concat().contains("canary-1"));
}

#[test]
fn without_a_name_the_environment_says_where_the_server_is() {
    let server = Server::start();
    server.accept(&["at-env"]);
    let project = Project::new();
    let url = format!("{}/mcp", server.url());
    for variables in [
        &[("MCP_SERVER_URL", url.as_str()), ("MCP_SERVER_AUTH_TOKEN", "Bearer at-env")][..],
        &[("FETCH_BASE_URL", &url), ("FETCH_HEADERS", r#"{"Authorization": "Bearer at-env"}"#)],
    ] {
        let mut command = std::process::Command::new(crate::support::daemon::built_program());
        command.arg("bridge").current_dir(project.root()).env_clear().envs(variables.iter().copied());
        let mut bridge = Bridge::spawn(&mut command);
        bridge.handshake(super::mcp::OLD);
        bridge.works();
    }
    let mut command = std::process::Command::new(crate::support::daemon::built_program());
    let mut bridge = Bridge::spawn(command.arg("bridge").current_dir(project.root()).env_clear());
    assert_eq!(bridge.wait(Duration::from_secs(5)).code(), Some(2));
}

#[test]
fn an_unknown_server_is_told_which_there_are() {
    let server = Server::start();
    let project = project(&server);
    let mut command = command(&project);
    command.arg("--").args(std::iter::empty::<&str>());
    let mut other = std::process::Command::new(crate::support::daemon::built_program());
    other.args(["bridge", "nosuch"]).env_clear().env("TOKEN_REFRESHER_DIR", project.root());
    let mut bridge = Bridge::spawn(&mut other);
    assert_eq!(bridge.wait(Duration::from_secs(5)).code(), Some(2));
    assert!(crate::support::holds_in_time(|| bridge.log().contains("known are: wiki")), "{}", bridge.log());
}
