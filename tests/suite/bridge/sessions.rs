//! Sessions end and servers restart: one new session, and every request has its answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Bridge, project};
use super::mcp::{Reply, Seen, Server};

/// Whether a request is one to a session, as `tools/call` is.
fn is_call(seen: &Seen) -> bool {
    seen.rpc() == "tools/call"
}

#[test]
fn a_lost_session_is_made_anew_and_the_call_answered() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    server.wait_for_stream();
    server.forget_sessions();
    bridge.works();
    assert_eq!((server.sessions(), server.calls("initialize").len()), (1, 2));
    assert_eq!(server.calls("notifications/initialized").len(), 2);
    // The standing stream is that of the new session.
    server.wait_for_stream();
    assert_eq!(server.push(r#"{"jsonrpc":"2.0","method":"notifications/hello"}"#), 1);
    bridge.message("notifications/hello");
}

#[test]
fn a_notification_that_finds_the_session_gone_is_told_to_the_new_one() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.forget_sessions();
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#);
    let told = server.wait_for("notifications/roots/list_changed", 2);
    let sessions: Vec<_> = told.iter().map(|seen| seen.header("mcp-session-id").unwrap()).collect();
    assert_eq!(sessions, ["session-1", "session-2"]);
}

#[test]
fn requests_carry_the_revision_that_was_negotiated() {
    for (wanted, negotiated) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2025-11-25", "2025-06-18"),
    ] {
        let server = Server::start();
        server.behave(move |seen, reply| {
            let id = seen.json()["id"].clone();
            let result =
                json!({"protocolVersion": negotiated, "capabilities": {}, "serverInfo": {"name": "s"}});
            let body = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            let headers = [("Content-Type", "application/json"), ("Mcp-Session-Id", "s-1")];
            match seen.method.as_str() {
                "POST" if id.is_null() => reply.send(202, &[], b""),
                "POST" => reply.send(200, &headers, body.as_bytes()),
                _ => reply.send(405, &[], b""),
            }
            true
        });
        let project = project(&server);
        let mut bridge = Bridge::start(&project);
        bridge.handshake(wanted);
        let id = bridge.request("ping", &json!({}));
        bridge.answer(id);
        server.wait_for_http("GET", 1);
        bridge.close();
        bridge.wait(Duration::from_secs(1));
        let carried: Vec<_> = server
            .seen()
            .iter()
            .map(|seen| {
                let header = |name| seen.header(name).unwrap_or("-").to_owned();
                format!("{} {} {}", seen.method, header("mcp-session-id"), header("mcp-protocol-version"))
            })
            .collect();
        assert_eq!(carried[0], "POST - -", "initialize");
        assert!(carried.iter().any(|seen| seen.starts_with("DELETE")), "{carried:?}");
        for seen in &carried[1..] {
            assert!(seen.ends_with(&format!(" s-1 {negotiated}")), "{wanted}: {carried:?}");
        }
    }
}

#[test]
fn a_restarted_server_is_served_on() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    let address = server.address();
    server.stop();
    let server = Server::start_at(address);
    bridge.works();
    assert_eq!(server.calls("initialize").len(), 1);
}

#[test]
fn a_session_may_be_lost_by_400_or_503_in_words() {
    for (status, body) in [
        (400, r#"{"id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#),
        (
            400,
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Server not initialized"}}"#,
        ),
        (503, "unknown session"),
    ] {
        let server = Server::start();
        let project = project(&server);
        let mut bridge = Bridge::ready(&project);
        server.behave(move |seen, reply| {
            is_call(seen) && seen.header("mcp-session-id") == Some("session-1") && {
                reply.send(status, &[("Content-Type", "application/json")], body.as_bytes());
                true
            }
        });
        bridge.works();
        assert_eq!(server.calls("initialize").len(), 2, "{status} {body}");
    }
}

#[test]
fn a_refusal_that_does_not_speak_of_sessions_is_an_answer() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for (status, body, expected) in [
        (400, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"bad arguments"}}"#, -32602),
        (404, r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such method"}}"#, -32601),
        (503, r#"{"jsonrpc":"2.0","error":{"code":-32010,"message":"overloaded"}}"#, -32010),
    ] {
        server.behave(move |seen, reply| {
            is_call(seen) && {
                reply.json(status, &body.replace("ID", &seen.json()["id"].to_string()));
                true
            }
        });
        let id = bridge.call("echo", &json!({}));
        assert_eq!(bridge.answer(id)["error"]["code"], expected);
    }
    assert_eq!(server.calls("initialize").len(), 1);
}

#[test]
fn fifty_requests_that_find_the_session_gone_begin_one_new_one() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    server.forget_sessions();
    let ids: Vec<u64> = (0..50).map(|n| bridge.call("echo", &json!({"n": n}))).collect();
    for id in &ids {
        assert!(bridge.answer(*id)["result"].is_object(), "{}", bridge.log());
    }
    assert_eq!(server.calls("initialize").len(), 2);
    assert!(ids.iter().all(|id| bridge.answers(*id) == 1));
}

