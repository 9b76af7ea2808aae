//! The client of the request.

use super::context::{Resolution, Resolver, misconfigured};
use super::environment;
use crate::oauth::outcome::GrantType;
use crate::oauth::provider::Provider;
use crate::secret::Secret;

/// The client of the request.
#[derive(Default)]
pub(super) struct ResolvedClient {
    pub id: Option<String>,
    pub secret: Option<Secret>,
    /// The scope that was configured for the client.
    pub scope: Option<String>,
}

impl Resolver<'_> {
    /// The client: the file's, a client-credential file's, the environment's; the first match wins.
    pub(super) fn client(&self, row: &Provider, grant: GrantType) -> Result<ResolvedClient, Resolution> {
        let config = self.config;
        let id = config.client_id().map(str::to_owned);
        let own = config.client_secret.clone().filter(|secret| !secret.expose().is_empty());
        let client = if own.is_some() || config.private_key.is_some() {
            self.say(format_args!("client: the file"));
            ResolvedClient { id, secret: own, scope: None }
        } else if let Some(file) = self.client_file() {
            let client = ResolvedClient { id, secret: Some(file.client_secret.clone()), scope: None };
            self.say(format_args!("client: {}", file.name));
            client
        } else if let Some(found) = environment::client(config, row, grant, self.providers, self.environment)
        {
            self.say(format_args!("client: {}", found.variable));
            ResolvedClient { id: Some(found.id), secret: found.secret, scope: found.scope }
        } else {
            self.say(format_args!("client: the file, without a secret"));
            ResolvedClient { id, ..ResolvedClient::default() }
        };
        // Other letters than ASCII are sent as UTF-8, percent-encoded (RFC 6749 appendix B).
        let odd = |text: &str| text.contains(char::is_control);
        for (what, text) in [
            ("client_id", client.id.as_deref()),
            ("client secret", client.secret.as_ref().map(Secret::expose)),
        ] {
            if text.is_some_and(odd) {
                let file = &self.file;
                return Err(misconfigured(format!(
                    "the {what} for {file} has a line break or control character"
                )));
            }
        }
        Ok(client)
    }

    /// The remedy for a missing `client_id` or `client_secret`.
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
}
