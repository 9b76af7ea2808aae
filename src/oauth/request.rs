//! A request to a token endpoint, complete but for the refresh token.

use std::sync::Arc;
use std::time::Duration;

use ring::digest;

use super::endpoint::EndpointUrl;
use super::outcome::GrantType;
use super::provider::{BasicEncoding, ClientAuthMethod, Provider, Rotation};
use super::providers::Providers;
use crate::sealing::{Binding, Keyring, SecretMember, StoredSecret, Unsealable, opened, stored};
use crate::secret::{Fingerprint, Secret};

/// The source of the token endpoint's address.
pub(super) enum TokenEndpoint {
    Known(EndpointUrl),
    /// The metadata of this issuer names the endpoint (RFC 8414).
    FromIssuer(EndpointUrl),
}

/// How the client authenticates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Authentication {
    /// The method; `None` for the first fitting one of the issuer's metadata.
    pub method: Option<ClientAuthMethod>,
    /// The provider's own method, for metadata that lists none.
    pub fallback: Option<ClientAuthMethod>,
    pub basic_encoding: BasicEncoding,
    /// Whether `client_secret_basic` sends the client id in the form too. Some servers demand the id, others refuse it
    /// (RFC 6749 2.3 forbids two methods in one request).
    pub client_id_in_form: bool,
}

/// The key for `private_key_jwt`.
pub(super) struct SigningKey {
    /// The text of a PEM file.
    pub pem: Secret,
    /// The `kid` header.
    pub id: Option<String>,
}

/// The result of [`resolve()`](super::resolve()): how to refresh one credential.
pub(crate) struct TokenRequest {
    pub(super) file: String,
    pub(super) target: TokenEndpoint,
    /// Whether the table of providers names the endpoint, and not the file.
    pub(super) from_table: bool,
    pub(super) grant: GrantType,
    pub(super) authentication: Authentication,
    pub(super) client_id: Option<String>,
    /// The secret and the key are as stored, until [`Self::unseal`] has opened them.
    pub(super) client_secret: Option<Secret>,
    pub(super) key: Option<SigningKey>,
    /// All parameters but the client's and the refresh token, `grant_type` first.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) row: Arc<Provider>,
    /// The built-in row that made the token endpoint's address, and the values from which it was made.
    pub(super) made_by: Option<String>,
}

impl TokenRequest {
    /// The provider's name in the table, or its host where it is not in the table.
    pub(crate) fn provider(&self) -> &str {
        if self.row.name.is_empty() { &self.address().host } else { &self.row.name }
    }

    /// The name of the provider for people.
    pub(super) fn title(&self) -> &str {
        if self.row.title.is_empty() { &self.address().host } else { &self.row.title }
    }

    /// The token endpoint, or the issuer whose metadata names it, without its query, for messages.
    pub(crate) fn endpoint(&self) -> &str {
        &self.address().shown
    }

    fn address(&self) -> &EndpointUrl {
        match &self.target {
            TokenEndpoint::Known(endpoint) | TokenEndpoint::FromIssuer(endpoint) => endpoint,
        }
    }

    /// Scheme, host and port: the same text for all requests that fail together when their endpoint is down. The realms
    /// and tenants of one server differ in the path only.
    pub(crate) fn endpoint_key(&self) -> String {
        self.address().origin().to_owned()
    }

    /// The built-in row that made the token endpoint's address, and the file's or variable's values in it. `None` where
    /// the file, its issuer or the user's `providers.json` names the address.
    pub(crate) fn made_by(&self) -> Option<&str> {
        self.made_by.as_deref()
    }

    /// The name of the token file.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The endpoint and the client of this request, for which its secrets must be sealed.
    pub(crate) fn binding(&self) -> Binding {
        let origin = self.address().origin();
        let row = self.from_table.then_some(&*self.row.name);
        Binding {
            endpoint: bound_endpoint(row, self.grant, origin),
            client: self.client_id.as_deref().map(|id| Fingerprint::of(id.as_bytes())),
        }
    }

