//! From a token file's members to what the OAuth side wants to know.

use crate::oauth::{ClientFile, Hints};
use crate::tokens::Document;
use crate::tokens::name::{Role, role, server};

/// What the document called `file` says about how and where to refresh it. `built_in` is the built-in
/// provider that a file name begins with.
pub(crate) fn of(file: &str, document: &Document, built_in: Option<&str>) -> Hints {
    let first = |names: &[&str]| names.iter().find_map(|name| document.text(name));
    let provider = document.text("provider");
    let server =
        (role(file) == Role::Service).then(|| server(file, provider.as_deref(), built_in).to_owned());
    Hints {
        file: file.to_owned(),
        server,
        token_endpoint: first(&["token_endpoint", "token_url", "token_uri"]),
        issuer: first(&["issuer"]),
        grant_type: first(&["grant_type"]),
        token_endpoint_auth_method: first(&["token_endpoint_auth_method"]),
        client_id: first(&["client_id"]),
        audience: first(&["audience"]),
        resource: first(&["resource"]),
        scope: document.scope(),
        tenant: first(&["tenant", "tenant_id"]),
        keycloak_url: first(&["keycloak_url"]),
        realm: first(&["realm", "keycloak_realm"]),
        user_pool_id: first(&["user_pool_id"]),
        region: first(&["region"]),
        domain: first(&["domain"]),
        cloud_id: first(&["cloud_id"]),
        auth_method: document.metadata("auth_method"),
        client_secret: document.secret("client_secret"),
        private_key: document.secret("private_key"),
        private_key_id: first(&["private_key_id"]),
        has_refresh_token: document.refresh_token().is_some(),
        members: document.plain_texts().collect(),
        provider,
    }
}

/// The client credentials that the document called `file` holds, where it is such a file.
pub(crate) fn client_file(file: &str, document: &Document) -> Option<ClientFile> {
    Some(ClientFile {
        name: file.to_owned(),
        client_id: document.text("client_id")?,
        client_secret: document.secret("client_secret")?,
        members: document.plain_texts().collect(),
    })
}
