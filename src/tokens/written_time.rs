//! Times as token files spell them, read and written back in the same form.
//!
//! Tools write `expires_at` as seconds (whole, with a fraction, as text), milliseconds, RFC 3339 or Python's
//! `isoformat`. The next tool that reads the file expects the form that it knows.

use std::time::{Duration, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::clock::Timestamp;

/// A time and the form in which it was written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct WrittenTime {
    pub at: Timestamp,
    /// The form for another time in its place.
    pub form: TimeFormat,
}

/// How a time is spelled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970 with this many decimals, in quotes or not.
    Seconds {
        /// Digits after the point.
        decimals: usize,
        /// A JSON text instead of a number.
        quoted: bool,
    },
    /// Whole parts of a second since 1970, in quotes or not.
    Parts {
        /// 3 for milliseconds, 6 for microseconds, 9 for nanoseconds.
        digits: u32,
        /// A JSON text instead of a number.
        quoted: bool,
    },
    /// `/Date(1767225600000)/`, as older .NET serializers write it.
    DotNet,
    /// A date of HTTP, `Thu, 01 Jan 2026 00:00:00 GMT`.
    Http,
    /// `2026-01-01T00:00:00.123456+00:00` and its relatives.
    Calendar {
        /// `T` or a blank between date and time.
        separator: char,
        /// Digits of the fraction; without digits there is no point.
        decimals: usize,
        zone: Zone,
    },
}

/// The zone of a calendar time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Zone {
    /// None written; UTC is meant.
    Unwritten,
    /// `Z`
    Zulu,
    /// ` UTC`, as the Python service writes it for people.
    Utc,
    /// `+HH:MM`, in minutes east.
    Offset(i32),
}

/// Whole seconds as a number, for a member that had no time.
pub(super) const PLAIN_SECONDS: TimeFormat = TimeFormat::Seconds { decimals: 0, quoted: false };

/// Seconds with milliseconds as a number, for times that are compared to the millisecond.
pub(super) const EXACT_SECONDS: TimeFormat = TimeFormat::Seconds { decimals: 3, quoted: false };

/// `2026-01-01 00:00:00 UTC`, as the Python service writes for people.
pub(super) const FOR_PEOPLE: TimeFormat =
    TimeFormat::Calendar { separator: ' ', decimals: 0, zone: Zone::Utc };

impl WrittenTime {
    /// Reads a JSON value's text; `None` when it is no time after 1970 and before the year 10000.
    pub(crate) fn read(value: &str) -> Option<Self> {
        match crate::json::as_text(value) {
            Some(text) => {
                let text = text.trim();
                number(text, true).or_else(|| calendar(text)).or_else(|| dot_net(text)).or_else(|| http(text))
            }
            None => number(value, false),
        }
    }
}

fn number(text: &str, quoted: bool) -> Option<WrittenTime> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (at, digits) = Timestamp::from_number(text.parse().ok()?)?;
    let decimals = match text.split_once('.') {
        Some((_, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => fraction.len().min(9),
        _ => 0,
    };
    let form = if digits > 0 {
        TimeFormat::Parts { digits, quoted }
    } else {
        TimeFormat::Seconds { decimals, quoted }
    };
    Some(WrittenTime { at, form })
}

fn dot_net(text: &str) -> Option<WrittenTime> {
    let millis = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // The zone behind the number is only for display, and changes nothing of the time.
    let millis: i64 = millis.split_once(['+', '-']).map_or(millis, |(millis, _)| millis).parse().ok()?;
    (millis > 0).then_some(WrittenTime { at: Timestamp::from_millis(millis), form: TimeFormat::DotNet })
}

fn http(text: &str) -> Option<WrittenTime> {
    let at = Timestamp::from(httpdate::parse_http_date(text).ok()?);
    (at.as_millis() > 0).then_some(WrittenTime { at, form: TimeFormat::Http })
}

fn calendar(text: &str) -> Option<WrittenTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let separator = rest.chars().next().filter(|first| matches!(first, 'T' | 't' | ' '))?;
    let rest = &rest[1..];
    let clock_end = rest.find(|letter: char| !matches!(letter, '0'..='9' | ':' | '.')).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |text| digits(text, 2))?;
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let zone = read_zone(zone)?;
    // A leap second, or the result of rounding up in another tool.
    let second = if second == 60 { 59 } else { second };
    let date =
        Date::from_calendar_date(i32::try_from(year).ok()?, Month::try_from(small(month)).ok()?, small(day))
            .ok()?;
    let time = Time::from_hms(small(hour), small(minute), small(second)).ok()?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    let offset = if let Zone::Offset(minutes) = zone { i64::from(minutes) * 60 } else { 0 };
    let millis = format!("{fraction:0<3}")[..3].parse().ok()?;
    let at = Timestamp::from_seconds(seconds - offset) + Duration::from_millis(millis);
    (at.as_millis() > 0).then_some(WrittenTime {
        at,
        form: TimeFormat::Calendar { separator, decimals: fraction.len(), zone },
    })
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A number of two digits, as [`digits`] returns it; anything larger is no valid month or hour.
fn small(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn read_zone(text: &str) -> Option<Zone> {
    match text {
        "" => Some(Zone::Unwritten),
        "Z" | "z" => Some(Zone::Zulu),
        " UTC" => Some(Zone::Utc),
        _ => {
            let sign = if text.starts_with('-') { -1 } else { 1 };
            let digits_only = text.strip_prefix(['+', '-'])?.replace(':', "");
            let (hours, minutes) = digits_only.split_at_checked(2)?;
            let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
            let minutes = digits(hours, 2)? * 60 + minutes;
            (minutes < 24 * 60).then_some(Zone::Offset(sign * i32::try_from(minutes).ok()?))
        }
    }
}

impl TimeFormat {
    /// The JSON text of `at` in this form. Fractions are rounded down: a token must not seem to live longer than it
    /// does.
    pub(crate) fn write(self, at: Timestamp) -> String {
        let (seconds, millis) = (at.as_seconds(), at.as_millis().rem_euclid(1000));
        let quote = |text: String, quoted: bool| if quoted { format!("\"{text}\"") } else { text };
        match self {
            Self::Seconds { decimals, quoted } => {
                quote(format!("{seconds}{}", fraction(millis, decimals)), quoted)
            }
            Self::Parts { digits, quoted } => {
                let factor = 10_i64.pow(digits.saturating_sub(3));
                quote(at.as_millis().saturating_mul(factor).to_string(), quoted)
            }
            Self::DotNet => format!("\"/Date({})/\"", at.as_millis()),
            Self::Http => {
                let seconds = u64::try_from(seconds).unwrap_or_default();
                quote(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)), true)
            }
            Self::Calendar { separator, decimals, zone } => {
                let minutes = if let Zone::Offset(minutes) = zone { minutes } else { 0 };
                let local = OffsetDateTime::from_unix_timestamp(seconds + i64::from(minutes) * 60)
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH);
                let zone = match zone {
                    Zone::Unwritten => String::new(),
                    Zone::Zulu => "Z".to_owned(),
                    Zone::Utc => " UTC".to_owned(),
                    Zone::Offset(minutes) => {
                        let sign = if minutes < 0 { '-' } else { '+' };
                        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
                    }
                };
                format!(
                    "\"{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}{}{zone}\"",
                    local.year(),
                    u8::from(local.month()),
                    local.day(),
                    local.hour(),
                    local.minute(),
                    local.second(),
                    fraction(millis, decimals)
                )
            }
        }
    }
}

