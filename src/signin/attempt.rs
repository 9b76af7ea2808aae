//! One attempt at a sign-in: the common parts of all grants.

use super::around::SignInContext;
use super::client::{self, Client};
use super::compose::MemberValue;
use super::interrupt::Interrupt;
use super::options::LoginOptions;
use super::target::{Target, grant};
use super::unseal::unsealed;

pub(super) struct SignInAttempt<'a> {
    pub target: &'a Target,
    pub asked: &'a LoginOptions,
    pub around: &'a SignInContext<'a>,
    pub interrupt: &'a Interrupt,
    /// Whether to register a new client even though one is known.
    pub register: bool,
}

impl SignInAttempt<'_> {
    /// The known client, unless a new one must be registered.
    ///
    /// # Errors
    /// Why the known client cannot be used.
    pub(super) fn known_client(&self) -> Result<Option<Client>, String> {
        if self.register {
            return Ok(None);
        }
        let target = self.target;
        let config = self.around.config(&target.place.name, &target.known);
        let around = self.around.surroundings(&target.files);
        let known = client::known(&target.server, grant(self.asked), config, &target.clients, &around)?;
        known.map(|client| unsealed(client, &target.server, grant(self.asked), &self.around.keys)).transpose()
    }

    /// Registers a client.
    ///
    /// # Errors
    /// Why the server registers none.
    pub(super) fn new_client(&self, redirect_uri: Option<&str>) -> Result<Client, String> {
        client::register(&self.target.server, redirect_uri, &self.target.scopes, &self.around.client)
    }

    /// The `resource` parameter, where the sign-in has one.
    pub(super) fn resource(&self) -> Option<(&str, &str)> {
        self.target.resource.as_deref().map(|resource| ("resource", resource))
    }

    /// The members of the token file beside the tokens.
    pub(super) fn members<'s>(
        &'s self,
        client: &'s Client,
        redirect_uri: Option<&'s str>,
    ) -> Vec<(&'s str, MemberValue<'s>)> {
        let target = self.target;
        let mut members: Vec<(&str, MemberValue<'_>)> =
            vec![("provider", MemberValue::Text(&target.provider))];
        members
            .extend(self.asked.members.iter().map(|(name, value)| (name.as_str(), MemberValue::Text(value))));
        members.extend(target.server_url.as_deref().map(|url| ("server_url", MemberValue::Text(url))));
        if target.server.discovered {
            members
                .extend(target.server.issuer.as_deref().map(|issuer| ("issuer", MemberValue::Text(issuer))));
            members.push(("token_endpoint", MemberValue::Text(&target.server.endpoints.token.url)));
            members.push(("token_endpoint_auth_method", MemberValue::Text(client.identity.method.name())));
        }
        members.push(("client_id", MemberValue::Text(&client.identity.id)));
        members.extend(registration_members(client));
        members.extend(redirect_uri.map(|uri| ("redirect_uri", MemberValue::Text(uri))));
        members.extend(target.resource.as_deref().map(|resource| ("resource", MemberValue::Text(resource))));
        members
    }
}

/// The members for a registration: the facts to use, read and delete the client (RFC 7592).
fn registration_members(client: &Client) -> Vec<(&str, MemberValue<'_>)> {
    let Some(registered) = &client.registered else { return Vec::new() };
    let ends = registered.client_secret_expires_at.map(|ends| MemberValue::Json(ends.to_string()));
    let uri = registered.registration_client_uri.as_deref().map(MemberValue::Text);
    vec![
        ("client_secret", MemberValue::secret(registered.client_secret.as_ref())),
        ("client_secret_expires_at", ends.unwrap_or(MemberValue::Nothing)),
        ("registration_client_uri", uri.unwrap_or(MemberValue::Nothing)),
        ("registration_access_token", MemberValue::secret(registered.registration_access_token.as_ref())),
    ]
}
