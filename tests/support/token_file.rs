//! Writes token files as sign-in tools do: members in an order of their own, whole numbers or fractions, fields that
//! only their writer understands.

use serde_json::{Value, json};

use super::endpoint::{Client, Endpoint, Tokens};
use super::now;

/// A token file in the making. Members keep the order in which they were first set.
#[derive(Clone, Debug)]
pub(crate) struct TokenFile {
    name: String,
    members: Vec<(String, Value)>,
}

impl TokenFile {
    /// A file of this name without any member.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), members: Vec::new() }
    }

    /// `{provider}-{server}-egress.json` with its `provider`.
    pub(crate) fn egress(provider: &str, server: &str) -> Self {
        Self::named(&format!("{provider}-{server}-egress.json")).field("provider", provider)
    }

    /// An egress file after a sign-in at `client`: tokens, endpoint, id and secret. Without an expiry, which the test
    /// adds, the token does not expire.
    pub(crate) fn signed_in(provider: &str, server: &str, endpoint: &Endpoint, client: &Client) -> Self {
        Self::egress(provider, server).tokens(&endpoint.sign_in(client.id())).at(endpoint, client)
    }

    /// `ingress.json`, refreshed by client credentials at `client`, without a token.
    pub(crate) fn ingress(endpoint: &Endpoint, client: &Client) -> Self {
        Self::named("ingress.json").field("grant_type", "client_credentials").at(endpoint, client)
    }

    /// The access and the refresh token.
    pub(crate) fn tokens(self, tokens: &Tokens) -> Self {
        self.field("access_token", tokens.access_token.as_str())
            .field("refresh_token", tokens.refresh_token.as_str())
    }

    /// The endpoint and the client of a refresh.
    pub(crate) fn at(self, endpoint: &Endpoint, client: &Client) -> Self {
        self.field("token_endpoint", endpoint.url())
            .field("client_id", client.id())
            .field("client_secret", client.secret())
    }

    /// `expires_at`, so many seconds from now, as a whole number.
    pub(crate) fn expires_in(self, seconds: i64) -> Self {
        self.field("expires_at", now() + seconds)
    }

    /// A token issued just now with this lifetime. `expires_at` is `issued_at` + `expires_in`, so the life is known,
    /// and half of it is the widest buffer.
    pub(crate) fn fresh_for(self, seconds: i64) -> Self {
        self.field("issued_at", now()).field("expires_in", seconds).expires_in(seconds)
    }

    /// Sets a member.
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match self.members.iter_mut().find(|(key, _)| key == name) {
            Some(member) => member.1 = value,
            None => self.members.push((name.to_owned(), value)),
        }
        self
    }

    /// Removes a member.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.members.retain(|(key, _)| key != name);
        self
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file's text, indented by two.
    pub(crate) fn text(&self) -> String {
        let members =
            self.members.iter().map(|(key, value)| format!("  {}: {value}", json!(key))).collect::<Vec<_>>();
        format!("{{\n{}\n}}\n", members.join(",\n"))
    }
}
