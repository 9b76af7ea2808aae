//! The device grant (RFC 8628): when to ask again, and when it is over.
//!
//! A state machine without a clock: the time is passed in, the request is made elsewhere.

use std::time::{Duration, Instant};

/// The pace where the server says none (RFC 8628 3.2).
pub(super) const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// How much slower to ask after `slow_down` (RFC 8628 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The longest pause: a server that is away for long is still asked before the code ends.
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// What the token endpoint said to one question, other than to grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// The person has not decided yet.
    Pending,
    /// The same, and the questions come too fast.
    SlowDown,
    /// The person said no.
    Denied,
    /// The codes are not good any more.
    Expired,
    /// No usable answer came, which may pass.
    NoAnswer,
}

impl Said {
    /// What an error code says; `None` for a code that ends the sign-in.
    pub(super) fn of(code: &str) -> Option<Self> {
        match code {
            "authorization_pending" => Some(Self::Pending),
            "slow_down" => Some(Self::SlowDown),
            "access_denied" => Some(Self::Denied),
            "expired_token" => Some(Self::Expired),
            _ => None,
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterAnswer {
    /// Ask again then.
    AskAt(Instant),
    /// The person refused.
    Denied,
    /// The time for the person is over.
    Expired,
}

/// The questions of one sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    interval: Duration,
    ends: Instant,
}

impl Questions {
    /// The questions about codes that came at `now` and last for `lasting`.
    pub(super) fn new(interval: Duration, lasting: Duration, now: Instant) -> Self {
        Self { interval: interval.clamp(Duration::from_secs(1), LONGEST_INTERVAL), ends: now + lasting }
    }

    /// When to ask for the first time.
    pub(super) fn first(&self, now: Instant) -> Instant {
        now + self.interval
    }

    /// What follows from an answer that came at `now`.
    pub(super) fn after(&mut self, said: &Said, now: Instant) -> AfterAnswer {
        match said {
            Said::Denied => return AfterAnswer::Denied,
            Said::Expired => return AfterAnswer::Expired,
            Said::Pending => {}
            Said::SlowDown => self.interval += SLOWER,
            Said::NoAnswer => self.interval = (self.interval * 2).min(LONGEST_INTERVAL),
        }
        let next = now + self.interval;
        if next < self.ends { AfterAnswer::AskAt(next) } else { AfterAnswer::Expired }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_answers() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut questions = Questions::new(seconds(5), seconds(100), start);
        assert_eq!(questions.first(start), start + seconds(5));
        for (at, said, next) in [
            (5, Said::Pending, AfterAnswer::AskAt(start + seconds(10))),
            (10, Said::SlowDown, AfterAnswer::AskAt(start + seconds(20))),
            (20, Said::Pending, AfterAnswer::AskAt(start + seconds(30))),
            (30, Said::NoAnswer, AfterAnswer::AskAt(start + seconds(50))),
            (50, Said::SlowDown, AfterAnswer::AskAt(start + seconds(75))),
            (75, Said::Pending, AfterAnswer::Expired),
        ] {
            assert_eq!(questions.after(&said, start + seconds(at)), next, "{at}");
        }
    }

    #[test]
    fn a_refusal_and_an_end_are_final() {
        let now = Instant::now();
        let mut questions = Questions::new(Duration::ZERO, Duration::from_mins(10), now);
        assert_eq!(questions.first(now), now + Duration::from_secs(1));
        assert_eq!(questions.after(&Said::Denied, now), AfterAnswer::Denied);
        assert_eq!(questions.after(&Said::Expired, now), AfterAnswer::Expired);
    }

    #[test]
    fn codes_of_the_specification() {
        assert_eq!(Said::of("authorization_pending"), Some(Said::Pending));
        assert_eq!(Said::of("slow_down"), Some(Said::SlowDown));
        assert_eq!(Said::of("access_denied"), Some(Said::Denied));
        assert_eq!(Said::of("expired_token"), Some(Said::Expired));
        assert_eq!(Said::of("invalid_grant"), None);
    }
}
