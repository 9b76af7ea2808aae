//! Wall-clock time as a value.
//!
//! Lifetimes of RFC 6749 and `exp` of a JWT are wall-clock times. Decisions take a [`Timestamp`] as an argument and
//! read no clock; only the edges of the program call [`Timestamp::now`]. Milliseconds are kept: token files hold
//! fractions of seconds, and tests use short lifetimes.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::text::Count;

/// A point in time, in milliseconds since 1970-01-01 00:00:00 UTC; negative before 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The time `seconds` seconds after 1970; saturates at the ends of the range.
    pub(crate) const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The time that a number means, rounded down to the millisecond. The second value is the power of ten that makes
    /// a second: 0, 3, 6 or 9. A number above 1e11 is not in seconds: it would lie after the year 5138. `None` outside
    /// of 1970 to 9999.
    pub(crate) fn from_number(number: f64) -> Option<(Self, u32)> {
        /// The end of the year 9999: RFC 3339 has no later times.
        const LAST_SECOND: f64 = 253_402_300_799.0;
        let (digits, unit) = match number {
            _ if number > 1e17 => (9, 1e9),
            _ if number > 1e14 => (6, 1e6),
            _ if number > 1e11 => (3, 1e3),
            _ => (0, 1.0),
        };
        let seconds = number / unit;
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie before the year 10000")]
        (seconds > 0.0 && seconds <= LAST_SECOND)
            .then(|| (Self::from_millis((seconds * 1000.0).floor() as i64), digits))
    }

    /// Milliseconds since 1970.
    pub(crate) const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub(crate) const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time of the system's clock. Only effects call this function; a decision gets the time as an argument.
    pub(crate) fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_millis)
    }
}

/// In UTC to the second, for a line that is read later: `2024-09-06 15:30:00 UTC`.
impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp(self.as_seconds()) {
            Ok(time) => {
                let (hour, minute, second) = time.to_hms();
                write!(out, "{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
            }
            // Beyond the year 9999.
            Err(_) => out.write_str("in a far future"),
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(whole_millis(after)),
            Err(before) => Self(whole_millis(before.duration()).saturating_neg()),
        }
    }
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }
}

/// A length of time in the words of the log: `45 minutes`, `2 hours`, `1 h 59 min`, `12 days`. The length is rounded
/// down, because "expires in" must not promise too much. A small count of a large unit has the smaller unit too, since
/// rounding would cut off up to half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words(pub Duration);

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / DAY, seconds / HOUR, seconds / MINUTE);
        match (days, hours % 24, hours, minutes % 60) {
            (2..10, rest @ 1.., ..) => write!(out, "{days} days {rest} h"),
            (2.., ..) => Count(days, "day").fmt(out),
            (_, _, 1..10, rest @ 1..) => write!(out, "{hours} h {rest} min"),
            (_, _, 1.., _) => Count(hours, "hour").fmt(out),
            _ if minutes >= 2 || seconds == MINUTE => Count(minutes, "minute").fmt(out),
            _ => Count(seconds, "second").fmt(out),
        }
    }
}

/// The time until an event, for people: "in 5 minutes", or "now" below a second.
pub(crate) struct Soon(pub Duration);

impl fmt::Display for Soon {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            out.write_str("now")
        } else {
            write!(out, "in {}", Words(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_down_and_do_not_mislead() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (2_759, "45 minutes"),
            (3_600, "1 hour"),
            (3_659, "1 hour"),
            (7_199, "1 h 59 min"),
            (7_200, "2 hours"),
            (7_230, "2 hours"),
            (36_060, "10 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (259_199, "2 days 23 h"),
            (863_999, "9 days 23 h"),
            (1_000_000, "11 days"),
        ] {
            assert_eq!(Words(Duration::from_secs(seconds)).to_string(), words);
        }
    }

    #[test]
    fn what_comes_at_once_comes_now() {
        for (millis, words) in [(0, "now"), (999, "now"), (1000, "in 1 second"), (90_000, "in 90 seconds")] {
            assert_eq!(Soon(Duration::from_millis(millis)).to_string(), words);
        }
    }

    #[test]
    fn a_time_is_shown_in_utc() {
        assert_eq!(Timestamp::from_seconds(1_725_636_600).to_string(), "2024-09-06 15:30:00 UTC");
        assert_eq!(Timestamp::from_seconds(i64::MAX).to_string(), "in a far future");
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Timestamp::from_seconds(i64::MAX), end);
        assert_eq!(Timestamp::from_seconds(1).since(Timestamp::from_seconds(2)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(-1).as_seconds(), -1);
    }
}
