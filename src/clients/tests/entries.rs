//! The members of an entry, and the texts that an entry must not hold.

use super::*;
use crate::clients::entry::{ClientEntry, EntryValue, client_entry};
use crate::clients::known::{CLIENTS, client};

const PATHS: ReaderPaths =
    ReaderPaths { exe: "/usr/bin/token-refresher", dir: "/srv/it", tokens_dir: "/srv/it/.oauth-tokens" };

fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        url: "https://gateway.example/a/mcp".to_owned(),
        transport: McpTransport::StreamableHttp,
        authorization: Some(Secret::new("tok")),
        extra: vec![
            Header { name: "X-Authorization", value: HeaderValue::Bearer(Secret::new("ing")) },
            Header { name: "X-Region", value: HeaderValue::Plain("us-east-1".into()) },
        ],
        behind_gateway: true,
    }
}

fn member(entry: &ClientEntry, name: &str) -> Option<EntryValue> {
    entry.members.iter().find(|(key, _)| *key == name).map(|(_, member)| member.clone())
}

fn text(text: &str) -> EntryValue {
    EntryValue::Text(Secret::new(text))
}

#[test]
fn a_helper_is_told_everything_in_its_arguments() {
    let row = client("claude-code").unwrap();
    for (name, paths, command) in [
        ("a", PATHS, "/usr/bin/token-refresher headers a --dir /srv/it"),
        ("it's", PATHS, r"/usr/bin/token-refresher headers 'it'\''s' --dir /srv/it"),
        ("-a", PATHS, "/usr/bin/token-refresher headers --dir /srv/it -- -a"),
        (
            "a",
            ReaderPaths { dir: "/my dir", ..PATHS },
            "/usr/bin/token-refresher headers a --dir '/my dir' --tokens-dir /srv/it/.oauth-tokens",
        ),
        (
            "a",
            ReaderPaths { dir: "/", tokens_dir: "/.oauth-tokens", ..PATHS },
            "/usr/bin/token-refresher headers a --dir /",
        ),
    ] {
        let entry = client_entry(row, &service(name), Secrets::Auto, paths).unwrap();
        assert_eq!(member(&entry, "headersHelper"), Some(text(command)));
        assert_eq!((member(&entry, "headers"), entry.holds_secret), (None, false));
    }
}

#[test]
fn a_service_without_headers_needs_no_helper() {
    let mut open = service("a");
    (open.authorization, open.extra) = (None, Vec::new());
    for row in CLIENTS.iter().filter(|row| !row.bridge) {
        let entry = client_entry(row, &open, Secrets::Auto, PATHS).unwrap();
        let keys: Vec<_> = entry.members.iter().map(|(key, _)| *key).collect();
        assert!(keys.iter().all(|key| matches!(*key, "type" | "url" | "httpUrl" | "serverUrl")), "{keys:?}");
        assert!(entry.side_files.is_empty() && !entry.holds_secret);
    }
}

#[test]
fn files_hold_bare_tokens_and_the_entry_none() {
    let entry = client_entry(client("windsurf").unwrap(), &service("a"), Secrets::Auto, PATHS).unwrap();
    let headers = [
        ("Authorization", Secret::new("Bearer {file:/srv/it/.oauth-tokens/a.token}")),
        ("X-Authorization", Secret::new("Bearer {file:/srv/it/.oauth-tokens/a.X-Authorization.token}")),
        ("X-Region", Secret::new("us-east-1")),
    ];
    assert_eq!(member(&entry, "headers"), Some(EntryValue::Texts(headers.to_vec())));
    let files = [("a.token", "tok"), ("a.X-Authorization.token", "ing")];
    assert_eq!(entry.side_files, files.map(|(file, token)| (file.to_owned(), Secret::new(token))));
    assert!(!entry.holds_secret);
}

