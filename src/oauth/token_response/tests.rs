//! Tables for the parent module.

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
        TokenAnswer::Half { refresh_token, lacks } => format!("{lacks}, but {}", refresh_token.expose()),
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
        // For ever, as a tool writes it.
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
    for (said, is) in [("0", Some(0)), ("\"0\"", Some(0)), ("-1", None), ("null", None), ("60", Some(60))] {
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
