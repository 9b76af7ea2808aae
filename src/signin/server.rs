//! The endpoints of one authorization server, and its known rules.

use super::redirect::Expected;
use crate::oauth::{EndpointUrl, GrantType, ProviderRow, ServerEndpoints};

pub(super) struct AuthorizationServer {
    /// The name for people.
    pub title: String,
    /// The issuer, where known.
    pub issuer: Option<String>,
    /// Whether every redirect carries `iss` (RFC 9207).
    pub iss_promised: bool,
    pub endpoints: ServerEndpoints,
    pub registration: Option<EndpointUrl>,
    /// `token_endpoint_auth_methods_supported` of the metadata, where present.
    pub methods: Option<Vec<String>>,
    /// `scopes_supported` of the metadata; empty where missing.
    pub scopes: Vec<String>,
    /// Whether the server supports PKCE with S256 (RFC 7636).
    pub pkce: bool,
    /// Whether the endpoints come from metadata, and not from the table of providers.
    pub discovered: bool,
    pub row: ProviderRow,
}

impl AuthorizationServer {
    /// The server of a provider in the table.
    pub(super) fn of_row(row: ProviderRow, endpoints: ServerEndpoints) -> Self {
        Self {
            title: row.title().to_owned(),
            issuer: row.login().issuer.clone(),
            iss_promised: false,
            endpoints,
            registration: None,
            methods: None,
            scopes: Vec::new(),
            pkce: !row.login().no_pkce,
            discovered: false,
            row,
        }
    }

    /// The endpoints in the seals of secrets that may be sent to this server: its row, its token endpoint, its issuer.
    pub(super) fn bound_endpoints(&self, grant: GrantType) -> Vec<String> {
        let token = self.endpoints.token.origin().to_owned();
        let issuer = self.issuer.as_deref().filter(|_| self.discovered);
        let issuer = issuer.and_then(|issuer| EndpointUrl::parse(issuer).ok());
        let row = (!self.discovered).then(|| self.row.bound_endpoint(grant, &token));
        row.into_iter().chain([token]).chain(issuer.map(|issuer| issuer.origin().to_owned())).collect()
    }

    /// The facts that a redirect of this server must match.
    pub(super) fn expected(&self, state: &str) -> Expected {
        Expected { state: state.to_owned(), issuer: self.issuer.clone(), iss_promised: self.iss_promised }
    }

    /// The further parameters of the server's authorization requests.
    pub(super) fn parameters(&self, scopes: &[String], audience: Option<&str>) -> Vec<(String, String)> {
        let own = self.row.login().parameters.iter();
        let mut parameters: Vec<_> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(audience) = audience {
            parameters.retain(|(name, _)| name != "audience");
            parameters.push(("audience".to_owned(), audience.to_owned()));
        }
        // `offline_access` needs the person's consent in the same request (OpenID Connect Core 11).
        let offline = scopes.iter().any(|scope| scope == "offline_access");
        if self.discovered && offline && parameters.iter().all(|(name, _)| name != "prompt") {
            parameters.push(("prompt".to_owned(), "consent".to_owned()));
        }
        parameters
    }

    /// The scopes to request: the wanted ones, and those that grant a refresh token.
    pub(super) fn scopes(&self, wanted: Option<&str>) -> Vec<String> {
        let mut scopes: Vec<String> = wanted
            .unwrap_or_default()
            .split([' ', ','])
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect();
        let offered = self.scopes.iter().any(|scope| scope == "offline_access") && !scopes.is_empty();
        let offline = offered.then(|| "offline_access".to_owned());
        // A provider's own scopes are for its own endpoints, not for those of an MCP server beside it.
        let own = (!self.discovered).then(|| self.row.login().refresh_scope.iter().cloned());
        for scope in own.into_iter().flatten().chain(offline) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}