#[test]
fn what_the_client_had_set_is_set_in_the_new_session() {
    let server = Server::start();
    server.announce(json!({"tools": {}, "resources": {"subscribe": true}, "logging": {}}));
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for (method, params) in [
        ("logging/setLevel", json!({"level": "debug"})),
        ("logging/setLevel", json!({"level": "error"})),
        ("resources/subscribe", json!({"uri": "file:///a"})),
        ("resources/subscribe", json!({"uri": "file:///b"})),
        ("resources/unsubscribe", json!({"uri": "file:///a"})),
    ] {
        let id = bridge.request(method, &params);
        bridge.answer(id);
    }
    server.forget_sessions();
    server.announce(json!({"tools": {}, "prompts": {}}));
    bridge.works();
    let again: Vec<String> = server
        .seen()
        .iter()
        .filter(|seen| seen.header("mcp-session-id") == Some("session-2") && seen.method == "POST")
        .map(|seen| format!("{} {}", seen.rpc(), seen.json()["params"]))
        .collect();
    assert_eq!(
        again[..3],
        [
            "notifications/initialized null".to_owned(),
            r#"logging/setLevel {"level":"error"}"#.to_owned(),
            r#"resources/subscribe {"uri":"file:///b"}"#.to_owned(),
        ]
    );
    for list in ["tools", "prompts", "resources"] {
        bridge.message(&format!("notifications/{list}/list_changed"));
    }
    assert!(
        bridge.lines().iter().filter(|line| line.contains("\"id\":1,")).count() == 1,
        "replays are not answers"
    );
}

#[test]
fn a_server_that_never_keeps_a_session_is_told_from_a_restart() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.behave(|seen, reply| {
        is_call(seen) && {
            reply.send(404, &[], b"");
            true
        }
    });
    let id = bridge.call("echo", &json!({}));
    let answer = bridge.answer(id);
    assert!(answer["error"]["message"].as_str().unwrap().contains("forgets every session"), "{answer}");
    assert_eq!(server.calls("initialize").len(), 2);
    server.behave_well();
    bridge.works();
}

#[test]
fn a_load_balancer_gets_its_cookie_back_also_on_the_stream() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    bridge.works();
    server.wait_for_http("GET", 1);
    let all = server.seen();
    assert!(all.iter().skip(1).all(|seen| seen.header("cookie") == Some("lb=machine-1")), "{all:#?}");
}

#[test]
fn the_handshake_is_over_before_anything_else_leaves() {
    let server = Server::start();
    server.behave(|seen, reply| {
        // The strict server notes what comes too early; slow answers make that likely.
        if matches!(seen.rpc().as_str(), "initialize" | "notifications/initialized") {
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = reply;
        false
    });
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    let client = json!({"name": "t", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let mut all = vec![
        json!({"jsonrpc": "2.0", "id": 1000, "method": "initialize", "params": params}).to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
    ];
    all.extend((1001..1021).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string()));
    let all = all.join("\n") + "\n";
    bridge.send_bytes(all.as_bytes());
    for id in 1000..1021 {
        assert!(bridge.answer(id)["result"].is_object());
    }
}

#[test]
fn a_batch_passes_where_its_revision_was_negotiated() {
    let server = Server::start();
    server.behave(|seen, reply: &Reply| {
        let message = seen.json();
        let Some(parts) = message.as_array() else { return false };
        let answers: Vec<_> = parts
            .iter()
            .filter(|part| !part["id"].is_null())
            .map(|part| json!({"jsonrpc": "2.0", "id": part["id"], "result": {}}))
            .collect();
        reply.json(200, &json!(answers).to_string());
        true
    });
    let project = project(&server);
    let mut bridge = Bridge::start(&project);
    bridge.handshake("2025-03-26");
    let batch = concat!(
        r#"[{"jsonrpc":"2.0","id":71,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},"#,
        r#"{"jsonrpc":"2.0","id":72,"method":"ping"}]"#
    );
    bridge.send(batch);
    let came = bridge.line("the answers", crate::support::DEADLINE, Value::is_array);
    assert_eq!(came, r#"[{"id":71,"jsonrpc":"2.0","result":{}},{"id":72,"jsonrpc":"2.0","result":{}}]"#);
    // So does one of the server.
    server.wait_for_stream();
    let news =
        r#"[{"jsonrpc":"2.0","method":"notifications/y"},{"jsonrpc":"2.0","id":"s-1","method":"ping"}]"#;
    server.push(news);
    bridge.line("the server's batch", crate::support::DEADLINE, |line| line[1]["id"] == "s-1");
    assert!(bridge.lines().iter().any(|line| line == news));
    // The answers may come one by one, in a stream.
    server.behave(|seen, reply| {
        seen.json().is_array() && {
            let events = reply.events();
            for id in [75, 76] {
                events.message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
            }
            events.end();
            true
        }
    });
    bridge.send(r#"[{"jsonrpc":"2.0","id":75,"method":"ping"},{"jsonrpc":"2.0","id":76,"method":"ping"}]"#);
    assert!(bridge.answer(75)["result"].is_object() && bridge.answer(76)["result"].is_object());
    // One that is not answered whole has an error for the rest.
    let count = AtomicUsize::new(0);
    server.behave(move |seen, reply| {
        seen.json().is_array() && {
            count.fetch_add(1, Ordering::AcqRel);
            reply.json(200, r#"[{"jsonrpc":"2.0","id":73,"result":{}}]"#);
            true
        }
    });
    bridge.send(r#"[{"jsonrpc":"2.0","id":73,"method":"ping"},{"jsonrpc":"2.0","id":74,"method":"ping"}]"#);
    assert!(bridge.answer(74)["error"].is_object());
    assert_eq!(bridge.answers(74), 1);
}
