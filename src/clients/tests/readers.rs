//! Strict readers, one per client. Each accepts files with which the client connects, and refuses files that the client
//! refuses, ignores or expands. The readers share nothing with the table of the writers.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Map, Value};

use crate::servers::McpTransport;

/// A server as a client understood it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Read {
    pub url: String,
    /// None: the client finds out the transport.
    pub transport: Option<McpTransport>,
    /// The headers that the client would send, with `{file:…}` replaced for a client that does that.
    pub headers: BTreeMap<String, String>,
    /// The command that the client would run for headers.
    pub helper: Option<String>,
    /// The command that the client would start instead of connecting.
    pub program: Vec<String>,
}

/// Reads a client's file. `files` are the contents of the files that entries may refer to, by path.
pub(super) fn read(
    client: &str,
    text: &str,
    files: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Read>, String> {
    match client {
        "codex" => read_codex(text),
        "continue" => read_continue(text),
        _ => read_json(client, text, files),
    }
}

/// The notation of a transport in one client's entries, from the client's sample.
struct Shape {
    address: String,
    kind: Option<Value>,
    /// The members that every entry needs.
    keys: Vec<String>,
}

/// The notation of a client's JSON, from its sample. The samples are files with which the clients connected, or files
/// of their documentation.
struct Notation {
    /// The member with the servers.
    top: String,
    streamable: Shape,
    sse: Option<Shape>,
    /// Whether comments are accepted anywhere, or only in front of the document.
    comments: bool,
    leading_comment: bool,
}

const ADDRESSES: [&str; 3] = ["url", "httpUrl", "serverUrl"];

impl Notation {
    fn of(client: &str) -> Self {
        let text = super::fixture(&format!("sample/{client}.json"));
        let root: Map<String, Value> = serde_json::from_str(&without_comments(&text)).unwrap();
        let (top, servers) = root.into_iter().find(|(_, value)| value.get("rig").is_some()).expect("rig");
        let shape = |name: &str| {
            let entry = servers.get(name)?.as_object()?;
            let address = entry.keys().find(|key| ADDRESSES.contains(&key.as_str()))?.clone();
            let others = entry.keys().filter(|key| **key != address && *key != "headers");
            Some(Shape { kind: entry.get("type").cloned(), keys: others.cloned().collect(), address })
        };
        let first_line = text.lines().next().unwrap_or_default();
        Self {
            top,
            // A client that only starts programs has none, and refuses an entry with an address.
            streamable: shape("rig").unwrap_or(Shape { address: String::new(), kind: None, keys: vec![] }),
            sse: shape("stream"),
            comments: text.lines().skip(1).any(|line| line.contains("// ")),
            leading_comment: first_line.starts_with("//"),
        }
    }
}

fn read_json(
    client: &str,
    text: &str,
    files: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Read>, String> {
    let notation = Notation::of(client);
    let plain = match text.split_once('\n') {
        _ if notation.comments => without_comments(text),
        Some((comment, rest)) if notation.leading_comment && comment.starts_with("//") => rest.to_owned(),
        _ => text.to_owned(),
    };
    let root: Map<String, Value> = serde_json::from_str(&plain).map_err(|error| error.to_string())?;
    if client == "vscode" {
        only_keys(&root, &["servers", "inputs"])?;
    }
    let servers = root.get(&notation.top).and_then(Value::as_object).ok_or(format!("no {}", notation.top))?;
    let mut all = BTreeMap::new();
    for (name, entry) in servers {
        let entry = entry.as_object().ok_or("an entry is no object")?;
        if entry.contains_key("command") {
            // Other servers that the client starts are not this program's; the bridge is.
            let variables = if client == "opencode" { "environment" } else { "env" };
            let url = entry.get(variables).and_then(|variables| variables.get("MCP_SERVER_URL"));
            if let Some(url) = url.and_then(Value::as_str) {
                let program = read_program(client, entry)?;
                let url = expand(client, url, files)?;
                all.insert(name.clone(), Read { url, program, ..Read::default() });
            }
            continue;
        }
        let read = read_entry(client, &notation, entry, files).map_err(|why| format!("{name}: {why}"))?;
        all.insert(name.clone(), read);
    }
    Ok(all)
}

/// The words of a command. Each client has its own notation for commands.
fn read_program(client: &str, entry: &Map<String, Value>) -> Result<Vec<String>, String> {
    let kind = entry.get("type").and_then(Value::as_str);
    let fine = match client {
        "opencode" => kind == Some("local") && !entry.contains_key("oauth"),
        "copilot" => matches!(kind, Some("local" | "stdio")) && entry.contains_key("tools"),
        "claude-code" | "inspector" | "vscode" => kind == Some("stdio"),
        _ => kind.is_none(),
    };
    if !fine || entry.contains_key("url") || entry.contains_key("headers") {
        return Err(format!("{client}: no program: {entry:?}"));
    }
    let words = |value: &Value| -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let both = [entry.get("command"), entry.get("args")];
    Ok(both.into_iter().flatten().flat_map(words).collect())
}

fn read_entry(
    client: &str,
    notation: &Notation,
    entry: &Map<String, Value>,
    files: &BTreeMap<String, String>,
) -> Result<Read, String> {
    let addresses: Vec<_> = entry.keys().filter(|key| ADDRESSES.contains(&key.as_str())).collect();
    let fits = |shape: &Shape| addresses == [&shape.address] && entry.get("type") == shape.kind.as_ref();
    let (shape, transport) = match (&notation.streamable, &notation.sse) {
        // The notation is the same for both transports: the client finds out.
        (shape, Some(sse)) if fits(shape) && fits(sse) => (shape, None),
        (shape, _) if fits(shape) => (shape, Some(McpTransport::StreamableHttp)),
        (_, Some(shape)) if fits(shape) => (shape, Some(McpTransport::Sse)),
        _ => return Err(format!("{addresses:?} with type {:?}", entry.get("type"))),
    };
    if let Some(key) = shape.keys.iter().find(|key| !entry.contains_key(*key)) {
        return Err(format!("no {key}"));
    }
    match client {
        "claude-code" if entry.contains_key("tools") => return Err("tools: the entry is skipped".to_owned()),
        "vscode" => only_keys(entry, &["type", "url", "headers"])?,
        _ => {}
    }
    let url = entry.get(&shape.address).and_then(Value::as_str).ok_or("no address")?;
    let url = expand(client, url, files)?;
    let host = url.strip_prefix("http://").map(|rest| rest.split([':', '/']).next().unwrap_or(""));
    if client == "kiro" && host.is_some_and(|host| host != "localhost" && host != "127.0.0.1") {
        return Err("http elsewhere than on this machine".to_owned());
    }
    let mut headers = BTreeMap::new();
    if let Some(there) = entry.get("headers") {
        for (name, value) in there.as_object().ok_or("headers is no object")? {
            headers
                .insert(name.clone(), expand(client, value.as_str().ok_or("a header is no text")?, files)?);
        }
    }
    let helper = entry.get("headersHelper").filter(|_| client == "claude-code");
    let helper =
        helper.map(|command| command.as_str().map(str::to_owned).ok_or("helper is no text")).transpose()?;
    Ok(Read { url, transport, headers, helper, program: Vec::new() })
}

/// The value as the client reads it. `{file:PATH}` becomes the file's text for a client that knows it. Any other text
/// that looks like a reference is a mistake.
fn expand(client: &str, value: &str, files: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = value.to_owned();
    if matches!(client, "opencode" | "windsurf") {
        while let Some((before, rest)) = text.split_once("{file:") {
            let (path, after) = rest.split_once('}').ok_or("an open reference")?;
            let content = files.get(path).ok_or(format!("no file {path}"))?;
            text = format!("{before}{content}{after}");
        }
    }
    if text.contains(['$', '{', '}']) || text.contains(char::is_control) {
        return Err(format!("{text:?} would be expanded"));
    }
    Ok(text)
}

fn only_keys(object: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    let unknown = object.keys().find(|key| !keys.contains(&key.as_str()));
    unknown.map_or(Ok(()), |key| Err(format!("unknown key {key}")))
}

fn read_codex(text: &str) -> Result<BTreeMap<String, Read>, String> {
    let root: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut all = BTreeMap::new();
    let Some(servers) = root.get("mcp_servers") else { return Ok(all) };
    for (name, entry) in servers.as_table().ok_or("mcp_servers is no table")? {
        let entry = entry.as_table().ok_or("an entry is no table")?;
        if let (Some(command), Some(args), Some(env)) =
            (entry.get("command"), entry.get("args"), entry.get("env"))
        {
            let words = args.as_array().ok_or("no list")?.iter().filter_map(toml::Value::as_str);
            let program = command.as_str().into_iter().chain(words).map(str::to_owned).collect();
            let url =
                env.get("MCP_SERVER_URL").and_then(toml::Value::as_str).ok_or("no variable")?.to_owned();
            all.insert(name.clone(), Read { url, program, ..Read::default() });
            continue;
        }
        if let Some(key) =
            entry.keys().find(|key| !["url", "http_headers", "http_headers_helper"].contains(&key.as_str()))
        {
            return Err(format!("{key} is ignored without a word"));
        }
        let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or("no text");
        let mut headers = BTreeMap::new();
        if let Some(there) = entry.get("http_headers") {
            for (name, value) in there.as_table().ok_or("http_headers is no table")? {
                headers.insert(name.clone(), text(value)?);
            }
        }
        let url = text(entry.get("url").ok_or("no url")?)?;
        let helper = entry.get("http_headers_helper").map(text).transpose()?;
        all.insert(
            name.clone(),
            Read { url, transport: Some(McpTransport::StreamableHttp), headers, helper, program: Vec::new() },
        );
    }
    Ok(all)
}

fn read_continue(text: &str) -> Result<BTreeMap<String, Read>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let [root] = documents.as_slice() else { return Err("not one document".to_owned()) };
    let text = |node: &Yaml, key: &str| {
        let value = node.as_mapping_get(key).and_then(Yaml::as_str).map(str::to_owned);
        value.ok_or(format!("{key} is no text"))
    };
    for key in ["name", "version", "schema"] {
        text(root, key)?;
    }
    let mut all = BTreeMap::new();
    for entry in
        root.as_mapping_get("mcpServers").and_then(Yaml::as_sequence).ok_or("mcpServers is no list")?
    {
        if let (Some(args), Some(env)) = (entry.as_mapping_get("args"), entry.as_mapping_get("env")) {
            let words = args.as_sequence().ok_or("no list")?.iter().filter_map(|word| word.as_str());
            let program = [text(entry, "command")?].into_iter().chain(words.map(str::to_owned)).collect();
            let url = text(env, "MCP_SERVER_URL")?;
            all.insert(text(entry, "name")?, Read { url, program, ..Read::default() });
            continue;
        }
        let transport = match text(entry, "type")?.as_str() {
            "streamable-http" => McpTransport::StreamableHttp,
            "sse" => McpTransport::Sse,
            other => return Err(format!("type {other}")),
        };
        let mut headers = BTreeMap::new();
        if let Some(there) = entry.as_mapping_get("requestOptions") {
            let there = there.as_mapping_get("headers").and_then(Yaml::as_mapping).ok_or("no headers")?;
            for (name, value) in there {
                let pair = name.as_str().zip(value.as_str()).ok_or("a header is no text")?;
                headers.insert(pair.0.to_owned(), pair.1.to_owned());
            }
        }
        let read = Read { url: text(entry, "url")?, transport: Some(transport), headers, ..Read::default() };
        if all.insert(text(entry, "name")?, read).is_some() {
            return Err("a name stands there twice".to_owned());
        }
    }
    Ok(all)
}

/// JSONC as JSON: comments become blanks, and a comma before a closing bracket is removed.
pub(super) fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '"' => {
                let mut escaped = false;
                let closing = |(_, letter): &(usize, char)| {
                    let closes = *letter == '"' && !escaped;
                    escaped = *letter == '\\' && !escaped;
                    closes
                };
                rest.char_indices().skip(1).find(closing).map_or(rest.len(), |(at, _)| at + 1)
            }
            '/' if rest.starts_with("//") => {
                rest = &rest[rest.find(['\n', '\r']).unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = &rest[rest[2..].find("*/").map_or(rest.len(), |at| at + 4)..];
                continue;
            }
            '}' | ']' => {
                let kept = plain.trim_end();
                if kept.ends_with(',') {
                    plain.truncate(kept.len() - 1);
                }
                1
            }
            other => other.len_utf8(),
        };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}

