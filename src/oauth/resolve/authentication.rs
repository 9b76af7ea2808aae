//! How the client authenticates. No method is tried out, since a failed try may cost a rotating token.

use super::context::{Resolution, Resolver, misconfigured};
use super::credentials::ResolvedClient;
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::{BasicEncoding, ClientAuthMethod, Provider};
use crate::oauth::request::{Authentication, TokenEndpoint};

impl Resolver<'_> {
    /// The method that the file names, else the provider's at a known endpoint. At an issuer's endpoint the metadata
    /// comes before the provider's row.
    pub(super) fn authentication(
        &self,
        row: &Provider,
        grant: GrantType,
        client: &ResolvedClient,
        target: &TokenEndpoint,
    ) -> Result<Authentication, Resolution> {
        let basic_encoding = self.basic_encoding(row)?;
        let client_id_in_form = match self.config.member("client_id_in_form") {
            Some(said) => said == "true",
            None => row.client_id_in_form,
        };
        let with = |method, fallback| Authentication { method, fallback, basic_encoding, client_id_in_form };
        if let Some(method) = self.stated_method(row, grant, client)? {
            self.say(format_args!("authentication {}: the file", method.name()));
            return Ok(with(Some(method), None));
        }
        if matches!(target, TokenEndpoint::FromIssuer(_)) {
            self.say(format_args!("authentication: from the issuer's metadata"));
            return Ok(with(None, self.provider_method(row, client)));
        }
        let method = match self.provider_method(row, client) {
            Some(method) => method,
            None if !row.client_authentication.is_empty() => {
                return Err(misconfigured(self.no_client(row, grant, "client_secret")));
            }
            None if client.secret.is_some() => ClientAuthMethod::ClientSecretPost,
            None if self.config.private_key.is_some() => ClientAuthMethod::PrivateKeyJwt,
            None => ClientAuthMethod::None,
        };
        let known = !row.client_authentication.is_empty();
        let whence = if known { "the provider's row" } else { "nothing else is known" };
        self.say(format_args!("authentication {}: {whence}", method.name()));
        Ok(with(Some(method), None))
    }

    fn basic_encoding(&self, row: &Provider) -> Result<BasicEncoding, Resolution> {
        match self.config.member("basic_encoding") {
            None => Ok(row.basic_encoding),
            Some("form") => Ok(BasicEncoding::Form),
            Some("raw") => Ok(BasicEncoding::Raw),
            Some(other) => {
                let file = &self.file;
                Err(misconfigured(format!(
                    "basic_encoding {other:?} in {file} is not known: use form or raw"
                )))
            }
        }
    }

    /// The file's own `token_endpoint_auth_method`.
    fn stated_method(
        &self,
        row: &Provider,
        grant: GrantType,
        client: &ResolvedClient,
    ) -> Result<Option<ClientAuthMethod>, Resolution> {
        let file = &self.file;
        let Some(name) = self.config.member("token_endpoint_auth_method") else { return Ok(None) };
        let method = ClientAuthMethod::from_name(name).ok_or_else(|| {
            misconfigured(format!(
                "token_endpoint_auth_method {name:?} in {file} is not supported: use client_secret_basic, \
                 client_secret_post, private_key_jwt or none"
            ))
        })?;
        match method {
            ClientAuthMethod::PrivateKeyJwt if self.config.private_key.is_none() => {
                Err(misconfigured(format!("private_key_jwt needs a private key: name one in {file}")))
            }
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost
                if client.secret.is_none() =>
            {
                Err(misconfigured(self.no_client(row, grant, "client_secret")))
            }
            method => Ok(Some(method)),
        }
    }

    /// The first method of the provider's row that fits the client's credentials. A client with a credential must use
    /// it (RFC 6749 6), unless the provider accepts none.
    fn provider_method(&self, row: &Provider, client: &ResolvedClient) -> Option<ClientAuthMethod> {
        let (secret, key) = (client.secret.is_some(), self.config.private_key.is_some());
        let usable = |method: &&ClientAuthMethod| method.fits(secret, key);
        let accepted = &row.client_authentication;
        let public = || accepted.iter().find(|method| **method == ClientAuthMethod::None);
        accepted.iter().find(usable).or_else(public).copied()
    }
}
