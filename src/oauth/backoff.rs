//! When to send the next request after a failure.
//!
//! Pure functions over the time, the number of failures and a random number: a test can play a day-long outage through.
//! The caller stores the facts between calls, such as the failures, since they must outlive a restart.

use std::time::Duration;

use super::outcome::Class;
use super::retry_after::LONGEST as LONGEST_RETRY_AFTER;
use crate::clock::Timestamp;

/// The delay after the first failure, before it is shortened at random.
pub(crate) const SHORTEST: Duration = Duration::from_secs(30);
/// The longest delay: every credential recovers within an hour of an outage's end.
pub(crate) const LONGEST: Duration = Duration::from_hours(1);
/// After so many failures in a row the delay is at least [`SHORTEST`], whatever the endpoint names.
const BELIEVED: u32 = 5;
/// How long before its expiry a token gets an attempt out of turn. One request and its timeouts fit in.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// The facts on which the time of the next attempt depends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailureContext {
    /// The time of the failure.
    pub now: Timestamp,
    /// How many attempts in a row have failed, this one included.
    pub failures: u32,
    /// A random number from 0 to 1, so that many daemons do not retry at once.
    pub random: f64,
    /// When the access token expires, if known.
    pub expires_at: Option<Timestamp>,
    /// How long the endpoint wants no request.
    pub retry_after: Option<Duration>,
}

/// The facts about a refresh token that may be spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    /// When the token was sent for the first time.
    pub first_sent: Timestamp,
    /// How often the token was sent.
    pub sent: u32,
    /// How long after the first send the provider accepts the token again, if known.
    pub grace: Option<Duration>,
    /// The lifetime of the access token in use, if known.
    pub lifetime: Option<Duration>,
}

/// A number from 0 to 1 for [`FailureContext::random`]. Without a source of randomness 0.5 will do, since nothing
/// secret depends on the number.
pub(crate) fn random() -> f64 {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

/// The delay after so many failures in a row: 30 s doubling to an hour, half of it random. So the delay is between half
/// of the step and the whole step.
pub(crate) fn delay(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let half = SHORTEST.saturating_mul(1 << doublings).min(LONGEST) / 2;
    let share = if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) };
    half + half.mul_f64(share)
}

/// When to send the next request after a failure; `None` where a setting or the sign-in must change first.
pub(crate) fn next_attempt(
    class: Class,
    context: &FailureContext,
    doubt: Option<&Doubt>,
) -> Option<Timestamp> {
    match (class, doubt) {
        (Class::SignInAgain | Class::Configuration, _) => None,
        (Class::InDoubt, Some(doubt)) => Some(after_doubt(context, doubt)),
        (Class::InDoubt | Class::Passing, _) => Some(after_passing(context)),
    }
}

/// When to send the next request after a passing failure. A time that the endpoint names is obeyed, even after the
/// expiry. Without such a time the delay counts, up to a minute before the expiry.
pub(crate) fn after_passing(context: &FailureContext) -> Timestamp {
    let FailureContext { now, failures, random, expires_at, retry_after } = *context;
    if let Some(wait) = retry_after {
        // A day-long outage whose answers always name one second must not cause a request each second.
        let least = if failures > BELIEVED { SHORTEST } else { Duration::from_secs(1) };
        return now + wait.clamp(least, LONGEST_RETRY_AFTER);
    }
    let planned = now + delay(failures, random);
    let extra = expires_at.map(last_chance).filter(|extra| *extra > now);
    extra.map_or(planned, |extra| planned.min(extra))
}

/// When the attempt out of turn is due for a token that ends at `expires_at`.
pub(crate) fn last_chance(expires_at: Timestamp) -> Timestamp {
    expires_at - BEFORE_EXPIRY
}

/// When to send the next request after one whose outcome is unknown. Soon, if the provider is known to accept the same
/// refresh token again. Otherwise as late as the access token in use allows: a replay at a strict provider kills that
/// token too. From its expiry on, as after a passing failure.
pub(crate) fn after_doubt(context: &FailureContext, doubt: &Doubt) -> Timestamp {
    let now = context.now;
    let soon = now + Duration::from_secs(1 << doubt.sent.saturating_sub(1).min(12)).min(LONGEST);
    if doubt.grace.is_some_and(|grace| soon < doubt.first_sent + grace) {
        return not_before_allowed(context, soon);
    }
    let Some(end) = context.expires_at.filter(|end| *end > now) else {
        return after_passing(context);
    };
    // In a life under four minutes the attempt comes at three quarters.
    let before = doubt.lifetime.map_or(BEFORE_EXPIRY, |life| BEFORE_EXPIRY.min(life / 4));
    let last_moment = end - before;
    not_before_allowed(context, if last_moment > now { last_moment } else { end })
}

