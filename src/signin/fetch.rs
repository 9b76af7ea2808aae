//! The last step of every sign-in: room for the answer, the request, and the answer in the file, in this order
//! and without an interruption.

use super::around::Around;
use super::compose::{Setting, SignedIn, composed, end, lasting};
use super::interrupt::Interrupt;
use super::place::Place;
use super::server::AuthorizationServer;
use super::unseal::for_the_disk;
use crate::clock::Timestamp;
use crate::oauth::{ClientIdentity, NotGranted, Submission, TokenClient};

/// One sign-in with everything that its token requests need.
pub(super) struct Signing<'a> {
    pub server: &'a AuthorizationServer,
    pub client: &'a ClientIdentity,
    pub scopes: &'a [String],
    pub resource: Option<&'a str>,
    pub tokens: &'a TokenClient,
    pub interrupt: &'a Interrupt,
    pub place: &'a Place,
    pub around: &'a Around<'a>,
    /// What the file says of the sign-in beside its tokens.
    pub members: &'a dyn Fn() -> Vec<(&'a str, Setting<'a>)>,
}

/// What a sign-in gave.
pub(super) struct Fetched {
    /// When the access token ends, where anything says so.
    pub until: Option<Timestamp>,
    /// Whether it can be refreshed.
    pub refreshable: bool,
}

/// Why there are no tokens.
pub(super) enum NotFetched {
    /// The token endpoint granted none.
    NotGranted(NotGranted),
    /// The server does not know the client (any more): one line.
    UnknownClient(String),
    /// Anything else: one line.
    Failed(String),
}

impl Signing<'_> {
    /// The `resource` parameter, where the sign-in has one.
    pub(super) fn resource(&self) -> Option<(&str, &str)> {
        self.resource.map(|resource| ("resource", resource))
    }

    /// Asks for tokens and stores them.
    pub(super) fn fetch(&self, submission: &Submission<'_>) -> Result<Fetched, NotFetched> {
        let fetched = self.interrupt.uninterrupted(|| self.fetch_now(submission));
        if fetched.is_err() {
            self.interrupt.obey("nothing was changed");
        }
        fetched
    }

    fn fetch_now(&self, submission: &Submission<'_>) -> Result<Fetched, NotFetched> {
        let room = self.place.room().map_err(NotFetched::Failed)?;
        let granted = self.tokens.redeem(submission).map_err(|failed| match failed.code.as_deref() {
            Some("invalid_client") => NotFetched::UnknownClient(failed.message),
            _ => NotFetched::NotGranted(failed),
        })?;
        let lasting = lasting(&granted, self.server.row.lifetime());
        let requested = self.scopes.join(" ");
        // RFC 6749 5.1: a server that grants the requested scopes need not name them.
        let scope = Some(granted.scope.as_deref().unwrap_or(&requested)).filter(|scope| !scope.is_empty());
        let signed_in = SignedIn { members: (self.members)(), granted: &granted, scope, lasting };
        let compose = |document| {
            composed(document, &signed_in)
                .and_then(|document| for_the_disk(&self.place.name, document, self.around))
        };
        room.store(compose).map_err(NotFetched::Failed)?;
        Ok(Fetched { until: end(&granted, lasting), refreshable: granted.refresh_token.is_some() })
    }
}
