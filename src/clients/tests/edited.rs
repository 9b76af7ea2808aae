//! Files that were there before: three rotations, a service that comes and one that goes.

use std::collections::BTreeMap;

use super::*;
use crate::clients::known::CLIENTS;
use readers::{read, without_comments};

/// Every client whose file is edited, with a file of a user: in a layout of its own where there is one, else the file
/// with which the client connected.
fn files() -> impl Iterator<Item = (&'static McpClient, String)> {
    let edited = CLIENTS.iter().filter(|client| matches!(client.format, Format::Json { .. }));
    edited.map(|client| {
        let before = format!("edited/{}.before.json", client.name);
        let name = if exists(&before) { before } else { format!("sample/{}.json", client.name) };
        (client, fixture(&name))
    })
}

/// Whether the client can have tokens in its file, for an entry with tokens.
fn can(client: &McpClient, how: Secrets) -> bool {
    client.is_remote || how != Secrets::Inline
}

/// One file through several changes, with its expected text after each.
fn day() -> Vec<Vec<Service>> {
    let both = |docs: &str, mail: &str| vec![signed_in("docs", docs), over_sse("mail", mail)];
    let mut later = both("docs-4", "mail-4");
    later.push(open("time"));
    vec![
        both("docs-1", "mail-1"),
        both("docs-2", "mail-1"),
        both("docs-3", "mail-3"),
        both("docs-4", "mail-4"),
        later.clone(),
        later.split_off(1),
    ]
}

#[test]
fn rotations_and_services_that_come_and_go_leave_the_rest_alone() {
    for (client, before) in files() {
        for how in [Secrets::Auto, Secrets::Inline].into_iter().filter(|how| can(client, *how)) {
            let (mut text, mut ours, mut warnings) = (before.clone(), Vec::new(), Vec::new());
            for services in day() {
                let done = run(client, Some(&text), &services, &ours, how);
                text = text_of(&done, Some(&text));
                (ours, warnings) = (done.ours, done.warnings);
                let again = run(client, Some(&text), &services, &ours, how);
                assert_eq!((again.edit, &again.ours), (Edit::Same, &ours), "{}", client.name);
                let files = done
                    .side_files
                    .iter()
                    .map(|(name, token)| (format!("{}/{name}", PATHS.tokens_dir), token.expose().to_owned()));
                let there = read(client.name, &text, &files.collect())
                    .unwrap_or_else(|why| panic!("{}: {why}", client.name));
                for service in
                    services.iter().filter(|service| ours.iter().any(|ours| ours.name == service.name))
                {
                    assert_eq!(there[&service.name].url, service.url, "{}", client.name);
                }
                assert_eq!(
                    foreign(client, &text, &day()[4]),
                    foreign(client, &before, &day()[4]),
                    "{}",
                    client.name
                );
            }
            if how == Secrets::Auto && exists(&format!("edited/{}.before.json", client.name)) {
                golden(&format!("edited/{}.after.json", client.name), &text);
            }
            let sse = usize::from(client.sse.is_none() && !client.uses_bridge(how));
            assert_eq!((ours.len(), warnings.len()), (2 - sse, sse), "{}: {warnings:?}", client.name);
        }
    }
}

/// The document without the entries of these services.
fn foreign(client: &McpClient, text: &str, services: &[Service]) -> serde_json::Value {
    let mut json: serde_json::Value = serde_json::from_str(&without_comments(text)).unwrap();
    let Format::Json { servers, .. } = client.format else { unreachable!("only JSON is edited") };
    for service in services {
        json[servers].as_object_mut().unwrap().remove(&service.name);
    }
    json
}

#[test]
fn what_came_goes_without_a_trace() {
    for (client, before) in files().filter(|(client, _)| !matches!(client.name, "claude-code" | "cline")) {
        for how in [Secrets::Auto, Secrets::Inline].into_iter().filter(|how| can(client, *how)) {
            let done = run(client, Some(&before), &day()[4], &[], how);
            let text = text_of(&done, Some(&before));
            assert_ne!(text, before);
            let back = run(client, Some(&text), &[], &done.ours, how);
            assert_eq!(text_of(&back, Some(&text)), before, "{}", client.name);
            assert!(back.ours.is_empty() && !back.holds_secret);
        }
    }
}

