//! What a failure means for the next attempt: from a [`Failure`] to the [`Trouble`] that is remembered.

use std::time::Duration;

use super::endpoints::Again;
use super::mark::Mark;
use super::standing::{Gate, Kind, Trouble};
use crate::clock::Timestamp;
use crate::oauth::{Class, Failure, TokenRequest, backoff};
use crate::tokens::Life;

/// When a file that another process is refreshing is looked at again.
pub(crate) const BUSY_AGAIN: Duration = Duration::from_secs(5);

/// The circumstances of a failed attempt.
#[derive(Clone)]
pub(crate) struct Attempt<'a> {
    /// What was remembered before it.
    pub before: Option<&'a Trouble>,
    /// Fingerprint of the refresh token that it was about.
    pub refresh_hash: Option<String>,
    /// What was asked for.
    pub request: &'a TokenRequest,
    /// The life of the token in the file.
    pub life: Life,
    /// The mark of the first request with an unknown outcome.
    pub doubt: Option<&'a Mark>,
    /// When the request was about to be sent.
    pub asked_at: Timestamp,
    /// When it had failed, up to a timeout later: delays count from here.
    pub now: Timestamp,
    /// Between 0 and 1, for the jitter.
    pub random: f64,
}

/// What to remember of `failure`.
pub(crate) fn trouble(failure: &Failure, attempt: &Attempt<'_>) -> Trouble {
    let kind = match failure.class {
        Class::SignInAgain => Kind::SignInAgain,
        Class::Configuration => Kind::Configuration,
        Class::Passing => Kind::Passing,
        Class::InDoubt => Kind::InDoubt,
    };
    let mut trouble = again(kind, failure.message.clone(), attempt);
    let circumstances = circumstances(attempt, trouble.failures, failure.retry_after);
    let first_sent = attempt.doubt.map_or(attempt.asked_at, |mark| mark.since);
    if kind == Kind::InDoubt {
        trouble.since = first_sent.as_millis();
    }
    trouble.endpoint = failure.endpoint_wide.then(|| attempt.request.endpoint_key());
    let doubt = doubt(attempt, first_sent, trouble.failures);
    trouble.next_attempt =
        backoff::next_attempt(failure.class, &circumstances, Some(&doubt)).map(Timestamp::as_millis);
    trouble
}

/// From when the endpoint of an attempt that failed at `now` may be asked again, after so many
/// failures in a row; `expires_at` is the end of the token that was asked for.
pub(crate) fn endpoint_again(
    failure: &Failure,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    failures: u32,
) -> Again {
    let circumstances = backoff::FailureContext {
        now,
        failures,
        random: backoff::random(),
        expires_at,
        retry_after: failure.retry_after,
    };
    // Not at once even then: the other tokens of a dead endpoint must not follow each other in one cycle.
    let wait = failure.retry_after.unwrap_or_default().max(backoff::SHORTEST);
    Again { in_turn: backoff::after_passing(&circumstances), out_of_turn: now + wait }
}

/// What stands against asking now, if anything does, and for how long: what is on record, and a mark
/// of a request that nobody lived to record.
pub(crate) fn against(attempt: &Attempt<'_>) -> Option<Trouble> {
    let known = attempt.before.filter(|known| known.refresh_hash == attempt.refresh_hash);
    let request = attempt.request.fingerprint();
    let closed = |trouble: &Trouble| {
        trouble.gate(attempt.refresh_hash.as_deref(), Some(&request), attempt.now) != Gate::Ask
    };
    let Some(mark) = attempt.doubt else { return known.filter(|known| closed(known)).cloned() };
    let recorded = known.filter(|known| known.last_attempt >= mark.last.as_millis());
    let doubt = match recorded {
        Some(known) if known.kind == Kind::InDoubt => known.clone(),
        _ => left_in_doubt(mark, known.filter(|known| known.kind == Kind::InDoubt), attempt),
    };
    // A later attempt that did not reach the endpoint leaves the doubt as it was: both must allow it.
    [Some(doubt), recorded.cloned()]
        .into_iter()
        .flatten()
        .filter(closed)
        .max_by_key(|trouble| trouble.next_attempt.unwrap_or(i64::MAX))
}

/// The trouble of a credential that a process left behind in doubt: known only by its mark, `before`
/// being an earlier doubt about the same token. Judged from the time of the mark, so that processes that
/// find it one after another come to the same time.
fn left_in_doubt(mark: &Mark, before: Option<&Trouble>, attempt: &Attempt<'_>) -> Trouble {
    // A mark from the future was written under a wrong clock.
    let (first, last) = (mark.since.min(attempt.now), mark.last.min(attempt.now));
    let message = "an earlier request for it was interrupted, so its refresh token may be spent".to_owned();
    let mut trouble = again(Kind::InDoubt, message, attempt);
    trouble.failures = before.map_or(1, |before| before.failures.saturating_add(1));
    trouble.since = first.as_millis();
    trouble.last_attempt = last.as_millis();
    let circumstances =
        backoff::FailureContext { now: last, ..circumstances(attempt, trouble.failures, None) };
    let next = backoff::after_doubt(&circumstances, &doubt(attempt, first, trouble.failures));
    trouble.next_attempt = Some(next.as_millis());
    trouble
}

/// A reason on this machine; tried again after `delay`.
pub(crate) fn local(
    message: String,
    before: Option<&Trouble>,
    refresh_hash: Option<String>,
    now: Timestamp,
    delay: Duration,
) -> Trouble {
    let run = before.filter(|before| before.kind == Kind::Local);
    Trouble {
        endpoint: None,
        kind: Kind::Local,
        message,
        refresh_hash,
        request: None,
        failures: run.map_or(1, |before| before.failures.saturating_add(1)),
        since: run.map_or(now.as_millis(), |before| before.since),
        last_attempt: now.as_millis(),
        next_attempt: Some((now + delay).as_millis()),
    }
}

fn again(kind: Kind, message: String, attempt: &Attempt<'_>) -> Trouble {
    let run =
        attempt.before.filter(|before| before.kind == kind && before.refresh_hash == attempt.refresh_hash);
    Trouble {
        endpoint: None,
        kind,
        message,
        refresh_hash: attempt.refresh_hash.clone(),
        request: Some(attempt.request.fingerprint()),
        failures: run.map_or(1, |before| before.failures.saturating_add(1)),
        since: run.map_or(attempt.now.as_millis(), |before| before.since),
        last_attempt: attempt.now.as_millis(),
        next_attempt: None,
    }
}

fn circumstances(
    attempt: &Attempt<'_>,
    failures: u32,
    retry_after: Option<Duration>,
) -> backoff::FailureContext {
    backoff::FailureContext {
        now: attempt.now,
        failures,
        random: attempt.random,
        expires_at: attempt.life.expires_at,
        retry_after,
    }
}

fn doubt(attempt: &Attempt<'_>, first_sent: Timestamp, sent: u32) -> backoff::Doubt {
    backoff::Doubt { first_sent, sent, grace: attempt.request.grace(), lifetime: attempt.life.length }
}
