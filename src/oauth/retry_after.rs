//! The Retry-After header (RFC 9110 10.2.3): seconds, or a date.

use std::time::Duration;

use crate::clock::Timestamp;

/// The longest wait that an endpoint can ask for: after a longer one a healthy credential could expire.
pub(super) const LONGEST: Duration = Duration::from_hours(1);

/// How long the endpoint wants no request. A date counts from the answer's own `Date`, so that different clocks do
/// not matter, else from `now`. `None` where the header is useless: no form of RFC 9110, or a time that has passed.
pub(super) fn retry_after(header: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<f64>() {
        // Some servers send fractions. The comparison is false for NaN.
        Ok(seconds) if seconds > 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        Ok(_) => return None,
        Err(_) => http_date(header)?.since(date.and_then(http_date).unwrap_or(now)),
    };
    (!wait.is_zero()).then_some(wait.min(LONGEST))
}

/// A date in one of the three forms of RFC 9110 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text.trim()).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const THEN: Timestamp = Timestamp::from_seconds(784_111_777);

    #[test]
    fn both_forms_and_their_limits() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (header, date, seconds) in [
            ("120", None, Some(120)),
            (" 5 ", None, Some(5)),
            ("3600", None, Some(3600)),
            ("86400", None, Some(3600)),
            ("99999999999999999999999", None, Some(3600)),
            ("0", None, None),
            ("-1", None, None),
            ("", None, None),
            ("soon", None, None),
            ("nan", None, None),
            ("Sun, 06 Nov 1994 08:50:07 GMT", None, Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30)),
            ("Sun Nov  6 08:50:07 1994", None, Some(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, None),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, None),
            ("Sat, 06 Nov 2094 08:49:37 GMT", None, Some(3600)),
            ("Mon, 07 Nov 1994 08:49:47 GMT", Some("Mon, 07 Nov 1994 08:49:37 GMT"), Some(10)),
            ("Mon, 07 Nov 1994 08:49:47 GMT", Some("garbage"), Some(3600)),
            ("Sun, 31 Feb 1994 08:50:07 GMT", None, None),
            ("Sun, 06 anF 1994 08:50:07 GMT", None, None),
            ("Sun, 06 Nov 1994 08:50 GMT", None, None),
            ("Sun, 06 Nov 1994 25:50:07 GMT", None, None),
        ] {
            let wait = retry_after(header, date, THEN).map(|wait| wait.as_secs());
            assert_eq!(wait, seconds, "{header:?} {date:?}");
        }
        assert_eq!(http_date(date), Some(THEN));
    }

    proptest! {
        #[test]
        fn any_header_gives_at_most_an_hour(header in any::<String>(), date in any::<String>()) {
            if let Some(wait) = retry_after(&header, Some(&date), THEN) {
                prop_assert!(wait > Duration::ZERO && wait <= LONGEST);
            }
        }
    }
}
