//! Answers that bring tokens, in all the spellings of the providers: where the tokens stand, how the
//! lifetime is said or left out, which refresh token counts afterwards.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::case::{Case, play};
use super::outcome::{NEW_ACCESS, NEW_REFRESH, OLD_REFRESH, Outcome, kept, rotated};
use crate::support::{Answer, Delivery, Framing, Step, now};

/// `text` with `NA` and `NR` replaced by the new tokens: rows stay readable.
fn body(text: &str) -> String {
    text.replace("NA", &format!("\"{NEW_ACCESS}\"")).replace("NR", &format!("\"{NEW_REFRESH}\""))
}

fn success(provider: &str, text: &str, outcome: Outcome) -> Case {
    Case::json(provider, 200, &body(text), outcome)
}

#[test]
fn tokens_where_the_providers_put_them() {
    let in_eight_hours = OffsetDateTime::from_unix_timestamp(now() + 28_800).unwrap();
    let sentry = json!({
        "token": NEW_ACCESS, "refreshToken": NEW_REFRESH, "expiresAt": in_eight_hours.format(&Rfc3339).unwrap(),
        "id": "38", "dateCreated": "2026-01-01T00:00:00Z", "scopes": ["event:read"], "state": null,
    });
    let form = format!(
        "access_token={NEW_ACCESS}&expires_in=28800&refresh_token={}&scope=&token_type=bearer",
        NEW_REFRESH.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D"),
    );
    let form =
        Answer::new(200, form).header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    let github = |framing| Step::answer(form.clone()).delivered(Delivery::Whole(framing));
    play(vec![
        success(
            "nobody knows it",
            r#"{"access_token":NA,"refresh_token":NR,"token_type":"Bearer","expires_in":3600}"#,
            rotated(3600),
        ),
        success(
            "github",
            r#"{"access_token":NA,"expires_in":28800,"refresh_token":NR,
                "refresh_token_expires_in":15897600,"scope":"","token_type":"bearer"}"#,
            rotated(28_800).refresh_lasts(15_897_600),
        ),
        Case::step("github: form-encoded with a length", "github", github(Framing::Length), rotated(28_800)),
        Case::step("github: form-encoded in chunks", "github", github(Framing::Chunked), rotated(28_800)),
        success(
            "slack",
            r#"{"ok":true,"app_id":"A1","access_token":NA,"refresh_token":NR,"token_type":"bot",
                "expires_in":43200,"team":{"id":"T1"}}"#,
            rotated(43_200),
        ),
        success(
            "slack",
            r#"{"ok":true,"authed_user":{"id":"U1","access_token":NA,"refresh_token":NR,
                "token_type":"user","expires_in":43200}}"#,
            rotated(43_200),
        ),
        Case::json("sentry-integration", 201, &sentry.to_string(), rotated(28_800))
            .member("installation_uuid", "u"),
        success(
            "atlassian",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"token_type":"Bearer",
                "scope":"read:jira-work offline_access"}"#,
            rotated(3600),
        ),
        success(
            "microsoft",
            r#"{"token_type":"Bearer","scope":"User.Read","expires_in":"3599","ext_expires_in":3599,
                "access_token":NA,"refresh_token":NR}"#,
            rotated(3599),
        ),
        success(
            "keycloak",
            r#"{"access_token":NA,"expires_in":300,"refresh_expires_in":1800,"refresh_token":NR,
                "token_type":"Bearer","not-before-policy":0}"#,
            rotated(300).refresh_lasts(1800),
        ),
        success(
            "keycloak",
            r#"{"access_token":NA,"expires_in":300,"refresh_expires_in":0,"refresh_token":NR,"token_type":"Bearer"}"#,
            rotated(300).with("refresh_expires_at", Value::Null),
        )
        .member("refresh_expires_at", now() + 100_000),
        success(
            "salesforce",
            r#"{"access_token":NA,"signature":"x","scope":"api","instance_url":"https://eu.example",
                "issued_at":"1278448384422","token_type":"Bearer"}"#,
            kept(3600).with("instance_url", "https://eu.example"),
        ),
        success(
            "gitlab",
            r#"{"access_token":NA,"token_type":"Bearer","expires_in":7200,"refresh_token":NR,"created_at":1607635748}"#,
            rotated(7200),
        ),
        success(
            "twitter",
            r#"{"token_type":"bearer","expires_in":7200,"access_token":NA,
                "scope":"tweet.read offline.access","refresh_token":NR}"#,
            rotated(7200),
        ),
        success(
            "discord",
            r#"{"access_token":NA,"token_type":"Bearer","expires_in":604800,"refresh_token":NR,"scope":"identify"}"#,
            rotated(604_800),
        ),
        success(
            "cloudflare-mcp",
            r#"{"access_token":NA,"token_type":"bearer","expires_in":3600,"refresh_token":NR,"scope":"",
                "resource":"https://mcp.example"}"#,
            rotated(3600),
        ),
        success(
            "hubspot",
            r#"{"token_type":"bearer","refresh_token":NR,"access_token":NA,"hub_id":1,"expires_in":1800}"#,
            rotated(1800),
        ),
    ]);
}

