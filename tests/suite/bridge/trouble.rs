//! Servers and networks that misbehave: an error in time, never a hang, and the next call works.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Bridge, project};
use super::mcp::{Refusing, Reply, Seen, Server};
use crate::support::{DEADLINE, Project};

/// Answers every call of a tool so.
fn on_call(server: &Server, answer: impl Fn(&Seen, &Reply) + Send + Sync + 'static) {
    server.behave(move |seen, reply| {
        seen.rpc() == "tools/call" && {
            answer(seen, reply);
            true
        }
    });
}

/// The error that a call ends with, which must come at once.
#[track_caller]
fn error(bridge: &mut Bridge) -> String {
    let id = bridge.call("echo", &json!({}));
    let begun = Instant::now();
    let answer = bridge.answer_within(id, Duration::from_secs(5));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}: {answer}", begun.elapsed());
    let code = answer["error"]["code"].as_i64().unwrap();
    assert!(!(-32099..=-32020).contains(&code), "{code} is MCP's");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn each_misbehaviour_is_an_error_within_a_second_and_nothing_is_repeated() {
    type Answer = fn(&Seen, &Reply);
    let cases: &[(&str, Answer, &str)] = &[
        ("dropped", |_, reply| reply.cut(), "no answer came"),
        (
            "half a header",
            |_, reply| {
                reply.raw(b"HTTP/1.1 200 OK\r\nConte");
                reply.cut();
            },
            "no answer came",
        ),
        (
            "half a document",
            |_, reply| {
                reply.raw(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"id\"",
                );
                reply.cut();
            },
            "no answer came",
        ),
        (
            "a stream without its answer",
            |_, reply| {
                let events = reply.events();
                events.message(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
                events.end();
            },
            "may have been carried out",
        ),
        (
            "a cut stream",
            |_, reply| {
                reply.events().bytes(b"data: {\"js");
                reply.cut();
            },
            "may have been carried out",
        ),
        ("202", |_, reply| reply.send(202, &[], b""), "without answering"),
        ("204", |_, reply| reply.send(204, &[], b""), "without answering"),
        ("500", |_, reply| reply.send(500, &[], b"oops"), "HTTP 500"),
        ("503", |_, reply| reply.send(503, &[("Retry-After", "9")], b""), "HTTP 503"),
        ("429", |_, reply| reply.send(429, &[("Retry-After", "60")], b""), "in 60 s"),
        ("html", |_, reply| reply.send(200, &[("Content-Type", "text/html")], b"<html>"), "neither JSON"),
        ("not json", |_, reply| reply.json(200, "{\"id\": 1"), "no answer to the request"),
        (
            "another answer",
            |_, reply| reply.json(200, r#"{"jsonrpc":"2.0","id":"x","result":{}}"#),
            "no answer",
        ),
        ("redirect", |_, reply| reply.send(307, &[("Location", "http://127.0.0.1:1/")], b""), "redirect"),
        (
            "not http",
            |_, reply| {
                reply.raw(b"hello\r\n\r\n");
                reply.cut();
            },
            "HTTP",
        ),
    ];
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for (index, (name, answer, expected)) in cases.iter().enumerate() {
        on_call(&server, *answer);
        let message = error(&mut bridge);
        assert!(message.contains(expected), "{name}: {message}");
        assert_eq!(server.calls("tools/call").len(), 2 * index + 1, "{name} was repeated");
        server.behave_well();
        bridge.works();
    }
    assert_eq!(server.calls("initialize").len(), 1);
}

#[test]
fn a_short_pause_that_the_server_wants_is_made() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let first = std::sync::atomic::AtomicBool::new(true);
    server.behave(move |seen, reply| {
        seen.rpc() == "tools/call" && first.swap(false, std::sync::atomic::Ordering::AcqRel) && {
            reply.send(429, &[("Retry-After", "1")], b"");
            true
        }
    });
    bridge.works();
    assert_eq!(server.calls("tools/call").len(), 2);
}

#[test]
fn a_server_that_is_not_up_yet_is_waited_for() {
    let refusing = Refusing::new();
    let address = refusing.address();
    let project = Project::new();
    project.write(".env", format!("REGISTRY_URL=http://{address}\n"));
    super::client::write_token(&project, "at-1");
    let mut bridge = Bridge::start(&project);
    let client = json!({"name": "t", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let id = bridge.request("initialize", &params);
    std::thread::sleep(Duration::from_millis(700));
    assert!(bridge.runs() && bridge.answers(id) == 0);
    let server = Server::start_at(address);
    assert!(bridge.answer(id)["result"].is_object());
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    bridge.works();
    drop(server);
}

#[test]
fn a_server_that_stays_down_is_an_error_and_the_next_initialize_works() {
    let refusing = Refusing::new();
    let address = refusing.address();
    let project = Project::new();
    project.write(".env", format!("REGISTRY_URL=http://{address}\n"));
    super::client::write_token(&project, "at-1");
    let mut bridge = Bridge::start(&project);
    let id = bridge.request("initialize", &json!({"protocolVersion": "2025-11-25"}));
    let begun = Instant::now();
    let answer = bridge.answer_within(id, Duration::from_secs(30));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("connection refused; nothing was sent"), "{message}");
    assert!(begun.elapsed() > Duration::from_secs(19), "{:?}", begun.elapsed());
    let _server = Server::start_at(address);
    bridge.handshake("2025-11-25");
    bridge.works();
}

#[test]
fn a_tool_may_take_as_long_as_it_wants_and_others_go_on() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        seen.json()["params"]["name"] == "slow" && {
            std::thread::sleep(Duration::from_secs(3));
            reply.json(200, &json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {}}).to_string());
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    let slow: Vec<u64> = (0..10).map(|_| bridge.call("slow", &json!({}))).collect();
    bridge.works();
    for id in slow {
        assert!(bridge.answer(id)["result"].is_object());
    }
}

