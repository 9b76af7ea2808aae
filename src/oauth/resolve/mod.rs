//! From the statements of a token file to the request that refreshes its token.
//!
//! A pure function over values. Each decision goes into the trail, for `--log-level DEBUG`. The order is fixed. The
//! endpoint comes first (the file's, its Keycloak members, the table, the issuer's metadata). Then come the client (the
//! file, a client-credential file, the environment) and the parameters.

mod authentication;
mod context;
mod credentials;
mod environment;
mod sign_in;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::context::{Resolution, RuleTrail};
use self::context::{Resolver, misconfigured};
use self::credentials::ResolvedClient;
pub(crate) use self::sign_in::{ServerEndpoints, Surroundings};
use super::config::{ClientFile, CredentialConfig};
use super::outcome::GrantType;
use super::provider::{BasicEncoding, Provider};
use super::providers::Providers;
use super::request::{SigningKey, TokenEndpoint, TokenRequest};
use super::{template, wording};
use crate::settings::Environment;

/// Finds out how to refresh a credential.
pub(crate) fn resolve(
    config: &CredentialConfig,
    environment: &Environment,
    clients: &[ClientFile],
    providers: &Providers,
) -> Resolution {
    resolve_with_trail(config, environment, clients, providers, &|_| ())
}

/// Does the same. `trail` takes the rules that decided, in their order.
pub(crate) fn resolve_with_trail(
    config: &CredentialConfig,
    environment: &Environment,
    clients: &[ClientFile],
    providers: &Providers,
    trail: RuleTrail<'_>,
) -> Resolution {
    let file = wording::shown(&config.file, &[]);
    let resolver = Resolver { config, file, environment, clients, providers, trail };
    resolver.request().map_or_else(|stop| stop, |found| Resolution::Refresh(Box::new(found)))
}

impl Resolver<'_> {
    fn request(&self) -> Result<TokenRequest, Resolution> {
        let named = self.named_row();
        let grant = self.grant(named.as_deref())?;
        let (target, row) = self.target(named, grant)?;
        let client = self.client(&row, grant)?;
        if client.id.is_none() && row.basic_encoding != BasicEncoding::SecretAsUser {
            return Err(misconfigured(self.no_client(&row, grant, "client_id")));
        }
        if grant == GrantType::ClientCredentials
            && client.secret.is_none()
            && self.config.private_key.is_none()
        {
            return Err(misconfigured(self.no_client(&row, grant, "client_secret")));
        }
        let authentication = self.authentication(&row, grant, &client, &target)?;
        let parameters = self.parameters(&row, grant, &client)?;
        let values = self.values(&row, client.id.as_deref());
        let authorization_endpoint =
            row.authorization_endpoint.as_deref().and_then(|page| template::fill(page, &values).ok());
        let from_table =
            matches!(target, TokenEndpoint::Known(_)) && self.config.member("token_endpoint").is_none();
        let made_by = self.made_by(&target, &row, grant, client.id.as_deref());
        Ok(TokenRequest {
            made_by,
            file: self.file.clone(),
            target,
            from_table,
            grant,
            authentication,
            client_id: client.id,
            client_secret: client.secret,
            key: self
                .config
                .private_key
                .clone()
                .map(|pem| SigningKey { pem, id: self.config.member("private_key_id").map(str::to_owned) }),
            parameters,
            authorization_endpoint,
            row,
        })
    }

    fn named_row(&self) -> Option<Arc<Provider>> {
        // The Python service keeps the ingress token's provider in the environment.
        let ingress =
            || (self.config.file == "ingress.json").then(|| self.variable("AUTH_PROVIDER")).flatten();
        let (name, whence) = match self.provider_name() {
            Some(name) => (name.to_owned(), "the file's provider"),
            None => (ingress()?, "AUTH_PROVIDER"),
        };
        let row = self.providers.named(&name).cloned();
        let found = if row.is_some() { "is in the table" } else { "is not in the table" };
        self.say(format_args!("{whence} {name:?} {found}"));
        row
    }

    /// Picks the grant. An application's own token is requested anew. A person's token is renewed by its refresh token,
    /// never by client credentials, even if there are some.
    fn grant(&self, row: Option<&Provider>) -> Result<GrantType, Resolution> {
        let config = self.config;
        if row.is_some_and(|row| row.refreshable == Some(false)) {
            let title = row.map_or("the provider", |row| &row.title);
            return Err(Resolution::Monitored(format!(
                "{title} has no refresh: its tokens stay until revoked"
            )));
        }
        let said = config.member("grant_type");
        let by_name = self.row_of_file_name();
        let credentials = GrantType::ClientCredentials.name();
        let machine = match said {
            Some(name) if name == credentials => Some("the file's grant_type"),
            // Any other grant in the file is a person's.
            _ if said.is_some() || config.has_refresh_token => None,
            _ if config.member("metadata.auth_method") == Some(credentials) => {
                Some("the file's metadata.auth_method")
            }
            _ if config.member("provider").is_some_and(|name| name.ends_with("_m2m")) => {
                Some("provider ends in _m2m")
            }
            _ if row.or(by_name.as_deref()).is_some_and(|row| row.client_credentials_only) => {
                Some("the provider has applications' tokens only")
            }
            _ if config.is_machine_token() => Some("the access token is an application's"),
            _ if config.file == "ingress.json" || config.file.ends_with("-m2m-token.json") => {
                Some("the file's name")
            }
            _ => None,
        };
        if let Some(why) = machine {
            self.say(format_args!("grant client_credentials: {why}"));
            return Ok(GrantType::ClientCredentials);
        }
        if config.has_refresh_token {
            self.say(format_args!("grant refresh_token: the file has one"));
            return Ok(GrantType::RefreshToken);
        }
        Err(Resolution::Monitored("it is a person's token and has no refresh token".to_owned()))
    }

    /// Makes the parameters. `scope` is sent only where an application requests its own token. In a token file it is
    /// the granted scope, which a refresh without it keeps (RFC 6749 6).
    fn parameters(
        &self,
        row: &Provider,
        grant: GrantType,
        client: &ResolvedClient,
    ) -> Result<Vec<(String, String)>, Resolution> {
        let config = self.config;
        let mut parameters = vec![("grant_type".to_owned(), grant.name().to_owned())];
        let mut set = |name: &str, value: String| match parameters.iter_mut().find(|(known, _)| known == name)
        {
            Some((_, known)) => *known = value,
            None => parameters.push((name.to_owned(), value)),
        };
        let scope = config.member("scope").or(client.scope.as_deref());
        for (name, value) in [
            ("scope", scope.filter(|_| grant == GrantType::ClientCredentials)),
            ("audience", config.member("audience")),
            ("resource", config.member("resource")),
        ] {
            if let Some(value) = value {
                set(name, value.to_owned());
            }
        }
        let mut values = self.values(row, client.id.as_deref());
        values.scope = client.scope.as_deref();
        for (name, parameter) in row.parameters.of(grant) {
            match template::first(&parameter.from, &values) {
                Some(value) => set(name, value),
                None if parameter.required => {
                    let how = template::where_to_set(name, &parameter.from, &self.file);
                    return Err(misconfigured(format!("{} needs {name}: {how}", row.title)));
                }
                None => {}
            }
        }
        if let Some(separator) = &row.scope_separator {
            for (_, value) in parameters.iter_mut().filter(|(name, _)| name == "scope") {
                *value = value.split_whitespace().collect::<Vec<_>>().join(separator);
            }
        }
        Ok(parameters)
    }
}
