//! The result of a request to a token endpoint.
//!
//! The rest of the program speaks of failures in these classes only. The next step depends on the class alone (see
//! [`backoff`](super::backoff)), never on a status code or a provider.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// The meaning of a failure for the credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The refresh token is dead: a person must sign in. Nothing is sent until the file holds another one.
    SignInAgain,
    /// The same request can never succeed: a setting must be changed. Nothing is sent until the request is a different
    /// one.
    Configuration,
    /// The same request may succeed later: retry after a growing delay.
    Passing,
    /// The request left and no complete answer came. The provider may have replaced the refresh token meanwhile. The
    /// token may be spent, and sending it again may kill the one in use.
    InDoubt,
}

impl Class {
    /// The words for the class in the log.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::SignInAgain => "a new sign-in is needed",
            Self::Configuration => "a setting is wrong",
            Self::Passing => "it may pass",
            Self::InDoubt => "the refresh token may be spent",
        }
    }
}

/// A refresh that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub class: Class,
    /// One line for a person: what failed at which endpoint, why, and what to do. Holds no secret
    /// and no control character, whatever the endpoint sent.
    pub message: String,
    /// How long the endpoint wants no request, at most an hour.
    pub retry_after: Option<Duration>,
    /// The subject of the failure.
    pub concerns: Concerns,
    /// The OAuth error code (RFC 6749 5.2) or the provider's own, if the answer had one.
    pub code: Option<String>,
    /// Whether an answer was lost on its way. Either the connection broke or timed out after the request left, or a
    /// gateway lost the answer.
    pub lost: bool,
    /// Whether the answer is a 400, 401 or 403 without a reason in any form that OAuth knows.
    pub unexplained: bool,
    /// The refresh token that came without an access token, and has replaced the one that was sent.
    pub replacement: Option<Secret>,
}

/// The subject of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Concerns {
    /// The credential, its request or its file.
    Credential,
    /// The endpoint, which is unreachable or overloaded: its other credentials wait too.
    Endpoint,
    /// The machine, which has run out of files, threads or memory. Nothing was sent.
    Machine,
}

impl Failure {
    /// A failure before anything was sent, which ends when a setting is changed.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, ..Self::new(Class::Configuration) }
    }

    /// The endpoint could not be used, and the request never left.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, concerns: Concerns::Endpoint, ..Self::new(Class::Passing) }
    }

    const fn new(class: Class) -> Self {
        let message = String::new();
        Self {
            class,
            message,
            retry_after: None,
            concerns: Concerns::Credential,
            code: None,
            lost: false,
            unexplained: false,
            replacement: None,
        }
    }
}

/// New tokens. Has no `Debug`, since nearly every field is a secret.
pub(crate) struct TokenResponse {
    /// When the request was about to be sent. Lifetimes count from here, since the provider's clock started at some
    /// later moment.
    pub asked_at: Timestamp,
    /// The new access token: never empty, printable ASCII.
    pub access_token: Secret,
    /// The new refresh token; `None` where the old one stays (RFC 6749 6).
    pub refresh_token: Option<Secret>,
    /// The lifetime, if the answer has a usable one: more than zero, at most 100 years.
    pub expires_in: Option<Duration>,
    /// The end of the lifetime, if the provider gives a time instead.
    pub expires_at: Option<Timestamp>,
    /// The oddities of the answer, a sentence each, without a secret.
    pub warnings: Vec<String>,
    /// The lifetime of the refresh token itself, if the provider gives one; zero for a token that does not end.
    pub refresh_expires_in: Option<Duration>,
    /// The granted scopes, separated by blanks; `None` for the same as before.
    pub scope: Option<String>,
    /// The token type in the provider's own spelling.
    pub token_type: Option<String>,
    /// A new ID token, stored if the file has one already.
    pub id_token: Option<Secret>,
    /// Members that the provider's row wants to keep (`instance_url`): name and JSON text.
    pub kept: Vec<(String, Secret)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum GrantType {
    /// A person's refresh token is exchanged (RFC 6749 6).
    RefreshToken,
    /// An application asks for a token of its own (RFC 6749 4.4); nothing is spent.
    ClientCredentials,
}

impl GrantType {
    /// The registered name, as a token file and a request spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}