#[test]
fn a_stream_is_resumed_behind_its_last_event_as_often_as_it_ends() {
    let server = Server::start();
    let project = project(&server);
    let call = std::sync::Mutex::new(Value::Null);
    // A server that closes after each event: twenty of them, then the answer.
    server.behave(move |seen, reply| {
        let event = |number: usize| {
            let events = reply.events();
            if number == 0 {
                events.bytes(b"retry: 20\nid: 0\ndata:\n\n");
            } else if number <= 20 {
                let params = json!({"progressToken": 1, "progress": number});
                let progress =
                    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
                events.numbered(&number.to_string(), &progress.to_string());
            } else {
                let id = call.lock().unwrap().clone();
                events.numbered(
                    "end",
                    &json!({"jsonrpc": "2.0", "id": id, "result": {"resumed": true}}).to_string(),
                );
            }
            if number.is_multiple_of(2) { events.end() } else { events.cut() }
        };
        if seen.rpc() == "tools/call" {
            *call.lock().unwrap() = seen.json()["id"].clone();
            event(0);
            return true;
        }
        let Some(last) = seen.header("last-event-id") else { return false };
        event(last.parse::<usize>().unwrap() + 1);
        true
    });
    let mut bridge = Bridge::ready(&project);
    let id = bridge.call("long", &json!({}));
    assert_eq!(bridge.answer(id)["result"]["resumed"], true);
    let progress: Vec<Value> = bridge
        .lines()
        .iter()
        .filter(|line| line.contains("notifications/progress"))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["params"]["progress"].clone())
        .collect();
    assert_eq!(progress, (1..=20).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(server.calls("tools/call").len(), 1, "it may have run");
}

/// Its id came before it was cut, and a server sends nothing up to the id that it is told.
#[test]
fn an_event_that_was_cut_in_its_middle_is_sent_again() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        let event = |id: &str, message: &Value| format!("id: {id}\ndata: {message}\n\n");
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
        if seen.rpc() == "tools/call" {
            let half = event("2", &json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {}}));
            let events = reply.events();
            events
                .bytes(format!("retry: 20\n{}{}", event("1", &progress), &half[..half.len() - 9]).as_bytes());
            events.cut();
            return true;
        }
        let Some(last) = seen.header("last-event-id") else { return false };
        let events = reply.events();
        if last == "1" {
            events
                .bytes(event("2", &json!({"jsonrpc": "2.0", "id": 3, "result": {"whole": true}})).as_bytes());
        }
        events.end();
        true
    });
    let mut bridge = Bridge::ready(&project);
    let id = bridge.call("echo", &json!({}));
    assert_eq!((id, &bridge.answer(id)["result"]["whole"]), (3, &json!(true)));
}

#[test]
fn a_resumed_stream_waits_as_long_as_the_server_wants() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        if seen.rpc() == "tools/call" {
            let events = reply.events();
            events.bytes(b"id: 1\nretry: 700\ndata:\n\n");
            events.end();
            return true;
        }
        seen.header("last-event-id") == Some("1") && {
            let events = reply.events();
            events.message(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
            events.end();
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    let begun = Instant::now();
    let id = bridge.call("echo", &json!({}));
    assert!(bridge.answer(id)["result"].is_object());
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(650) && took < Duration::from_millis(1500), "{took:?}");
}

#[test]
fn what_never_ends_is_an_error() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        match seen.json()["params"]["name"].as_str() {
            Some("line") => {
                let events = reply.events();
                events.bytes(b"data: ");
                while events.bytes(&vec![b'x'; 1 << 16]) {}
            }
            Some("lines") => {
                let events = reply.events();
                while events.bytes(&b"data: x\n".repeat(1 << 12)) {}
            }
            Some("document") => {
                reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = [b"10000\r\n".to_vec(), vec![b' '; 1 << 16], b"\r\n".to_vec()].concat();
                while reply.raw(&chunk) {}
            }
            Some("header") => {
                reply.raw(b"HTTP/1.1 200 OK\r\n");
                while reply.raw(&b"X-Header: x\r\n".repeat(1 << 10)) {}
            }
            _ => return false,
        }
        true
    });
    let mut bridge = Bridge::ready(&project);
    for tool in ["line", "lines", "document", "header"] {
        let id = bridge.call(tool, &json!({}));
        // Millions of lines take a program that is not optimized some time where others want the processors too.
        assert!(bridge.answer_within(id, DEADLINE * 3)["error"].is_object(), "{tool}");
    }
    server.behave_well();
    bridge.works();
}
