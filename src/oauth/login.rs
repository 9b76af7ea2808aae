//! The facts for a person's sign-in at a provider: the `login` object of a provider's row.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The facts for a sign-in at a provider.
#[derive(Clone, Default)]
pub(crate) struct LoginRules {
    /// The issuer that `iss` in a redirect must name (RFC 9207).
    pub issuer: Option<String>,
    /// The endpoint of the device grant (RFC 8628), with `{variables}`.
    pub device_authorization_endpoint: Option<String>,
    /// The endpoint that ends a sign-in (RFC 7009), with `{variables}`.
    pub revocation_endpoint: Option<String>,
    pub redirect: Redirect,
    /// Whether the provider cannot bind a code to a verifier.
    pub no_pkce: bool,
    /// Scopes that lead to a refresh token; they are added to the others.
    pub refresh_scope: Vec<String>,
    /// The parameter that holds the scopes, if it is not `scope`.
    pub scope_parameter: Option<String>,
    /// Parameters of the authorization request beside the usual ones.
    pub parameters: BTreeMap<String, String>,
    /// Whether a code is redeemed only with a client secret.
    pub secret_required: bool,
    /// A person's task at the provider before the sign-in, as a sentence's end: `switch on ...`.
    pub before: Option<String>,
    /// Why no person can sign in here, and the alternative.
    pub instead: Option<String>,
    /// Keys whose values are remembered and not documented.
    pub unverified: Vec<String>,
}

/// The redirect addresses that a provider accepts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Redirect {
    /// `http://127.0.0.1` with any port, whichever is registered.
    AnyPort,
    /// `http://localhost` with any port, whichever is registered.
    AnyPortLocalhost,
    /// Exactly the registered address; loopback is possible.
    #[default]
    Exact,
    /// Exactly the registered address, which must be https.
    Https,
}
