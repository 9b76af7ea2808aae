//! The consequence of a failed request for the next attempt: from a [`Failure`] to the [`LastFailure`] that is
//! remembered.

use std::time::Duration;

use super::endpoints::Again;
use super::mark::Mark;
use crate::clock::Timestamp;
use crate::oauth::{Class, Concerns, Failure, GrantType, TokenRequest, backoff};
use crate::secret::Fingerprint;
use crate::state::{FailureKind, Gate, LastFailure, UnexplainedRun};
use crate::tokens::Life;

/// When to look again at a file that another process is refreshing.
pub(crate) const BUSY_AGAIN: Duration = Duration::from_secs(5);

/// How long after a lost answer the same refresh token is sent again. A server that has answered and has a grace window
/// repeats the answer.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);

/// How old a mark may be for the same after a crash.
const JUST_CRASHED: Duration = Duration::from_secs(30);

/// The circumstances of a failed attempt.
#[derive(Clone)]
pub(super) struct Attempt<'a> {
    /// The failure on record before this attempt.
    pub before: Option<&'a LastFailure>,
    /// The refresh token of the attempt.
    pub refresh_hash: Option<Fingerprint>,
    pub request: &'a TokenRequest,
    /// The life of the token in the file.
    pub life: Life,
    /// The mark of the first request with an unknown outcome.
    pub doubt: Option<&'a Mark>,
    /// When the request was about to be sent.
    pub asked_at: Timestamp,
    /// When the attempt had failed, up to a timeout later: delays count from here.
    pub now: Timestamp,
    /// Returns a number between 0 and 1, for the jitter of a failure.
    pub random: &'a dyn Fn() -> f64,
}

/// How many refusals without a reason are no accident, if the endpoint refreshes other tokens.
const SEVERAL: u32 = 3;

/// How many refusals are no accident if nothing is known of other tokens: a quarter of an hour and more.
const SEVERAL_ALONE: u32 = 6;

/// A refresh token that worked, or whose access token lived, within this time has not died of old age.
const LATELY: Duration = Duration::from_hours(24);

/// The words in which servers say that a refresh token was sent before.
const REUSED: [&str; 5] = ["reuse", "already used", "already been used", "replay", "was rotated"];

/// The delay after an endpoint's first refusal of a request; each further one doubles it.
const FIRST_REFUSAL: Duration = Duration::from_mins(15);

/// The longest delay between two refusals.
const LONGEST_REFUSAL: Duration = Duration::from_hours(6);

/// The record of `failure` that is remembered.
pub(super) fn last_failure(failure: &Failure, attempt: &Attempt<'_>) -> LastFailure {
    let kind = match failure.class {
        _ if failure.concerns == Concerns::Machine => FailureKind::Local,
        Class::SignInAgain => FailureKind::ReauthRequired,
        Class::Configuration => FailureKind::Configuration,
        Class::Passing => FailureKind::Transient,
        Class::InDoubt => FailureKind::OutcomeUnknown,
    };
    let mut last = again(kind, failure.message.clone(), attempt);
    let context = failure_context(attempt, last.failures, failure.retry_after);
    let first_sent = attempt.doubt.map_or(attempt.asked_at, |mark| mark.since);
    if kind == FailureKind::OutcomeUnknown {
        last.since = first_sent;
    }
    last.unexplained = failure.unexplained.then(|| unexplained(attempt));
    last.endpoint = (failure.concerns == Concerns::Endpoint).then(|| attempt.request.endpoint_key());
    let doubt = doubt(attempt, first_sent, last.failures);
    last.next_attempt = if attempt.doubt.is_none() && is_sent_again_at_once(failure, attempt.request) {
        Some(attempt.now + AT_ONCE)
    } else {
        backoff::next_attempt(failure.class, &context, Some(&doubt))
    };
    last
}

/// The run of refusals without a reason, including this attempt's.
fn unexplained(attempt: &Attempt<'_>) -> UnexplainedRun {
    let before = attempt.before.filter(|before| before.refresh_hash == attempt.refresh_hash);
    match before.and_then(|before| before.unexplained) {
        Some(run) => UnexplainedRun { count: run.count.saturating_add(1), ..run },
        None => UnexplainedRun { count: 1, since: attempt.now },
    }
}

