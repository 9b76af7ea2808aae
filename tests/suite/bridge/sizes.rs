//! Large messages: they pass whole, larger ones are errors, and none is in memory more than twice.

use serde_json::{Value, json};

use super::client::{Bridge, project};
use super::mcp::Server;
use crate::support::DEADLINE;

/// The largest text that passes to the client in these tests; the official readers give up above 10 MiB.
const TO_CLIENT: usize = (99 << 20) / 10;

/// The largest text that passes to the server.
const TO_SERVER: usize = (16 << 20) - 200;

/// A server that answers with as much as the argument `size` says: as a document, or in a stream.
fn server() -> Server {
    let server = Server::start();
    server.behave(|seen, reply| {
        let message = seen.json();
        let Some(size) = message["params"]["arguments"]["size"].as_u64() else { return false };
        let text = "x".repeat(usize::try_from(size).unwrap());
        let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": {"text": text}}).to_string();
        if message["params"]["name"] == "events" {
            let events = reply.events();
            events.message(&body);
            events.end();
        } else {
            reply.json(200, &body);
        }
        true
    });
    server
}

fn text_length(answer: &Value) -> Option<usize> {
    answer["result"]["text"].as_str().map(str::len)
}

#[test]
fn large_messages_pass_both_ways_and_larger_ones_are_errors() {
    let server = server();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for tool in ["document", "events"] {
        for size in [1 << 10, TO_CLIENT] {
            let id = bridge.call(tool, &json!({"size": size}));
            assert_eq!(text_length(&bridge.answer(id)), Some(size), "{tool} {size}");
        }
        let id = bridge.call(tool, &json!({"size": 11 << 20}));
        let answer = bridge.answer(id);
        assert!(
            answer["error"]["message"].as_str().unwrap().contains("more than 10 MiB"),
            "{tool}: {answer}"
        );
    }
    for size in [10 << 20, TO_SERVER] {
        let large = "y".repeat(size);
        let id = bridge.call("document", &json!({"size": 1, "large": large}));
        assert_eq!(text_length(&bridge.answer(id)), Some(1));
        assert!(server.calls("tools/call").last().unwrap().text().contains(&large), "it came whole");
    }
    bridge.call("document", &json!({"size": 1, "large": "y".repeat(16 << 20)}));
    bridge.line("an error", DEADLINE, |message| message["error"]["code"] == -32600);
    bridge.works();
}

#[test]
fn a_message_is_in_memory_twice_at_most() {
    let server = server();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    let field = |pid: u32, name: &str| -> usize {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    };
    let pid = bridge.pid();
    for (name, arguments, size) in [
        ("document", json!({"size": TO_CLIENT}), TO_CLIENT),
        ("events", json!({"size": TO_CLIENT}), TO_CLIENT),
        ("document", json!({"size": 1, "large": "y".repeat(TO_SERVER)}), TO_SERVER),
    ] {
        // The kernel notes the most memory from now on.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let before = field(pid, "VmRSS");
        let id = bridge.call(name, &arguments);
        assert!(text_length(&bridge.answer(id)).is_some());
        let more = field(pid, "VmHWM").saturating_sub(before);
        // Less than a message would be no measurement.
        assert!(more > size / 2, "{name}: {more}");
        assert!(more < 2 * size + (1 << 20), "{name}: {more} bytes more for one of {size}");
    }
}
