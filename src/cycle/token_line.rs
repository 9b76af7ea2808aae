//! The line of the log about a token without an action. An idle cycle has one for each token and writes none, so the
//! line is a value until it is written.

use std::fmt;

use super::credential::Credential;
use crate::clock::{Soon, Timestamp, Words};
use crate::state::Plan;

pub(crate) struct TokenLine {
    name: String,
    expires: Expires,
    plan: Plan,
    now: Timestamp,
}

impl TokenLine {
    /// The line about `token`.
    pub(super) fn new(token: &Credential, now: Timestamp) -> Self {
        Self { name: token.name().to_owned(), expires: Expires::of(token, now), plan: token.plan, now }
    }
}

impl fmt::Display for TokenLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}, ", self.name, self.expires)?;
        match self.plan {
            Plan::Later(_) | Plan::Never => out.write_str("no refresh needed"),
            Plan::Waiting(until) => write!(out, "next attempt {}", Soon(until.since(self.now))),
            Plan::Blocked => out.write_str("waiting for a new sign-in"),
            Plan::Due | Plan::Recheck => out.write_str("its new token is being stored"),
        }
    }
}

/// The expiry of a token, as the beginning of a line.
#[derive(Clone, Copy)]
pub(super) enum Expires {
    /// The file holds no access token.
    NoToken,
    /// The file has an expiry that cannot be read.
    Unreadable,
    /// The token does not expire.
    Never,
    /// The token expires at `end`.
    At { end: Timestamp, now: Timestamp },
}

impl Expires {
    pub(super) fn of(token: &Credential, now: Timestamp) -> Self {
        match token.source.life.expires_at {
            _ if !token.source.has_access => Self::NoToken,
            None if token.source.life.unreadable => Self::Unreadable,
            None => Self::Never,
            Some(end) => Self::At { end, now },
        }
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => out.write_str("has no access token yet"),
            Self::Unreadable => out.write_str("does not say readably when it expires"),
            Self::Never => out.write_str("does not expire"),
            Self::At { end, now } if end <= now => write!(out, "expired {} ago", Words(now.since(*end))),
            Self::At { end, now } => write!(out, "expires in {}", Words(end.since(*now))),
        }
    }
}
