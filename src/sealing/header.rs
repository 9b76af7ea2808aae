//! The protected header of a sealed text: which secret is sealed, and where the secret may be sent.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

/// The `typ` of this program's texts. A provider's own refresh token may be a JWE too.
pub(super) const TYPE: &str = "token-refresher+jwe";

/// The members that are sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretMember {
    RefreshToken,
    ClientSecret,
    /// A PEM file's text: the key for `private_key_jwt`.
    PrivateKey,
}

impl SecretMember {
    pub(crate) const ALL: [Self; 3] = [Self::RefreshToken, Self::ClientSecret, Self::PrivateKey];

    /// The name of the member in a token file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientSecret => "client_secret",
            Self::PrivateKey => "private_key",
        }
    }
}

impl fmt::Display for SecretMember {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Where a secret may be sent, and for which client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    /// The origin of the token endpoint or of the issuer, or `row:NAME` where a built-in row decides.
    pub endpoint: String,
    /// The head of the SHA-256 of the client id.
    pub client: Option<Fingerprint>,
}

/// The protected header, in the order in which it is written. Any other member is refused, `zip` and `crit` included.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedHeader {
    pub(super) alg: String,
    pub(super) enc: String,
    pub(super) typ: String,
    /// The key that sealed the secret.
    pub kid: Fingerprint,
    /// The member as which the secret was sealed.
    pub member: SecretMember,
    /// Where the secret may be sent: [`Binding::endpoint`].
    pub endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Fingerprint>,
    /// The fingerprint of the secret, by which two files are compared without a key.
    pub fp: Fingerprint,
}

impl SealedHeader {
    pub(super) fn new(kid: Fingerprint, member: SecretMember, binding: &Binding, fp: Fingerprint) -> Self {
        let Binding { endpoint, client } = binding.clone();
        let [alg, enc, typ] = ["dir", "A256GCM", TYPE].map(ToOwned::to_owned);
        Self { alg, enc, typ, kid, member, endpoint, client, fp }
    }

    /// The header as the first part of a sealed text. The header has no value that JSON could not hold.
    pub(super) fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Where the secret may be sent.
    pub(crate) fn binding(&self) -> Binding {
        Binding { endpoint: self.endpoint.clone(), client: self.client }
    }
}
