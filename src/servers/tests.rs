//! Registry files as other programs write them, and broken ones.

use std::process::Command;

use super::*;
use crate::scratch::Scratch;

fn read(text: &str) -> Server {
    read_server("x.json", text).expect("readable").expect("a server")
}

#[test]
fn the_registrys_own_files_are_understood() {
    use McpTransport::{Sse, StreamableHttp};
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/servers");
    for (file, name, endpoint, no_auth, transport) in [
        // The gateway serves the transport at the path itself: the backend's address ends in /mcp.
        ("atlassian.json", "atlassian", "/atlassian", false, StreamableHttp),
        ("currenttime.json", "currenttime", "/currenttime/mcp", true, StreamableHttp),
        ("currenttime.auth_scheme.json", "currenttime", "/currenttime/mcp", true, StreamableHttp),
        ("fininfo.json", "fininfo", "/fininfo/sse", false, Sse),
        ("no-auth-key.json", "plain", "/plain/mcp", false, StreamableHttp),
        ("realserverfaketools.json", "realserverfaketools", "/realserverfaketools/mcp", true, StreamableHttp),
        ("sre-gateway.json", "sre-gateway", "/sre-gateway/mcp", false, StreamableHttp),
    ] {
        let text = std::fs::read_to_string(fixtures.join(file)).expect(file);
        let server = read_server(file, &text).expect(file).expect(file);
        assert_eq!(
            (server.name.as_str(), server.endpoint().as_str(), server.is_open(), server.transport),
            (name, endpoint, no_auth, transport),
            "{file}"
        );
    }
}

#[test]
fn the_registrys_own_records_are_no_servers() {
    let state = include_str!("../../tests/fixtures/servers/server_state.json");
    assert_eq!(read_server("server_state.json", state), Ok(None));
    // A copy of the file under another name has no path either.
    assert_eq!(read_server("backup.json", state), Ok(None));
    let index = r#"{"metadata": {}, "next_id": 0}"#;
    assert_eq!(read_server("service_index_metadata.json", index), Ok(None));
}

