//! How long a new access token lasts, according to the answer, the token and the file.
//!
//! Some answers lack `expires_in` (Notion, Salesforce, Stripe Apps), have 0, or bring an expired token. None of these
//! may lead to a refresh at every check, or to no refresh at all.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::tokens::change::Lasting;

/// Assumed where neither answer, file nor provider gives a lifetime: the lifetime of most providers.
pub(super) const ASSUMED: Duration = Duration::from_hours(1);

/// The sources of a lifetime, best first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LifetimeSources {
    /// The answer's `expires_in`, where it is more than 0.
    pub expires_in: Option<Duration>,
    /// The answer's absolute end, or the `exp` claim of the new access token.
    pub claimed_end: Option<Timestamp>,
    /// The life of the token that is replaced.
    pub previous: Option<Duration>,
    /// The provider row's usual life.
    pub provider: Option<Duration>,
    /// Whether the replaced token is known not to expire.
    pub was_unlimited: bool,
}

/// How the lifetime was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Basis {
    /// The answer, the file or the provider says it.
    Known,
    /// No source gives a lifetime; an hour is assumed, with a warning.
    Assumed,
    /// The token had already expired when it arrived.
    ArrivedExpired,
}

/// The lifetime of a token whose request was sent at `asked_at` and that arrived at `now`.
pub(super) fn lasting(sources: &LifetimeSources, asked_at: Timestamp, now: Timestamp) -> (Lasting, Basis) {
    let claimed = sources.claimed_end.map(|end| end.since(asked_at));
    match sources.expires_in.or(claimed) {
        Some(length) if asked_at + length <= now => (Lasting::For(length), Basis::ArrivedExpired),
        Some(length) => (Lasting::For(length), Basis::Known),
        None if sources.was_unlimited => (Lasting::Unlimited, Basis::Known),
        None => match sources.previous.or(sources.provider) {
            Some(length) => (Lasting::For(length), Basis::Known),
            None => (Lasting::For(ASSUMED), Basis::Assumed),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_source_counts() {
        let asked = Timestamp::from_seconds(1000);
        let seconds = Duration::from_secs;
        let all = LifetimeSources {
            expires_in: Some(seconds(60)),
            claimed_end: Some(Timestamp::from_seconds(1300)),
            previous: Some(seconds(7200)),
            provider: Some(seconds(28_800)),
            was_unlimited: true,
        };
        let known = |length| (Lasting::For(seconds(length)), Basis::Known);
        for (what, sources, expected) in [
            ("expires_in", all, known(60)),
            ("exp", LifetimeSources { expires_in: None, ..all }, known(300)),
            (
                "unlimited before",
                LifetimeSources { expires_in: None, claimed_end: None, ..all },
                (Lasting::Unlimited, Basis::Known),
            ),
            (
                "previous",
                LifetimeSources {
                    previous: all.previous,
                    provider: all.provider,
                    ..LifetimeSources::default()
                },
                known(7200),
            ),
            (
                "provider",
                LifetimeSources { provider: all.provider, ..LifetimeSources::default() },
                known(28_800),
            ),
            ("nothing", LifetimeSources::default(), (Lasting::For(ASSUMED), Basis::Assumed)),
            (
                "expired on arrival",
                LifetimeSources {
                    claimed_end: Some(Timestamp::from_seconds(10)),
                    ..LifetimeSources::default()
                },
                (Lasting::For(Duration::ZERO), Basis::ArrivedExpired),
            ),
        ] {
            assert_eq!(lasting(&sources, asked, asked + seconds(1)), expected, "{what}");
        }
    }
}