/// The probable cause of refusals without a reason, as the end of a message. `others_are_well` says that the endpoint
/// has refreshed another token meanwhile. `None` where the refusals may be a passing trouble of the endpoint.
pub(super) fn suspicion(
    run: UnexplainedRun,
    others_are_well: bool,
    request: &TokenRequest,
) -> Option<String> {
    let (needed, meanwhile) = if others_are_well {
        (SEVERAL, ", and has refreshed other tokens meanwhile")
    } else {
        (SEVERAL_ALONE, "")
    };
    let (file, remedy) = (request.file(), request.remedy());
    let advice = match request.grant() {
        GrantType::RefreshToken => format!(
            "probably the sign-in was revoked or the client's secret is wrong: check client_id and client_secret \
             for {file}, or {remedy}"
        ),
        GrantType::ClientCredentials => {
            format!("probably the client's secret is wrong: check client_id and client_secret for {file}")
        }
    };
    (run.count >= needed).then(|| format!("; it has answered so several times in a row{meanwhile}; {advice}"))
}

/// Why a refresh token that should live is dead, as the end of the message of its refusal. `last_success` is when the
/// sign-in was last refreshed.
pub(super) fn why_dead(
    message: &str,
    attempt: &Attempt<'_>,
    last_success: Option<Timestamp>,
) -> Option<String> {
    let Attempt { life, now, .. } = attempt;
    let lately = |time: Option<Timestamp>| time.is_some_and(|time| now.since(time) < LATELY);
    let has_ended = life.refresh_expires_at.is_some_and(|end| end <= *now);
    let lived = !has_ended && (lately(life.expires_at) || lately(last_success));
    let message = message.to_ascii_lowercase();
    let is_reuse = REUSED.iter().any(|words| message.contains(words));
    let unless = match (is_reuse, lived) {
        (true, _) => "",
        (false, true) => "unless it was revoked, ",
        (false, false) => return None,
    };
    attempt.request.may_rotate().then(|| {
        format!(
            " ({unless}another program probably uses the same refresh token, such as a daemon in a copy of this \
             directory; let only one of them refresh it)"
        )
    })
}

/// Like [`last_failure`], where the endpoint refused the request. One odd answer during a deployment must not end a
/// token's life. So the same request is sent again, rarely, and once a minute before the token expires.
pub(super) fn refused(failure: &Failure, attempt: &Attempt<'_>) -> LastFailure {
    let last = last_failure(failure, attempt);
    if failure.class != Class::Configuration {
        return last;
    }
    let doublings = last.failures.saturating_sub(1).min(8);
    let planned = attempt.now + FIRST_REFUSAL.saturating_mul(1 << doublings).min(LONGEST_REFUSAL);
    let chance = attempt.life.expires_at.map(backoff::last_chance).filter(|chance| *chance > attempt.now);
    let allowed = attempt.now + failure.retry_after.unwrap_or_default();
    let next = chance.map_or(planned, |chance| planned.min(chance)).max(allowed);
    LastFailure { next_attempt: Some(next), ..last }
}

/// Whether the same refresh token is sent again at once after a first lost answer. Never where the endpoint asks for a
/// longer wait. Never where the provider is known to end the old token with the first answer.
pub(super) fn is_sent_again_at_once(failure: &Failure, request: &TokenRequest) -> bool {
    failure.class == Class::InDoubt
        && failure.lost
        && failure.retry_after.is_none_or(|wait| wait <= AT_ONCE)
        && may_have_grace(request)
}

fn may_have_grace(request: &TokenRequest) -> bool {
    request.grace() != Some(Duration::ZERO)
}

/// When the endpoint may get another request, after an attempt at `now` as the last of `failures` in a row.
/// `expires_at` is the end of the token that was to be refreshed.
pub(super) fn endpoint_again(
    failure: &Failure,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    failures: u32,
) -> Again {
    let context = backoff::FailureContext {
        now,
        failures,
        random: backoff::random(),
        expires_at,
        retry_after: failure.retry_after,
    };
    // Never at once: the other tokens of a dead endpoint must not follow each other in one cycle.
    let wait = failure.retry_after.unwrap_or_default().max(backoff::SHORTEST);
    Again { in_turn: backoff::after_passing(&context), last_chance: now + wait }
}

