//! Step 6, of a success: the changes in the files, and the facts to remember.

use std::time::Duration;

use super::lifetime::{self, Basis, LifetimeSources};
use super::member::Member;
use crate::clock::Timestamp;
use crate::json::quoted;
use crate::oauth::{TokenRequest, TokenResponse, backoff};
use crate::secret::Secret;
use crate::state::LastFailure;
use crate::tokens::change::{Access, Change, RefreshEnd};

/// The consequences of a granted answer.
pub(super) struct Renewal {
    /// The changes in the files.
    pub change: Change,
    /// The origin of the endpoint that answered; `None` for a token from another file.
    pub origin: Option<String>,
    /// The built-in row that made this origin, and the values from which it was made.
    pub origin_row: Option<String>,
    /// Whether the end of the refresh token has moved.
    pub moved_refresh_end: bool,
    pub warnings: Vec<String>,
    /// The earliest time of the next refresh, if something is wrong with the answer.
    pub not_before: Option<Timestamp>,
    /// The failure to remember if the answer has a refresh token alone.
    pub failure: Option<LastFailure>,
}

impl Renewal {
    /// Another refresh token alone.
    pub(super) fn of_refresh_token(token: Secret) -> Self {
        let change = Change { access: None, refresh_token: Some(token), refresh_end: RefreshEnd::Unsaid };
        Self {
            change,
            origin: None,
            origin_row: None,
            moved_refresh_end: false,
            warnings: Vec::new(),
            not_before: None,
            failure: None,
        }
    }

    /// Another refresh token alone, which the endpoint of `request` gave, and the failure for the missing access token.
    pub(super) fn half(token: Secret, failure: LastFailure, request: &TokenRequest) -> Self {
        let (origin, origin_row) = (Some(request.endpoint_key()), request.made_by().map(str::to_owned));
        Self { origin, origin_row, failure: Some(failure), ..Self::of_refresh_token(token) }
    }
}

/// The consequences of `response` for the chain of `member`, for which the request was sent.
pub(super) fn interpret(member: &Member, request: &TokenRequest, response: TokenResponse) -> Renewal {
    let now = Timestamp::now();
    let life = member.life();
    let asked_at = response.asked_at;
    let sources = LifetimeSources {
        expires_in: response.expires_in,
        claimed_end: response
            .expires_at
            .or_else(|| crate::tokens::jwt_expiry(response.access_token.expose())),
        previous: life.length,
        provider: request.default_lifetime(),
        was_unlimited: member.document.has_access_token() && life.expires_at.is_none() && !life.unreadable,
    };
    let (lasting, basis) = lifetime::lasting(&sources, asked_at, now);
    let warning = match basis {
        Basis::Known => None,
        Basis::Assumed => Some("the answer does not say how long the token lasts; assuming 1 hour"),
        Basis::ArrivedExpired => {
            Some("the new token had already expired when it arrived; check this machine's clock")
        }
    };
    let not_before = (basis == Basis::ArrivedExpired).then(|| now + backoff::delay(1, backoff::random()));
    let refresh_end = match response.refresh_expires_in {
        None => RefreshEnd::Unsaid,
        Some(length) if length.is_zero() => RefreshEnd::Never,
        Some(length) => RefreshEnd::At(asked_at + length),
    };
    let access = Access {
        asked_at,
        lasting,
        scope: response.scope,
        token_type: response.token_type,
        kept: kept(member, response.kept, response.id_token),
        token: response.access_token,
    };
    Renewal {
        origin: Some(request.endpoint_key()),
        origin_row: request.made_by().map(str::to_owned),
        moved_refresh_end: moves(refresh_end, life.refresh_expires_at),
        change: Change { access: Some(access), refresh_token: response.refresh_token, refresh_end },
        warnings: response.warnings.into_iter().chain(warning.map(ToOwned::to_owned)).collect(),
        not_before,
        failure: None,
    }
}

/// Whether the end of the refresh token is later than before. An unknown earlier end counts as one that refreshing
/// prolongs, which the next refresh will show.
fn moves(refresh_end: RefreshEnd, before: Option<Timestamp>) -> bool {
    let jitter = Duration::from_secs(2);
    match refresh_end {
        RefreshEnd::At(end) => before.is_none_or(|before| end.since(before) > jitter),
        RefreshEnd::Never | RefreshEnd::Unsaid => false,
    }
}

/// The other members that the file keeps: a new ID token where the file has one.
fn kept(member: &Member, kept: Vec<(String, Secret)>, id_token: Option<Secret>) -> Vec<(String, Secret)> {
    let id_token = id_token.filter(|_| member.document.has("id_token"));
    kept.into_iter()
        .chain(id_token.map(|token| ("id_token".to_owned(), Secret::new(quoted(token.expose()).as_str()))))
        .collect()
}
