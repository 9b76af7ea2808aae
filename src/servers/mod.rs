//! The MCP servers of the gateway's registry: `registry/servers/*.json`, one server a file.
//!
//! Only the facts for a configuration are read: the path under the gateway, the authentication of requests, and the
//! transport. The registry writes more and adds fields over time. An unused member is neither checked nor warned of.
//! No member chooses a host: a writer of these files decides about paths of the gateway only.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::files;
use crate::json;
use crate::ordered;

/// The transport between client and server (MCP specification, "Transports").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum McpTransport {
    /// Streamable HTTP, the present transport. Its address ends in `/mcp`.
    StreamableHttp,
    /// HTTP with server-sent events, the older transport. Its address ends in `/sse`.
    Sse,
}

impl McpTransport {
    /// The last part of the address under which the gateway offers this transport.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::StreamableHttp => "/mcp",
            Self::Sse => "/sse",
        }
    }
}

/// The longest path, in bytes: a path becomes part of every address and header line.
const LONGEST_PATH: usize = 2048;

/// The longest name, in bytes: a name becomes part of file names, with endings of up to 30 bytes.
const LONGEST_NAME: usize = 200;

/// Files of the registry in the same directory that describe no server: the servers that are switched on, and a search
/// index.
const RECORDS: [&str; 2] = ["server_state.json", "service_index_metadata.json"];

/// The authentication of requests to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ServerAuth {
    /// The server needs no token.
    Open,
    /// The gateway adds the server's credentials. A request needs the gateway's token only.
    ByGateway,
    /// Each user signs in, at this provider where the file names it.
    SignIn(Option<String>),
}

/// One server of the registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Server {
    /// The file that describes the server, for messages.
    pub file: String,
    /// The path under the gateway's address, with a leading slash and without a trailing one.
    pub path: String,
    /// The name in configurations: the last part of the path, without a final `/mcp` or `/sse`.
    pub name: String,
    pub auth: ServerAuth,
    /// Streamable HTTP, unless the file names SSE alone.
    pub transport: McpTransport,
    /// Whether the gateway serves the transport at the path itself, without the transport's last part.
    pub at_path: bool,
}

impl Server {
    /// The path with the transport's last part. The part is left out where the path has it, or where the gateway
    /// serves the path itself.
    pub(crate) fn endpoint(&self) -> String {
        let suffix = self.transport.suffix();
        if self.at_path || self.path.ends_with(suffix) {
            self.path.clone()
        } else {
            format!("{}{suffix}", self.path)
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.auth == ServerAuth::Open
    }
}

/// Why a registry file describes no server that can be used.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum BadServerFile {
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// The file is no JSON object, with the reason.
    NotAnObject(json::NotAnObject),
    /// A member cannot be read: the words of the JSON reader.
    Invalid(String),
    /// This member has a value of another kind.
    WrongKind(&'static str),
    /// `supported_transports` is no list of names.
    Transports,
    /// There is no `path`.
    NoPath,
    /// `path` is a whole address.
    WholeAddress,
    /// `path` holds a character that RFC 3986 does not allow in a path.
    PathCharacter,
    /// `path` is empty, has an empty part, or one that means another directory.
    PathParts,
    /// `path` is longer than [`LONGEST_PATH`].
    LongPath,
    /// The name in `path` is longer than [`LONGEST_NAME`].
    LongName,
}

impl BadServerFile {
    /// Whether the file may be half written.
    fn may_pass(&self) -> bool {
        matches!(self, Self::NotAnObject(_) | Self::Invalid(_))
    }
}

impl fmt::Display for BadServerFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => {
                out.write_str("it starts with a byte order mark; save it as UTF-8 without one")
            }
            Self::NotAnObject(why) => why.fmt(out),
            Self::Invalid(why) => write!(out, "it is not valid: {why}"),
            Self::WrongKind(member) => write!(out, "`{member}` must be text"),
            Self::Transports => out.write_str("`supported_transports` must be a list of names"),
            Self::NoPath => out.write_str(
                "it has no `path`; write the server's path under the gateway, such as \"path\": \"/currenttime\"",
            ),
            Self::WholeAddress => out.write_str(
                "`path` is a whole address; write only the path under the gateway, such as \"path\": \"/currenttime\"",
            ),
            Self::PathCharacter => {
                out.write_str("`path` holds a character that cannot stand in the path of a URL")
            }
            Self::PathParts => out.write_str("`path` names no server"),
            Self::LongPath => write!(out, "`path` is longer than {LONGEST_PATH} bytes"),
            Self::LongName => write!(out, "`path` ends in a name of more than {LONGEST_NAME} bytes"),
        }
    }
}

/// The fields of a registry file that count here. The fields are values and not types, so that an error for a wrong
/// type names the field.
#[derive(Deserialize)]
struct ServerFields {
    path: Option<Value>,
    auth_type: Option<Value>,
    auth_scheme: Option<Value>,
    auth_provider: Option<Value>,
    proxy_pass_url: Option<Value>,
    supported_transports: Option<Value>,
}

