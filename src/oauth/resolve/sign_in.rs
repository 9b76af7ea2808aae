//! The endpoints and the client of a sign-in.

use super::context::{Resolution, Resolver};
use crate::oauth::client::ClientIdentity;
use crate::oauth::config::{ClientFile, CredentialConfig};
use crate::oauth::endpoint::EndpointUrl;
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::ClientAuthMethod;
use crate::oauth::provider_row::ProviderRow;
use crate::oauth::providers::Providers;
use crate::oauth::request::TokenEndpoint;
use crate::oauth::template;
use crate::settings::Environment;

/// The endpoints of an authorization server.
pub(crate) struct ServerEndpoints {
    pub authorization: Option<EndpointUrl>,
    pub token: EndpointUrl,
    pub device: Option<EndpointUrl>,
    pub revocation: Option<EndpointUrl>,
}

/// The input of a sign-in's resolution.
pub(crate) struct Surroundings<'a> {
    /// The environment and `.env`.
    pub environment: &'a Environment,
    /// The client-credential files beside the tokens.
    pub clients: &'a [ClientFile],
    pub providers: &'a Providers,
}

impl Surroundings<'_> {
    fn resolver<'a>(&'a self, config: &'a CredentialConfig) -> Resolver<'a> {
        Resolver {
            config,
            file: config.file.clone(),
            environment: self.environment,
            clients: self.clients,
            providers: self.providers,
            trail: &|_| (),
        }
    }

    /// The endpoints of `row` for the sign-in of `config`. The error names a missing member, and the place to set it.
    pub(crate) fn endpoints(
        &self,
        row: &ProviderRow,
        grant: GrantType,
        config: &CredentialConfig,
    ) -> Result<ServerEndpoints, String> {
        let row = &row.0;
        let resolver = self.resolver(config);
        let values = resolver.values(row, config.member("client_id"));
        let filled = |pattern: &str| {
            let url = template::fill(pattern, &values).map_err(|template::Unset(variable)| {
                let sources = row.sources(&variable).unwrap_or_default();
                let how = template::where_to_set(&variable, sources, "the command as --member NAME=VALUE");
                format!("the address of {} is not complete: {how}", row.title)
            })?;
            EndpointUrl::parse(&url).map_err(|error| format!("{url}: {error}"))
        };
        let optional = |pattern: &Option<String>| pattern.as_deref().map(filled).transpose();
        let login = row.login.get();
        let token = row.token_endpoint.of(grant);
        let token = token.ok_or_else(|| format!("no token endpoint is known for {}", row.title))?;
        Ok(ServerEndpoints {
            authorization: optional(&row.authorization_endpoint)?,
            token: filled(token)?,
            device: optional(&login.device_authorization_endpoint)?,
            revocation: optional(&login.revocation_endpoint)?,
        })
    }

    /// The client of the file, a client-credential file or the environment for this sign-in.
    pub(crate) fn client(
        &self,
        row: &ProviderRow,
        grant: GrantType,
        config: &CredentialConfig,
        token: &EndpointUrl,
        offered: Option<&[String]>,
    ) -> Result<Option<ClientIdentity>, String> {
        let row = &row.0;
        let resolver = self.resolver(config);
        let client = resolver.client(row, grant).map_err(words)?;
        let Some(id) = client.id.clone() else { return Ok(None) };
        let key =
            config.private_key.clone().map(|pem| (pem, config.member("private_key_id").map(str::to_owned)));
        let said = config.member("token_endpoint_auth_method").is_some();
        let method = match offered {
            Some(offered) if !said => method(offered, client.secret.is_some(), key.is_some())?,
            _ => {
                let target = TokenEndpoint::Known(token.clone());
                let known = resolver.authentication(row, grant, &client, &target).map_err(words)?;
                known.method.unwrap_or(ClientAuthMethod::None)
            }
        };
        Ok(Some(ClientIdentity { id, secret: client.secret, key, method }))
    }
}

fn words(resolution: Resolution) -> String {
    match resolution {
        Resolution::Misconfigured(message) | Resolution::Monitored(message) => message,
        Resolution::Refresh(_) => String::new(),
    }
}

/// The first of a server's `offered` methods that the client can use.
fn method(offered: &[String], has_secret: bool, has_key: bool) -> Result<ClientAuthMethod, String> {
    if !has_secret && !has_key {
        // Many servers accept public clients without listing the method.
        return Ok(ClientAuthMethod::None);
    }
    offered
        .iter()
        .filter_map(|name| ClientAuthMethod::from_name(name))
        .find(|method| method.fits(has_secret, has_key))
        .ok_or_else(|| format!("the server takes only {}", offered.join(", ")))
}
