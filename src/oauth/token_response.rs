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
    match document.text(errors.code.iter().map(String::as_str)) {
        Some(code) => TokenAnswer::Error { code, description: described() },
        None => TokenAnswer::Unrecognized(incomplete),
    }
}

fn granted(
    document: &ResponseBody<'_>,
    grant: GrantType,
    paths: &AnswerPaths,
    asked_at: Timestamp,
) -> Result<TokenResponse, &'static str> {
    let found = |paths: &[String]| {
        paths.iter().filter_map(|path| document.find(path)).find(|item| *item != ResponseValue::Null)
    };
    let access_token = match found(&paths.access_token) {
        None => return Err("no access token"),
        Some(ResponseValue::Text(token)) if is_token(&token) => Secret::new(token),
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => return Err("an empty access token"),
        Some(_) => return Err("an access token that is not printable text"),
    };
    let refresh_token = match found(&paths.refresh_token) {
        // An application asks anew each time; RFC 6749 4.4.3 says there should be none.
        _ if grant == GrantType::ClientCredentials => None,
        // Empty, null and false all mean "as before" (RFC 6749 6).
        None | Some(ResponseValue::False) => None,
        Some(ResponseValue::Text(token)) if token.trim().is_empty() => None,
        Some(ResponseValue::Text(token)) if is_token(&token) => Some(Secret::new(token)),
        Some(_) => return Err("a refresh token that is not printable text"),
    };
    let lifetime = |paths: &[String]| paths.iter().find_map(|path| seconds(&document.find(path)?));
    Ok(TokenResponse {
        asked_at,
        access_token,
        refresh_token,
        expires_in: lifetime(&paths.expires_in),
        expires_at: paths.expires_at.iter().find_map(|path| moment(&document.find(path)?)),
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

/// RFC 6749 Appendix A: tokens are printable ASCII; there is no limit to their length.
fn is_token(text: &str) -> bool {
    !text.trim().is_empty() && is_printable(text)
}

/// Longest lifetime that is believed; more means "for ever" and would overflow somewhere.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;

/// A positive number of seconds, as number or as text. `None` for anything else: the comparison
/// is false for what is not a number.
fn seconds(item: &ResponseValue) -> Option<Duration> {
    let value: f64 = match item {
        ResponseValue::Number(text) | ResponseValue::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
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
    let value: f64 = match item {
        ResponseValue::Number(text) | ResponseValue::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Timestamp::from_number(value).map(|(at, _)| at)
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
            (r#"{"access_token":"a","refresh_token":"r\r"}"#, "a refresh token that is not printable text"),
            (r#"{"access_token":"a","refresh_token":7}"#, "a refresh token that is not printable text"),
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
