//! The statements of a token file about how to refresh its token.
//!
//! Plain values, taken from the token file and from the client-credential files beside it. The wing opens no file.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// The statements of a token file about the endpoint and the client of its refresh.
#[derive(Default)]
pub(crate) struct CredentialConfig {
    /// The file's name: some names imply a grant, and messages name the file.
    pub file: String,
    /// The MCP server whose token the file holds, if it is a service's file.
    pub server: Option<String>,
    /// The secret as stored: sealed or not.
    pub client_secret: Option<Secret>,
    /// The text of a PEM file for `private_key_jwt`, as stored: sealed or not.
    pub private_key: Option<Secret>,
    /// Whether the file holds a refresh token that is not empty.
    pub has_refresh_token: bool,
    /// The file's plain text members, `metadata.auth_method`, and claims of its access token as `token.iss`.
    pub members: BTreeMap<String, String>,
}

/// Members that other tools write under other names.
const ALIASES: [(&str, &[&str]); 3] = [
    ("token_endpoint", &["token_url", "token_uri"]),
    ("tenant", &["tenant_id"]),
    ("realm", &["keycloak_realm"]),
];

impl CredentialConfig {
    /// Whether the file itself names the origin of its token.
    pub(super) fn names_origin(&self) -> bool {
        ["provider", "token_endpoint", "issuer"].into_iter().any(|name| self.member(name).is_some())
    }

    /// The client: the file's, else the one to which the access token was issued (claims of Entra and Okta). The claims
    /// count only in a file that does not name the origin.
    pub(super) fn client_id(&self) -> Option<&str> {
        let claims = ["token.appid", "token.azp", "token.cid"].into_iter().filter(|_| !self.names_origin());
        self.member("client_id").or_else(|| claims.into_iter().find_map(|claim| self.member(claim)))
    }

    /// Whether the claims of Auth0, Okta or Entra name an application as the token's user.
    pub(super) fn is_machine_token(&self) -> bool {
        let is = |claim, value| self.member(claim) == Some(value);
        let subject = self.member("token.sub");
        is("token.gty", "client-credentials")
            || is("token.idtyp", "app")
            || subject.is_some_and(|subject| subject.ends_with("@clients"))
            || subject.is_some() && subject == self.member("token.cid")
    }

    /// The value of a member or of its first alias. A blank value counts as absent.
    pub(super) fn member(&self, name: &str) -> Option<&str> {
        let aliases =
            ALIASES.into_iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, names)| names);
        std::iter::once(&name).chain(aliases).find_map(|name| filled(self.members.get(*name)?))
    }

    /// The configuration of a test's file; `server`, secrets and `refresh_token` are among the members.
    #[cfg(test)]
    pub(crate) fn of_members(file: &str, members: &[(&str, &str)]) -> Self {
        let mut config = Self { file: file.to_owned(), ..Self::default() };
        for (name, value) in members {
            let value = (*value).to_owned();
            match *name {
                "server" => config.server = Some(value),
                "client_secret" => config.client_secret = Some(Secret::new(value)),
                "private_key" => config.private_key = Some(Secret::new(value)),
                "refresh_token" => config.has_refresh_token = true,
                _ => drop(config.members.insert((*name).to_owned(), value)),
            }
        }
        config
    }
}

/// A file with client credentials and no token, for the token files with its `client_id`.
pub(crate) struct ClientFile {
    /// The file's name, for messages.
    pub name: String,
    pub client_id: String,
    /// The secret as stored: sealed or not.
    pub client_secret: Secret,
    /// The other plain text members.
    pub members: BTreeMap<String, String>,
}

/// The text without white space around it, unless nothing is left.
pub(super) fn filled(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}
