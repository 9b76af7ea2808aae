//! The messages of an MCP client of an official SDK, compared between a direct connection and one through the bridge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde_json::Value;

/// The direction of a message, and the message.
type Message = (String, Value);

/// Reads a client's messages until it is done.
pub(crate) fn messages(output: &mut impl BufRead) -> Vec<Message> {
    let mut all = Vec::new();
    for line in output.lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match line["way"].as_str().unwrap() {
            "done" => return all,
            way => all.push((way.to_owned(), line["message"].clone())),
        }
    }
    panic!("the client ended early: {all:#?}");
}

/// The messages by request, in their order, without those that one of the two transports lacks by design.
fn by_request(all: &[Message], modern: bool, cancelled: &BTreeSet<String>) -> BTreeMap<String, Vec<Message>> {
    let mut found: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for (way, message) in all {
        let method = message["method"].as_str().unwrap_or_default();
        // By HTTP the stream is closed instead, and the SDK turns 404 with an error into an exception.
        let by_design = ["notifications/cancelled", "server/discover"].contains(&method)
            || message["error"]["code"] == -32601;
        if modern && by_design {
            continue;
        }
        let request = match method {
            "notifications/progress" => &message["params"]["progressToken"],
            _ => &message["id"],
        };
        // A server may answer a cancelled request all the same; whether the answer comes before the end is chance.
        if way == "got" && method.is_empty() && cancelled.contains(&request.to_string()) {
            continue;
        }
        let key = if request.is_null() { method.to_owned() } else { request.to_string() };
        found.entry(key).or_default().push((way.clone(), message.clone()));
    }
    found
}

/// For each request the same messages in the same order, and no others.
pub(crate) fn expect_the_same(direct: &[Message], bridged: &[Message], modern: bool, who: &str) {
    let cancellations = direct
        .iter()
        .chain(bridged)
        .filter(|(way, message)| way == "sent" && message["method"] == "notifications/cancelled");
    let cancelled = cancellations.map(|(_, message)| message["params"]["requestId"].to_string()).collect();
    let (direct, bridged) = (by_request(direct, modern, &cancelled), by_request(bridged, modern, &cancelled));
    assert!(direct.len() > 40, "every feature was tried: {}", direct.len());
    for (request, expected) in &direct {
        assert_eq!(bridged.get(request), Some(expected), "{who}: {request}");
    }
    let more: Vec<_> = bridged.keys().filter(|request| !direct.contains_key(*request)).collect();
    assert!(more.is_empty(), "{who}: {more:?}");
}