#[test]
fn an_entry_with_our_address_is_ours_and_keeps_what_its_user_set() {
    let cline = super::super::client("cline").unwrap();
    let before = fixture("edited/cline.before.json");
    let done = run(cline, Some(&before), &[signed_in("docs", "new")], &[], Secrets::Auto);
    let json: serde_json::Value = serde_json::from_str(&text_of(&done, Some(&before))).unwrap();
    let docs = &json["mcpServers"]["docs"];
    assert_eq!(docs["headers"]["Authorization"], "Bearer new");
    assert_eq!((&docs["disabled"], &docs["timeout"]), (&true.into(), &120.into()));
    assert_eq!(docs["autoApprove"], serde_json::json!(["search"]));
    assert!(done.holds_secret);
}

#[test]
fn a_helper_takes_the_place_of_tokens_and_the_users_own_headers_stay() {
    let claude = super::super::client("claude-code").unwrap();
    let before = fixture("edited/claude-code.before.json");
    let docs = [signed_in("docs", "new")];
    let helped = text_of(&run(claude, Some(&before), &docs, &[], Secrets::Auto), Some(&before));
    let json: serde_json::Value = serde_json::from_str(&helped).unwrap();
    let entry = &json["mcpServers"]["docs"];
    assert_eq!(entry["headers"], serde_json::json!({"X-Team": "blue"}));
    assert_eq!(entry["headersHelper"], "/usr/bin/token-refresher headers docs --dir /srv/project");
    assert!(!helped.contains("pasted-long-ago"));

    let inline = text_of(&run(claude, Some(&helped), &docs, &[], Secrets::Inline), Some(&helped));
    let json: serde_json::Value = serde_json::from_str(&inline).unwrap();
    let entry = &json["mcpServers"]["docs"];
    assert_eq!(
        (&entry["headers"]["X-Team"], &entry["headers"]["Authorization"]),
        (&"blue".into(), &"Bearer new".into())
    );
    assert_eq!(entry.get("headersHelper"), None);
}

#[test]
fn an_entry_of_somebody_elses_is_left_alone_with_a_warning() {
    let cursor = super::super::client("cursor").unwrap();
    for theirs in [
        r#"{"url": "https://elsewhere.example/mcp"}"#,
        r#"{"command": "docs-mcp"}"#,
        r#"{"url": 17}"#,
        "null",
        "[]",
    ] {
        let before = format!(r#"{{"mcpServers": {{"docs": {theirs}}}}}"#);
        let remembered = [Owned { name: "docs".to_owned(), url: "https://gateway.example/old".to_owned() }];
        for remembered in [&[], remembered.as_slice()] {
            let done = run(cursor, Some(&before), &[signed_in("docs", "new")], remembered, Secrets::Auto);
            assert_eq!((done.edit, done.ours), (Edit::Same, Vec::new()), "{theirs}");
            assert!(done.warnings[0].starts_with("docs is not written for cursor: "), "{:?}", done.warnings);
            assert!(!done.holds_secret && done.side_files.is_empty());
            // The user's entry is not removed either when the service goes.
            assert_eq!(
                run(cursor, Some(&before), &[], remembered, Secrets::Auto).edit,
                Edit::Same,
                "{theirs}"
            );
        }
    }
}

#[test]
fn a_remembered_entry_follows_the_gateway_to_another_address() {
    let cursor = super::super::client("cursor").unwrap();
    let before = r#"{"mcpServers": {"docs": {"url": "http://localhost/docs/mcp"}}}"#;
    let remembered = [Owned { name: "docs".to_owned(), url: "http://localhost/docs/mcp".to_owned() }];
    let done = run(cursor, Some(before), &[open("docs")], &remembered, Secrets::Auto);
    assert_eq!(
        text_of(&done, None),
        r#"{"mcpServers": {"docs": {"url": "https://gateway.example/docs/mcp"}}}"#
    );
    assert_eq!(done.ours[0].url, "https://gateway.example/docs/mcp");
}

#[test]
fn a_service_that_is_refused_for_now_keeps_its_entry() {
    let cursor = super::super::client("cursor").unwrap();
    let made = run(cursor, None, &[signed_in("docs", "good")], &[], Secrets::Auto);
    let text = text_of(&made, None);
    let done = run(cursor, Some(&text), &[signed_in("docs", "a${b}")], &made.ours, Secrets::Auto);
    assert_eq!((done.edit, done.ours), (Edit::Same, made.ours));
}

#[test]
fn a_changed_transport_leaves_one_address() {
    for client in
        CLIENTS.iter().filter(|client| client.sse.is_some() && client.is_remote && client.name != "continue")
    {
        let mut sse = over_sse("docs", "one");
        "https://gateway.example/docs/mcp".clone_into(&mut sse.url);
        let text = text_of(&run(client, None, &[signed_in("docs", "one")], &[], Secrets::Inline), None);
        let changed = text_of(&run(client, Some(&text), &[sse.clone()], &[], Secrets::Inline), Some(&text));
        let there = read(client.name, &changed, &BTreeMap::new()).unwrap();
        assert!(
            there["docs"].transport.is_none_or(|transport| transport == McpTransport::Sse),
            "{}",
            client.name
        );
        let fresh = text_of(&run(client, None, &[sse], &[], Secrets::Inline), None);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&changed), json(&fresh), "{}", client.name);
    }
}