/// Reads the text of one registry file; `Ok(None)` for one of [`RECORDS`].
pub(crate) fn read_server(file_name: &str, text: &str) -> Result<Option<Server>, BadServerFile> {
    if RECORDS.contains(&file_name) {
        return Ok(None);
    }
    if text.starts_with('\u{feff}') {
        return Err(BadServerFile::ByteOrderMark);
    }
    // The check comes first, since serde would also read an array as the fields in order.
    let members = json::members(text).map_err(BadServerFile::NotAnObject)?;
    let fields: ServerFields =
        serde_json::from_str(text).map_err(|error| BadServerFile::Invalid(error.to_string()))?;
    let Some(path) = text_field("path", fields.path)? else {
        // A copy of `server_state.json` under another name.
        let is_switch = |member: &json::JsonMember| matches!(&text[member.place.clone()], "true" | "false");
        let is_state = !members.is_empty() && members.iter().all(is_switch);
        return if is_state { Ok(None) } else { Err(BadServerFile::NoPath) };
    };
    // Where a file has both, `auth_scheme` is the one that the registry maintains.
    let auth_type = text_field("auth_type", fields.auth_type)?;
    let scheme = text_field("auth_scheme", fields.auth_scheme)?.or(auth_type);
    let provider = text_field("auth_provider", fields.auth_provider)?;
    let auth = match scheme.as_deref() {
        Some("none") => ServerAuth::Open,
        Some(scheme) if scheme.starts_with("oauth") => ServerAuth::SignIn(provider),
        None if provider.is_some() => ServerAuth::SignIn(provider),
        _ => ServerAuth::ByGateway,
    };
    let has_slash = path.ends_with('/');
    let path = clean_path(&path)?;
    let transport = transport(fields.supported_transports.as_ref(), &path)?;
    let name = name_of(&path).to_owned();
    if name.len() > LONGEST_NAME {
        return Err(BadServerFile::LongName);
    }
    // Only the ending of this address counts. The address never becomes part of another one here.
    let backend = fields.proxy_pass_url.as_ref().and_then(Value::as_str).unwrap_or_default();
    let backend = backend.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let at_path = !has_slash && backend.ends_with(transport.suffix());
    Ok(Some(Server { file: file_name.to_owned(), path, name, auth, transport, at_path }))
}

fn text_field(name: &'static str, value: Option<Value>) -> Result<Option<String>, BadServerFile> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadServerFile::WrongKind(name)),
    }
}

/// The path with one leading slash and no trailing one. The path becomes part of a URL unchanged, so it may hold only
/// letters that RFC 3986 allows there.
fn clean_path(path: &str) -> Result<String, BadServerFile> {
    if path.contains("://") {
        return Err(BadServerFile::WholeAddress);
    }
    if path.len() > LONGEST_PATH {
        return Err(BadServerFile::LongPath);
    }
    let inner = path.trim_matches('/');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    let escapes = inner.split('%').skip(1);
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !inner.bytes().all(allowed) || !escapes.clone().all(is_escape) {
        return Err(BadServerFile::PathCharacter);
    }
    // An escaped dot is a dot to servers and proxies. An escaped slash divides parts to some of them.
    let plain = inner.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    if plain.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(BadServerFile::PathParts);
    }
    Ok(format!("/{inner}"))
}

fn name_of(path: &str) -> &str {
    let whole = path.trim_start_matches('/');
    let stem = whole.strip_suffix("/mcp").or_else(|| whole.strip_suffix("/sse")).unwrap_or(whole);
    stem.rsplit('/').next().unwrap_or(stem)
}

fn transport(supported: Option<&Value>, path: &str) -> Result<McpTransport, BadServerFile> {
    let Some(value) = supported else {
        // Without the member, an address that ends in /sse is one of SSE.
        return Ok(if path.ends_with("/sse") { McpTransport::Sse } else { McpTransport::StreamableHttp });
    };
    let names = value.as_array().ok_or(BadServerFile::Transports)?;
    let names: Vec<&str> =
        names.iter().map(Value::as_str).collect::<Option<_>>().ok_or(BadServerFile::Transports)?;
    let only_sse = !names.is_empty() && names.iter().all(|name| *name == "sse");
    Ok(if only_sse { McpTransport::Sse } else { McpTransport::StreamableHttp })
}

/// The contents of the registry's directory.
#[derive(Default, Debug)]
pub(crate) struct Registry {
    /// The servers, by name and then by file.
    pub servers: Vec<Server>,
    /// Files, or the directory, that could not be used, each with a line of why.
    pub problems: Vec<(String, String)>,
    /// The first file, or the directory, that could not be read as JSON: it may describe a server in a moment.
    pub unread: Option<String>,
}

/// Reads every `*.json` in `dir`, without hidden files. A missing directory holds no servers, and is one problem in
/// the result: a project may have token services only.
pub(crate) fn read_registry(dir: &Path) -> Registry {
    let mut registry = Registry::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let is_there = error.kind() != io::ErrorKind::NotFound;
            let why = if is_there { files::reason(&error) } else { "is not there".to_owned() };
            let dir = dir.display().to_string();
            registry.unread = is_there.then(|| dir.clone());
            registry.problems.push((dir, format!("{why}; no servers without sign-in are known")));
            return registry;
        }
    };
    let mut unread = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let dir = dir.display().to_string();
                unread.push(dir.clone());
                registry.problems.push((dir, files::reason(&error)));
                break;
            }
        };
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let (is_unread, problem) = match files::read_text(&path) {
            Err(error) => (true, format!("cannot be read: {error}")),
            Ok(text) => match read_server(&name, &text) {
                Ok(server) => {
                    registry.servers.extend(server);
                    continue;
                }
                Err(why) => (why.may_pass(), why.to_string()),
            },
        };
        if is_unread {
            unread.push(name.clone());
        }
        registry.problems.push((name, problem));
    }
    ordered::sort(&mut registry.servers, |a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    ordered::sort(&mut registry.problems, Ord::cmp);
    registry.unread = unread.into_iter().min();
    registry
}

#[cfg(test)]
mod tests;
