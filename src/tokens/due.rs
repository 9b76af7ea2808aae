//! When a token expires, and when to refresh it.
//!
//! Pure arithmetic over values. Two laws are tested as properties. A lifetime between a second and ten years has at
//! most two refreshes. A token whose expiry is known is due before it expires.

use std::time::Duration;

use super::document::{Document, Expiry};
use super::jwt;
use crate::clock::Timestamp;

/// How far a stored time may lie ahead of the clock. A later one must have been written under a wrong clock.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// The largest difference between `issued_at + expires_in` and `expires_at` that still counts as none. Tools round to
/// seconds and read the clock twice.
const ROUNDING: Duration = Duration::from_secs(5);

/// The members that say how long the refresh token lasts from its receipt.
pub(super) const REFRESH_LENGTHS: [&str; 3] =
    ["refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in"];

/// The facts of a token's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Life {
    /// When the access token ends; `None` if no source says that it does.
    pub expires_at: Option<Timestamp>,
    /// The whole life of the access token, where it is known.
    pub length: Option<Duration>,
    /// When the access token was received.
    pub issued_at: Option<Timestamp>,
    /// When the refresh token ends, if the provider said so.
    pub refresh_expires_at: Option<Timestamp>,
    /// Whether the only statement about the end of the access token cannot be read.
    pub unreadable: bool,
}

/// The results of earlier refreshes that the next due time depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Past {
    /// When the last refresh succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether that refresh moved the end of the refresh token, so that refreshing keeps it alive.
    pub moved_refresh_end: bool,
}

/// Reads the life of a token. The end is a member of the file, else the `exp` of a JWT, else `expires_in` after the
/// receipt. An unwritten time of receipt is the file's modification time.
pub(crate) fn life(document: &Document, modified: Timestamp) -> Life {
    let said = document.expiry();
    let written = if let Expiry::At(at) = said { Some(at) } else { None };
    let expires_in = document.seconds("expires_in");
    let issued_at = issued_at(document, written.is_none());
    let claimed = || document.in_access_token(jwt::expiry);
    let life = Life {
        issued_at,
        refresh_expires_at: refresh_expires_at(document, issued_at.unwrap_or(modified)),
        ..Life::default()
    };
    match (written.or_else(claimed), expires_in) {
        (Some(expires_at), Some(length)) => {
            let sum = issued_at.map(|issued| issued + length);
            let agrees = sum.is_some_and(|sum| sum.since(expires_at).max(expires_at.since(sum)) <= ROUNDING);
            Life { expires_at: Some(expires_at), length: agrees.then_some(length), ..life }
        }
        (None, Some(length)) => {
            Life { expires_at: Some(issued_at.unwrap_or(modified) + length), length: Some(length), ..life }
        }
        (Some(expires_at), None) => Life { expires_at: Some(expires_at), ..life },
        (None, None) => Life { unreadable: matches!(said, Expiry::Unreadable(_)), ..life },
    }
}

/// When the token was received. `created_at` (doorkeeper: GitLab, Mastodon) may be the age of something else. So it
/// counts only where no member gives the expiry.
fn issued_at(document: &Document, with_created_at: bool) -> Option<Timestamp> {
    let names = ["issued_at", "generated_at", "obtained_at", "saved_at"];
    let created_at = with_created_at.then_some("created_at");
    names.into_iter().chain(created_at).find_map(|name| document.time(name)).map(|written| written.at)
}

/// When the refresh token ends: as a time, or as a length of time from its receipt (GitHub, Keycloak, Intuit).
fn refresh_expires_at(document: &Document, received: Timestamp) -> Option<Timestamp> {
    let written =
        ["refresh_expires_at", "refresh_token_expires_at"].into_iter().find_map(|name| document.time(name));
    let length = || REFRESH_LENGTHS.into_iter().find_map(|name| document.seconds(name));
    written.map(|written| written.at).or_else(|| Some(received + length()?))
}