/// The failure that forbids a request now, if there is one. Without a record, a mark tells of a process that died
/// before it recorded the outcome.
pub(super) fn against(attempt: &Attempt<'_>) -> Option<LastFailure> {
    let known = attempt.before.filter(|known| known.refresh_hash == attempt.refresh_hash);
    let request = attempt.request.fingerprint();
    let closed =
        |failure: &LastFailure| failure.gate(attempt.refresh_hash, Some(request), attempt.now) != Gate::Open;
    let Some(mark) = attempt.doubt else { return known.filter(|known| closed(known)).cloned() };
    let recorded = known.filter(|known| known.last_attempt >= mark.last);
    let unknown = |failure: &&LastFailure| failure.kind == FailureKind::OutcomeUnknown;
    let doubt = match recorded.filter(unknown) {
        Some(known) => known.clone(),
        None => left_in_doubt(mark, known.filter(unknown), attempt),
    };
    // A later attempt that did not reach the endpoint leaves the doubt as it was. So both must allow another attempt.
    [Some(doubt), recorded.cloned()]
        .into_iter()
        .flatten()
        .filter(closed)
        .max_by_key(|failure| failure.next_attempt.unwrap_or(Timestamp::from_millis(i64::MAX)))
}

/// The failure of a credential whose request was interrupted. Only its mark is known; `before` is an earlier doubt
/// about the same token. The times count from the mark, so that several processes come to the same time.
fn left_in_doubt(mark: &Mark, before: Option<&LastFailure>, attempt: &Attempt<'_>) -> LastFailure {
    // A mark from the future was written under a wrong clock.
    let (first, last) = (mark.since.min(attempt.now), mark.last.min(attempt.now));
    let message = "an earlier request for it was interrupted, so its refresh token may be spent".to_owned();
    let failures = before.map_or(1, |before| before.failures.saturating_add(1));
    let context = backoff::FailureContext { now: last, ..failure_context(attempt, failures, None) };
    // The token was sent once, by a process that died just now.
    let at_once =
        mark.since == mark.last && attempt.now.since(last) < JUST_CRASHED && may_have_grace(attempt.request);
    let next = if at_once { last } else { backoff::after_doubt(&context, &doubt(attempt, first, failures)) };
    LastFailure {
        failures,
        since: first,
        last_attempt: last,
        next_attempt: Some(next),
        ..again(FailureKind::OutcomeUnknown, message, attempt)
    }
}

/// A failure whose cause is on this machine; tried again after `delay`.
pub(super) fn local(
    message: String,
    before: Option<&LastFailure>,
    refresh_hash: Option<Fingerprint>,
    now: Timestamp,
    delay: Duration,
) -> LastFailure {
    let failure = LastFailure {
        refresh_hash,
        next_attempt: Some(now + delay),
        ..LastFailure::new(FailureKind::Local, message, now)
    };
    counted(failure, before.filter(|before| before.kind == FailureKind::Local))
}

fn again(kind: FailureKind, message: String, attempt: &Attempt<'_>) -> LastFailure {
    let failure = LastFailure {
        refresh_hash: attempt.refresh_hash,
        request: Some(attempt.request.fingerprint()),
        ..LastFailure::new(kind, message, attempt.now)
    };
    let run = |before: &&LastFailure| before.kind == kind && before.refresh_hash == attempt.refresh_hash;
    counted(failure, attempt.before.filter(run))
}

/// `failure` as the next one of the run in which `before` is the last.
fn counted(failure: LastFailure, before: Option<&LastFailure>) -> LastFailure {
    match before {
        Some(before) => {
            LastFailure { failures: before.failures.saturating_add(1), since: before.since, ..failure }
        }
        None => failure,
    }
}

fn failure_context(
    attempt: &Attempt<'_>,
    failures: u32,
    retry_after: Option<Duration>,
) -> backoff::FailureContext {
    backoff::FailureContext {
        now: attempt.now,
        failures,
        random: (attempt.random)(),
        expires_at: attempt.life.expires_at,
        retry_after,
    }
}

fn doubt(attempt: &Attempt<'_>, first_sent: Timestamp, sent: u32) -> backoff::Doubt {
    backoff::Doubt { first_sent, sent, grace: attempt.request.grace(), lifetime: attempt.life.length }
}
