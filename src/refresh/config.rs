//! Translates a token file's members into the input of the OAuth side.

use std::collections::BTreeMap;

use crate::oauth::{ClientFile, CredentialConfig, Providers};
use crate::sealing::SecretMember;
use crate::tokens::Document;
use crate::tokens::name::{Role, role, server, stem};

/// The statements of the document called `file` about how and where to refresh it.
pub(crate) fn of(file: &str, document: &Document, providers: &Providers) -> CredentialConfig {
    let mut members: BTreeMap<String, String> = document.plain_texts();
    if let Some(scope) = document.scope() {
        members.insert("scope".to_owned(), scope);
    }
    if let Some(method) = document.metadata("auth_method") {
        members.insert("metadata.auth_method".to_owned(), method);
    }
    if let Some(said) = document.raw("client_id_in_form") {
        members.insert("client_id_in_form".to_owned(), said.trim_matches('"').to_owned());
    }
    let claims = document.in_access_token(|token| Some(crate::tokens::jwt_origin(token)));
    let claims = claims.into_iter().flatten();
    members.extend(claims.map(|(name, value)| (format!("token.{name}"), value)));
    let provider = members.get("provider").map(String::as_str);
    let server = (role(file) == Role::Service)
        .then(|| server(file, provider, || providers.longest_name_prefix(stem(file))).to_owned());
    CredentialConfig {
        file: file.to_owned(),
        server,
        client_secret: document.stored(SecretMember::ClientSecret),
        private_key: document.stored(SecretMember::PrivateKey),
        has_refresh_token: document.has_refresh_token(),
        members,
    }
}

/// The client credentials in the document called `file`, if there are any.
pub(crate) fn client_file(file: &str, document: &Document) -> Option<ClientFile> {
    Some(ClientFile {
        name: file.to_owned(),
        client_id: document.text("client_id")?,
        client_secret: document.stored(SecretMember::ClientSecret)?,
        members: document.plain_texts(),
    })
}
