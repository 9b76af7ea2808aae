//! Files as no user wants them, each beside one good token that is due. Whatever it is, it gets a clear
//! line, it stays as it is, and the good token is refreshed all the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::{self, Client, Endpoint, Finished, Program, Project, Stamp, TokenFile};

const GOOD: &str = "github-repos-egress.json";
const BAD: &str = "bad-egress.json";

/// What a name leads to.
enum Thing {
    Bytes(Vec<u8>),
    Directory,
    Fifo,
    Socket,
    LinkTo(&'static str),
    Unreadable,
}

use Thing::{Bytes, Directory, Fifo, LinkTo, Socket, Unreadable};

impl Thing {
    fn text(text: &str) -> Self {
        Bytes(text.into())
    }

    fn put(&self, path: &Path) {
        match self {
            Bytes(bytes) => fs::write(path, bytes).unwrap(),
            Directory => fs::create_dir(path).unwrap(),
            Fifo => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            Socket => drop(UnixListener::bind(path).unwrap()),
            LinkTo(target) => symlink(target, path).unwrap(),
            Unreadable => {
                fs::write(path, "{}").unwrap();
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
            }
        }
    }

    /// Only a file of ordinary bytes can be compared afterwards.
    fn stamp(&self, path: &Path) -> Option<Stamp> {
        matches!(self, Bytes(_)).then(|| Stamp::of(path))
    }
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// What is wrong with any JSON file, whatever it is for.
fn no_json_objects() -> Vec<(&'static str, Thing)> {
    vec![
        ("empty", Thing::text("")),
        ("blank", Thing::text(" \n")),
        ("truncated", Thing::text("{\"access_token\": \"at\", \"refresh_tok")),
        ("more after the end", Thing::text("{\"access_token\": \"at\"}}")),
        ("binary", Bytes((0..=255).collect())),
        ("zeros", Bytes(vec![0; 4096])),
        ("UTF-16", Bytes(utf16("{\"access_token\": \"at\", \"refresh_token\": \"rt\"}"))),
        ("a top-level array", Thing::text("[{\"access_token\": \"at\", \"expires_at\": 1}]")),
        ("a top-level text", Thing::text("\"access_token expires_at\"")),
        ("a top-level number", Thing::text("17")),
        ("a top-level null", Thing::text("null")),
        ("NaN", Thing::text("{\"access_token\": \"at\", \"refresh_token\": \"rt\", \"expires_at\": NaN}")),
        ("200,000 open arrays", Bytes(vec![b'['; 200_000])),
        ("50 MB", Bytes(vec![b' '; 50_000_000])),
        ("a directory", Directory),
        ("a fifo", Fifo),
        ("a socket", Socket),
        ("a device", LinkTo("/dev/zero")),
        ("a directory behind a link", LinkTo("/")),
        ("a dangling link", LinkTo("nowhere.json")),
        ("a link to itself", LinkTo(BAD)),
        ("unreadable", Unreadable),
    ]
}

fn nested(open: &str, close: &str) -> String {
    let (open, close) = (open.repeat(200_000), close.repeat(200_000));
    format!("{{\"access_token\": \"at\", \"refresh_token\": \"rt\", \"deep\": {open}1{close}}}")
}

/// A project with one good token that is due.
fn with_a_good_token() -> (Endpoint, Project) {
    let endpoint = Endpoint::start();
    let client = Client::new("good");
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    project.no_auth_server("currenttime");
    (endpoint, project)
}

/// Runs one cycle (as `nobody` where root tests, since root can read everything) and sees that the good
/// token was refreshed and nothing else broke.
#[track_caller]
fn run(what: &str, endpoint: &Endpoint, project: &Project) -> Finished {
    let finished = Program::new(project).env("REGISTRY_URL", "http://gateway").unprivileged().once();
    assert!(matches!(finished.code(), Some(0 | 1)), "{what}: {finished:#?}");
    assert!(
        !finished.log.contains("panicked") && !finished.stderr.contains("panicked"),
        "{what}: {finished:#?}"
    );
    let token = project.read_token(GOOD)["access_token"].as_str().unwrap().to_owned();
    assert!(endpoint.is_live(&token), "{what}: {finished:#?}");
    assert_eq!(endpoint.requests_of("good").len(), 1, "{what}");
    let servers = project.config("mcp.json")["mcpServers"].clone();
    assert_eq!(servers["repos"]["env"]["MCP_SERVER_AUTH_TOKEN"], format!("Bearer {token}"), "{what}");
    assert!(servers.get("currenttime").is_some(), "{what}: {servers}");
    assert_eq!(project.leftovers(), Vec::<String>::new(), "{what}");
    finished
}

/// Whether a warning or error names the file.
fn complains(finished: &Finished, name: &str) -> bool {
    let loud = |line: &&str| line.contains("[WARNING]") || line.contains("[ERROR]");
    finished.log.lines().filter(loud).any(|line| line.contains(name))
}

#[test]
fn a_file_that_is_no_json_object_stops_nobody_and_is_named() {
    for (what, thing) in no_json_objects() {
        let (endpoint, project) = with_a_good_token();
        let path = project.token(BAD);
        thing.put(&path);
        let before = thing.stamp(&path);
        let finished = run(what, &endpoint, &project);
        assert!(complains(&finished, BAD), "{what}: {finished:#?}");
        assert_eq!(thing.stamp(&path), before, "{what}");
    }
}

#[test]
fn nesting_without_end_in_a_member_stops_nobody() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for directory in [".oauth-tokens", "registry/servers"] {
            let (endpoint, project) = with_a_good_token();
            project.write(&format!("{directory}/{BAD}"), nested(open, close));
            run(&format!("{open} in {directory}"), &endpoint, &project);
        }
    }
}

