//! What is known about a credential before its request is made.
//!
//! Plain values: the `refresh` steps take them from the token file and from the client-credential
//! files beside it, so that this part of the program opens nothing.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// What a token file says about how and where to refresh it.
#[derive(Default)]
pub(crate) struct Hints {
    /// The file's name, for the rules about `ingress.json` and `*-m2m-token.json`, and for messages.
    pub file: String,
    /// The MCP server's name, of a service's file.
    pub server: Option<String>,
    /// `provider`
    pub provider: Option<String>,
    /// `token_endpoint` (also `token_url`, `token_uri`)
    pub token_endpoint: Option<String>,
    /// `issuer`
    pub issuer: Option<String>,
    /// `grant_type`
    pub grant_type: Option<String>,
    /// `token_endpoint_auth_method`, an RFC 7591 value
    pub token_endpoint_auth_method: Option<String>,
    /// `client_id`
    pub client_id: Option<String>,
    /// `audience`
    pub audience: Option<String>,
    /// `resource` (RFC 8707)
    pub resource: Option<String>,
    /// `scope`, or `scopes` joined by blanks: what was granted
    pub scope: Option<String>,
    /// `tenant` (`tenant_id`)
    pub tenant: Option<String>,
    /// `keycloak_url`
    pub keycloak_url: Option<String>,
    /// `realm` (`keycloak_realm`)
    pub realm: Option<String>,
    /// `user_pool_id`
    pub user_pool_id: Option<String>,
    /// `region`
    pub region: Option<String>,
    /// `domain`
    pub domain: Option<String>,
    /// `cloud_id`
    pub cloud_id: Option<String>,
    /// `metadata.auth_method`, which some token generators write instead of `grant_type`
    pub auth_method: Option<String>,
    /// `client_secret`
    pub client_secret: Option<Secret>,
    /// The text of a PEM file with the key for `private_key_jwt`.
    pub private_key: Option<Secret>,
    /// The `kid` under which the provider knows that key.
    pub private_key_id: Option<String>,
    /// Whether the file holds a refresh token that is not empty.
    pub has_refresh_token: bool,
    /// Every other plain text member, for the variables of a provider's row (`host`, `account_url`).
    pub members: BTreeMap<String, String>,
}

impl Hints {
    /// The value of a member under the name it has in a token file; blank counts as absent.
    pub(super) fn member(&self, name: &str) -> Option<&str> {
        let field = match name {
            "provider" => &self.provider,
            "token_endpoint" => &self.token_endpoint,
            "issuer" => &self.issuer,
            "client_id" => &self.client_id,
            "audience" => &self.audience,
            "resource" => &self.resource,
            "scope" => &self.scope,
            "tenant" => &self.tenant,
            "keycloak_url" => &self.keycloak_url,
            "realm" => &self.realm,
            "user_pool_id" => &self.user_pool_id,
            "region" => &self.region,
            "domain" => &self.domain,
            "cloud_id" => &self.cloud_id,
            _ => return text(self.members.get(name)),
        };
        text(field.as_ref())
    }
}

/// A file with client credentials and no token; it serves the token files with its `client_id`.
pub(crate) struct ClientFile {
    /// The file's name, for messages.
    pub name: String,
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: Secret,
    /// Its other plain text members.
    pub members: BTreeMap<String, String>,
}

/// The text without surrounding blanks, unless nothing is left.
pub(super) fn filled(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// [`filled`] of a value that may be absent.
pub(super) fn text(value: Option<&String>) -> Option<&str> {
    value.and_then(|text| filled(text))
}