fn not_before_allowed(context: &FailureContext, planned: Timestamp) -> Timestamp {
    let asked = context.retry_after.map(|wait| context.now + wait.min(LONGEST_RETRY_AFTER));
    asked.map_or(planned, |allowed| planned.max(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn context(failures: u32, expires_in: Option<u64>, retry_after: Option<u64>) -> FailureContext {
        let expires_at = expires_in.map(|left| NOW + seconds(left));
        FailureContext { now: NOW, failures, random: 1.0, expires_at, retry_after: retry_after.map(seconds) }
    }

    #[test]
    fn delays_double_to_an_hour_and_half_is_random() {
        for (failures, whole) in
            [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (9, 3600), (u32::MAX, 3600)]
        {
            assert_eq!(delay(failures, 1.0), seconds(whole), "{failures}");
            assert_eq!(delay(failures, 0.0), seconds(whole) / 2, "{failures}");
            assert_eq!(delay(failures, 0.5), seconds(whole) * 3 / 4, "{failures}");
        }
        assert_eq!(delay(1, f64::NAN), seconds(15));
        assert_eq!(delay(1, 7.0), seconds(30));
    }

    #[test]
    fn after_a_passing_failure() {
        for (failures, expires_in, retry_after, wait) in [
            (1, None, None, 30),
            (8, None, None, 3600),
            (8, Some(1000), None, 940),
            (8, Some(60), None, 3600),
            (8, Some(61), None, 1),
            (8, Some(0), None, 3600),
            (1, Some(1000), None, 30),
            (1, None, Some(10), 10),
            (5, None, Some(10), 10),
            (6, None, Some(10), 30),
            (8, None, Some(100), 100),
            (3, Some(1000), Some(5), 5),
            (1, None, Some(100), 100),
            (8, Some(1000), Some(2000), 2000),
            (1, None, Some(86_400), 3600),
        ] {
            let next = after_passing(&context(failures, expires_in, retry_after));
            assert_eq!(next, NOW + seconds(wait), "{failures} {expires_in:?} {retry_after:?}");
        }
    }

    #[test]
    fn after_a_request_of_unknown_outcome() {
        for (sent, ago, grace, lifetime, expires_in, wait) in [
            // Inside the grace: 1, 2, 4 … s, while the next one is still inside.
            (1, 0, Some(30), Some(3600), Some(3000), 1),
            (2, 1, Some(30), Some(3600), Some(3000), 2),
            (5, 15, Some(30), Some(3600), Some(3000), 2940),
            (4, 7, Some(30), Some(3600), Some(3000), 8),
            (1, 0, Some(0), Some(3600), Some(3000), 2940),
            (40, 0, Some(7_776_000), None, None, 3600),
            // Without grace: a minute before the end, then at the end, then as passing.
            (1, 0, None, Some(3600), Some(3000), 2940),
            (2, 9, None, Some(3600), Some(60), 60),
            (2, 9, None, Some(3600), Some(30), 30),
            (3, 9, None, Some(3600), Some(0), 30),
            (1, 0, None, None, None, 30),
            (1, 0, None, None, Some(3000), 2940),
            // A short life: at three quarters of the life.
            (1, 0, None, Some(120), Some(100), 70),
            (1, 0, None, Some(240), Some(239), 179),
        ] {
            let doubt = Doubt {
                first_sent: NOW - seconds(ago),
                sent,
                grace: grace.map(seconds),
                lifetime: lifetime.map(seconds),
            };
            let next = next_attempt(Class::InDoubt, &context(1, expires_in, None), Some(&doubt));
            assert_eq!(next, Some(NOW + seconds(wait)), "{doubt:?} {expires_in:?}");
        }
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let when = context(1, None, None);
        assert_eq!(next_attempt(Class::SignInAgain, &when, None), None);
        assert_eq!(next_attempt(Class::Configuration, &when, None), None);
        assert_eq!(next_attempt(Class::Passing, &when, None), Some(NOW + seconds(30)));
    }

    /// A day without the endpoint: the requests are few, and the next one after the outage comes soon.
    #[test]
    fn a_day_long_outage() {
        for random in [0.0, 0.3, 1.0] {
            let end = NOW + Duration::from_hours(24);
            let (mut now, mut failures) = (NOW, 0);
            while now < end {
                failures += 1;
                let expires_at = Some(NOW + Duration::from_mins(45));
                let when = FailureContext { now, failures, random, expires_at, retry_after: None };
                now = after_passing(&when);
            }
            // 7 doublings, then at least half an hour each, and the one out of turn.
            assert!(failures <= 7 + 48 + 1, "{failures} requests");
            assert!(now.since(end) <= LONGEST);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_asked_before_its_time(
            failures in any::<u32>(), random in any::<f64>(), expires_in in proptest::option::of(0_u64..10_000_000),
            retry_after in proptest::option::of(0_u64..100_000), sent in any::<u32>(), ago in 0_u64..100_000,
            grace in proptest::option::of(0_u64..10_000_000), lifetime in proptest::option::of(1_u64..10_000_000),
        ) {
            let when = FailureContext { random, ..context(failures, expires_in, retry_after) };
            let (grace, lifetime) = (grace.map(seconds), lifetime.map(seconds));
            let doubt = Doubt { first_sent: NOW - seconds(ago), sent, grace, lifetime };
            for next in [after_passing(&when), after_doubt(&when, &doubt)] {
                prop_assert!(next > NOW, "never at once");
                prop_assert!(next >= NOW + seconds(retry_after.unwrap_or(0).min(3600)));
            }
            prop_assert!(after_passing(&when) <= NOW + LONGEST, "never later than an hour");
        }
    }
}
