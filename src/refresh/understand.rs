//! From what an endpoint granted to what changes in the files, and what is remembered of it.

use std::time::Duration;

use super::chain::life;
use super::lifetime::{self, Basis, Sources};
use super::member::Member;
use super::storing::{Answer, Memo};
use crate::clock::Timestamp;
use crate::oauth::{TokenRequest, TokenResponse, backoff};
use crate::secret::Secret;
use crate::tokens::change::{Access, RefreshEnd};

/// What a granted answer means for the files, and what is to be remembered of it.
pub(super) fn understand(member: &Member, request: &TokenRequest, granted: TokenResponse) -> (Answer, Memo) {
    let now = Timestamp::now();
    let life = life(member);
    let asked_at = granted.asked_at;
    let sources = Sources {
        expires_in: granted.expires_in,
        claimed_end: granted.expires_at.or_else(|| crate::tokens::jwt_expiry(&granted.access_token)),
        previous: life.length,
        provider: request.default_lifetime(),
        was_unlimited: member.document.access_token().is_some() && life.expires_at.is_none(),
    };
    let (lasting, basis) = lifetime::lasting(&sources, asked_at, now);
    let mut memo = Memo { moved_refresh_end: false, warnings: Vec::new(), not_before: None };
    match basis {
        Basis::Known => {}
        Basis::Assumed => {
            memo.warnings
                .push("the answer does not say how long the token lasts; assuming 1 hour".to_owned());
        }
        Basis::ArrivedExpired => {
            memo.warnings.push(
                "the new token had already expired when it arrived; check this machine's clock".to_owned(),
            );
            memo.not_before = Some(now + backoff::delay(1, backoff::random()));
        }
    }
    let refresh_end = match granted.refresh_expires_in {
        None => RefreshEnd::Unsaid,
        Some(length) if length.is_zero() => RefreshEnd::Never,
        Some(length) => RefreshEnd::At(asked_at + length),
    };
    if let RefreshEnd::At(end) = refresh_end {
        // Unknown before: taken for one that refreshing prolongs, which the next refresh will show.
        let jitter = Duration::from_secs(2);
        memo.moved_refresh_end = life.refresh_expires_at.is_none_or(|before| end.since(before) > jitter);
    }
    let mut kept = granted.kept;
    if let Some(token) = granted.id_token.filter(|_| member.document.has("id_token")) {
        // Printing a &str as JSON cannot fail.
        kept.push((
            "id_token".to_owned(),
            Secret::new(serde_json::to_string(token.expose()).unwrap_or_default()),
        ));
    }
    let access = Access {
        token: granted.access_token,
        asked_at,
        lasting,
        scope: granted.scope,
        token_type: granted.token_type,
        kept,
    };
    (Answer { access: Some(access), refresh_token: granted.refresh_token, refresh_end }, memo)
}