#[test]
fn inline_means_in_the_file() {
    for row in CLIENTS.iter().filter(|row| row.is_remote) {
        let entry = client_entry(row, &service("a"), Secrets::Inline, PATHS).unwrap();
        let headers =
            [("Authorization", "Bearer tok"), ("X-Authorization", "Bearer ing"), ("X-Region", "us-east-1")];
        let headers = headers.map(|(name, value)| (name, Secret::new(value))).to_vec();
        assert_eq!(member(&entry, row.headers), Some(EntryValue::Texts(headers)), "{}", row.name);
        assert!(entry.holds_secret && entry.side_files.is_empty(), "{}", row.name);
    }
}

#[test]
fn what_a_client_would_expand_is_refused_without_showing_it() {
    let row = client("cursor").unwrap();
    for bad in ["tok${HOME}", "tok{file:/x}", "tok}", "tok$", "tok\u{9f}"] {
        let with = |change: &dyn Fn(&mut Service)| {
            let mut changed = service("a");
            change(&mut changed);
            client_entry(row, &changed, Secrets::Inline, PATHS).unwrap_err().told_of(row.name).to_string()
        };
        for (refusal, what) in [
            (
                with(&|service| service.authorization = Some(Secret::new(bad))),
                "its Authorization header holds",
            ),
            (
                with(&|service| service.extra[0].value = HeaderValue::Bearer(Secret::new(bad))),
                "its X-Authorization header",
            ),
            (with(&|service| service.url.push_str(bad)), "its address holds"),
            (with(&|service| service.name.push_str(bad)), "its name holds"),
        ] {
            assert!(refusal.starts_with(what) && !refusal.contains("tok"), "{refusal}");
        }
    }
    // The output of a helper is not expanded, so any token may come from it.
    let mut odd = service("a");
    odd.authorization = Some(Secret::new("a$b"));
    assert!(client_entry(client("codex").unwrap(), &odd, Secrets::Auto, PATHS).is_ok());
    let braces = ReaderPaths { dir: "/srv/{it}", ..PATHS };
    assert!(client_entry(client("codex").unwrap(), &service("a"), Secrets::Auto, braces).is_err());
    for tokens_dir in ["/srv/{it}", "/srv/\"it\"", "/srv/a\\b"] {
        let paths = ReaderPaths { tokens_dir, ..PATHS };
        assert!(client_entry(client("windsurf").unwrap(), &service("a"), Secrets::Auto, paths).is_err());
    }
}

#[test]
fn a_transport_that_a_client_does_not_speak_is_refused() {
    let mut sse = service("a");
    sse.transport = McpTransport::Sse;
    for row in CLIENTS {
        let refused = client_entry(row, &sse, Secrets::Inline, PATHS).is_err();
        assert_eq!(refused, row.sse.is_none() || !row.is_remote, "{}", row.name);
    }
}

#[test]
fn kiro_takes_plain_http_from_this_machine_only() {
    for (url, fine) in [
        ("https://gateway.example/a/mcp", true),
        ("http://gateway.example/a/mcp", false),
        ("http://localhost/a/mcp", true),
        ("http://localhost:8080/a/mcp", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080/a", true),
        ("http://localhost.example/a", false),
        ("http://localhost@gateway.example/a", false),
    ] {
        let mut service = service("a");
        url.clone_into(&mut service.url);
        let kiro = client_entry(client("kiro").unwrap(), &service, Secrets::Inline, PATHS);
        assert_eq!(kiro.is_ok(), fine, "{url}");
        assert!(client_entry(client("cursor").unwrap(), &service, Secrets::Inline, PATHS).is_ok(), "{url}");
    }
}

/// The name of a token file, and of the temporary file beside it, was too long: the whole client's file would have
/// failed.
#[test]
fn a_name_that_no_file_can_have_costs_its_own_entry_only() {
    let windsurf = client("windsurf").unwrap();
    for (length, fine) in [(200, true), (218, true), (219, false), (243, false), (5000, false)] {
        let made = client_entry(windsurf, &service(&"n".repeat(length)), Secrets::Auto, PATHS);
        assert_eq!(made.is_ok(), fine, "{length}");
        let long = [service(&"n".repeat(length)), service("short")];
        let done = apply(windsurf, None, &long, &[], &BTreeMap::new(), Secrets::Auto, PATHS);
        assert_eq!((done.ours.len(), done.warnings.len()), (1 + usize::from(fine), usize::from(!fine)));
    }
}