#[test]
fn a_path_is_completed_only_where_it_has_to_be() {
    for (path, transports, name, endpoint) in [
        ("/mcp/example-service/mcp", "null", "example-service", "/mcp/example-service/mcp"),
        (
            "/mcp/example-service/mcp/",
            r#"["streamable-http", "sse"]"#,
            "example-service",
            "/mcp/example-service/mcp",
        ),
        ("example", "[]", "example", "/example/mcp"),
        ("//example//", "null", "example", "/example/mcp"),
        ("/team/jira", "null", "jira", "/team/jira/mcp"),
        ("/jira/sse", "null", "jira", "/jira/sse"),
        ("/jira/sse", r#"["sse"]"#, "jira", "/jira/sse"),
        ("/jira/mcp", r#"["sse"]"#, "jira", "/jira/mcp/sse"),
        ("/mcp", "null", "mcp", "/mcp"),
        ("/somcp", "null", "somcp", "/somcp/mcp"),
    ] {
        let server = read(&format!(r#"{{"path": "{path}", "supported_transports": {transports}}}"#));
        assert_eq!(
            (server.name.as_str(), server.endpoint().as_str()),
            (name, endpoint),
            "{path} {transports}"
        );
    }
}

/// The gateway's own tools build addresses by these rules.
#[test]
fn the_address_is_the_one_that_the_gateway_serves() {
    for (fields, endpoint) in [
        // A trailing slash: the transport's part is appended.
        (r#""path": "/x/", "proxy_pass_url": "http://x:1/mcp""#, "/x/mcp"),
        // Without a slash, and with a backend's address that ends in the part: the path itself.
        (r#""path": "/internal-mcp", "proxy_pass_url": "https://backend.example/mcp""#, "/internal-mcp"),
        (r#""path": "/x", "proxy_pass_url": "https://backend.example/v1/mcp/?a=/b""#, "/x"),
        (r#""path": "/x", "proxy_pass_url": "http://x/sse", "supported_transports": ["sse"]"#, "/x"),
        // The backend's address has another ending, or that of the other transport.
        (r#""path": "/x", "proxy_pass_url": "http://x:8000/""#, "/x/mcp"),
        (r#""path": "/x", "proxy_pass_url": "http://x/sse""#, "/x/mcp"),
        (r#""path": "/x", "proxy_pass_url": "http://x/smcp""#, "/x/mcp"),
        (r#""path": "/x", "proxy_pass_url": "http://x/a?b=/mcp""#, "/x/mcp"),
        (r#""path": "/x", "proxy_pass_url": 17"#, "/x/mcp"),
        (r#""path": "/x""#, "/x/mcp"),
    ] {
        assert_eq!(read(&format!("{{{fields}}}")).endpoint(), endpoint, "{fields}");
    }
}

#[test]
fn how_requests_are_authenticated() {
    use ServerAuth::{ByGateway, Open, SignIn};
    let at = |provider: &str| SignIn(Some(provider.to_owned()));
    for (fields, auth) in [
        (r#""auth_scheme": "none""#, Open),
        (r#""auth_scheme": "bearer""#, ByGateway),
        (r#""auth_scheme": "api_key""#, ByGateway),
        (r#""auth_type": "api_key""#, ByGateway),
        (r#""tags": []"#, ByGateway),
        (r#""auth_type": "oauth""#, SignIn(None)),
        (r#""auth_scheme": "oauth2", "auth_provider": "github""#, at("github")),
        (r#""auth_provider": "atlassian""#, at("atlassian")),
        (r#""auth_scheme": "bearer", "auth_provider": "keycloak""#, ByGateway),
    ] {
        assert_eq!(read(&format!(r#"{{"path": "/x", {fields}}}"#)).auth, auth, "{fields}");
    }
}

#[test]
fn only_the_word_none_means_no_auth_and_the_newer_key_decides() {
    for (fields, no_auth) in [
        (r#""auth_type": "none""#, true),
        (r#""auth_scheme": "none""#, true),
        (r#""auth_scheme": null, "auth_type": "none""#, true),
        (r#""auth_scheme": "bearer", "auth_type": "none""#, false),
        (r#""auth_type": "None""#, false),
        (r#""auth_type": null"#, false),
        (r#""tags": ["none"]"#, false),
    ] {
        assert_eq!(read(&format!(r#"{{"path": "/x", {fields}}}"#)).is_open(), no_auth, "{fields}");
    }
}

#[test]
fn bad_input_is_one_clear_line() {
    let long_path = format!(r#"{{"path": "/{}"}}"#, "a/".repeat(1024));
    let long_name = format!(r#"{{"path": "/{}"}}"#, "a".repeat(201));
    let deep = "[".repeat(200_000);
    let deep_inside = format!(r#"{{"path": {deep}"#);
    let deep_aside = format!(r#"{{"path": "/x", "tool_list": {deep}{}}}"#, "]".repeat(200_000));
    for (text, said) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("\u{feff}{}", "byte order mark"),
        (r#"["/x", "none"]"#, "holds an array"),
        (deep.as_str(), "holds an array"),
        (deep_inside.as_str(), "ends too early"),
        (deep_aside.as_str(), "more than 128 levels"),
        (r#""path""#, "holds a text"),
        ("17", "holds a number"),
        ("null", "holds a bare word"),
        (r#"{"path": "/x""#, "ends too early"),
        (r#"{"path": "/x"} {}"#, "line 1, column 16"),
        (r#"{"path": "/x", "path": "/y"}"#, "duplicate field `path`"),
        (r#"{"path": 17}"#, "`path` must be text"),
        (r#"{"path": ["/x"]}"#, "`path` must be text"),
        (r#"{"path": "/x", "auth_type": 0}"#, "`auth_type` must be text"),
        (r#"{"path": "/x", "auth_scheme": {}}"#, "`auth_scheme` must be text"),
        (r#"{"path": "/x", "supported_transports": "sse"}"#, "`supported_transports` must be"),
        (r#"{"path": "/x", "supported_transports": [1]}"#, "`supported_transports` must be"),
        ("{}", "write the server's path under the gateway"),
        (r#"{"server_name": "x", "auth_type": "none"}"#, "it has no `path`"),
        (r#"{"path": null, "auth_type": "none"}"#, "it has no `path`"),
        (r#"{"path": "https://gateway.example/time"}"#, "write only the path"),
        (r#"{"path": "http://localhost:8000/mcp/"}"#, "`path` is a whole address"),
        (r#"{"path": "/x", "auth_provider": 1}"#, "`auth_provider` must be text"),
        (long_path.as_str(), "longer than 2048 bytes"),
        (long_name.as_str(), "a name of more than 200 bytes"),
        (r#"{"path": "/a/%2e%2e/b"}"#, "names no server"),
        (r#"{"path": "/%2E"}"#, "names no server"),
        (r#"{"path": "/a/.%2e"}"#, "names no server"),
        (r#"{"path": "/a%2F..%2fb"}"#, "names no server"),
        (r#"{"path": "/a%"}"#, "cannot stand"),
        (r#"{"path": "/a%4"}"#, "cannot stand"),
        (r#"{"path": "/a%2\u00e9"}"#, "cannot stand"),
        (r#"{"path": ""}"#, "names no server"),
        (r#"{"path": "///"}"#, "names no server"),
        (r#"{"path": "/a/../b"}"#, "names no server"),
        (r#"{"path": "/a//b"}"#, "names no server"),
        (r#"{"path": "/a b"}"#, "cannot stand"),
        (r#"{"path": "/a?b"}"#, "cannot stand"),
        (r#"{"path": "/a\nb"}"#, "cannot stand"),
        (r#"{"path": "/\u00e9"}"#, "cannot stand"),
    ] {
        let line = read_server("x.json", text).expect_err(said).to_string();
        assert!(line.contains(said) && !line.contains('\n') && line.len() < 200, "{said}: {line}");
    }
}

#[test]
fn a_long_path_is_taken_up_to_its_limit() {
    let path = format!("/{}b", "a/".repeat(1023));
    assert_eq!(read(&format!(r#"{{"path": "{path}"}}"#)).path, path);
    let name = "a".repeat(200);
    assert_eq!(read(&format!(r#"{{"path": "/{name}"}}"#)).name, name);
    assert_eq!(read(r#"{"path": "/a%20b/v1.%2e."}"#).path, "/a%20b/v1.%2e.");
}

#[test]
fn a_directory_is_read_past_everything_that_is_no_server_file() {
    let dir = Scratch::new();
    let file = |name: &str| dir.join(name);
    fs::write(file("b.json"), r#"{"path": "/zeta"}"#).unwrap();
    fs::write(file("z.json"), r#"{"path": "/alpha"}"#).unwrap();
    fs::write(file("notes.txt"), "not ours").unwrap();
    fs::write(file(".hidden.json"), "not ours").unwrap();
    fs::write(file("bad.json"), "{").unwrap();
    fs::write(file("utf16.json"), b"\xff\xfe{\0}\0").unwrap();
    fs::write(file("big.json"), vec![b' '; 1 + (1 << 20)]).unwrap();
    fs::create_dir(file("folder.json")).unwrap();
    std::os::unix::fs::symlink("b.json", file("link.json")).unwrap();
    std::os::unix::fs::symlink("gone", file("dangling.json")).unwrap();
    std::os::unix::fs::symlink("loop.json", file("loop.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", file("device.json")).unwrap();
    assert!(Command::new("mkfifo").arg(file("fifo.json")).status().unwrap().success());

    let registry = read_registry(&dir);
    let names: Vec<_> =
        registry.servers.iter().map(|server| (server.name.as_str(), server.file.as_str())).collect();
    assert_eq!(names, [("alpha", "z.json"), ("zeta", "b.json"), ("zeta", "link.json")]);
    let problems: Vec<_> = registry.problems.iter().map(|(file, _)| file.as_str()).collect();
    let bad = ["bad", "big", "dangling", "device", "fifo", "folder", "loop", "utf16"];
    assert_eq!(problems, bad.map(|name| format!("{name}.json")));
    assert_eq!(registry.unread.as_deref(), Some("bad.json"));
}

#[test]
fn a_missing_directory_is_no_servers_and_one_problem() {
    let dir = Scratch::new();
    let registry = read_registry(&dir.join("registry/servers"));
    assert!(registry.servers.is_empty());
    assert_eq!(registry.problems.len(), 1);
    assert!(registry.problems[0].1.contains("is not there"), "{:?}", registry.problems);
}

/// Entries of servers that may be there in a moment are kept. A file that never describes a server keeps none.
#[test]
fn a_file_that_is_whole_and_wrong_is_not_waited_for() {
    let dir = Scratch::new();
    for (text, waited_for) in [
        (r#"{"path": 17}"#, false),
        (r#"{"auth_type": "none"}"#, false),
        ("", true),
        (r#"{"path": "/x""#, true),
    ] {
        fs::write(dir.join("a.json"), text).unwrap();
        let registry = read_registry(&dir);
        assert_eq!((registry.problems.len(), registry.unread.is_some()), (1, waited_for), "{text}");
    }
}
