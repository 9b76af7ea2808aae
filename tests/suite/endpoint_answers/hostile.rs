//! Endpoints that say what must not be passed on: the secrets of the request, line breaks that forge
//! lines of the log, colour codes, a hundred kilobytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::case::{Case, play};
use super::outcome::{CLIENT_SECRET, NEW_ACCESS, OLD_ACCESS, OLD_REFRESH, Outcome, in_doubt};
use crate::support::{Answer, Step};

fn describes(what: &str, description: &str) -> Case {
    let body = json!({"error": "invalid_grant", "error_description": description});
    let answer = Answer::json(400, &body);
    Case::step(what, "acme", Step::answer(answer), Outcome::SignIn).says("invalid_grant")
}

#[test]
fn secrets_that_are_echoed() {
    let encoded = OLD_REFRESH.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let (capitals, in_base64) = (OLD_REFRESH.to_uppercase(), STANDARD.encode(OLD_REFRESH));
    let backwards: String = OLD_REFRESH.chars().rev().collect();
    let secret = "c11ent%20s3cret%3A%20100%25%26%2B%2F%3D";
    let form = "c11ent+s3cret%3A+100%25%26%2B%2F%3D";
    let basic = STANDARD.encode(format!("the%20client:{secret}"));
    let withheld = "withheld";
    play(vec![
        describes("the refresh token", &format!("unknown token {OLD_REFRESH}")).says(withheld),
        describes("the refresh token, encoded", &format!("unknown token {encoded}"))
            .says(withheld)
            .hides(encoded),
        describes("most of the refresh token", &format!("unknown token {}…", &OLD_REFRESH[..13]))
            .says(withheld)
            .hides(&OLD_REFRESH[..13]),
        describes("the refresh token in capitals", &format!("unknown token {capitals}"))
            .says(withheld)
            .hides(&*capitals),
        describes("the refresh token backwards", &format!("unknown token {backwards}"))
            .says(withheld)
            .hides(&*backwards),
        describes("the refresh token in Base64", &format!("unknown token {in_base64}"))
            .says(withheld)
            .hides(&*in_base64),
        describes("the access token", &format!("still good: {OLD_ACCESS}")).says(withheld),
        describes("the client secret", &format!("wrong secret '{CLIENT_SECRET}'")).says(withheld),
        describes("the client secret, encoded", &format!("wrong secret '{secret}'"))
            .says(withheld)
            .hides(secret),
        describes(
            "the request's body",
            &format!("cannot read grant_type=refresh_token&client_secret={form}"),
        )
        .says(withheld)
        .hides(form),
        describes(
            "the refresh token in pieces",
            &format!("unknown token {}\n{}", &OLD_REFRESH[..8], &OLD_REFRESH[8..]),
        )
        .says(withheld),
        describes("the Basic header", &format!("cannot read Basic {basic}"))
            .member("token_endpoint_auth_method", "client_secret_basic")
            .says(withheld)
            .hides(basic),
        Case::json(
            "acme",
            400,
            &json!({"error": format!("bad {OLD_REFRESH}")}).to_string(),
            Outcome::Configuration,
        )
        .says(withheld),
        // In a refusal's other members, and in what is no answer at all: not shown to begin with.
        Case::json(
            "acme",
            400,
            &json!({"error": "invalid_grant", "hint": OLD_REFRESH}).to_string(),
            Outcome::SignIn,
        ),
        Case::json("acme", 200, &json!({"acces_token": NEW_ACCESS}).to_string(), in_doubt()),
        Case::json("acme", 200, &format!("token: {NEW_ACCESS}, was {OLD_REFRESH}"), in_doubt()),
    ]);
}

#[test]
fn text_that_forges_or_floods_the_log() {
    let forged = "no\r\n2026-11-23 00:00:00,000 - [ERROR] REFRESH: all is lost";
    play(vec![
        describes("a line break", forged).says("(no 2026-11-23 00:00:00,000 - [ERROR] REFRESH: all is lost)"),
        describes("colours", "\u{1b}[31mred\u{1b}[0m \u{9b}2J").says("([31mred[0m 2J)"),
        describes("a bell and a backspace", "a\u{7}b\u{8}c\u{0}d").says("(abcd)"),
        describes("other line breaks", "one\u{2028}two\u{85}three").says("(one two three)"),
        describes("another direction", "abc\u{202e}fed").says("(abcfed)"),
        describes("a hundred kilobytes", &"long ".repeat(20_000)).says(&"long ".repeat(40)[..199]),
        describes("nothing but blanks", " \n\t ").says("HTTP 400 invalid_grant: sign in"),
        Case::json("acme", 400, &json!({"error": "a\nb\u{1b}c"}).to_string(), Outcome::Configuration)
            .says(" a bc"),
        Case::json("acme", 400, &json!({"error": "x".repeat(5000)}).to_string(), Outcome::Configuration),
        Case::json(
            "acme",
            400,
            r#"{"error":"invalid_grant","error_description":{"not":"text"}}"#,
            Outcome::SignIn,
        ),
        Case::json(
            "acme",
            400,
            r#"{"error":"invalid_grant","error_description":["a","b"]}"#,
            Outcome::SignIn,
        ),
    ]);
}