#[test]
fn a_server_file_that_is_no_json_object_stops_nobody_and_is_named() {
    for (what, thing) in no_json_objects() {
        let (endpoint, project) = with_a_good_token();
        let path = project.path("registry/servers").join(BAD);
        thing.put(&path);
        let finished = run(what, &endpoint, &project);
        assert!(complains(&finished, BAD), "{what}: {finished:#?}");
    }
}

#[test]
fn a_server_file_with_fields_of_the_wrong_kind_stops_nobody() {
    for text in [
        r#"{"server_name": "x", "auth_type": "none"}"#,
        r#"{"auth_type": "none", "path": null}"#,
        r#"{"auth_type": "none", "path": 7}"#,
        r#"{"auth_type": "none", "path": "/"}"#,
        r#"{"auth_type": "none", "path": "/../../etc/"}"#,
        r#"{"auth_type": "none", "path": "/a\u0000b/"}"#,
        r#"{"auth_type": "none", "path": "/a/", "supported_transports": "sse"}"#,
        r#"{"auth_type": ["none"], "path": "/a/"}"#,
        "\u{feff}{\"auth_type\": \"none\", \"path\": \"/a/\"}",
    ] {
        let (endpoint, project) = with_a_good_token();
        fs::write(project.path("registry/servers").join(BAD), text).unwrap();
        run(text, &endpoint, &project);
    }
}

#[test]
fn an_env_file_that_cannot_be_read_stops_nobody() {
    for (what, thing) in [
        ("binary", Bytes((0..=255).collect())),
        ("no assignments", Thing::text("hello\n=x\n\"\n'\nexport\n")),
        ("UTF-16", Bytes(utf16("REGISTRY_URL=http://elsewhere"))),
        ("50 MB", Bytes(vec![b'x'; 50_000_000])),
        ("a directory", Directory),
        ("a dangling link", LinkTo("nowhere")),
        ("unreadable", Unreadable),
    ] {
        let (endpoint, project) = with_a_good_token();
        thing.put(&project.path(".env"));
        run(what, &endpoint, &project);
    }
}

/// A token file with the good one's fields, of a sign-in of its own, and one member that is wrong.
struct Member {
    name: &'static str,
    /// JSON text.
    value: String,
    /// Whether it is refreshed all the same; `None` where a reader may see it either way.
    refreshed: Option<bool>,
}

fn member(name: &'static str, value: impl Into<String>, refreshed: impl Into<Option<bool>>) -> Member {
    Member { name, value: value.into(), refreshed: refreshed.into() }
}

