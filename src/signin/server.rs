//! Where a sign-in goes: the endpoints of one authorization server, and what is known of its ways.

use super::redirect::Expected;
use super::server_metadata::ServerMetadata;
use crate::oauth::{EndpointUrl, GrantType, ProviderRow, RowEndpoints};

/// An authorization server.
pub(super) struct AuthorizationServer {
    /// What people call it.
    pub title: String,
    /// Its issuer, where it is known.
    pub issuer: Option<String>,
    /// Whether its redirects always carry the issuer.
    pub iss_promised: bool,
    pub authorization: Option<EndpointUrl>,
    pub token: EndpointUrl,
    pub device: Option<EndpointUrl>,
    pub registration: Option<EndpointUrl>,
    pub revocation: Option<EndpointUrl>,
    /// The ways of client authentication that its metadata list.
    pub methods: Option<Vec<String>>,
    /// The scopes that its metadata list.
    pub scopes: Vec<String>,
    /// Whether it binds a code to a verifier.
    pub pkce: bool,
    /// Whether its endpoints come from its metadata, not from the table of providers.
    pub discovered: bool,
    pub row: ProviderRow,
}

impl AuthorizationServer {
    /// The server that metadata describe.
    pub(super) fn discovered(metadata: ServerMetadata, row: ProviderRow) -> Self {
        Self {
            title: row.title().to_owned(),
            issuer: Some(metadata.issuer),
            iss_promised: metadata.iss_promised,
            authorization: metadata.authorization_endpoint,
            token: metadata.token_endpoint,
            device: metadata.device_authorization_endpoint,
            registration: metadata.registration_endpoint,
            revocation: metadata.revocation_endpoint,
            methods: metadata.methods,
            scopes: metadata.scopes,
            pkce: metadata.s256,
            discovered: true,
            row,
        }
    }

    /// The server of a provider in the table.
    pub(super) fn of_row(row: ProviderRow, endpoints: RowEndpoints) -> Self {
        Self {
            title: row.title().to_owned(),
            issuer: row.login().issuer.clone(),
            iss_promised: false,
            authorization: endpoints.authorization,
            token: endpoints.token,
            device: endpoints.device,
            registration: None,
            revocation: endpoints.revocation,
            methods: None,
            scopes: Vec::new(),
            pkce: !row.login().no_pkce,
            discovered: false,
            row,
        }
    }

    /// What a secret may be sealed for, to be sent to this server: its row, its token endpoint, its issuer.
    pub(super) fn bound_endpoints(&self, grant: GrantType) -> Vec<String> {
        let token = self.token.origin().to_owned();
        let issuer = self.issuer.as_deref().filter(|_| self.discovered);
        let issuer = issuer.and_then(|issuer| EndpointUrl::parse(issuer).ok());
        let row = (!self.discovered).then(|| self.row.bound_endpoint(grant, &token));
        row.into_iter().chain([token]).chain(issuer.map(|issuer| issuer.origin().to_owned())).collect()
    }

    /// What a redirect of this server must carry.
    pub(super) fn expected(&self, state: &str) -> Expected {
        Expected { state: state.to_owned(), issuer: self.issuer.clone(), iss_promised: self.iss_promised }
    }

    /// The parameters of its authorization requests beside the usual ones.
    pub(super) fn parameters(&self, scopes: &[String], audience: Option<&str>) -> Vec<(String, String)> {
        let own = self.row.login().parameters.iter();
        let mut parameters: Vec<_> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(audience) = audience {
            parameters.retain(|(name, _)| name != "audience");
            parameters.push(("audience".to_owned(), audience.to_owned()));
        }
        // OpenID Connect Core 11: `offline_access` counts only where the person is requested it.
        let offline = scopes.iter().any(|scope| scope == "offline_access");
        if self.discovered && offline && parameters.iter().all(|(name, _)| name != "prompt") {
            parameters.push(("prompt".to_owned(), "consent".to_owned()));
        }
        parameters
    }

    /// The scopes to request: those that are wanted, and those that earn a refresh token.
    pub(super) fn scopes(&self, wanted: Option<&str>) -> Vec<String> {
        let mut scopes: Vec<String> = wanted
            .unwrap_or_default()
            .split([' ', ','])
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect();
        let offered = self.scopes.iter().any(|scope| scope == "offline_access") && !scopes.is_empty();
        let offline = offered.then(|| "offline_access".to_owned());
        // A provider's own list is for its own endpoints, not for those of an MCP server beside it.
        let own = (!self.discovered).then(|| self.row.login().refresh_scope.iter().cloned());
        for scope in own.into_iter().flatten().chain(offline) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}
