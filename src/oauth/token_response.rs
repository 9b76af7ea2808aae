//! Understanding an answer: tokens, an error, or neither.
//!
//! Answers are read by what they are, not by status alone: GitHub and Slack send errors with 200,
//! Sentry sends tokens with 201, a captive portal sends a page with 200.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::outcome::{GrantType, TokenResponse};
use super::provider::{AnswerPaths, ErrorRules};
use super::response_body::{ResponseBody, ResponseValue};
use crate::clock::Timestamp;
use crate::secret::{Secret, is_printable};

/// What an answer is.
pub(super) enum TokenAnswer {
    /// A complete success.
    Tokens(Box<TokenResponse>),
    /// An error that the provider names; the code is as it was sent.
    Error { code: String, description: Option<String> },
    /// Neither tokens nor an error. Says what it is instead.
    Unrecognized(&'static str),
}

/// Reads a document. `succeeded` is whether the status was 2xx.
pub(super) fn answer(
    document: &ResponseBody<'_>,
    succeeded: bool,
    grant: GrantType,
    paths: &AnswerPaths,
    errors: &ErrorRules,
    asked_at: Timestamp,
) -> TokenAnswer {
    let described = || document.text(["error_description", "message", "error_message", "reason"]);
    if let Some(code) = document.text(["error"]) {
        return TokenAnswer::Error { code, description: described() };
    }
    let refused = document.find(&paths.success) == Some(ResponseValue::False);
    let incomplete = match granted(document, grant, paths, asked_at) {
        Ok(granted) if succeeded && !refused => return TokenAnswer::Tokens(Box::new(granted)),
        Ok(_) => "a refusal without an error code",
        Err(what) => what,
    };
    // Members that mean something else in a success (`status`, `name`) are an error's code otherwise.
    if let Some(code) = document.text(errors.code.iter().map(String::as_str)) {
        return TokenAnswer::Error { code, description: described() };
    }
    TokenAnswer::Unrecognized(incomplete)
}

/// The codes that say by themselves that a refresh token is dead, at any provider.
const DEAD_GRANTS: [&str; 6] = [
    "invalid_grant",
    "bad_refresh_token",
    "invalid_refresh_token",
    "expired_refresh_token",
    "refresh_token_expired",
    "refresh_token_revoked",
];

/// Whether an error code says that the refresh token is dead, in any capitals.
pub(super) fn is_dead_grant(code: &str) -> bool {
    DEAD_GRANTS.iter().any(|known| known.eq_ignore_ascii_case(code.trim()))
}

/// The code of a dead grant as a word of a refusal in another form than RFC 6749 5.2 prescribes.
pub(super) fn dead_grant(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.into_iter().find(|word| is_dead_grant(word)).map(str::to_ascii_lowercase)
}

fn granted(
    document: &ResponseBody<'_>,
    grant: GrantType,
    paths: &AnswerPaths,
    asked_at: Timestamp,
) -> Result<TokenResponse, &'static str> {
    let access_token = match first(document, &paths.access_token) {
        None => return Err("no access token"),
        Some(ResponseValue::Text(token)) if is_token(&token) => Secret::new(token),
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => return Err("an empty access token"),
        Some(ResponseValue::Text(token)) if is_token(token.trim()) => {
            return Err("an access token with a blank at its end");
        }
        Some(_) => return Err("an access token that is not printable text"),
    };
    let refresh_token = refresh_token(document, grant, paths)?;
    let refresh_length = refresh_token.as_ref().map_or(0, |token| token.expose().len());
    if access_token.expose().len() + refresh_length > LARGEST_TOKENS {
        return Err("tokens of more than 256 KiB");
    }
    let mut warnings = Vec::new();
    let said =
        paths.expires_in.iter().find_map(|path| number(&document.find(path)?).filter(|length| *length > 0.0));
    let (expires_in, end) = match said.map(|said| lifetime(said, asked_at)) {
        None => (None, None),
        Some(Lifetime::Seconds(length)) => (length, None),
        Some(Lifetime::Milliseconds(length)) => {
            warnings.push("expires_in of the answer is over ten years; taken for milliseconds".to_owned());
            (Some(length), None)
        }
        Some(Lifetime::Until(end)) => {
            warnings
                .push("expires_in of the answer is over ten years; taken for the time of the end".to_owned());
            (None, Some(end))
        }
    };
    Ok(TokenResponse {
        asked_at,
        access_token,
        refresh_token,
        expires_in,
        expires_at: end.or_else(|| paths.expires_at.iter().find_map(|path| moment(&document.find(path)?))),
        warnings,
        refresh_expires_in: paths.refresh_expires_in.iter().find_map(|path| {
            let item = document.find(path)?;
            seconds(&item).or_else(|| is_zero(&item).then_some(Duration::ZERO))
        }),
        scope: scope(document),
        token_type: document.text(["token_type"]),
        id_token: document.text(["id_token"]).filter(|token| is_token(token)).map(Secret::new),
        kept: paths
            .keep
            .iter()
            .filter_map(|name| Some((name.clone(), Secret::new(document.raw(name)?))))
            .collect(),
    })
}