#[test]
fn a_header_in_another_spelling_is_the_same_header() {
    let cursor = super::super::client("cursor").unwrap();
    let before = r#"{"mcpServers": {"docs": {"url": "https://gateway.example/docs/mcp",
        "headers": {"authorization": "Bearer old", "Accept": "x", "x-region": "gone"}}}}"#;
    let text = text_of(&run(cursor, Some(before), &[signed_in("docs", "new")], &[], Secrets::Auto), None);
    let there = read("cursor", &text, &BTreeMap::new()).unwrap();
    let names: Vec<_> = there["docs"].headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["Accept", "Authorization", "X-Authorization", "X-Client-Id"]);
}

#[test]
fn a_byte_order_mark_is_kept() {
    let cursor = super::super::client("cursor").unwrap();
    for before in ["\u{feff}", "\u{feff}{}", "\u{feff}// note\n"] {
        let done = run(cursor, Some(before), &[open("docs")], &[], Secrets::Auto);
        let text = text_of(&done, None);
        let rest = text.strip_prefix('\u{feff}').expect("the mark");
        assert!(!rest.starts_with('\u{feff}') && rest.contains("\"docs\""), "{text}");
        assert_eq!(run(cursor, Some(&text), &[open("docs")], &done.ours, Secrets::Auto).edit, Edit::Same);
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_its_place() {
    let cursor = super::super::client("cursor").unwrap();
    let deep = format!("{{\"a\": {}", "[".repeat(200_000));
    for (text, place) in [
        ("{", "1:1: unterminated object"),
        ("{\n  \"a\": 1\n  \"b\": 2\n}", "2:9: expected comma"),
        ("{\n  'a': 1\n}", "2:3: single-quoted strings"),
        ("{a: 1}", "1:2: expected string"),
        ("{\"a\": 0x10}", "1:7: hexadecimal"),
        ("{\"a\": NaN}", "1:7: "),
        ("{\"a\": \"hush\\x41\"}", "1:"),
        ("{} {}", "1:4: "),
        ("[]", "1:1: an object belongs here"),
        ("\n \"text\"", "2:2: an object belongs here"),
        ("{\"mcpServers\": null}", "1:2: `mcpServers` must be an object"),
        ("{\n  \"mcpServers\": []}", "2:3: `mcpServers` must be an object"),
        ("{\"mcpServers\": {},\n\"mcpServer\\u0073\": {}}", "2:1: `mcpServers` stands here a second time"),
        ("{\"mcpServers\": {\"docs\": {},\n \"docs\": {}}}", "2:2: `docs` stands here a second time"),
        (
            "{\"mcpServers\": {\"docs\": {\"url\": \"https://gateway.example/docs/mcp\", \"url\": \"x\"}}}",
            "1:69: `url` stands",
        ),
        (
            "{\"mcpServers\": {\"docs\": {\"url\": \"https://gateway.example/docs/mcp\", \"headers\": {\n\
             \"Authorization\": 1, \"Authorization\": 2}}}}",
            "2:21: `Authorization` stands",
        ),
        (deep.as_str(), "1:"),
    ] {
        let remembered =
            [Owned { name: "docs".to_owned(), url: "https://gateway.example/docs/mcp".to_owned() }];
        let done = run(cursor, Some(text), &[signed_in("docs", "new")], &remembered, Secrets::Auto);
        let Edit::Refuse(why) = &done.edit else { panic!("{place}: not refused") };
        assert!(why.starts_with(place) && !why.contains('\n') && !why.contains("hush"), "{place}: {why}");
        assert_eq!(done.ours, remembered, "{place}");
    }
}

#[test]
fn a_file_of_somebody_elses_in_toml_or_yaml_is_refused_with_the_entries_to_paste() {
    let services = [signed_in("docs", "docs-secret"), open("time")];
    let toml = "model = \"example\"\n";
    let codex = super::super::client("codex").unwrap();
    let refused = run(codex, Some(toml), &services, &[], Secrets::Auto);
    assert!(matches!(&refused.edit, Edit::Refuse(why) if why.contains("paste")), "{:?}", refused.edit);
    let paste = refused.paste.expect("entries");
    assert!(paste.starts_with("\n[mcp_servers.docs]\n") && !paste.contains("secret"), "{paste}");
    // A file with the pasted entries is complete, with other line ends and other members too.
    for pasted in [format!("{toml}\n{paste}"), format!("{toml}\n{paste}\n[tui]\n").replace('\n', "\r\n")] {
        assert_eq!(run(codex, Some(&pasted), &services, &[], Secrets::Auto).edit, Edit::Same);
    }

    for (name, there) in [("codex", toml), ("continue", "name: mine\n")] {
        let client = super::super::client(name).unwrap();
        let refused = run(client, Some(there), &services, &[], Secrets::Inline);
        assert!(matches!(refused.edit, Edit::Refuse(_)) && refused.ours.is_empty() && !refused.holds_secret);
        let paste = refused.paste.expect("entries");
        assert!(
            paste.contains("Bearer <access token>") && paste.contains("Bearer <gateway token>"),
            "{paste}"
        );
        assert!(!paste.contains("secret") && !paste.contains("gateway-token"), "{paste}");
    }
}

#[test]
fn a_file_of_our_own_follows_the_services_to_none() {
    for name in ["codex", "continue"] {
        let client = super::super::client(name).unwrap();
        let mut text = text_of(
            &run(client, None, &[signed_in("docs", "one"), open("time")], &[], Secrets::Inline),
            None,
        );
        for services in [vec![signed_in("docs", "two"), open("a.b \"c\"")], vec![]] {
            let done = run(client, Some(&text), &services, &[], Secrets::Inline);
            text = text_of(&done, Some(&text));
            let there = read(name, &text, &BTreeMap::new()).unwrap_or_else(|why| panic!("{why}\n{text}"));
            assert_eq!(
                there.keys().cloned().collect::<Vec<_>>(),
                services.iter().map(|service| service.name.clone()).rev().collect::<Vec<_>>()
            );
            assert!(!text.contains("one"));
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_today_still_gets_its_tokens() {
    let windsurf = super::super::client("windsurf").unwrap();
    let made = run(windsurf, None, &[signed_in("docs", "one")], &[], Secrets::Auto);
    let done = run(windsurf, Some("{"), &[signed_in("docs", "two")], &made.ours, Secrets::Auto);
    assert!(matches!(done.edit, Edit::Refuse(_)) && done.paste.is_none());
    assert_eq!((done.side_files[0].0.as_str(), done.side_files[0].1.expose()), ("docs.token", "two"));
}

/// A service that was signed out for a while came back without its user's switches.
#[test]
fn what_a_user_set_in_an_entry_comes_back_with_it() {
    let cline = super::super::client("cline").unwrap();
    let docs = [signed_in("docs", "one")];
    let made = run(cline, None, &docs, &[], Secrets::Auto);
    let users = [
        ("\"disabled\": false", "\"disabled\": true"),
        ("\"autoApprove\": []", "\"autoApprove\": [\"search\"], \"timeout\": 120"),
    ];
    let text = users.iter().fold(text_of(&made, None), |text, (from, to)| text.replace(from, to));
    let text = text.replace("\"type\"", "\"note\": \"hush\", \"env\": {\"KEY\": \"hush\"}, \"type\"");
    let apply = |text: &str, services: &[Service], before: &Applied| {
        apply(cline, Some(text), services, &before.ours, &before.users_own, Secrets::Auto, PATHS)
    };
    let gone = apply(&text, &[], &made);
    let kept: Vec<_> =
        gone.users_own["docs"].iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    assert_eq!(kept, [("autoApprove", "[\"search\"]"), ("disabled", "true"), ("timeout", "120")]);
    let empty = text_of(&gone, Some(&text));
    assert!(!empty.contains("docs"), "{empty}");
    // The record is kept while the service is gone, even by cycles that change nothing.
    let still = apply(&empty, &[open("time")], &gone);
    let there = text_of(&still, Some(&empty));
    let back = apply(&there, &docs, &still);
    let json: serde_json::Value = serde_json::from_str(&text_of(&back, Some(&there))).unwrap();
    let entry = &json["mcpServers"]["docs"];
    assert_eq!((&entry["disabled"], &entry["timeout"]), (&true.into(), &120.into()));
    assert_eq!(entry["autoApprove"], serde_json::json!(["search"]));
    assert_eq!(entry["headers"]["Authorization"], "Bearer one");
    assert!(back.users_own.is_empty());

    // A value that new entries get is not a setting of the user's. A value that is not plain is not recorded.
    let plain = apply(&text_of(&made, None), &[], &made);
    assert!(plain.users_own.is_empty());
    let mut odd = gone;
    odd.users_own.get_mut("docs").unwrap().insert("x".to_owned(), "1}, {".to_owned());
    odd.users_own.get_mut("docs").unwrap().insert("url".to_owned(), "7".to_owned());
    let json: serde_json::Value = serde_json::from_str(&text_of(&apply(&empty, &docs, &odd), None)).unwrap();
    assert_eq!(json["mcpServers"]["docs"].get("x"), None);
    assert_eq!(json["mcpServers"]["docs"]["url"], docs[0].url.as_str());
}

#[test]
fn an_entry_becomes_a_program_and_an_address_again() {
    // Visual Studio Code knows no other member.
    let clients = files().map(|(client, _)| client);
    for client in clients.filter(|client| client.is_remote && client.name != "vscode") {
        let services = [signed_in("docs", "one"), open("time")];
        let made = run(client, None, &services, &[], Secrets::Inline);
        let text = text_of(&made, None);
        let text = text.replace("\"headers\"", "\"timeout\": 7, \"headers\"");
        let bridged = run(client, Some(&text), &services, &made.ours, Secrets::Bridge);
        let there = text_of(&bridged, Some(&text));
        assert!(!there.contains("Bearer") && !bridged.holds_secret, "{}: {there}", client.name);
        let read_back = read(client.name, &there, &BTreeMap::new()).unwrap();
        assert_eq!(read_back["docs"].program[1..], ["bridge", "docs"], "{}", client.name);
        assert!(there.contains("\"timeout\": 7"), "{there}");
        // The user's own variables are kept, and a new token changes nothing.
        let there = there.replacen("\"MCP_SERVER_URL\"", "\"LOG_LEVEL\": \"DEBUG\", \"MCP_SERVER_URL\"", 1);
        let rotated = [signed_in("docs", "two"), open("time")];
        let again = run(client, Some(&there), &rotated, &bridged.ours, Secrets::Bridge);
        assert_eq!((again.edit, &again.ours), (Edit::Same, &bridged.ours), "{}", client.name);

        let back = run(client, Some(&there), &rotated, &bridged.ours, Secrets::Inline);
        let there = text_of(&back, Some(&there));
        let read_back =
            read(client.name, &there, &BTreeMap::new()).unwrap_or_else(|why| panic!("{why}: {there}"));
        assert_eq!(read_back["docs"].headers["Authorization"], "Bearer two", "{}", client.name);
        assert!(!there.contains("command") && there.contains("\"timeout\": 7"), "{there}");
        let gone = run(client, Some(&there), &[], &back.ours, Secrets::Auto);
        assert!(gone.ours.is_empty() && !text_of(&gone, Some(&there)).contains("docs"), "{}", client.name);
    }
}