#[test]
fn which_refresh_token_counts_afterwards() {
    let echoed = body(r#"{"access_token":NA,"refresh_token":OLD,"expires_in":3600}"#)
        .replace("OLD", &format!("\"{OLD_REFRESH}\""));
    play(vec![
        success(
            "google",
            r#"{"access_token":NA,"expires_in":3599,"scope":"openid","token_type":"Bearer"}"#,
            kept(3599),
        ),
        success(
            "figma",
            r#"{"access_token":NA,"token_type":"bearer","expires_in":7776000}"#,
            kept(7_776_000),
        ),
        success("dropbox", r#"{"access_token":NA,"token_type":"bearer","expires_in":14400}"#, kept(14_400)),
        success(
            "cognito",
            r#"{"access_token":NA,"id_token":"i.d.t","token_type":"Bearer","expires_in":3600}"#,
            kept(3600),
        ),
        success("spotify", r#"{"access_token":NA,"refresh_token":null,"expires_in":3600}"#, kept(3600)),
        success("spotify", r#"{"access_token":NA,"refresh_token":"","expires_in":3600}"#, kept(3600)),
        success(
            "asana",
            r#"{"access_token":NA,"refresh_token":false,"expires_in":3600,"data":{"id":1}}"#,
            kept(3600),
        ),
        Case::json("linkedin", 200, &echoed, kept(3600)),
        // A provider that never rotated and now does (Linear in April 2026).
        success("google", r#"{"access_token":NA,"refresh_token":NR,"expires_in":3599}"#, rotated(3599)),
    ]);
}

/// An access token whose payload says when it ends.
fn jwt(exp: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let payload = format!(r#"{{"sub":"someone","exp":{exp}}}"#);
    format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"none"}"#), part(&payload))
}

#[test]
fn how_long_they_last() {
    let with_jwt = |provider: &str, exp: String, rest: &str, lasts: i64| {
        let token = jwt(&exp);
        let text = format!(r#"{{"access_token":"{token}","refresh_token":NR{rest}}}"#);
        success(provider, &text, rotated(lasts).with("access_token", token.as_str())).hides(token)
    };
    let said = |provider: &str, rest: &str, lasts: i64| {
        success(provider, &format!(r#"{{"access_token":NA,"refresh_token":NR{rest}}}"#), rotated(lasts))
    };
    play(vec![
        said("paypal", r#","expires_in":"32400""#, 32_400),
        said("box", r#","expires_in":3600.75"#, 3600),
        said("box", r#","expires_in":" 4169 ""#, 4169),
        said("box", r#","expires_in":36e2"#, 3600),
        // Nothing usable: what the provider's tokens usually last.
        said("box", r#","expires_in":0"#, 3600),
        said("box", r#","expires_in":-7200"#, 3600),
        said("snowflake", r#","expires_in":null"#, 600),
        said("snowflake", r#","expires_in":"soon""#, 600),
        said("snowflake", r#","expires_in":[600]"#, 600),
        said("stripe-apps", "", 3600),
        said("bedrock-agentcore", "", 10_800).member("grant_type", "refresh_token"),
        // What the file's own token lasted goes before that.
        said("box", "", 9000).member("issued_at", now() - 7200).member("expires_in", 9000),
        // The answer does not tell: an hour.
        said("notion", "", 3600),
        // More than a century is a century: no overflow, and still a number in the file.
        said("box", r#","expires_in":1e308"#, 3_155_760_000),
        said("box", r#","expires_in":99999999999999999999"#, 3_155_760_000),
        // The token itself says it.
        with_jwt("notion", (now() + 5400).to_string(), "", 5400),
        with_jwt("box", (now() + 5400).to_string(), r#","expires_in":0"#, 5400),
        with_jwt("notion", format!("{}.5", now() + 5400), r#","expires_in":"never""#, 5400),
        with_jwt("notion", "\"never\"".to_owned(), "", 3600),
    ]);
}

/// It must be stored, since the refresh token has been replaced, and the token must not be sent again at once.
#[test]
fn tokens_that_arrive_expired() {
    let token = jwt(&(now() - 10).to_string());
    let text = format!(r#"{{"access_token":"{token}","refresh_token":NR}}"#);
    play(vec![success("notion", &text, rotated(0).with("access_token", token.as_str())).hides(token)]);
}

#[test]
fn odd_but_whole_answers() {
    let plain = r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600}"#;
    let as_type = |content_type: &str| {
        let answer = Answer::new(200, body(plain)).header("Content-Type", content_type);
        Case::step(format!("as {content_type}"), "acme", Step::answer(answer), rotated(3600))
    };
    let delivered = |what: &str, delivery: Delivery| {
        let answer = Answer::new(200, body(plain)).header("Content-Type", "application/json");
        Case::step(what, "acme", Step::answer(answer).delivered(delivery), rotated(3600))
    };
    let large = format!("at-{}", "0123456789abcdef".repeat(4096));
    play(vec![
        as_type("application/json;charset=UTF-8"),
        as_type("text/html"),
        as_type("application/x-www-form-urlencoded"),
        Case::step("without a type", "acme", Step::answer(Answer::new(200, body(plain))), rotated(3600)),
        delivered("in chunks", Delivery::Whole(Framing::Chunked)),
        delivered("until close", Delivery::Whole(Framing::UntilClose)),
        success("acme", &format!("\u{feff}\r\n {plain}\r\n\r\n"), rotated(3600)),
        success(
            "acme",
            r#"{"access_token":"first","access_token":NA,"refresh_token":NR,"expires_in":3600}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"token_type":"mac"}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"token_type":"DPoP"}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"token_type":7}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"error":null,"errors":[]}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"error":""}"#,
            rotated(3600),
        ),
        success(
            "acme",
            r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600,"odd":"\ud800","n":1e999}"#,
            rotated(3600),
        ),
        Case::json("acme", 202, &body(plain), rotated(3600)),
        success(
            "acme",
            &plain.replace("NA", &format!("\"{large}\"")),
            rotated(3600).with("access_token", large.as_str()),
        ),
    ]);
}

/// HTTP as old, lenient or unusual servers speak it.
#[test]
fn odd_but_legal_http() {
    let text = body(r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600}"#);
    let length = text.len();
    let raw = |what: &str, head: String| {
        let bytes = format!("{head}\r\n{text}").into_bytes();
        Case::step(what, "acme", Step::unspent(Delivery::Raw(bytes)), rotated(3600))
    };
    let plain = format!("HTTP/1.1 200 OK\r\ncontent-type:application/json\r\nContent-Length: {length}\r\n");
    let padded = format!("{}{text}", " ".repeat((1 << 20) - length));
    let latin = [text.trim_end_matches('}').as_bytes(), b",\"name\":\"J\xfcrgen\"}"].concat();
    play(vec![
        raw("HTTP/1.0", format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n")),
        raw("HTTP/1.0 until close", "HTTP/1.0 200 OK\r\n".to_owned()),
        raw("without a reason", format!("HTTP/1.1 200\r\nContent-Length: {length}\r\n")),
        raw("without blanks", plain.clone()),
        raw("after 100", format!("HTTP/1.1 100 Continue\r\n\r\n{plain}")),
        raw("after 103", format!("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n{plain}")),
        raw("with a cookie", format!("{plain}Set-Cookie: a=b; Secure\r\nSet-Cookie: c=d\r\n")),
        Case::step("a mebibyte", "acme", Step::answer(Answer::new(200, padded)), rotated(3600)),
        // Not UTF-8, which JSON should be; the tokens are whole all the same, and the old one is spent.
        Case::step("Latin-1", "acme", Step::answer(Answer::new(200, latin)), rotated(3600)),
    ]);
}

#[test]
fn an_applications_own_token() {
    play(vec![
        success("acme", r#"{"access_token":NA,"token_type":"Bearer","expires_in":3600}"#, kept(3600))
            .machine(),
        // RFC 6749 4.4.3: there should be none, and the client's credentials are enough.
        success("acme", r#"{"access_token":NA,"refresh_token":NR,"expires_in":3600}"#, kept(3600)).machine(),
        success("bedrock-agentcore", r#"{"access_token":NA,"token_type":"Bearer"}"#, kept(10_800)).machine(),
        success(
            "zoom",
            r#"{"access_token":NA,"token_type":"bearer","expires_in":3600,"api_url":"https://api.zoom.us"}"#,
            kept(3600),
        )
        .machine()
        .member("account_id", "a"),
        success("auth0", r#"{"access_token":NA,"expires_in":86400,"token_type":"Bearer"}"#, kept(86_400))
            .machine()
            .member("audience", "https://api.example"),
    ]);
}