/// The new refresh token, where there is one.
fn refresh_token(
    document: &ResponseBody<'_>,
    grant: GrantType,
    paths: &AnswerPaths,
) -> Result<Option<Secret>, &'static str> {
    // An application asks anew each time; RFC 6749 4.4.3 says there should be none.
    if grant == GrantType::ClientCredentials {
        return Ok(None);
    }
    match first(document, &paths.refresh_token) {
        // Empty, null and false all mean "as before" (RFC 6749 6).
        None | Some(ResponseValue::False) => Ok(None),
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => Ok(None),
        Some(ResponseValue::Text(token)) if is_token(&token) => Ok(Some(Secret::new(token))),
        Some(ResponseValue::Text(token)) if is_token(token.trim()) => {
            Err("a refresh token with a blank at its end")
        }
        Some(_) => Err("a refresh token that is not printable text"),
    }
}

/// What is at the first of the paths that holds something but null.
fn first(document: &ResponseBody<'_>, paths: &[String]) -> Option<ResponseValue> {
    paths.iter().filter_map(|path| document.find(path)).find(|item| *item != ResponseValue::Null)
}

/// RFC 6749 Appendix A: tokens are printable ASCII; there is no limit to their length. A blank at an end
/// would be lost on the way through a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && is_printable(text)
}

/// What an `expires_in` means.
enum Lifetime {
    /// As RFC 6749 5.1 says; `None` for less than the clock's millisecond.
    Seconds(Option<Duration>),
    /// Some servers count milliseconds.
    Milliseconds(Duration),
    /// Others send the time of the end instead.
    Until(Timestamp),
}

/// Over ten years no lifetime is meant: the number is a time near the present, or counts milliseconds.
fn lifetime(said: f64, asked_at: Timestamp) -> Lifetime {
    const TEN_YEARS: Duration = Duration::from_hours(10 * 8766);
    let ten_years = TEN_YEARS.as_secs_f64();
    if said > ten_years {
        if let Some((end, _)) = Timestamp::from_number(said)
            && end.since(asked_at) <= TEN_YEARS
            && asked_at.since(end) <= TEN_YEARS
        {
            return Lifetime::Until(end);
        }
        if said / 1000.0 <= ten_years {
            return Lifetime::Milliseconds(Duration::from_secs_f64(said / 1000.0));
        }
    }
    let length = Duration::from_secs_f64(said.min(LONGEST));
    Lifetime::Seconds((length >= Duration::from_millis(1)).then_some(length))
}

