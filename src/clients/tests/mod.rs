//! The wing as a whole: every client's file, new and edited. Strict readers read the files and refuse what the clients
//! refuse.

mod default_files;
mod edited;
mod entries;
mod new;
mod properties;
mod readers;

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    Applied, Edit, Format, Header, HeaderValue, McpClient, Owned, ReaderPaths, Secrets, Service, apply,
};
use crate::secret::Secret;
use crate::servers::McpTransport;

const PATHS: ReaderPaths = ReaderPaths {
    exe: "/usr/bin/token-refresher",
    dir: "/srv/project",
    tokens_dir: "/srv/project/.oauth-tokens",
};

/// A service that needs a token, behind a gateway that needs one too.
fn signed_in(name: &str, token: &str) -> Service {
    Service {
        name: name.to_owned(),
        url: format!("https://gateway.example/{name}/mcp"),
        transport: McpTransport::StreamableHttp,
        authorization: Some(Secret::new(token)),
        extra: vec![
            Header { name: "X-Authorization", value: HeaderValue::Bearer(Secret::new("gateway-token")) },
            Header { name: "X-Client-Id", value: HeaderValue::Plain("client-1".into()) },
        ],
        behind_gateway: true,
    }
}

/// A service over SSE.
fn over_sse(name: &str, token: &str) -> Service {
    Service {
        url: format!("https://gateway.example/{name}/sse"),
        transport: McpTransport::Sse,
        ..signed_in(name, token)
    }
}

/// A service without a sign-in.
fn open(name: &str) -> Service {
    Service { authorization: None, extra: Vec::new(), ..signed_in(name, "") }
}

fn run(
    client: &McpClient,
    existing: Option<&str>,
    services: &[Service],
    remembered: &[Owned],
    how: Secrets,
) -> Applied {
    apply(client, existing, services, remembered, &BTreeMap::new(), how, PATHS)
}

/// The text after an edit of `before`.
fn text_of(applied: &Applied, before: Option<&str>) -> String {
    match &applied.edit {
        Edit::Same => before.unwrap_or_default().to_owned(),
        Edit::Write(text) => text.expose().to_owned(),
        Edit::Refuse(why) => panic!("refused: {why}"),
    }
}

/// Compares with a file of `tests/fixtures/clients`. `UPDATE_GOLDEN=1` writes the file anew, and the diff of the
/// commit shows the change.
fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/fixtures/clients/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(text, wanted, "{path}");
}

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/clients/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn exists(name: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clients").join(name).exists()
}
