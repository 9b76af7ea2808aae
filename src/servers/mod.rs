//! Which MCP servers exist: the gateway registry's `registry/servers/*.json`, one server a file.
//!
//! Only what a configuration needs is read: the path under the gateway, whether the server wants
//! a token, and its transport. The registry writes more and adds fields over time; what we do
//! not use is neither checked nor complained about.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::files;
use crate::json;

/// How a client talks to a server (MCP specification, "Transports").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum McpTransport {
    /// Streamable HTTP, the transport of today. Its address ends in `/mcp`.
    StreamableHttp,
    /// HTTP with server-sent events, the transport before it. Its address ends in `/sse`.
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

/// One server of the registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Server {
    /// The file that describes it, for messages.
    pub file: String,
    /// Its path under the gateway's address, with a leading slash and without a trailing one.
    pub path: String,
    /// What configurations call it: the last part of the path, a final `/mcp` or `/sse` aside.
    pub name: String,
    /// It takes requests without a token of its own.
    pub no_auth: bool,
    /// Streamable HTTP, unless the file names SSE and nothing else.
    pub transport: McpTransport,
}

impl Server {
    /// The path with the transport's last part, which is appended unless it is there already.
    pub(crate) fn endpoint(&self) -> String {
        let suffix = self.transport.suffix();
        if self.path.ends_with(suffix) { self.path.clone() } else { format!("{}{suffix}", self.path) }
    }
}

/// The fields of a registry file that matter here. Values, not types: a wrong type gets a
/// message that names the field.
#[derive(Deserialize)]
struct Fields {
    path: Option<Value>,
    auth_type: Option<Value>,
    auth_scheme: Option<Value>,
    supported_transports: Option<Value>,
}

/// Reads the text of one registry file; `Ok(None)` when it describes no server (no `path`, or
/// the registry's own `server_state.json`).
///
/// # Errors
/// One line saying what is wrong with the file, without its name.
pub(crate) fn read_server(file_name: &str, text: &str) -> Result<Option<Server>, String> {
    if file_name == "server_state.json" {
        return Ok(None);
    }
    if text.starts_with('\u{feff}') {
        return Err("it starts with a byte order mark; save it as UTF-8 without one".to_owned());
    }
    // Checked first, since serde would also read an array as the fields in order.
    json::members(text).map_err(|why| why.to_string())?;
    let fields: Fields = serde_json::from_str(text).map_err(|error| format!("it is not valid: {error}"))?;
    let Some(path) = text_field("path", fields.path)? else { return Ok(None) };
    // Where both stand in a file, `auth_scheme` is the one the registry maintains today.
    let auth_type = text_field("auth_type", fields.auth_type)?;
    let auth = text_field("auth_scheme", fields.auth_scheme)?.or(auth_type);
    let path = clean_path(&path)?;
    let transport = transport(fields.supported_transports.as_ref(), &path)?;
    let name = name_of(&path).to_owned();
    Ok(Some(Server {
        file: file_name.to_owned(),
        path,
        name,
        no_auth: auth.as_deref() == Some("none"),
        transport,
    }))
}

fn text_field(name: &str, value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` must be text")),
    }
}

/// The path with one leading slash and no trailing one. It becomes part of a URL as it stands,
/// so it may hold only what RFC 3986 allows in a path.
fn clean_path(path: &str) -> Result<String, String> {
    let inner = path.trim_matches('/');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !inner.bytes().all(allowed) {
        return Err("`path` holds a character that cannot stand in the path of a URL".to_owned());
    }
    if inner.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("`path` names no server".to_owned());
    }
    Ok(format!("/{inner}"))
}

fn name_of(path: &str) -> &str {
    let whole = path.trim_start_matches('/');
    let stem = whole.strip_suffix("/mcp").or_else(|| whole.strip_suffix("/sse")).unwrap_or(whole);
    stem.rsplit('/').next().unwrap_or(stem)
}

fn transport(supported: Option<&Value>, path: &str) -> Result<McpTransport, String> {
    let Some(value) = supported else {
        // Nothing said: an address that ends in /sse can only be meant as one.
        return Ok(if path.ends_with("/sse") { McpTransport::Sse } else { McpTransport::StreamableHttp });
    };
    let wrong = || "`supported_transports` must be a list of names".to_owned();
    let names = value.as_array().ok_or_else(wrong)?;
    let names: Vec<&str> = names.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    let only_sse = !names.is_empty() && names.iter().all(|name| *name == "sse");
    Ok(if only_sse { McpTransport::Sse } else { McpTransport::StreamableHttp })
}

/// What a look into the registry's directory found.
#[derive(Default, Debug)]
pub(crate) struct Registry {
    /// The servers, by name and then by file.
    pub servers: Vec<Server>,
    /// What could not be used: the file (or directory) and one line of why.
    pub problems: Vec<(String, String)>,
}

/// Reads every `*.json` in `dir`, hidden files aside. A directory that does not exist holds no
/// servers, and is one problem in the result: a project may have token services only.
pub(crate) fn read_registry(dir: &Path) -> Registry {
    let mut scan = Registry::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let why = if error.kind() == io::ErrorKind::NotFound {
                "is not there".to_owned()
            } else {
                files::reason(&error)
            };
            scan.problems
                .push((dir.display().to_string(), format!("{why}; no servers without sign-in are known")));
            return scan;
        }
    };
    for entry in entries {
        let Ok(entry) =
            entry.inspect_err(|error| scan.problems.push((dir.display().to_string(), files::reason(error))))
        else {
            break;
        };
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let text = files::read_whole(&path).map_err(|error| format!("cannot be read: {error}"));
        match text.and_then(|(text, _)| read_server(&name, &text)) {
            Ok(Some(server)) => scan.servers.push(server),
            Ok(None) => {}
            Err(problem) => scan.problems.push((name, problem)),
        }
    }
    scan.servers.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    scan.problems.sort();
    scan
}

#[cfg(test)]
mod tests;
