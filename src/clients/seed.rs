//! Entries of the two default files in the shapes of the Python service's documentation. Each starts a local program
//! that reads address and token from its environment.

use super::quote::{headers_object, push_quoted};
use super::service::{HeaderValue, Service};
use crate::secret::{Secret, SecretText};

/// An entry of `mcp.json`: `uv` starts the project's own `mcp`. `project_root` is absolute.
pub(super) fn roocode_entry(service: &Service, project_root: &str) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n      \"command\": \"uv\",\n      \"args\": [\"--directory\", ");
    push_quoted(&mut text, project_root);
    text.push(", \"run\", \"mcp\"],\n      \"env\": {\n        \"MCP_SERVER_URL\": ");
    push_quoted(&mut text, &service.url);
    if let Some(token) = &service.authorization {
        text.push(",\n        \"MCP_SERVER_AUTH_TOKEN\": ");
        push_quoted(&mut text, HeaderValue::Bearer(token.clone()).to_text().expose());
    }
    if !service.extra.is_empty() {
        text.push(",\n        \"MCP_SERVER_HEADERS\": ");
        push_quoted(&mut text, headers_object(service.extra.iter().cloned()).expose());
    }
    text.push("\n      }\n    }");
    text.finish()
}

/// An entry of `vscode_mcp.json`: `npx` starts a fetch server.
pub(super) fn vscode_entry(service: &Service) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n      \"command\": \"npx\",\n");
    text.push("      \"args\": [\"-y\", \"@modelcontextprotocol/server-fetch\"],\n");
    text.push("      \"env\": {\n        \"FETCH_BASE_URL\": ");
    push_quoted(&mut text, &service.url);
    text.push(",\n        \"FETCH_HEADERS\": ");
    push_quoted(&mut text, headers_object(service.headers()).expose());
    text.push("\n      }\n    }");
    text.finish()
}
