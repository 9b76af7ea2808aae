//! Entries of the two default files in the shapes of the Python service's documentation. Each starts a local program
//! that reads address and token from its environment.

use super::quote::{push_header_value, push_quoted, push_quoted_headers};
use super::service::{HeaderValue, Service};
use crate::secret::SecretText;

/// Appends an entry of `mcp.json`: `uv` starts the project's own `mcp`. `project_root` is absolute.
pub(super) fn push_roocode(text: &mut SecretText, service: &Service, project_root: &str) {
    text.push("{\n      \"command\": \"uv\",\n      \"args\": [\"--directory\", ");
    push_quoted(text, project_root);
    text.push(", \"run\", \"mcp\"],\n      \"env\": {\n        \"MCP_SERVER_URL\": ");
    push_quoted(text, &service.url);
    if let Some(token) = &service.authorization {
        text.push(",\n        \"MCP_SERVER_AUTH_TOKEN\": ");
        push_header_value(text, &HeaderValue::Bearer(token.clone()));
    }
    if !service.extra.is_empty() {
        text.push(",\n        \"MCP_SERVER_HEADERS\": ");
        push_quoted_headers(text, &mut service.extra.iter().cloned());
    }
    text.push("\n      }\n    }");
}

/// Appends an entry of `vscode_mcp.json`: `npx` starts a fetch server.
pub(super) fn push_vscode(text: &mut SecretText, service: &Service) {
    text.push("{\n      \"command\": \"npx\",\n");
    text.push("      \"args\": [\"-y\", \"@modelcontextprotocol/server-fetch\"],\n");
    text.push("      \"env\": {\n        \"FETCH_BASE_URL\": ");
    push_quoted(text, &service.url);
    text.push(",\n        \"FETCH_HEADERS\": ");
    push_quoted_headers(text, &mut service.headers());
    text.push("\n      }\n    }");
}
