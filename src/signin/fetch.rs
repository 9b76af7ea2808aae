//! The last step of every sign-in: reserves room for the answer, sends the request, and stores the answer. Signals
//! wait until all three are done.

use super::around::SignInContext;
use super::compose::{MemberValue, SignedIn, composed, end, lasting};
use super::interrupt::Interrupt;
use super::place::Place;
use super::server::AuthorizationServer;
use super::unseal::for_the_disk;
use crate::clock::Timestamp;
use crate::oauth::{ClientIdentity, NotGranted, Submission, TokenClient};

/// One sign-in with all parts of its token requests.
pub(super) struct Signing<'a> {
    pub server: &'a AuthorizationServer,
    pub client: &'a ClientIdentity,
    pub scopes: &'a [String],
    pub resource: Option<&'a str>,
    pub tokens: &'a TokenClient,
    pub interrupt: &'a Interrupt,
    pub place: &'a Place,
    pub around: &'a SignInContext<'a>,
    /// The members of the token file beside the tokens.
    pub members: &'a dyn Fn() -> Vec<(&'a str, MemberValue<'a>)>,
}

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

impl Signing<'_> {
    /// The `resource` parameter, where the sign-in has one.
    pub(super) fn resource(&self) -> Option<(&str, &str)> {
        self.resource.map(|resource| ("resource", resource))
    }

    /// Requests tokens and stores them.
    pub(super) fn fetch(&self, submission: &Submission<'_>) -> Result<Fetched, NotFetched> {
        let fetched = self.interrupt.uninterrupted(|| self.fetch_now(submission));
        if fetched.is_err() {
            self.interrupt.obey("nothing was changed");
        }
        fetched
    }

    fn fetch_now(&self, submission: &Submission<'_>) -> Result<Fetched, NotFetched> {
        let room = self.place.room()?;
        let granted = self.tokens.redeem(submission).map_err(|failed| match failed.code.as_deref() {
            Some("invalid_client") => NotFetched::UnknownClient(failed.message),
            _ => NotFetched::NotGranted(failed),
        })?;
        let lasting = lasting(&granted, self.server.row.lifetime());
        let requested = self.scopes.join(" ");
        // A server that grants the requested scopes need not name them (RFC 6749 5.1).
        let scope = Some(granted.scope.as_deref().unwrap_or(&requested)).filter(|scope| !scope.is_empty());
        let signed_in = SignedIn { members: (self.members)(), granted: &granted, scope, lasting };
        let compose = |document| {
            composed(document, &signed_in)
                .and_then(|document| for_the_disk(&self.place.name, document, self.around))
        };
        room.store(compose)?;
        Ok(Fetched { until: end(&granted, lasting), refreshable: granted.refresh_token.is_some() })
    }
}
