//! The metadata of a protected resource (RFC 9728): the authorization servers that an MCP server trusts.

use serde_json::Value;

use super::json;
use crate::oauth::EndpointUrl;

#[derive(PartialEq, Eq, Debug)]
pub(super) struct ResourceMetadata {
    /// The server's name for itself: the value of `resource` in requests (RFC 8707).
    pub resource: String,
    /// The issuers that the resource trusts, at least one.
    pub issuers: Vec<String>,
    /// The scopes for requests to the resource.
    pub scopes: Vec<String>,
}

/// The possible addresses of the metadata of `server`, in the order of the MCP specification. The server's path comes
/// behind the well-known part. The second address is at the root.
pub(super) fn addresses(server: &EndpointUrl) -> Vec<String> {
    let origin = server.origin();
    let path = server.shown[origin.len()..].trim_end_matches('/');
    let root = format!("{origin}/.well-known/oauth-protected-resource");
    if path.is_empty() { vec![root] } else { vec![format!("{root}{path}"), root] }
}

/// Reads the metadata of `server`.
///
/// # Errors
/// Why the metadata cannot be used: they belong to another resource (RFC 9728 3.3), or name no issuer.
pub(super) fn read(server: &EndpointUrl, document: &Value) -> Result<ResourceMetadata, String> {
    let resource = json::text(document, "resource").ok_or("they name no resource")?;
    if !covers(&resource, server) {
        return Err("they belong to another resource".to_owned());
    }
    let issuers = json::texts(document, "authorization_servers").unwrap_or_default();
    if issuers.is_empty() {
        return Err("they name no authorization server".to_owned());
    }
    let scopes = json::texts(document, "scopes_supported").unwrap_or_default();
    Ok(ResourceMetadata { resource, issuers, scopes })
}

/// Whether `resource` is the server itself or a path above it on the same host. Some servers name themselves by their
/// origin.
fn covers(resource: &str, server: &EndpointUrl) -> bool {
    let Ok(resource) = EndpointUrl::parse(resource) else { return false };
    let (prefix, path) = (resource.shown.trim_end_matches('/'), server.shown.as_str());
    let below = path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below && resource.origin() == server.origin()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    #[test]
    fn both_places_in_their_order() {
        let root = "https://mcp.example:8443/.well-known/oauth-protected-resource";
        for (server, expected) in [
            ("https://mcp.example:8443/v1/mcp", vec![format!("{root}/v1/mcp"), root.to_owned()]),
            ("https://mcp.example:8443/v1/mcp/?x=y", vec![format!("{root}/v1/mcp"), root.to_owned()]),
            ("https://mcp.example:8443/", vec![root.to_owned()]),
            ("https://mcp.example:8443", vec![root.to_owned()]),
        ] {
            assert_eq!(addresses(&url(server)), expected, "{server}");
        }
    }

    #[test]
    fn metadata_must_be_the_servers_own() {
        let server = url("https://mcp.example/v1/mcp");
        for (resource, own) in [
            ("https://mcp.example/v1/mcp", true),
            ("https://MCP.example/v1/mcp/", true),
            ("https://mcp.example", true),
            ("https://mcp.example/v1", true),
            ("https://mcp.example/v1/mc", false),
            ("https://mcp.example/other", false),
            ("https://mcp.example.evil/v1/mcp", false),
            ("http://mcp.example/v1/mcp", false),
            ("https://mcp.example:444/v1/mcp", false),
            ("mcp", false),
        ] {
            let document = json!({"resource": resource, "authorization_servers": ["https://idp.example"]});
            assert_eq!(read(&server, &document).is_ok(), own, "{resource}");
        }
        let nobody = json!({"resource": "https://mcp.example/v1/mcp", "authorization_servers": []});
        assert_eq!(read(&server, &nobody).unwrap_err(), "they name no authorization server");
        assert_eq!(read(&server, &json!({})).unwrap_err(), "they name no resource");
    }
}
