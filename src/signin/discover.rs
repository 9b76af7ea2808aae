//! From the address of an MCP server, or of an issuer, to the endpoints of a sign-in.
//!
//! The order is that of the MCP authorization specification: the challenge of the server, the metadata of the
//! protected resource, the metadata of its authorization server. Documents are fetched here, and pure functions read
//! them.

use serde_json::Value;

use super::resource_metadata::{self, ResourceMetadata};
use super::server::AuthorizationServer;
use super::server_metadata;
use crate::oauth::{
    Challenge, EndpointUrl, Providers, TokenClient, bearer_challenge, metadata_addresses, shown_text,
};

/// The authorization server of an MCP server, with the facts for its requests.
pub(super) struct Discovered {
    pub server: AuthorizationServer,
    /// The value of `resource` in the authorization request and the token request.
    pub resource: Option<String>,
    /// The scopes that the challenge or the metadata name.
    pub scope: Option<String>,
}

/// The first request of an MCP client. A server with sign-ins answers 401.
const FIRST_REQUEST: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"token-refresher","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}}"#
);

/// The media types of an MCP server's answers.
const ANSWERS: &str = "application/json, text/event-stream";

/// Finds the authorization server of the MCP server at `address`.
///
/// # Errors
/// The missing or wrong fact, and its address.
pub(super) fn of_mcp_server(
    address: &EndpointUrl,
    client: &TokenClient,
    providers: &Providers,
) -> Result<Discovered, String> {
    let page = client.post_json(address, FIRST_REQUEST, ANSWERS)?;
    let challenge =
        bearer_challenge(page.challenges.iter().map(String::as_str)).filter(|_| page.status == 401);
    let metadata = resource_metadata_of(address, challenge.as_ref(), client)?;
    let challenged = challenge.and_then(|challenge| challenge.scope);
    let Some(metadata) = metadata else {
        if page.status != 401 {
            let status = page.status;
            let shown = &address.shown;
            return Err(format!(
                "{shown} asks for no sign-in: it answers HTTP {status} and has no metadata of a protected resource"
            ));
        }
        // Servers of the specification's first version are their own authorization servers.
        let origin = EndpointUrl::parse(address.origin()).map_err(|error| error.to_string())?;
        let server = of_issuer(&origin, client, providers)?;
        return Ok(Discovered { server, resource: Some(address.url.clone()), scope: challenged });
    };
    let mut first_error = None;
    for issuer in &metadata.issuers {
        let found = EndpointUrl::parse(issuer)
            .map_err(|error| format!("the issuer that {} names: {error}", address.shown))
            .and_then(|issuer| {
                not_down(address, &issuer, client)?;
                of_issuer(&issuer, client, providers)
            });
        match found {
            Ok(server) => {
                let listed = Some(metadata.scopes.join(" ")).filter(|scopes| !scopes.is_empty());
                let scope = challenged.or(listed);
                return Ok(Discovered { server, resource: Some(metadata.resource), scope });
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_default())
}

/// The metadata of the protected resource, if any.
fn resource_metadata_of(
    server: &EndpointUrl,
    challenge: Option<&Challenge>,
    client: &TokenClient,
) -> Result<Option<ResourceMetadata>, String> {
    let named = challenge.and_then(|challenge| challenge.resource_metadata.clone());
    for address in named.into_iter().chain(resource_metadata::addresses(server)) {
        let address = EndpointUrl::parse(&address)
            .map_err(|error| format!("the resource_metadata that {} names: {error}", server.shown))?;
        not_down(server, &address, client)?;
        if let Some(document) = document(&address, client)? {
            let unusable = |error| format!("the metadata of {} at {}: {error}", server.shown, address.shown);
            return resource_metadata::read(server, &document).map(Some).map_err(unusable);
        }
    }
    Ok(None)
}

/// Finds the endpoints of an issuer by its metadata.
///
/// # Errors
/// Why the issuer has no usable endpoints.
pub(super) fn of_issuer(
    issuer: &EndpointUrl,
    client: &TokenClient,
    providers: &Providers,
) -> Result<AuthorizationServer, String> {
    let mut unusable = None;
    for address in metadata_addresses(&issuer.url) {
        let address = EndpointUrl::parse(&address).map_err(|error| error.to_string())?;
        let Some(document) = document(&address, client)? else { continue };
        let permitted = |endpoint: &EndpointUrl| client.permits(endpoint);
        match server_metadata::read(issuer, &document, &permitted, &|token| providers.row_at(token)) {
            Ok(server) => return Ok(server),
            // A server may answer at every address with the metadata of its main issuer.
            Err(error) => unusable = unusable.or(Some(error)),
        }
    }
    let shown = &issuer.shown;
    Err(match unusable {
        Some(error) => format!("the metadata of the authorization server {shown} cannot be used: {error}"),
        None => format!(
            "the authorization server {shown} has no metadata (RFC 8414): nothing says where to sign in"
        ),
    })
}

/// Refuses a step from https to plain http.
fn not_down(from: &EndpointUrl, to: &EndpointUrl, client: &TokenClient) -> Result<(), String> {
    if to.secure || (!from.secure && client.permits(to)) {
        return Ok(());
    }
    Err(format!("{} leads to {}, which is plain http", from.shown, shown_text(&to.shown, &[])))
}

/// The JSON object at an address; `None` where there is none.
fn document(address: &EndpointUrl, client: &TokenClient) -> Result<Option<Value>, String> {
    let page = client.document(address)?;
    if page.status != 200 {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&page.body).ok().filter(Value::is_object))
}
