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
pub(super) enum PollAnswer {
    /// The person has not decided yet.
    Pending,
    /// The person has not decided yet, and the polls come too fast.
    SlowDown,
    /// The person refused.
    Denied,
    /// The codes have expired.
    Expired,
    /// No usable answer came, which may pass.
    NoAnswer,
}

impl PollAnswer {
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
    PollAt(Instant),
    /// The person refused.
    Denied,
    /// The time for the person is over.
    Expired,
}

/// The polls of one sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polls {
    interval: Duration,
    ends: Instant,
}

impl Polls {
    /// The polls with codes that came at `now` and last for `lasting`.
    pub(super) fn new(interval: Duration, lasting: Duration, now: Instant) -> Self {
        Self { interval: interval.clamp(Duration::from_secs(1), LONGEST_INTERVAL), ends: now + lasting }
    }

    /// The time of the first poll.
    pub(super) fn first(&self, now: Instant) -> Instant {
        now + self.interval
    }

    /// The step after an answer that came at `now`.
    pub(super) fn after(&mut self, answer: &PollAnswer, now: Instant) -> AfterAnswer {
        match answer {
            PollAnswer::Denied => return AfterAnswer::Denied,
            PollAnswer::Expired => return AfterAnswer::Expired,
            PollAnswer::Pending => {}
            PollAnswer::SlowDown => self.interval += SLOWER,
            PollAnswer::NoAnswer => self.interval = (self.interval * 2).min(LONGEST_INTERVAL),
        }
        let next = now + self.interval;
        if next < self.ends { AfterAnswer::PollAt(next) } else { AfterAnswer::Expired }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_answers() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut polls = Polls::new(seconds(5), seconds(100), start);
        assert_eq!(polls.first(start), start + seconds(5));
        for (at, answer, next) in [
            (5, PollAnswer::Pending, AfterAnswer::PollAt(start + seconds(10))),
            (10, PollAnswer::SlowDown, AfterAnswer::PollAt(start + seconds(20))),
            (20, PollAnswer::Pending, AfterAnswer::PollAt(start + seconds(30))),
            (30, PollAnswer::NoAnswer, AfterAnswer::PollAt(start + seconds(50))),
            (50, PollAnswer::SlowDown, AfterAnswer::PollAt(start + seconds(75))),
            (75, PollAnswer::Pending, AfterAnswer::Expired),
        ] {
            assert_eq!(polls.after(&answer, start + seconds(at)), next, "{at}");
        }
    }

    #[test]
    fn a_refusal_and_an_end_are_final() {
        let now = Instant::now();
        let mut polls = Polls::new(Duration::ZERO, Duration::from_mins(10), now);
        assert_eq!(polls.first(now), now + Duration::from_secs(1));
        assert_eq!(polls.after(&PollAnswer::Denied, now), AfterAnswer::Denied);
        assert_eq!(polls.after(&PollAnswer::Expired, now), AfterAnswer::Expired);
    }

    #[test]
    fn codes_of_the_specification() {
        assert_eq!(PollAnswer::of("authorization_pending"), Some(PollAnswer::Pending));
        assert_eq!(PollAnswer::of("slow_down"), Some(PollAnswer::SlowDown));
        assert_eq!(PollAnswer::of("access_denied"), Some(PollAnswer::Denied));
        assert_eq!(PollAnswer::of("expired_token"), Some(PollAnswer::Expired));
        assert_eq!(PollAnswer::of("invalid_grant"), None);
    }
}