fn number(item: &ResponseValue) -> Option<f64> {
    match item {
        ResponseValue::Number(text) | ResponseValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Most bytes of an access token and a refresh token together. A token file of more than 1 MiB is not read, and
/// a client would not send such a token in a header.
const LARGEST_TOKENS: usize = 256 << 10;

/// Longest lifetime that is believed; more means "for ever" and would overflow somewhere.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;

/// A positive number of seconds, as number or as text. `None` for anything else: the comparison
/// is false for what is not a number.
fn seconds(item: &ResponseValue) -> Option<Duration> {
    let value = number(item)?;
    let duration = (value > 0.0).then(|| Duration::from_secs_f64(value.min(LONGEST)))?;
    // Less than the clock's millisecond is nothing.
    (duration >= Duration::from_millis(1)).then_some(duration)
}

/// Keycloak says of an offline token, which does not end, that it ends in 0 seconds.
fn is_zero(item: &ResponseValue) -> bool {
    matches!(item, ResponseValue::Number(text) | ResponseValue::Text(text) if text.trim() == "0")
}

/// A point in time: RFC 3339 text (Sentry), or seconds since 1970; over 10^11 they are milliseconds.
fn moment(item: &ResponseValue) -> Option<Timestamp> {
    if let ResponseValue::Text(text) = item
        && let Ok(time) = OffsetDateTime::parse(text.trim(), &Rfc3339)
    {
        let millis = time.unix_timestamp_nanos() / 1_000_000;
        return i64::try_from(millis).ok().map(Timestamp::from_millis);
    }
    Timestamp::from_number(number(item)?).map(|(at, _)| at)
}

/// `scope` as text, or a list of texts joined by blanks.
fn scope(document: &ResponseBody<'_>) -> Option<String> {
    document.text(["scope"]).or_else(|| {
        let list: Vec<String> = serde_json::from_str(&document.raw("scope")?).ok()?;
        (!list.is_empty()).then(|| list.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str, succeeded: bool, grant: GrantType) -> TokenAnswer {
        let document = ResponseBody::read(body.as_bytes(), "", true);
        let paths = AnswerPaths { keep: vec!["instance_url".to_owned()], ..AnswerPaths::default() };
        let errors = ErrorRules { code: vec!["status".to_owned()], ..ErrorRules::default() };
        document.map_or(TokenAnswer::Unrecognized("no document"), |document| {
            answer(&document, succeeded, grant, &paths, &errors, Timestamp::from_seconds(1_000))
        })
    }

    /// The answer in a few words.
    fn summary(body: &str) -> String {
        match read(body, true, GrantType::RefreshToken) {
            TokenAnswer::Tokens(granted) => format!(
                "{} {} {:?} {:?}",
                granted.access_token.expose(),
                granted.refresh_token.as_ref().map_or("-", Secret::expose),
                granted.expires_in.map(|lifetime| lifetime.as_secs()),
                granted.expires_at.map(Timestamp::as_seconds),
            ),
            TokenAnswer::Error { code, description } => {
                format!("error {code} {}", description.unwrap_or_default())
            }
            TokenAnswer::Unrecognized(what) => what.to_owned(),
        }
    }

    #[test]
    fn a_lifetime_of_more_than_ten_years_is_something_else() {
        // 2026-01-01 00:00:00 UTC
        let asked_at = Timestamp::from_seconds(1_767_225_600);
        for (said, length, end) in [
            (3600.0, Some(3600), None),
            (315_360_000.0, Some(315_360_000), None),
            // The end itself, in seconds and in milliseconds.
            (1_767_229_200.0, None, Some(1_767_229_200)),
            (1_767_229_200_000.0, None, Some(1_767_229_200)),
            (1_767_222_000.0, None, Some(1_767_222_000)),
            // Five days and a year in milliseconds.
            (432_000_000.0, Some(432_000), None),
            (31_536_000_000.0, Some(31_536_000), None),
            // For ever, in somebody's words.
            (1e15, Some(3_155_760_000), None),
            (f64::INFINITY, Some(3_155_760_000), None),
        ] {
            let (found, until) = match lifetime(said, asked_at) {
                Lifetime::Seconds(length) => (length, None),
                Lifetime::Milliseconds(length) => (Some(length), None),
                Lifetime::Until(end) => (None, Some(end)),
            };
            assert_eq!(found.map(|length| length.as_secs()), length, "{said}");
            assert_eq!(until.map(Timestamp::as_seconds), end, "{said}");
        }
    }

    #[test]
    fn a_dead_grant_is_known_in_other_clothes() {
        for text in [
            "invalid_grant",
            "Error: INVALID_GRANT.",
            r#"{"errors":["invalid_grant: token revoked"]}"#,
            r#"{"error":{"code":"invalid_grant"}}"#,
            r#"{"error":{"errors":[{"reason":"bad_refresh_token"}]}}"#,
            r#"{"fault":{"detail":{"errorcode":"oauth.v2.Invalid_Grant"}}}"#,
        ] {
            assert!(dead_grant(text).is_some_and(|code| is_dead_grant(&code)), "{text}");
        }
        for text in ["the grant is invalid", "not_invalid_grant_x", "invalid grant", ""] {
            assert_eq!(dead_grant(text), None, "{text}");
        }
    }

    #[test]
    fn what_an_answer_is() {
        for (body, is) in [
            (r#"{"access_token":"a","refresh_token":"r","expires_in":3600}"#, "a r Some(3600) None"),
            (r#"{"access_token":"a","expires_in":"7200"}"#, "a - Some(7200) None"),
            (r#"{"access_token":"a","expires_in":3599.9}"#, "a - Some(3599) None"),
            (r#"{"access_token":"a","expires_in":1e400}"#, "a - Some(3155760000) None"),
            (r#"{"access_token":"a","expires_in":0}"#, "a - None None"),
            (r#"{"access_token":"a","expires_in":-5}"#, "a - None None"),
            (r#"{"access_token":"a","expires_in":"nan"}"#, "a - None None"),
            (r#"{"access_token":"a","expires_in":"soon"}"#, "a - None None"),
            (r#"{"access_token":"a","expires_in":[3600]}"#, "a - None None"),
            (r#"{"access_token":"a","expires_at":"2026-01-01T00:00:00.5Z"}"#, "a - None Some(1767225600)"),
            (r#"{"access_token":"a","expires_at":1767225600000}"#, "a - None Some(1767225600)"),
            (r#"{"access_token":"a","expires_at":"1767225600.25"}"#, "a - None Some(1767225600)"),
            (r#"{"access_token":"a","refresh_token":""}"#, "a - None None"),
            (r#"{"access_token":"a","refresh_token":null}"#, "a - None None"),
            (r#"{"access_token":"a","refresh_token":false}"#, "a - None None"),
            (r#"{"access_token":"a","error":""}"#, "a - None None"),
            (r#"{"access_token":"a","error":null,"status":"active"}"#, "a - None None"),
            (r#"{"access_token":"a","error":"invalid_grant"}"#, "error invalid_grant "),
            (r#"{"ok":false,"error":"token_revoked","access_token":"a"}"#, "error token_revoked "),
            (r#"{"ok":false,"access_token":"a"}"#, "a refusal without an error code"),
            (r#"{"status":"BAD_REFRESH_TOKEN","message":"m"}"#, "error BAD_REFRESH_TOKEN m"),
            (r#"{"error":"e","error_description":"d","message":"m"}"#, "error e d"),
            (r#"{"error":{"message":"nested"}}"#, "no access token"),
            (r#"{"access_token":""}"#, "an empty access token"),
            (r#"{"access_token":"  "}"#, "an empty access token"),
            (r#"{"access_token":null}"#, "no access token"),
            (r#"{"access_token":12345}"#, "an access token that is not printable text"),
            (r#"{"access_token":"a\u0000b"}"#, "an access token that is not printable text"),
            (r#"{"access_token":"a\nb"}"#, "an access token that is not printable text"),
            (r#"{"access_token":"ä"}"#, "an access token that is not printable text"),
            (r#"{"access_token":"\ud800"}"#, "an access token that is not printable text"),
            (r#"{"access_token":"a","refresh_token":"r\rx"}"#, "a refresh token that is not printable text"),
            (r#"{"access_token":"a","refresh_token":7}"#, "a refresh token that is not printable text"),
            (r#"{"access_token":"a "}"#, "an access token with a blank at its end"),
            (r#"{"access_token":"a","refresh_token":" r"}"#, "a refresh token with a blank at its end"),
            (r#"{"access_token":"\ta"}"#, "an access token with a blank at its end"),
            (r#"{"ok":false,"refresh_token":"r"}"#, "no access token"),
            ("{}", "no access token"),
            ("{", "no document"),
        ] {
            assert_eq!(summary(body), is, "{body}");
        }
    }

    #[test]
    fn a_token_in_a_refusal_is_none() {
        let body = r#"{"access_token":"a"}"#;
        assert!(matches!(read(body, false, GrantType::RefreshToken), TokenAnswer::Unrecognized(_)));
    }

    #[test]
    fn an_application_keeps_no_refresh_token() {
        let body = r#"{"access_token":"a","refresh_token":7}"#;
        let TokenAnswer::Tokens(granted) = read(body, true, GrantType::ClientCredentials) else { panic!() };
        assert!(granted.refresh_token.is_none());
    }

    #[test]
    fn everything_else_that_is_kept() {
        let body = r#"{"access_token":"a","token_type":"BEARER","scope":["x","y"],"id_token":"i",
            "refresh_expires_in":1800,"instance_url":"https:\/\/x"}"#;
        let TokenAnswer::Tokens(granted) = read(body, true, GrantType::RefreshToken) else { panic!() };
        assert_eq!(granted.token_type.as_deref(), Some("BEARER"));
        assert_eq!(granted.scope.as_deref(), Some("x y"));
        assert_eq!(granted.id_token.unwrap().expose(), "i");
        assert_eq!(granted.refresh_expires_in, Some(Duration::from_mins(30)));
        for (said, is) in [("0", Some(0)), ("\"0\"", Some(0)), ("-1", None), ("null", None), ("60", Some(60))]
        {
            let body = format!(r#"{{"access_token":"a","refresh_expires_in":{said}}}"#);
            let TokenAnswer::Tokens(granted) = read(&body, true, GrantType::RefreshToken) else { panic!() };
            assert_eq!(granted.refresh_expires_in.map(|length| length.as_secs()), is, "{said}");
        }
        assert_eq!(granted.kept[0].0, "instance_url");
        assert_eq!(granted.kept[0].1.expose(), r#""https:\/\/x""#);
    }

    proptest! {
        #[test]
        fn no_value_makes_an_empty_or_unprintable_token(
            token in any::<String>(), refresh in any::<String>(), expires in any::<f64>()
        ) {
            let body = serde_json::json!({
                "access_token": token, "refresh_token": refresh, "expires_in": expires, "expires_at": expires,
            });
            if let TokenAnswer::Tokens(granted) = read(&body.to_string(), true, GrantType::RefreshToken) {
                prop_assert!(is_token(granted.access_token.expose()));
                prop_assert!(granted.refresh_token.is_none_or(|token| is_token(token.expose())));
                prop_assert!(granted.expires_in.is_none_or(|lifetime| !lifetime.is_zero()));
            }
        }

        #[test]
        fn no_body_panics(body in "[\\x00-\\x7f]{0,80}|[{]\"(access_token|error)\":[ -~]{0,40}[}]") {
            read(&body, true, GrantType::RefreshToken);
        }
    }
}
