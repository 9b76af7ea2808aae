//! A server that speaks only the transport of 2024: one stream, and an address for messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::client::{Bridge, project};
use super::mcp::{Events, Reply, Seen, Server};

/// The streams that were opened, the latest last.
type Streams = Arc<Mutex<Vec<Events>>>;

/// Makes a server of 2024 of it.
fn old(server: &Server) -> Streams {
    let streams = Streams::default();
    let own = Arc::clone(&streams);
    server.behave(move |seen, reply| {
        serve(&own, seen, reply);
        true
    });
    streams
}

fn serve(streams: &Streams, seen: &Seen, reply: &Reply) {
    if seen.method == "GET" {
        let events = reply.events();
        let mut streams = streams.lock().unwrap();
        streams.push(events.clone());
        events.bytes(format!("event: endpoint\ndata: messages?session={}\n\n", streams.len()).as_bytes());
        return;
    }
    assert_eq!(seen.method, "POST");
    reply.send(202, &[], b"Accepted");
    let message = seen.json();
    let session: usize = seen.path.split("session=").nth(1).unwrap().parse().unwrap();
    let events = streams.lock().unwrap()[session - 1].clone();
    let result = match message["method"].as_str() {
        _ if message["id"].is_null() || message["method"].is_null() => return,
        Some("initialize") => json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}}),
        Some("tools/call") if message["params"]["name"] == "never" => return,
        _ => json!({"content": [], "session": session}),
    };
    events.message(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string());
}

#[test]
fn calls_are_answered_on_the_stream_and_a_new_stream_is_a_new_session() {
    let server = Server::start();
    let streams = old(&server);
    let project = project(&server);
    project.server("wiki", &json!({"path": "/wiki", "supported_transports": ["sse"]}));
    let mut bridge = Bridge::start(&project);
    bridge.handshake("2024-11-05");
    let id = bridge.call("echo", &json!({}));
    assert_eq!(bridge.answer(id)["result"]["session"], 1);
    let seen = server.calls("tools/call");
    assert_eq!(seen[0].path, "/wiki/messages?session=1");
    assert_eq!(seen[0].header("authorization"), Some("Bearer at-1"));
    streams.lock().unwrap()[0].message(r#"{"jsonrpc":"2.0","method":"notifications/hello"}"#);
    bridge.message("notifications/hello");

    // A call under way fails with its stream; what comes later is told to the new one.
    let lost = bridge.call("never", &json!({}));
    server.wait_for("tools/call", 2);
    streams.lock().unwrap()[0].bytes(b"retry: 10\n\n");
    streams.lock().unwrap()[0].cut();
    let answer = bridge.answer(lost);
    assert!(answer["error"]["message"].as_str().unwrap().contains("may have been carried out"), "{answer}");
    let id = bridge.call("echo", &json!({}));
    assert_eq!(bridge.answer(id)["result"]["session"], 2);
    assert_eq!(server.calls("initialize").len(), 2);
    bridge.close();
    assert!(bridge.wait(Duration::from_secs(1)).success());
}

#[test]
fn an_address_of_another_origin_gets_no_message() {
    let server = Server::start();
    let other = Server::start();
    let address = format!("event: endpoint\ndata: {}/messages\n\n", other.url());
    server.behave(move |seen, reply| {
        seen.method == "GET" && {
            reply.events().bytes(address.as_bytes());
            true
        }
    });
    let project = project(&server);
    project.server("wiki", &json!({"path": "/wiki", "supported_transports": ["sse"]}));
    let mut bridge = Bridge::start(&project);
    bridge.request("initialize", &json!({"protocolVersion": "2024-11-05"}));
    assert!(crate::support::holds_in_time(|| bridge.log().contains("another origin")), "{}", bridge.log());
    assert!(other.seen().is_empty());
}
