//! What the server says of its own: on the standing stream and in the middle of a call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Bridge, project};
use super::mcp::Server;
use crate::support::holds_in_time;

#[test]
fn a_standing_stream_that_is_cut_twenty_times_is_opened_again() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    for count in 0..20 {
        server.wait_for_stream();
        let message = format!(r#"{{"jsonrpc":"2.0","method":"notifications/n{count}"}}"#);
        // So that the next one comes at once.
        assert!(server.streams().iter().all(|stream| stream.bytes(b"retry: 10\n\n")));
        assert_eq!(server.push(&message), 1);
        bridge.message(&format!("notifications/n{count}"));
        server.cut_streams();
    }
    let lines = bridge.log().lines().filter(|line| line.contains("stream")).count();
    assert!(lines <= 1, "{}", bridge.log());
    bridge.works();
}

#[test]
fn a_standing_stream_goes_on_behind_its_last_event_and_that_of_a_new_session_begins_anew() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        // The stream of the new session stays open.
        seen.method == "GET" && seen.header("mcp-session-id") == Some("session-1") && {
            let events = reply.events();
            let next = seen.header("last-event-id").map_or(1, |last| last.parse::<u32>().unwrap() + 1);
            events.bytes(b"retry: 20\n\n");
            events.numbered(
                &next.to_string(),
                &format!(r#"{{"jsonrpc":"2.0","method":"notifications/n{next}"}}"#),
            );
            events.end();
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    for number in 1..=3 {
        bridge.message(&format!("notifications/n{number}"));
    }
    server.forget_sessions();
    bridge.works();
    server.wait_for_stream();
    let last = |seen: &super::mcp::Seen| seen.header("last-event-id").map(str::to_owned);
    let gets: Vec<_> = server.seen().into_iter().filter(|seen| seen.method == "GET").collect();
    assert_eq!(
        gets[..3].iter().map(last).collect::<Vec<_>>(),
        [None, Some("1".to_owned()), Some("2".to_owned())]
    );
    assert_eq!(last(gets.last().unwrap()), None, "the ids are those of the session before");
}

#[test]
fn a_message_that_is_too_large_is_left_out_of_a_standing_stream_that_goes_on() {
    let server = Server::start();
    let project = project(&server);
    let bridge = Bridge::ready(&project);
    server.wait_for_stream();
    let large = "x".repeat(11 << 20);
    server.push(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/large","params":"{large}"}}"#));
    server.push(r#"{"jsonrpc":"2.0","method":"notifications/hello"}"#);
    bridge.message("notifications/hello");
    assert!(holds_in_time(|| bridge.log().contains("it is left out")), "{}", bridge.log());
    assert_eq!(bridge.lines().len(), 3);
    assert_eq!(server.seen().iter().filter(|seen| seen.method == "GET").count(), 1);
}

#[test]
fn a_conflict_on_the_standing_stream_passes() {
    let server = Server::start();
    let project = project(&server);
    let count = AtomicUsize::new(0);
    server.behave(move |seen, reply| {
        seen.method == "GET" && count.fetch_add(1, Ordering::AcqRel) < 2 && {
            reply.send(409, &[], b"only one stream per session");
            true
        }
    });
    let bridge = Bridge::ready(&project);
    server.wait_for_stream();
    server.push(r#"{"jsonrpc":"2.0","method":"notifications/hello"}"#);
    bridge.message("notifications/hello");
    assert_eq!(server.calls("initialize").len(), 1);
}

#[test]
fn a_server_without_a_standing_stream_is_left_alone() {
    let server = Server::start();
    let project = project(&server);
    server.behave(|seen, reply| {
        seen.method == "GET" && {
            reply.send(405, &[], b"");
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    server.wait_for_http("GET", 1);
    bridge.works();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.seen().iter().filter(|seen| seen.method == "GET").count(), 1);
    assert!(!bridge.log().contains("[WARN") && !bridge.log().contains("[ERROR"), "{}", bridge.log());
}

#[test]
fn sixty_four_calls_that_each_ask_the_client_back_are_answered() {
    let server = Server::start();
    let project = project(&server);
    let answered = Arc::new((Mutex::new(Vec::<u64>::new()), Condvar::new()));
    let own = Arc::clone(&answered);
    server.behave(move |seen, reply| {
        let message = seen.json();
        if seen.method == "POST" && message["method"].is_null() {
            own.0.lock().unwrap().push(message["id"].as_u64().unwrap());
            own.1.notify_all();
            return false;
        }
        message["params"]["name"] == "ask" && {
            let ask = 1000 + message["id"].as_u64().unwrap();
            let events = reply.events();
            events.message(
                &json!({"jsonrpc": "2.0", "id": ask, "method": "elicitation/create", "params": {}})
                    .to_string(),
            );
            let waiting = own.0.lock().unwrap();
            let limit = Duration::from_secs(15);
            let waited = own.1.wait_timeout_while(waiting, limit, |all| !all.contains(&ask)).unwrap();
            assert!(!waited.1.timed_out());
            drop(waited);
            events.message(&json!({"jsonrpc": "2.0", "id": message["id"], "result": {}}).to_string());
            events.end();
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    // One more than there are places waits for its turn.
    let ids: Vec<u64> = (0..65).map(|_| bridge.call("ask", &json!({}))).collect();
    let mut replied = 0;
    assert!(holds_in_time(|| {
        let asked: Vec<u64> = bridge
            .lines()
            .iter()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["method"] == "elicitation/create")
            .map(|message| message["id"].as_u64().unwrap())
            .collect();
        // All places are taken before the first answer.
        if asked.len() >= 64 {
            for id in &asked[replied..] {
                bridge.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept"}}).to_string());
            }
            replied = asked.len();
        }
        replied == 65
    }));
    for id in ids {
        assert!(bridge.answer(id)["result"].is_object());
    }
}

#[test]
fn no_more_than_sixty_four_requests_are_under_way_and_the_others_have_their_turn() {
    let server = Server::start();
    let project = project(&server);
    let go = Arc::new((Mutex::new(false), Condvar::new()));
    let own = Arc::clone(&go);
    server.behave(move |seen, _| {
        if seen.rpc() == "tools/call" {
            let limit = Duration::from_secs(15);
            drop(own.1.wait_timeout_while(own.0.lock().unwrap(), limit, |go| !*go).unwrap());
        }
        false
    });
    let mut bridge = Bridge::ready(&project);
    let ids: Vec<u64> = (0..100).map(|_| bridge.call("echo", &json!({}))).collect();
    // It leaves behind all of them and needs no place.
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    server.wait_for("notifications/x", 1);
    server.wait_for("tools/call", 64);
    // What must not come has time to come.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.calls("tools/call").len(), 64);
    *go.0.lock().unwrap() = true;
    go.1.notify_all();
    for id in ids {
        assert!(bridge.answer(id)["result"].is_object());
    }
}

#[test]
fn progress_comes_before_the_result_and_at_once() {
    let server = Server::start();
    let project = project(&server);
    let go = Arc::new((Mutex::new(false), Condvar::new()));
    let own = Arc::clone(&go);
    server.behave(move |seen, reply| {
        seen.json()["params"]["name"] == "long" && {
            let events = reply.events();
            events.message(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#);
            let waiting = own.0.lock().unwrap();
            drop(own.1.wait_timeout_while(waiting, Duration::from_secs(15), |go| !*go).unwrap());
            events.message(&json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {}}).to_string());
            events.end();
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    let id = bridge.call("long", &json!({}));
    bridge.message("notifications/progress");
    assert_eq!(bridge.answers(id), 0);
    *go.0.lock().unwrap() = true;
    go.1.notify_all();
    assert!(bridge.answer(id)["result"].is_object());
}

#[test]
fn a_cancellation_comes_behind_its_request_and_ends_the_wait() {
    let server = Server::start_with_small_buffers();
    let project = project(&server);
    let closed = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&closed);
    server.behave(move |seen, reply| {
        seen.json()["params"]["name"] == "never" && {
            let events = reply.events();
            while !events.is_closed() {
                std::thread::sleep(Duration::from_millis(10));
            }
            own.fetch_add(1, Ordering::AcqRel);
            true
        }
    });
    let mut bridge = Bridge::ready(&project);
    // At once, so that it meets the request in the queue or on its way, and later.
    for pause in 0..20 {
        let id = bridge.call("never", &json!({"large": "x".repeat(300_000)}));
        std::thread::sleep(Duration::from_micros(pause * 500));
        let params = json!({"requestId": id, "reason": "enough"});
        bridge.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string(),
        );
    }
    let id = bridge.call("never", &json!({}));
    server.wait_for("tools/call", 1);
    // Read of the small messages alone: reading the large ones again and again would keep a busy server from its work.
    let small = |rpc: &str| -> Vec<Value> {
        let seen = server.seen().into_iter().filter(|seen| seen.body.len() < 1000);
        seen.filter(|seen| seen.rpc() == rpc).map(|seen| seen.json()).collect()
    };
    assert!(holds_in_time(|| small("tools/call").iter().any(|call| call["id"] == id)));
    let last = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    bridge.send(&last.to_string());
    assert!(holds_in_time(|| {
        small("notifications/cancelled").last().is_some_and(|last| last["params"]["requestId"] == id)
    }));
    let mut open = Vec::new();
    for seen in server.seen() {
        let message = seen.json();
        match seen.rpc().as_str() {
            "tools/call" => open.push(message["id"].clone()),
            "notifications/cancelled" => {
                let id = &message["params"]["requestId"];
                assert!(open.contains(id), "the cancellation of {id} overtook it");
                open.retain(|other| other != id);
            }
            _ => {}
        }
    }
    assert_eq!(open, Vec::<Value>::new(), "what was sent was cancelled");
    let sent = server.calls("tools/call").len();
    assert!(
        holds_in_time(|| closed.load(Ordering::Acquire) == sent),
        "the streams are closed some time after"
    );
    bridge.works();
    assert!(!bridge.lines().concat().contains("\"error\""), "a cancelled request has no answer");
}

#[test]
fn in_the_new_era_closing_the_stream_is_the_cancellation() {
    let server = Server::start();
    let project = project(&server);
    let closed = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&closed);
    server.behave(move |seen, reply| {
        seen.rpc() == "subscriptions/listen" && {
            let events = reply.events();
            events.message(
                r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}"#,
            );
            while !events.is_closed() {
                std::thread::sleep(Duration::from_millis(10));
            }
            own.fetch_add(1, Ordering::AcqRel);
            true
        }
    });
    let mut bridge = Bridge::start(&project);
    // More streams than there are places, and calls still have theirs.
    let ids: Vec<u64> =
        (0..70).map(|_| bridge.modern("subscriptions/listen", &json!({"notifications": {}}))).collect();
    server.wait_for("subscriptions/listen", 70);
    let call = bridge.modern("tools/call", &json!({"name": "echo", "arguments": {}}));
    assert!(bridge.answer(call)["result"].is_object());
    for id in ids {
        let params = json!({"requestId": id});
        bridge.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string(),
        );
    }
    assert!(holds_in_time(|| closed.load(Ordering::Acquire) == 70));
    assert!(server.calls("notifications/cancelled").is_empty());
    assert!(!bridge.lines().concat().contains("\"error\""), "{:?}", bridge.lines());
}

#[test]
fn in_the_new_era_a_call_without_an_answer_yet_is_cancelled_by_closing_its_connection() {
    let server = Server::start();
    let project = project(&server);
    let closed = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&closed);
    server.behave(move |seen, reply| {
        seen.json()["params"]["name"] == "never" && {
            while !reply.is_closed() {
                std::thread::sleep(Duration::from_millis(10));
            }
            own.fetch_add(1, Ordering::AcqRel);
            true
        }
    });
    let mut bridge = Bridge::start(&project);
    let id = bridge.modern("tools/call", &json!({"name": "never", "arguments": {}}));
    server.wait_for("tools/call", 1);
    let params = json!({"requestId": id});
    bridge
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string());
    assert!(holds_in_time(|| closed.load(Ordering::Acquire) == 1));
    let call = bridge.modern("tools/call", &json!({"name": "echo", "arguments": {}}));
    assert!(bridge.answer(call)["result"].is_object());
    assert!(server.calls("notifications/cancelled").is_empty());
    assert_eq!(bridge.answers(id), 0, "a cancelled request has no answer");
}

#[test]
fn one_connection_is_enough_for_one_call_after_the_other() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.wait_for_stream();
    bridge.works();
    let before = server.connections();
    for _ in 0..50 {
        bridge.works();
    }
    assert!(server.connections() <= before + 1, "{before} and then {}", server.connections());
}

/// Servers drop idle connections after five seconds, many of them without a word: by four the bridge has let go.
#[test]
fn a_connection_that_has_been_idle_is_not_used_again() {
    let server = Server::start();
    let project = project(&server);
    let mut bridge = Bridge::ready(&project);
    server.wait_for_stream();
    bridge.works();
    let before = server.connections();
    // The time itself is what is tested.
    std::thread::sleep(std::time::Duration::from_secs(4));
    bridge.works();
    assert_eq!(server.connections(), before + 1);
}
