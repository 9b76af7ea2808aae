//! The device grant (RFC 8628): the times of the polls, and the end.
//!
//! A state machine without a clock: the caller passes the time in, and sends the requests.

use std::time::{Duration, Instant};

/// The interval of polls where the server names none (RFC 8628 3.2).
pub(super) const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// The addition to the interval after `slow_down` (RFC 8628 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The longest interval. A server that was away for long is still polled before the code expires.
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// The answer of the token endpoint to one poll, other than tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// The person has not decided yet.
    Pending,
    /// The person has not decided yet, and the polls come too fast.
    SlowDown,
    /// The person said no.
    Denied,
    /// The codes have expired.
    Expired,
    /// No usable answer came, which may pass.
    NoAnswer,
}

impl Said {
    /// The meaning of an error code; `None` for a code that ends the sign-in.
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

/// The step after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterAnswer {
    /// Poll again at this time.
    AskAt(Instant),
    /// The person refused.
    Denied,
    /// The time for the person is over.
    Expired,
}

/// The polls of one sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    interval: Duration,
    ends: Instant,
}

impl Questions {
    /// The polls with codes that came at `now` and last for `lasting`.
    pub(super) fn new(interval: Duration, lasting: Duration, now: Instant) -> Self {
        Self { interval: interval.clamp(Duration::from_secs(1), LONGEST_INTERVAL), ends: now + lasting }
    }

    /// The time of the first poll.
    pub(super) fn first(&self, now: Instant) -> Instant {
        now + self.interval
    }

    /// The step after an answer that came at `now`.
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
