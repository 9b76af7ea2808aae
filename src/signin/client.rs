//! The client of a sign-in: a known one, or one that is registered for this sign-in.

use super::redirect::same_issuer;
use super::registration::{self, Application, Registered};
use super::server::AuthorizationServer;
use crate::oauth::{
    ClientAuthMethod, ClientFile, ClientIdentity, CredentialConfig, GrantType, Surroundings, TokenClient,
};
use crate::tokens::Document;

/// A client and its origin.
pub(super) struct Client {
    pub identity: ClientIdentity,
    /// The answer to the registration of this sign-in, for the token file.
    pub registered: Option<Registered>,
    /// Whether a program has registered the client, now or for an older sign-in. Such a client may be registered anew.
    pub replaceable: bool,
}

/// A client without a token, from a client-credential file. Unlike [`ClientFile`], the client may be public.
pub(super) struct KnownClient {
    pub client_id: String,
    pub issuer: Option<String>,
    pub provider: Option<String>,
}

impl KnownClient {
    /// Reads a file that holds a client and no token.
    pub(super) fn read(document: &Document) -> Option<Self> {
        if document.has_access_token() || document.has_refresh_token() {
            return None;
        }
        let (issuer, provider) = (document.text("issuer"), document.text("provider"));
        Some(Self { client_id: document.text("client_id")?, issuer, provider })
    }

    /// Whether the client is registered at that server.
    fn is_for(&self, server: &AuthorizationServer) -> bool {
        let issuer = server.issuer.as_deref();
        let same = self.issuer.as_deref().zip(issuer).is_some_and(|(ours, theirs)| same_issuer(ours, theirs));
        let provider = self.provider.as_deref().filter(|_| self.issuer.is_none() && !server.discovered);
        same || provider.is_some_and(|name| name.eq_ignore_ascii_case(server.row.name()))
    }
}

/// The known client for this sign-in.
///
/// # Errors
/// Why the known client cannot be used.
pub(super) fn known(
    server: &AuthorizationServer,
    grant: GrantType,
    mut config: CredentialConfig,
    beside: &[KnownClient],
    surroundings: &Surroundings<'_>,
) -> Result<Option<Client>, String> {
    if !config.members.contains_key("client_id")
        && let Some(client) = beside.iter().find(|client| client.is_for(server))
    {
        config.members.insert("client_id".to_owned(), client.client_id.clone());
    }
    config.has_refresh_token = true;
    let replaceable = config.members.contains_key("registration_client_uri")
        || config.members.contains_key("redirect_uri") && server.registration.is_some();
    let AuthorizationServer { row, endpoints, methods, .. } = server;
    let identity = surroundings.client(row, grant, &config, &endpoints.token, methods.as_deref())?;
    let Some(identity) = identity else { return Ok(None) };
    Ok(Some(Client { identity, registered: None, replaceable }))
}

/// Registers a client for this sign-in (RFC 7591).
///
/// # Errors
/// Why the server registers none, and what to do.
pub(super) fn register(
    server: &AuthorizationServer,
    redirect_uri: Option<&str>,
    scopes: &[String],
    client: &TokenClient,
) -> Result<Client, String> {
    let Some(endpoint) = &server.registration else { return Err(no_client(server)) };
    let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
    let ask = |refresh: bool| {
        let application = Application { redirect_uri, scope: scope.as_deref(), refresh };
        client.post_json(endpoint, &registration::body(&application).to_string(), "application/json")
    };
    let mut page = ask(true)?;
    if registration::refused_for_its_grants(page.status, page.error_code().as_deref()) {
        page = ask(false)?;
    }
    if !page.succeeded() {
        let (title, shown) = (&server.title, page.shown(&[]));
        return Err(format!(
            "{title} registers no client for us: {} answered {shown}; make an application there and give its id: \
             --client-id ID",
            endpoint.shown
        ));
    }
    let registered = registration::read(&page.body).map_err(|why| format!("{}: {why}", endpoint.shown))?;
    let said = registered.token_endpoint_auth_method.as_deref().and_then(ClientAuthMethod::from_name);
    let method = match (&registered.client_secret, said) {
        (None, _) => ClientAuthMethod::None,
        // A secret in the answer must be used, even where the request was for a public client.
        (Some(_), Some(ClientAuthMethod::ClientSecretBasic)) => ClientAuthMethod::ClientSecretBasic,
        (Some(_), _) => ClientAuthMethod::ClientSecretPost,
    };
    let identity = ClientIdentity {
        id: registered.client_id.clone(),
        secret: registered.client_secret.clone(),
        key: None,
        method,
    };
    Ok(Client { identity, registered: Some(registered), replaceable: true })
}

/// The remedy where no client is known and the server registers none.
fn no_client(server: &AuthorizationServer) -> String {
    let title = &server.title;
    // For a provider from the table, this text is printed before the sign-in begins.
    let before = server.row.login().before.as_ref().filter(|_| server.discovered);
    let before = before.map(|what| format!(" ({what})")).unwrap_or_default();
    format!(
        "{title} registers no clients by itself: make an application there{before} and give its id: --client-id ID; a \
         secret belongs into a file beside the tokens: {{\"client_id\": ..., \"client_secret\": ...}}"
    )
}

/// The client-credential files among `documents`, for the search of a secret by its client id.
pub(super) fn files(documents: &[(String, Document)]) -> Vec<ClientFile> {
    let read = |(name, document): &(String, Document)| crate::refresh::client_file(name, document);
    documents.iter().filter_map(read).collect()
}
