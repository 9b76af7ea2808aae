//! As which client to ask, and how that client authenticates.

use super::context::{Resolution, Resolver, misconfigured};
use super::environment;
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::{ClientAuthMethod, Provider};
use crate::oauth::request::TokenEndpoint;
use crate::secret::{Secret, is_printable};

/// Who asks.
#[derive(Default)]
pub(super) struct ResolvedClient {
    pub id: Option<String>,
    pub secret: Option<Secret>,
    /// The scope that was configured for it.
    pub scope: Option<String>,
}

impl Resolver<'_> {
    /// The client: the file, a client-credential file, the environment, first match wins.
    pub(super) fn client(&mut self, row: &Provider, grant: GrantType) -> Result<ResolvedClient, Resolution> {
        let config = self.config;
        let id = config.member("client_id").map(str::to_owned);
        let own = config.client_secret.clone().filter(|secret| !secret.expose().is_empty());
        let client = if own.is_some() || config.private_key.is_some() {
            self.say("client: the file");
            ResolvedClient { id, secret: own, scope: None }
        } else if let Some(file) = self.client_file() {
            let client = ResolvedClient { id, secret: Some(file.client_secret.clone()), scope: None };
            self.say(format!("client: {}", file.name));
            client
        } else if let Some(found) = environment::client(config, row, grant, self.providers, self.variable) {
            self.say(format!("client: {}", found.variable));
            ResolvedClient { id: Some(found.id), secret: found.secret, scope: found.scope }
        } else {
            self.say("client: the file, without a secret");
            ResolvedClient { id, ..ResolvedClient::default() }
        };
        let odd = |text: &str| !is_printable(text);
        if client.id.as_deref().is_some_and(odd) {
            return Err(misconfigured(format!("the client_id for {} is not printable ASCII", self.file)));
        }
        if client.secret.as_ref().is_some_and(|secret| odd(secret.expose())) {
            return Err(misconfigured(format!("the client secret for {} is not printable ASCII", self.file)));
        }
        Ok(client)
    }

    /// What a person can do about a missing `client_id` or `client_secret`.
    pub(super) fn no_client(&self, row: &Provider, grant: GrantType, what: &str) -> String {
        let of = |id: &str, secret: &str| (if what == "client_id" { id } else { secret }).replace('#', "N");
        let own: Vec<String> = match grant {
            GrantType::ClientCredentials => {
                row.environment.iter().map(|set| of(&set.client_id, &set.client_secret)).collect()
            }
            GrantType::RefreshToken => Vec::new(),
        };
        let set = if own.is_empty() {
            let egress = environment::egress();
            let name = of(&egress.client_id, &egress.client_secret);
            format!("{name} beside EGRESS_PROVIDER_NAME_N={}", row.name)
        } else {
            own.join(" or ")
        };
        format!("no {what} is known for {}: add it to the file, or set {set}", self.file)
    }

    /// How the client authenticates: never found out by trying, since a try costs a rotating token.
    pub(super) fn method(
        &mut self,
        row: &Provider,
        grant: GrantType,
        client: &ResolvedClient,
        target: &TokenEndpoint,
    ) -> Result<Option<ClientAuthMethod>, Resolution> {
        let file = &self.file;
        let (secret, key) = (client.secret.is_some(), self.config.private_key.is_some());
        if let Some(name) = self.config.member("token_endpoint_auth_method") {
            let method = ClientAuthMethod::from_name(name).ok_or_else(|| {
                misconfigured(format!(
                    "token_endpoint_auth_method {name:?} in {file} is not supported: use client_secret_basic, \
                     client_secret_post, private_key_jwt or none"
                ))
            })?;
            match method {
                ClientAuthMethod::PrivateKeyJwt if !key => {
                    return Err(misconfigured(format!(
                        "private_key_jwt needs a private key: name one in {file}"
                    )));
                }
                ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost if !secret => {
                    return Err(misconfigured(self.no_client(row, grant, "client_secret")));
                }
                _ => {}
            }
            self.say(format!("authentication {name}: the file"));
            return Ok(Some(method));
        }
        let usable = |method: &&ClientAuthMethod| match method {
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost => secret,
            ClientAuthMethod::PrivateKeyJwt => key && !secret,
            ClientAuthMethod::None => !secret && !key,
        };
        let accepted = &row.client_authentication;
        // A client that has a credential must use it (RFC 6749 6), unless the provider takes none.
        let method = match accepted.iter().find(usable) {
            Some(method) => *method,
            None if accepted.contains(&ClientAuthMethod::None) => ClientAuthMethod::None,
            None if !accepted.is_empty() => {
                return Err(misconfigured(self.no_client(row, grant, "client_secret")));
            }
            None if matches!(target, TokenEndpoint::FromIssuer(_)) => {
                self.say("authentication: from the issuer's metadata");
                return Ok(None);
            }
            None if secret => ClientAuthMethod::ClientSecretPost,
            None if key => ClientAuthMethod::PrivateKeyJwt,
            None => ClientAuthMethod::None,
        };
        let whence = if accepted.is_empty() { "nothing else is known" } else { "the provider's row" };
        self.say(format!("authentication {}: {whence}", method.name()));
        Ok(Some(method))
    }
}