/// When to refresh a token with this life; `None` for a token that does not expire.
///
/// The time is `buffer` before the end, but not before half of a known life has passed. Otherwise a one-hour token
/// under a one-hour buffer would be refreshed at every check. At least a quarter of the life lies between a success and
/// the next refresh.
pub(crate) fn due_at(life: &Life, past: &Past, buffer: Duration, now: Timestamp) -> Option<Timestamp> {
    // A refresh replaces the unreadable time.
    let Some(access_end) = life.expires_at else { return life.unreadable.then_some(now) };
    let (end, length) = match life.refresh_expires_at {
        // Where the refresh token ends first and a refresh prolongs it, its life sets the pace.
        Some(refresh_end) if refresh_end < access_end && past.moved_refresh_end => {
            (refresh_end, life.issued_at.map(|issued| refresh_end.since(issued)))
        }
        _ => (access_end, life.length),
    };
    let latest_plausible = now + CLOCK_TOLERANCE;
    // A time of receipt in the future was written under a wrong clock: the token's age is unknown. One refresh now
    // writes a true time.
    if length.is_some() && life.issued_at.is_some_and(|issued| issued > latest_plausible) {
        return Some(now);
    }
    let lead = length.map_or(buffer, |length| buffer.min(length / 2));
    let spacing = (length.unwrap_or_default() / 4).max(Duration::from_secs(1));
    let earliest =
        past.last_success.filter(|success| *success <= latest_plausible).map(|success| success + spacing);
    Some((end - lead).max(earliest.unwrap_or(end - lead)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn known(issued: i64, length: u64) -> Life {
        let length = Duration::from_secs(length);
        Life {
            expires_at: Some(at(issued) + length),
            length: Some(length),
            issued_at: Some(at(issued)),
            ..Life::default()
        }
    }

    #[test]
    fn a_life_is_read_from_what_tools_write() {
        let read = |members: &str| {
            life(&Document::parse(&format!(r#"{{"access_token":"a",{members}}}"#)).ok().unwrap(), at(900))
        };
        for (members, expires, refresh_expires) in [
            (r#""created_at":1767225600,"expires_in":7200"#, Some(1_767_232_800), None),
            (r#""created_at":1767225600,"expiry_date":1767229200000"#, Some(1_767_229_200), None),
            (
                r#""issued_at":1767225600,"expires_in":3600,"x_refresh_token_expires_in":8726400"#,
                Some(1_767_229_200),
                Some(1_775_952_000),
            ),
            (r#""issued_at":1767225600,"refresh_token_expires_in":"60""#, None, Some(1_767_225_660)),
            (r#""refresh_expires_in":60"#, None, Some(960)),
            (r#""refresh_expires_in":0"#, None, None),
            (
                r#""expires_at":"tomorrow","obtained_at":1767225600,"expires_in":60"#,
                Some(1_767_225_660),
                None,
            ),
        ] {
            let life = read(members);
            assert_eq!(life.expires_at, expires.map(at), "{members}");
            assert_eq!(life.refresh_expires_at, refresh_expires.map(at), "{members}");
            assert!(!life.unreadable);
        }
        let now = at(1_767_225_600);
        let unreadable = read(r#""expires_at":"tomorrow""#);
        assert_eq!(
            due_at(&unreadable, &Past::default(), HOUR, now),
            Some(now),
            "a refresh writes a good one"
        );
        assert_eq!(due_at(&read(r#""expires_at":null"#), &Past::default(), HOUR, now), None);
    }

    #[test]
    fn due_times() {
        let now = at(1_000_000);
        let unknown = |expires: i64| Life { expires_at: Some(at(expires)), ..Life::default() };
        for (what, life, past, due) in [
            ("no expiry", Life::default(), Past::default(), None),
            ("unknown life: the buffer", unknown(1_010_000), Past::default(), Some(at(1_006_400))),
            (
                "an hour under an hour's buffer: half",
                known(1_000_000, 3600),
                Past::default(),
                Some(at(1_001_800)),
            ),
            ("a day: the buffer", known(1_000_000, 86_400), Past::default(), Some(at(1_082_800))),
            (
                "not within a quarter of the last success",
                known(999_000, 3600),
                Past { last_success: Some(at(1_000_000)), ..Past::default() },
                Some(at(1_000_900)),
            ),
            (
                "a success in the future counts for nothing",
                unknown(1_000_100),
                Past { last_success: Some(at(2_000_000)), ..Past::default() },
                Some(at(996_500)),
            ),
            ("received in the future: now", known(1_000_100, 3600), Past::default(), Some(now)),
            (
                "the refresh token dies first and moves",
                Life { refresh_expires_at: Some(at(1_000_600)), ..known(1_000_000, 36_000) },
                Past { moved_refresh_end: true, last_success: None },
                Some(at(1_000_300)),
            ),
            (
                "the refresh token dies first and does not move",
                Life { refresh_expires_at: Some(at(1_000_600)), ..known(1_000_000, 36_000) },
                Past::default(),
                Some(at(1_032_400)),
            ),
        ] {
            assert_eq!(due_at(&life, &past, HOUR, now), due, "{what}");
        }
    }

    #[test]
    fn lives_are_read_from_what_is_there() {
        let modified = at(1_767_218_400);
        for (text, expires, length) in [
            (r#"{"token":"a","expires_at":1767225600}"#, Some(1_767_225_600), None),
            (r#"{"token":"a","expires_in":300}"#, Some(1_767_218_700), Some(300)),
            (r#"{"token":"a","expires_in":"300","issued_at":1767000000}"#, Some(1_767_000_300), Some(300)),
            (
                r#"{"token":"a","expires_in":300,"issued_at":1767000000,"expires_at":1767000302}"#,
                Some(1_767_000_302),
                Some(300),
            ),
            (
                r#"{"token":"a","expires_in":300,"issued_at":1767000000,"expires_at":1767009999}"#,
                Some(1_767_009_999),
                None,
            ),
            (r#"{"token":"a","expires_at":"soon"}"#, None, None),
            (r#"{"token":"a","expires_in":-3}"#, None, None),
            (r#"{"token":"e30.eyJleHAiOjE3NjcyMjU2MDB9.x","expires_at":null}"#, Some(1_767_225_600), None),
        ] {
            let found = life(&Document::parse(text).ok().unwrap(), modified);
            assert_eq!(found.expires_at.map(Timestamp::as_seconds), expires, "{text}");
            assert_eq!(found.length, length.map(Duration::from_secs), "{text}");
        }
    }

    proptest! {
        /// The law against refresh storms. Whatever the buffer is, a token is refreshed at most twice in its life, and
        /// before the end.
        #[test]
        fn no_life_is_refreshed_more_than_twice(
            length in 1_u64..315_360_000, buffer in 1_u64..315_360_000,
            start in 1_000_000_000_i64..3_000_000_000,
        ) {
            let (length, buffer) = (Duration::from_secs(length), Duration::from_secs(buffer));
            let first = at(start);
            let (mut issued, mut refreshes) = (first, 0);
            loop {
                let (end, start) = (Some(issued + length), Some(issued));
                let life = Life { expires_at: end, length: Some(length), issued_at: start, ..Life::default() };
                let past = Past { last_success: (refreshes > 0).then_some(issued), moved_refresh_end: false };
                let due = due_at(&life, &past, buffer, issued).unwrap();
                prop_assert!(due <= issued + length.max(Duration::from_secs(1)), "due after its end");
                prop_assert!(due > issued, "due at once");
                if due > first + length {
                    break;
                }
                (issued, refreshes) = (due, refreshes + 1);
            }
            prop_assert!(refreshes <= 2, "{refreshes} refreshes");
        }

        /// A token whose end alone is known is due by its end, whatever other members the file has.
        #[test]
        fn an_end_that_is_known_is_never_missed(
            end in 1_i64..4_000_000_000, issued in proptest::option::of(1_i64..4_000_000_000),
            length in proptest::option::of(1_u64..400_000_000), now in 1_i64..4_000_000_000,
        ) {
            let life = Life {
                expires_at: Some(at(end)),
                length: length.map(Duration::from_secs),
                issued_at: issued.map(at),
                refresh_expires_at: None,
                unreadable: false,
            };
            let due = due_at(&life, &Past::default(), HOUR, at(now)).unwrap();
            prop_assert!(due <= at(end).max(at(now)));
        }
    }
}
