//! The authorization request: the address that the person opens.

use crate::oauth::{EndpointUrl, percent_encode};

pub(super) struct AuthorizationRequest<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    /// The scopes, joined by the provider's separator.
    pub scope: Option<&'a str>,
    /// The name of the parameter that holds the scopes.
    pub scope_parameter: &'a str,
    pub state: &'a str,
    /// The S256 challenge; `None` for a provider without PKCE.
    pub challenge: Option<&'a str>,
    /// The MCP server (RFC 8707).
    pub resource: Option<&'a str>,
    /// Further parameters of the provider.
    pub extra: &'a [(String, String)],
}

/// The address at `endpoint` for this request. The endpoint may have a query of its own.
pub(super) fn address(endpoint: &EndpointUrl, request: &AuthorizationRequest<'_>) -> String {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", request.client_id),
        ("redirect_uri", request.redirect_uri),
    ];
    parameters.extend(request.scope.map(|scope| (request.scope_parameter, scope)));
    parameters.push(("state", request.state));
    if let Some(challenge) = request.challenge {
        parameters.extend([("code_challenge", challenge), ("code_challenge_method", "S256")]);
    }
    parameters.extend(request.resource.map(|resource| ("resource", resource)));
    parameters.extend(request.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut address = endpoint.url.clone();
    let mut separator = match address.find('?') {
        None => "?",
        Some(_) if address.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    for (name, value) in parameters {
        for part in [separator, &percent_encode(name), "=", &percent_encode(value)] {
            address.push_str(part);
        }
        separator = "&";
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_encoded_and_a_query_is_kept() {
        let request = AuthorizationRequest {
            client_id: "my client",
            redirect_uri: "http://127.0.0.1:7/callback",
            scope: Some("a b"),
            scope_parameter: "scope",
            state: "s",
            challenge: Some("c"),
            resource: Some("https://mcp.example/mcp"),
            extra: &[("access_type".to_owned(), "offline".to_owned())],
        };
        let rest = "response_type=code&client_id=my%20client&redirect_uri=http%3A%2F%2F127.0.0.1%3A7%2Fcallback\
                    &scope=a%20b&state=s&code_challenge=c&code_challenge_method=S256\
                    &resource=https%3A%2F%2Fmcp.example%2Fmcp&access_type=offline";
        for (endpoint, begin) in [
            ("https://idp.example/authorize", "https://idp.example/authorize?"),
            ("https://idp.example/authorize?prompt=x", "https://idp.example/authorize?prompt=x&"),
            ("https://idp.example/authorize?", "https://idp.example/authorize?"),
        ] {
            let endpoint = EndpointUrl::parse(endpoint).unwrap();
            assert_eq!(address(&endpoint, &request), format!("{begin}{rest}"));
        }
    }
}
