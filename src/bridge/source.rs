//! The choice of the server: one of the project, or the one that the environment names.

use serde_json::Value;

use super::access::AccessSource;
use crate::secret::Secret;
use crate::services::record_of;
use crate::settings::{Environment, Places, Settings};

/// The source of the address and the headers. The error is one line for people.
pub(super) fn source(server: Option<&str>, settings: &Settings) -> Result<AccessSource, String> {
    match server {
        Some(server) => Ok(AccessSource::Files {
            server: server.to_owned(),
            places: Places { dir: settings.dir.clone(), tokens_dir: settings.tokens_dir.clone() },
            otherwise: Box::new(record_of(settings)),
        }),
        None => from_environment(&settings.environment),
    }
}

/// Reads the two forms in which the default files configure a program: an address with a token, or with headers.
fn from_environment(environment: &Environment) -> Result<AccessSource, String> {
    if let Some(url) = environment.get("MCP_SERVER_URL") {
        let mut headers = environment
            .get("MCP_SERVER_HEADERS")
            .map_or(Ok(Vec::new()), |text| object("MCP_SERVER_HEADERS", &text))?;
        if let Some(token) = environment.get("MCP_SERVER_AUTH_TOKEN") {
            let bare = token.split_once(' ').is_none();
            let value = if bare { Secret::new(format!("Bearer {token}")) } else { Secret::new(token) };
            headers.push(("Authorization".to_owned(), value));
        }
        return Ok(AccessSource::Environment { url, headers });
    }
    if let Some(url) = environment.get("FETCH_BASE_URL") {
        let headers =
            environment.get("FETCH_HEADERS").map_or(Ok(Vec::new()), |text| object("FETCH_HEADERS", &text))?;
        return Ok(AccessSource::Environment { url, headers });
    }
    Err("bridge: needs a SERVER, or MCP_SERVER_URL in its environment".to_owned())
}

/// Reads headers from one JSON object.
fn object(name: &str, text: &str) -> Result<Vec<(String, Secret)>, String> {
    let wrong = || format!("{name} is not a JSON object of texts");
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Err(wrong()) };
    let header = |(name, value)| match value {
        Value::String(value) => Ok((name, Secret::new(value))),
        _ => Err(wrong()),
    };
    members.into_iter().map(header).collect()
}
