//! The last step of every sign-in: reserves room for the answer, sends the request, and stores the answer. Signals
//! wait until all three are done.

use super::attempt::SignInAttempt;
use super::client::Client;
use super::compose::{MemberValue, SignedIn, composed, end, lasting};
use super::unseal::for_the_disk;
use crate::clock::Timestamp;
use crate::oauth::{NotGranted, Submission};
use crate::secret::Secret;

/// The result of a sign-in.
pub(super) struct Fetched {
    /// The expiry of the access token, where known.
    pub until: Option<Timestamp>,
    /// Whether the token can be refreshed.
    pub refreshable: bool,
}

pub(super) enum NotFetched {
    /// The token endpoint granted none.
    NotGranted(NotGranted),
    /// The server does not know the client: one line.
    UnknownClient(String),
    /// Any other reason: one line.
    Failed(String),
}

impl From<String> for NotFetched {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// Why an attempt at a sign-in ended without tokens.
pub(super) enum NoTokens {
    /// The server no longer knows the client, but may register a new one.
    ClientForgotten(String),
    /// Any other reason: one line for the person.
    Failed(String),
}

impl From<String> for NoTokens {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl NotFetched {
    /// The end of an attempt with this client.
    pub(super) fn ends(self, client: &Client) -> NoTokens {
        match self {
            Self::UnknownClient(message) if client.replaceable => NoTokens::ClientForgotten(message),
            Self::UnknownClient(message) | Self::Failed(message) => NoTokens::Failed(message),
            Self::NotGranted(failed) => NoTokens::Failed(format!("{}; start again", failed.message)),
        }
    }
}

impl SignInAttempt<'_> {
    /// Requests tokens with these parameters, and stores them with these members of the token file.
    pub(super) fn fetch(
        &self,
        client: &Client,
        parameters: &[(&str, &str)],
        secrets: &[(&str, &Secret)],
        members: &[(&str, MemberValue<'_>)],
    ) -> Result<Fetched, NotFetched> {
        let submission = Submission {
            endpoint: &self.target.server.endpoints.token,
            client: &client.identity,
            row: &self.target.server.row,
            parameters: parameters.iter().copied().chain(self.resource()).collect(),
            secrets: secrets.to_vec(),
        };
        let fetched = self.interrupt.uninterrupted(|| self.fetch_now(&submission, members));
        if fetched.is_err() {
            self.interrupt.obey("nothing was changed");
        }
        fetched
    }

    fn fetch_now(
        &self,
        submission: &Submission<'_>,
        members: &[(&str, MemberValue<'_>)],
    ) -> Result<Fetched, NotFetched> {
        let target = self.target;
        let room = target.place.room()?;
        let granted =
            self.around.client.redeem(submission).map_err(|failed| match failed.code.as_deref() {
                Some("invalid_client") => NotFetched::UnknownClient(failed.message),
                _ => NotFetched::NotGranted(failed),
            })?;
        let lasting = lasting(&granted, target.server.row.lifetime());
        let requested = target.scopes.join(" ");
        // A server that grants the requested scopes need not name them (RFC 6749 5.1).
        let scope = Some(granted.scope.as_deref().unwrap_or(&requested)).filter(|scope| !scope.is_empty());
        let signed_in = SignedIn { members, granted: &granted, scope, lasting };
        let compose = |document| {
            composed(document, &signed_in)
                .and_then(|document| for_the_disk(&target.place.name, document, self.around))
        };
        room.store(compose)?;
        Ok(Fetched { until: end(&granted, lasting), refreshable: granted.refresh_token.is_some() })
    }
}