#[test]
fn a_member_that_is_wrong_stops_nobody_and_an_expiry_is_read_in_every_form_there_is() {
    let past = "2020-01-01T00:00:00";
    let future = support::now() + 86_400;
    for Member { name, value, refreshed } in [
        member("expires_at", "null", false),
        member("expires_at", "[1]", true),
        member("expires_at", "{}", true),
        member("expires_at", "\"soon\"", true),
        member("expires_at", "\"\"", false),
        member("expires_at", "9".repeat(400), true),
        member("expires_at", "1e400", true),
        member("expires_at", format!("{future}000"), false),
        member("expires_at", format!("{future}.5"), false),
        member("expires_at", format!("\"{future}\""), false),
        member("expires_at", "\"2999-01-01T00:00:00Z\"", false),
        member("expires_at", "true", true),
        member("expires_at", "-5", true),
        member("expires_at", "1500000000", true),
        member("expires_at", "1500000000000", true),
        member("expires_at", "1.5e9", true),
        member("expires_at", "\"1500000000\"", true),
        member("expires_at", format!("\"{past}\""), true),
        member("expires_at", format!("\"{past}.123456\""), true),
        member("expires_at", format!("\"{past}Z\""), true),
        member("expires_at", format!("\"{past}+02:00\""), true),
        member("provider", "7", None),
        member("provider", "null", None),
        member("refresh_token", "7", false),
        member("refresh_token", "null", false),
        member("refresh_token", "\"\"", false),
        member("refresh_token", "\"two\\nlines\"", false),
        member("access_token", "7", None),
        member("scope", "{\"a\": 1}", None),
        member("token_endpoint", "7", false),
        member("token_endpoint", "\"not a url\"", false),
        member("client_id", "[]", false),
    ] {
        let what = format!("{name}: {}", &value[..value.len().min(60)]);
        let (endpoint, project) = with_a_good_token();
        let client = Client::new("bad");
        endpoint.register(client.clone());
        let file = TokenFile::signed_in("github", "bad", &endpoint, &client).expires_in(60);
        let file = file.field(name, "THE VALUE");
        let text = file.text().replace("\"THE VALUE\"", &value);
        project.write_tokens_file(BAD, &text);
        run(&what, &endpoint, &project);
        let sent = endpoint.requests_of("bad").len();
        let now = fs::read_to_string(project.token(BAD)).unwrap();
        if let Some(refreshed) = refreshed {
            assert_eq!((sent, now != text), (usize::from(refreshed), refreshed), "{what}");
        }
    }
}

#[test]
fn a_byte_order_mark_and_duplicate_keys_stop_nobody() {
    let (endpoint, project) = with_a_good_token();
    let client = Client::new("bad");
    endpoint.register(client.clone());
    let text = TokenFile::signed_in("github", "bad", &endpoint, &client).expires_in(60).text();
    let twice = text.replacen('{', "{\"access_token\": \"first\", \"expires_at\": 1,", 1);
    for (name, text) in [("bom-egress.json", format!("\u{feff}{text}")), ("twice-egress.json", twice)] {
        project.write_tokens_file(name, text);
    }
    run("byte order mark, duplicate keys", &endpoint, &project);
}

#[test]
fn names_that_are_no_token_files_are_never_touched() {
    let (endpoint, project) = with_a_good_token();
    let client = Client::new("bad");
    endpoint.register(client.clone());
    let text = TokenFile::signed_in("github", "bad", &endpoint, &client).expires_in(60).text();
    let names = ["oauth-x-readable.json", ".hidden-egress.json", "notes.txt", "a-egress.json.bak"];
    for name in names {
        project.write_tokens_file(name, &text);
    }
    let other = r#"{"client_id": "x", "client_secret": "y"}"#;
    project.write_tokens_file("agent-x.json", other);
    project.write_tokens_file("something-else.json", r#"{"theme": "dark"}"#);
    let before = project.stamps();
    let finished = Program::new(&project).once().expect_code(0);
    assert_eq!(endpoint.requests_of("bad").len(), 0);
    let changed = project.stamps().into_iter().filter(|stamp| !before.contains(stamp)).map(|(name, _)| name);
    assert_eq!(changed.collect::<Vec<_>>(), [GOOD, "mcp.json", "vscode_mcp.json"]);
    assert!(!finished.log.contains("something-else"), "what is no token file is not worth a line");
}
