//! New files.

use std::collections::BTreeMap;

use super::*;
use crate::clients::known::CLIENTS;
use crate::clients::notation::Reference;
use readers::{Read, read, without_comments};

fn side_files(applied: &Applied) -> BTreeMap<String, String> {
    let path = |(name, token): &(String, Secret)| {
        (format!("{}/{name}", PATHS.tokens_dir), token.expose().to_owned())
    };
    applied.side_files.iter().map(path).collect()
}

/// Clients whose new files are compared with a golden one, too: each notation and each way to keep a token.
const GOLDEN: [&str; 7] = ["claude-code", "codex", "continue", "copilot", "gemini", "opencode", "vscode"];

#[test]
fn a_new_file_says_what_a_file_that_connected_says() {
    let behind_gateway = |mut service: Service, url: &str| {
        url.clone_into(&mut service.url);
        let gateway = HeaderValue::Bearer(Secret::new("ingress"));
        service.extra = vec![Header { name: "X-Authorization", value: gateway }];
        service
    };
    let rig = behind_gateway(signed_in("rig", "good"), "http://127.0.0.1:18931/server/mcp");
    let stream = behind_gateway(over_sse("stream", "fine"), "http://127.0.0.1:18931/stream/sse");
    for client in CLIENTS {
        let how = if client.is_remote { Secrets::Inline } else { Secrets::Bridge };
        let made = run(client, None, &[rig.clone(), stream.clone()], &[], how);
        let (text, sample) =
            (text_of(&made, None), fixture(&format!("sample/{}.{}", client.name, client.format.extension())));
        let none = BTreeMap::new();
        assert_eq!(read(client.name, &text, &none), read(client.name, &sample, &none), "{}", client.name);
        if let Format::Json { .. } = client.format {
            let json =
                |text: &str| serde_json::from_str::<serde_json::Value>(&without_comments(text)).unwrap();
            assert_eq!(json(&text), json(&sample), "{}", client.name);
        }
    }
}

#[test]
fn both_transports_and_both_ways_to_hold_a_token() {
    let services = [signed_in("docs", "docs-token"), over_sse("mail.v2", "mail-token"), open("time")];
    for client in CLIENTS {
        for (how, kind) in [(Secrets::Auto, "auto"), (Secrets::Inline, "inline"), (Secrets::Bridge, "bridge")]
        {
            if kind == "inline" && (!client.refers_to_secrets() || !client.is_remote) {
                continue;
            }
            let made = run(client, None, &services, &[], how);
            let text = text_of(&made, None);
            if GOLDEN.contains(&client.name) && (kind != "bridge" || !client.bridge) {
                golden(&format!("new/{}.{kind}.{}", client.name, client.format.extension()), &text);
            }
            let there = read(client.name, &text, &side_files(&made))
                .unwrap_or_else(|why| panic!("{}: {why}", client.name));
            check(client, &made, &there, &services, how);
            let again = run(client, Some(&text), &services, &made.ours, how);
            assert_eq!(again.edit, Edit::Same, "{}", client.name);
        }
    }
}

/// The services that the client reads are the services that were written.
fn check(
    client: &McpClient,
    made: &Applied,
    there: &BTreeMap<String, Read>,
    services: &[Service],
    how: Secrets,
) {
    let bridged = client.uses_bridge(how);
    let helped = matches!(client.reference, Reference::Helper(_)) && how == Secrets::Auto;
    let by_file = client.reference == Reference::Files && how == Secrets::Auto;
    let mut expected = 0;
    for service in services {
        let Some(read) = there.get(&service.name) else {
            let said = made
                .warnings
                .iter()
                .any(|line| line.contains(&service.name) && line.contains("does not speak SSE"));
            assert!(said && client.sse.is_none(), "{}: {:?}", client.name, made.warnings);
            continue;
        };
        expected += 1;
        assert_eq!(read.url, service.url);
        assert!(read.transport.is_none_or(|transport| transport == service.transport), "{}", client.name);
        if bridged {
            let program = ["/usr/bin/token-refresher", "bridge", &service.name];
            assert_eq!((read.program.as_slice(), read.headers.len()), (&program.map(str::to_owned)[..], 0));
            continue;
        }
        let headers = |header: Header| (header.name.to_owned(), header.value.to_text().expose().to_owned());
        let headers: BTreeMap<_, _> = service.headers().map(headers).collect();
        if helped && !headers.is_empty() {
            let command = format!("/usr/bin/token-refresher headers {} --dir /srv/project", service.name);
            assert_eq!((read.helper.as_deref(), read.headers.len()), (Some(command.as_str()), 0));
        } else {
            assert_eq!((&read.headers, &read.helper), (&headers, &None), "{}", client.name);
        }
    }
    assert_eq!((there.len(), made.ours.len()), (expected, expected), "{}", client.name);
    assert_eq!(made.holds_secret, !helped && !by_file && !bridged, "{}", client.name);
}

#[test]
fn a_file_without_services_is_not_made() {
    for client in CLIENTS {
        for existing in [None, Some(""), Some("\n")] {
            assert_eq!(run(client, existing, &[], &[], Secrets::Auto).edit, Edit::Same, "{}", client.name);
        }
    }
}

#[test]
fn a_service_that_a_client_would_expand_is_named_and_the_others_stay() {
    let bad = signed_in("bad", "a${HOME}");
    for client in CLIENTS.iter().filter(|client| client.is_remote) {
        let made = run(client, None, &[bad.clone(), open("time")], &[], Secrets::Inline);
        let there = read(client.name, &text_of(&made, None), &BTreeMap::new()).unwrap();
        assert_eq!(there.keys().collect::<Vec<_>>(), ["time"], "{}", client.name);
        assert!(made.warnings[0].starts_with("bad is not written for "), "{:?}", made.warnings);
        assert!(!made.warnings[0].contains("HOME"), "{:?}", made.warnings);
    }
}

#[test]
fn two_services_never_share_a_token_file() {
    let services = [signed_in("a", "one"), signed_in("a.X-Authorization", "two")];
    let made = run(super::super::client("windsurf").unwrap(), None, &services, &[], Secrets::Auto);
    let names: Vec<_> = made.side_files.iter().map(|(name, token)| (name.as_str(), token.expose())).collect();
    assert_eq!(names, [("a.token", "one"), ("a.X-Authorization.token", "gateway-token")]);
    assert!(made.warnings[0].contains("another service's"), "{:?}", made.warnings);
}
