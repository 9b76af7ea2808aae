//! Entries of the two default files as the gateway's own tools write them: the address and the headers.

use super::quote::{push_pairs, push_quoted};
use super::service::Service;
use crate::secret::{Secret, SecretText};
use crate::servers::McpTransport;

pub(super) fn roocode_entry(service: &Service) -> Secret {
    let kind = match service.transport {
        McpTransport::StreamableHttp => "streamable-http",
        McpTransport::Sse => "sse",
    };
    let mut text = SecretText::default();
    text.extend(["{\n      \"type\": \"", kind, "\",\n      \"url\": "]);
    push_quoted(&mut text, &service.url);
    text.push(",\n      \"disabled\": false,\n      \"alwaysAllow\": []");
    push_headers(&mut text, service);
    text.finish()
}

pub(super) fn vscode_entry(service: &Service) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n      \"url\": ");
    push_quoted(&mut text, &service.url);
    push_headers(&mut text, service);
    text.finish()
}

/// Appends the headers, if any, and the end of the entry.
fn push_headers(text: &mut SecretText, service: &Service) {
    let headers = service.headers().map(|header| (header.name, header.value.to_text()));
    push_pairs(text, headers, [",\n      \"headers\": {\n        ", ",\n        ", ": "]);
    text.push(if service.headers().next().is_some() { "\n      }\n    }" } else { "\n    }" });
}
