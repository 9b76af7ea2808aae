//! As which client to ask, and how that client authenticates.

use super::{Resolution, Resolver, environment, misconfigured};
use crate::oauth::hints::{ClientFile, text};
use crate::oauth::outcome::GrantType;
use crate::oauth::request::Target;
use crate::oauth::row::{Method, Row};
use crate::secret::Secret;

/// Who asks.
#[derive(Default)]
pub(super) struct Client {
    pub id: Option<String>,
    pub secret: Option<Secret>,
    /// The scope that was configured for it.
    pub scope: Option<String>,
}

impl Resolver<'_> {
    /// The client: the file, a client-credential file, the environment, first match wins.
    pub(super) fn client(&mut self, row: &Row, grant: GrantType) -> Result<Client, Resolution> {
        let hints = self.hints;
        let id = text(hints.client_id.as_ref()).map(str::to_owned);
        let own = hints.client_secret.clone().filter(|secret| !secret.expose().is_empty());
        let client = if own.is_some() || hints.private_key.is_some() {
            self.say("client: the file");
            Client { id, secret: own, scope: None }
        } else if let Some(file) = self.client_file() {
            let client = Client { id, secret: Some(file.client_secret.clone()), scope: None };
            self.say(format!("client: {}", file.name));
            client
        } else if let Some(found) = environment::client(hints, row, grant, self.providers, self.variable) {
            self.say(format!("client: {}", found.variable));
            Client { id: Some(found.id), secret: found.secret, scope: found.scope }
        } else {
            self.say("client: the file, without a secret");
            Client { id, ..Client::default() }
        };
        let odd = |text: &str| !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        if client.id.as_deref().is_some_and(odd) {
            return Err(misconfigured(format!("the client_id for {} is not printable ASCII", self.file)));
        }
        if client.secret.as_ref().is_some_and(|secret| odd(secret.expose())) {
            return Err(misconfigured(format!("the client secret for {} is not printable ASCII", self.file)));
        }
        Ok(client)
    }

    pub(super) fn client_file(&self) -> Option<&ClientFile> {
        let id = text(self.hints.client_id.as_ref())?;
        self.clients
            .iter()
            .find(|file| file.client_id.trim() == id && !file.client_secret.expose().is_empty())
    }

    /// What a person can do about a missing `client_id` or `client_secret`.
    pub(super) fn no_client(&self, row: &Row, grant: GrantType, what: &str) -> String {
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
        row: &Row,
        grant: GrantType,
        client: &Client,
        target: &Target,
    ) -> Result<Option<Method>, Resolution> {
        let file = &self.file;
        let (secret, key) = (client.secret.is_some(), self.hints.private_key.is_some());
        if let Some(name) = text(self.hints.token_endpoint_auth_method.as_ref()) {
            let method = Method::from_name(name).ok_or_else(|| {
                misconfigured(format!(
                    "token_endpoint_auth_method {name:?} in {file} is not supported: use client_secret_basic, \
                     client_secret_post, private_key_jwt or none"
                ))
            })?;
            match method {
                Method::PrivateKeyJwt if !key => {
                    return Err(misconfigured(format!(
                        "private_key_jwt needs a private key: name one in {file}"
                    )));
                }
                Method::ClientSecretBasic | Method::ClientSecretPost if !secret => {
                    return Err(misconfigured(self.no_client(row, grant, "client_secret")));
                }
                _ => {}
            }
            self.say(format!("authentication {name}: the file"));
            return Ok(Some(method));
        }
        let usable = |method: &&Method| match method {
            Method::ClientSecretBasic | Method::ClientSecretPost => secret,
            Method::PrivateKeyJwt => key && !secret,
            Method::None => !secret && !key,
        };
        let accepted = &row.client_authentication;
        // A client that has a credential must use it (RFC 6749 6), unless the provider takes none.
        let method = match accepted.iter().find(usable) {
            Some(method) => *method,
            None if accepted.contains(&Method::None) => Method::None,
            None if !accepted.is_empty() => {
                return Err(misconfigured(self.no_client(row, grant, "client_secret")));
            }
            None if matches!(target, Target::Issuer(_)) => {
                self.say("authentication: from the issuer's metadata");
                return Ok(None);
            }
            None if secret => Method::ClientSecretPost,
            None if key => Method::PrivateKeyJwt,
            None => Method::None,
        };
        let whence = if accepted.is_empty() { "nothing else is known" } else { "the provider's row" };
        self.say(format!("authentication {}: {whence}", method.name()));
        Ok(Some(method))
    }
}