#[test]
fn the_readers_refuse_what_the_clients_refuse() {
    let entry = |entry: &str| format!(r#"{{"mcpServers": {{"a": {entry}}}}}"#);
    for (client, text) in [
        ("claude-code", entry(r#"{"url": "https://x"}"#)),
        ("claude-code", entry(r#"{"type": "streamableHttp", "url": "https://x"}"#)),
        ("claude-code", entry(r#"{"type": "http", "url": "https://x", "tools": ["*"]}"#)),
        ("claude-code", entry(r#"{"type": "http", "url": "https://x", "headers": {"a": "${B}"}}"#)),
        ("claude-code", format!("// no\n{}", entry(r#"{"type": "http", "url": "https://x"}"#))),
        ("claude-code", entry(r#"{"type": "http", "url": "https://x",}"#)),
        ("cline", entry(r#"{"type": "streamable-http", "url": "https://x"}"#)),
        ("cline", entry(r#"{"url": "https://x"}"#)),
        ("copilot", entry(r#"{"type": "streamableHttp", "url": "https://x", "tools": ["*"]}"#)),
        ("copilot", entry(r#"{"type": "http", "url": "https://x"}"#)),
        ("gemini", entry(r#"{"url": "https://x"}"#)),
        ("gemini", format!("\u{feff}{}", entry(r#"{"httpUrl": "https://x"}"#))),
        ("inspector", entry(r#"{"url": "https://x"}"#)),
        ("inspector", format!("\u{feff}{}", entry(r#"{"type": "http", "url": "https://x"}"#))),
        ("roo", entry(r#"{"type": "streamableHttp", "url": "https://x"}"#)),
        ("kiro", entry(r#"{"url": "http://gateway.example"}"#)),
        ("amazon-q", entry(r#"{"url": "https://x"}"#)),
        ("windsurf", entry(r#"{"url": "https://x"}"#)),
        ("vscode", entry(r#"{"type": "http", "url": "https://x"}"#)),
        (
            "vscode",
            r#"{"servers": {"a": {"type": "http", "url": "https://x", "disabled": false}}}"#.to_owned(),
        ),
        ("zed", entry(r#"{"url": "https://x"}"#)),
        ("amp", r#"{"amp": {"mcpServers": {"a": {"url": "https://x"}}}}"#.to_owned()),
        ("opencode", r#"{"mcp": {"a": {"type": "remote", "url": "https://x"}}}"#.to_owned()),
        ("codex", "[mcp_servers.a]\nurl = \"https://x\"\nheaders = {}\n".to_owned()),
        ("codex", "[mcp_servers.a.b]\nurl = \"https://x\"\n".to_owned()),
        ("continue", "mcpServers: []\n".to_owned()),
        (
            "continue",
            "name: a\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: a\n    type: http\n    url: x\n"
                .to_owned(),
        ),
    ] {
        assert!(read(client, &text, &BTreeMap::new()).is_err(), "{client} took {text}");
    }
}