    /// Opens the sealed secrets that are sealed for this request. The error names the member.
    pub(crate) fn unseal(&mut self, keys: &Keyring) -> Result<(), (SecretMember, Unsealable)> {
        let binding = self.binding();
        let pem = self.key.as_mut().map(|key| (SecretMember::PrivateKey, &mut key.pem));
        let secret = self.client_secret.as_mut().map(|secret| (SecretMember::ClientSecret, secret));
        for (member, secret) in secret.into_iter().chain(pem) {
            if stored(secret.expose()) != StoredSecret::Plain {
                *secret = opened(secret, member, &binding, keys).map_err(|why| (member, why))?;
            }
        }
        Ok(())
    }

    /// Whether the provider never replaces a refresh token, so that the token in an old copy stays good.
    pub(crate) fn keeps_refresh_token(&self) -> bool {
        self.row.rotation == Rotation::Never
    }

    pub(crate) const fn grant(&self) -> GrantType {
        self.grant
    }

    /// Whether an answer may replace the refresh token. A lost answer may then have lost the new one.
    pub(crate) fn may_rotate(&self) -> bool {
        self.grant == GrantType::RefreshToken && self.row.rotation != Rotation::Never
    }

    /// How long after a lost answer the provider is known to accept the same refresh token.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.row.grace
    }

    /// The provider's usual access token lifetime, for answers without one.
    pub(crate) fn default_lifetime(&self) -> Option<Duration> {
        self.row.lifetime
    }

    /// A fingerprint of all parts of the request except the refresh token. Another value shows that a setting was
    /// changed. Secrets enter as hashes.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut text = String::new();
        // Lengths separate neighbours: ("ab", "c") is not ("a", "bc").
        let mut add = |part: &str| {
            text.push_str(&part.len().to_string());
            text.push(':');
            text.push_str(part);
        };
        let (kind, address) = match &self.target {
            TokenEndpoint::Known(endpoint) => ("endpoint", endpoint),
            TokenEndpoint::FromIssuer(issuer) => ("issuer", issuer),
        };
        add(kind);
        add(&address.url);
        let Authentication { method, basic_encoding, client_id_in_form, .. } = self.authentication;
        add(method.map_or("discovered", ClientAuthMethod::name));
        add(match basic_encoding {
            BasicEncoding::Form => "encoded",
            BasicEncoding::Raw => "raw",
            BasicEncoding::SecretAsUser => "secret as user",
        });
        if client_id_in_form {
            add("client id in form");
        }
        add(match self.row.body {
            super::provider::BodyFormat::Form => "form",
            super::provider::BodyFormat::Json => "json",
        });
        add(self.client_id.as_deref().unwrap_or_default());
        let key = self.key.as_ref();
        add(&self.client_secret.as_ref().map(hashed).unwrap_or_default());
        add(&key.map(|key| hashed(&key.pem)).unwrap_or_default());
        add(key.and_then(|key| key.id.as_deref()).unwrap_or_default());
        let parameters = self.parameters.iter().map(|(name, value)| (name, value));
        for (name, value) in parameters.chain(&self.row.headers) {
            add(name);
            add(value);
        }
        Fingerprint::of(text.as_bytes())
    }

    /// How a person gets a new refresh token, as the end of a sentence. Where the project is known, the command
    /// follows.
    pub(crate) fn remedy(&self) -> String {
        let page =
            self.authorization_endpoint.as_ref().map(|page| format!(" (at {page})")).unwrap_or_default();
        format!("sign in to {} again{page}", self.title())
    }
}

/// The endpoint in a [`Binding`]: the name of the built-in row that alone decides about it, else the origin. With the
/// name a newer row does not break the seal.
pub(super) fn bound_endpoint(row: Option<&str>, grant: GrantType, origin: &str) -> String {
    match row.filter(|name| Providers::built_in_decides(name, grant, origin)) {
        Some(name) => format!("row:{name}"),
        None => origin.to_owned(),
    }
}

/// All 256 bits, since a person may have chosen the secret.
fn hashed(secret: &Secret) -> String {
    use std::fmt::Write as _;
    let hash = digest::digest(&digest::SHA256, secret.expose().as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