/// `.123000` for 123 ms and six decimals; an empty text for no decimals.
fn fraction(millis: i64, decimals: usize) -> String {
    if decimals == 0 {
        String::new()
    } else {
        format!(".{:0<9}", format!("{millis:03}"))[..=decimals].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        // 2026-01-01 00:00:00 UTC
        let start = 1_767_225_600_000;
        for (text, millis) in [
            ("1767225600", start),
            ("1767225600.521374", start + 521),
            ("1767225600.0", start),
            ("\"1767225600\"", start),
            ("\"1767225600.25\"", start + 250),
            ("1767225600123", start + 123),
            ("\"1767225600123\"", start + 123),
            ("\"2026-01-01T00:00:00Z\"", start),
            ("\"2026-01-01T00:00:00.123456+00:00\"", start + 123),
            ("\"2026-01-01T02:00:00+02:00\"", start),
            ("\"2025-12-31T18:30:00-05:30\"", start),
            ("\"2026-01-01T00:00:00.5\"", start + 500),
            ("\"2026-01-01 00:00:00 UTC\"", start),
            ("\"2026-01-01 00:00:00\"", start),
            ("1767225600123000", start + 123),
            ("1767225600123000000", start + 123),
            ("\"1767225600123000\"", start + 123),
            ("\"/Date(1767225600123)/\"", start + 123),
            ("\"\\/Date(1767225600123+0200)\\/\"", start + 123),
            ("\"Thu, 01 Jan 2026 00:00:00 GMT\"", start),
            ("\"Thu Jan  1 00:00:00 2026\"", start),
            ("\"2025-12-31T23:59:60Z\"", start - 1000),
        ] {
            let written = WrittenTime::read(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(written.at.as_millis(), millis, "{text}");
            let again = WrittenTime::read(&written.form.write(written.at)).unwrap();
            assert_eq!((again.at, again.form), (written.at, written.form), "{text}");
        }
    }

    #[test]
    fn what_is_written_has_the_same_shape() {
        let at = Timestamp::from_millis(1_767_229_200_987);
        for (before, after) in [
            ("1767225600.521374", "1767229200.987000"),
            ("1767225600", "1767229200"),
            ("\"2026-01-01T02:00:00.12+02:00\"", "\"2026-01-01T03:00:00.98+02:00\""),
            ("\"2026-01-01 00:00:00 UTC\"", "\"2026-01-01 01:00:00 UTC\""),
            ("1767225600123", "1767229200987"),
            ("1767225600123456", "1767229200987000"),
            ("\"/Date(1767225600123)/\"", "\"/Date(1767229200987)/\""),
            ("\"Thu, 01 Jan 2026 00:00:00 GMT\"", "\"Thu, 01 Jan 2026 01:00:00 GMT\""),
        ] {
            assert_eq!(WrittenTime::read(before).unwrap().form.write(at), after);
        }
    }

    #[test]
    fn what_is_no_time_is_not_one() {
        let four_hundred = "9".repeat(400);
        for text in [
            "null",
            "true",
            "[]",
            "{}",
            "-1",
            "0",
            "1e400",
            &four_hundred,
            "\"\"",
            "\"soon\"",
            "\"NaN\"",
            "\"inf\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-01-01T25:00:00Z\"",
            "\"2026-01-01T00:00:00+99:00\"",
            "\"2026-01-01\"",
            "\"2026-01-01T00:00:00 Europe\"",
            "\"äöü2026-01-01\"",
        ] {
            assert_eq!(WrittenTime::read(text), None, "{text}");
        }
    }
}
