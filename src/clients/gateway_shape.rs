//! Entries of the two default files as the gateway's own tools write them: the address and the headers.

use super::quote::{push_header_value, push_quoted};
use super::service::Service;
use crate::secret::SecretText;
use crate::servers::McpTransport;

/// Appends an entry of `mcp.json`.
pub(super) fn push_roocode(text: &mut SecretText, service: &Service) {
    let kind = match service.transport {
        McpTransport::StreamableHttp => "streamable-http",
        McpTransport::Sse => "sse",
    };
    text.extend(["{\n      \"type\": \"", kind, "\",\n      \"url\": "]);
    push_quoted(text, &service.url);
    text.push(",\n      \"disabled\": false,\n      \"alwaysAllow\": []");
    push_headers(text, service);
}

/// Appends an entry of `vscode_mcp.json`.
pub(super) fn push_vscode(text: &mut SecretText, service: &Service) {
    text.push("{\n      \"url\": ");
    push_quoted(text, &service.url);
    push_headers(text, service);
}

/// Appends the headers, if any, and the end of the entry.
fn push_headers(text: &mut SecretText, service: &Service) {
    for (index, header) in service.headers().enumerate() {
        text.push(if index == 0 { ",\n      \"headers\": {\n        " } else { ",\n        " });
        push_quoted(text, header.name);
        text.push(": ");
        push_header_value(text, &header.value);
    }
    text.push(if service.headers().next().is_some() { "\n      }\n    }" } else { "\n    }" });
}
