//! What came of a request to a token endpoint.
//!
//! The classes are the whole vocabulary in which the rest of the program speaks of failures: what
//! to do next follows from the class alone (see [`backoff`](super::backoff)), never from a status
//! code or a provider.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// What a failure means for the credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The refresh token is dead: a person must sign in; nothing is asked until the file holds another one.
    SignInAgain,
    /// The same request can never succeed: a setting must be changed; nothing is sent
    /// until the request would be another one.
    Configuration,
    /// The same request may succeed later: retry after a growing delay.
    Passing,
    /// The request left and no complete answer came, at a provider that may have replaced the refresh
    /// token meanwhile: the token may be spent, and asking again may kill the one in use.
    InDoubt,
}

impl Class {
    /// Its name in the log.
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
    /// What it means.
    pub class: Class,
    /// One line for a person: what failed at which endpoint, why, and what to do. Holds no secret
    /// and no control character, whatever the endpoint sent.
    pub message: String,
    /// How long the endpoint asked to be left alone, at most an hour.
    pub retry_after: Option<Duration>,
    /// What else it says something about than this credential.
    pub concerns: Concerns,
    /// The OAuth error code (RFC 6749 5.2) or the provider's own, where there was one.
    pub code: Option<String>,
    /// Whether an answer was lost on its way: the connection broke or timed out after the request left, or a gateway
    /// lost it.
    pub lost: bool,
    /// Whether it is a 400, 401 or 403 that gives no reason in any form that OAuth knows.
    pub unexplained: bool,
    /// The refresh token that came without an access token: it has replaced the one that was sent.
    pub replacement: Option<Secret>,
}

/// What a failure says something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Concerns {
    /// The credential, its request or its file.
    Credential,
    /// The endpoint, which is unreachable or overloaded: its other credentials wait too.
    Endpoint,
    /// This machine, which has run out of files, threads or memory. Nothing was sent.
    Machine,
}

impl Failure {
    /// A failure found before anything was sent, which ends when a setting is changed.
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

/// New tokens. Has no `Debug`: an answer is all secrets.
pub(crate) struct TokenResponse {
    /// When the request was about to be sent: lifetimes count from here, since the provider's clock
    /// started at some moment after it.
    pub asked_at: Timestamp,
    /// The new access token: never empty, printable ASCII.
    pub access_token: Secret,
    /// The new refresh token; `None` means that the old one stays (RFC 6749 6).
    pub refresh_token: Option<Secret>,
    /// The lifetime, if the answer had a usable one: more than zero, at most 100 years.
    pub expires_in: Option<Duration>,
    /// The end of the lifetime, where the provider gives a time instead.
    pub expires_at: Option<Timestamp>,
    /// What is odd about the answer, a sentence each, without a secret.
    pub warnings: Vec<String>,
    /// The lifetime of the refresh token itself, where the provider says it; zero means that it does
    /// not end.
    pub refresh_expires_in: Option<Duration>,
    /// The granted scopes, separated by blanks; `None` means as before.
    pub scope: Option<String>,
    /// The token type in the provider's own spelling.
    pub token_type: Option<String>,
    /// A new ID token, to be stored where the file has one already.
    pub id_token: Option<Secret>,
    /// Members that the provider's row says to keep (`instance_url`): name and JSON text.
    pub kept: Vec<(String, Secret)>,
}

/// Which grant a request uses.
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
