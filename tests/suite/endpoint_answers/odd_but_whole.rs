//! Complete answers in unusual clothes: compressed, with a large or folded head, with lifetimes that are
//! none, with errors in other forms than RFC 6749 5.2 prescribes. Each costs a sign-in where it is not read.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;

use super::case::{Case, play};
use super::outcome::{NEW_ACCESS, NEW_REFRESH, Outcome, in_doubt, kept, passing, rotated};
use crate::support::{Answer, Due, Program, Step, Who, due, now};
use Outcome::{Configuration, SignIn};

fn tokens() -> String {
    json!({"access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH, "expires_in": 3600}).to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// An answer in JSON with one more header.
fn with(what: &str, status: u16, body: Vec<u8>, header: (&str, &str), outcome: Outcome) -> Case {
    let answer = Answer::new(status, body).header("Content-Type", "application/json");
    Case::step(what, "acme", Step::answer(answer.header(header.0, header.1)), outcome)
}

#[test]
fn compressed_answers() {
    let coding = |name| ("Content-Encoding", name);
    let dead = r#"{"error":"invalid_grant"}"#;
    let mut damaged = gzip(&tokens());
    damaged.truncate(damaged.len() - 6);
    play(vec![
        with("gzip", 200, gzip(&tokens()), coding("gzip"), rotated(3600)),
        with("gzip in other capitals", 200, gzip(&tokens()), coding("X-GZip"), rotated(3600)),
        with("gzip that is not said", 200, gzip(&tokens()), ("X-Other", "y"), rotated(3600)),
        with("deflate", 200, zlib(&tokens()), coding("deflate"), rotated(3600)),
        with("deflate without a window", 200, deflate(&tokens()), coding("deflate"), rotated(3600)),
        with("gzip that is only said", 200, tokens().into_bytes(), coding("gzip"), rotated(3600)),
        with("a dead token in gzip", 400, gzip(dead), coding("gzip"), SignIn).says("invalid_grant"),
        with("a dead token in deflate", 400, zlib(dead), coding("deflate"), SignIn),
        with("a damaged one", 200, damaged, coding("gzip"), in_doubt()).says("damaged"),
        with("brotli", 200, vec![0x8b, 0x02, 0x80, 0x7b], coding("br"), in_doubt()).says("compressed as"),
        with("a bomb", 200, gzip(&" ".repeat(2 << 20)), coding("gzip"), in_doubt()).says("larger than 1 MiB"),
    ]);
}

#[test]
fn large_and_folded_heads() {
    let many = |count: usize, length: usize, status, body: &str| {
        let answer = Answer::new(status, body.to_owned()).header("Content-Type", "application/json");
        let fields = (0..count).map(|number| (format!("X-Field-{number}"), "x".repeat(length)));
        fields.fold(answer, |answer, (name, value)| answer.header(&name, &value))
    };
    let step = |what, answer, outcome| Case::step(what, "acme", Step::answer(answer), outcome);
    let folded = "a\r\n b\r\n\tc";
    play(vec![
        step("20 KB of head", many(20, 1000, 200, &tokens()), rotated(3600)),
        step("130 fields", many(130, 10, 200, &tokens()), rotated(3600)),
        step("1000 fields", many(1000, 10, 200, &tokens()), rotated(3600)),
        step(
            "a dead token behind 60 KB of head",
            many(60, 1000, 400, r#"{"error":"invalid_grant"}"#),
            SignIn,
        ),
        with("a folded line", 200, tokens().into_bytes(), ("X-Folded", folded), rotated(3600)),
        with(
            "a folded line of a refusal",
            400,
            br#"{"error":"invalid_grant"}"#.to_vec(),
            ("X-Folded", folded),
            SignIn,
        ),
        with(
            "a cookie that is not ASCII",
            200,
            tokens().into_bytes(),
            ("Set-Cookie", "a=\u{1}\u{fc}"),
            rotated(3600),
        ),
        step("70 KB of head", many(70, 1000, 200, &tokens()), in_doubt())
            .says("larger than 64 KiB")
            .sent_again(),
    ]);
}

#[test]
fn lifetimes_that_are_something_else() {
    let answer = |expires_in: serde_json::Value, outcome| {
        let body = json!({"access_token": NEW_ACCESS, "expires_in": expires_in}).to_string();
        Case::json("acme", 200, &body, outcome)
    };
    play(vec![
        answer(json!(now() + 7200), kept(7200)),
        answer(json!((now() + 7200) * 1000), kept(7200)),
        answer(json!((now() + 7200).to_string()), kept(7200)),
        answer(json!(604_800_000), kept(604_800)),
        answer(json!(315_360_000), kept(315_360_000)),
    ]);
}

#[test]
fn tokens_that_would_be_lost_on_their_way() {
    let answer = |access: &str, refresh: &str| {
        Case::json(
            "acme",
            200,
            &json!({"access_token": access, "refresh_token": refresh}).to_string(),
            in_doubt(),
        )
    };
    play(vec![
        answer(NEW_ACCESS, &format!(" {NEW_REFRESH}")).says("a refresh token with a blank at its end"),
        answer(NEW_ACCESS, &"r".repeat(300 << 10)).says("tokens of more than 256 KiB"),
        answer(NEW_ACCESS, &format!("{NEW_REFRESH}\n")).says("a refresh token with a blank at its end"),
    ]);
}

#[test]
fn token_types_that_a_bearer_header_does_not_speak_are_stored_and_said() {
    for (token_type, warns) in
        [("DPoP", true), ("mac", true), ("N_A", true), ("bot", false), ("BEARER", false)]
    {
        let Due { endpoint, project, .. } = due::due();
        let answer = json!({"access_token": NEW_ACCESS, "token_type": token_type, "expires_in": 7200});
        endpoint.script(Who::Anyone, [Step::answer(Answer::json(200, &answer))]);
        let finished = Program::new(&project).once().expect_code(0);
        assert_eq!(due::text(&project, due::FILE, "access_token"), NEW_ACCESS, "{token_type}");
        let warning = "[WARNING] REFRESH: github-repos-egress.json: the answer's token_type is";
        assert_eq!(finished.log.contains(warning), warns, "{token_type}: {}", finished.log);
    }
}

#[test]
fn dead_grants_in_other_clothes() {
    let text = |status, body: &str, content_type: &str| {
        let answer = Answer::new(status, body.to_owned()).header("Content-Type", content_type);
        Case::step(format!("{status} {content_type} {body}"), "acme", Step::answer(answer), SignIn)
    };
    let json = |body: &str| Case::json("acme", 400, body, SignIn);
    play(vec![
        text(400, "invalid_grant", "text/plain"),
        text(401, "Error: invalid_grant", "text/html"),
        text(403, "<p>INVALID_GRANT</p>", "text/html"),
        text(400, "error=invalid_grant", "application/x-www-form-urlencoded"),
        json(r#"{"errors":["invalid_grant: the token was revoked"]}"#),
        json(r#"{"error":{"code":"invalid_grant"}}"#),
        json(r#"{"error":"INVALID_GRANT"}"#),
        json(r#"{"error":"Invalid_Grant "}"#),
        json(r#"{"error":"bad_refresh_token"}"#),
        json(r#"{"error":"invalid_refresh_token"}"#),
        json(r#"{"errors":[{"reason":"refresh_token_expired"}]}"#),
        json(r#"[{"error":"invalid_grant"}]"#),
        // The word alone does not kill where the server is in trouble, or speaks of something else.
        Case::json("acme", 503, r#"{"errors":["invalid_grant"]}"#, passing()),
        Case::json("acme", 404, "invalid_grant", passing()),
        Case::json("acme", 400, r#"{"message":"not_invalid_grant_at_all"}"#, passing()),
    ]);
}

#[test]
fn pages_of_web_frameworks_are_no_verdict() {
    let page = |status, body: &str| Case::json("acme", status, body, passing());
    play(vec![
        page(404, r#"{"error":"Not Found"}"#).says("check token_endpoint in acme-server-egress.json"),
        page(405, r#"{"error":"Method Not Allowed"}"#).says("check token_endpoint"),
        page(404, r#"{"timestamp":"2026-01-01","status":404,"error":"Not Found","path":"/token"}"#),
        page(410, r#"{"error":"Gone"}"#),
        page(415, r#"{"error":"Unsupported Media Type"}"#),
        // What OAuth knows is one with any of these.
        Case::json("acme", 404, r#"{"error":"invalid_client"}"#, Configuration),
    ]);
}

#[test]
fn what_a_refused_client_is_told() {
    let refused = |body: &str| Case::json("acme", 401, body, Configuration);
    let client = r#"{"error":"invalid_client"}"#;
    let missing = r#"{"error":"unauthorized_client","error_description":"Missing client_id"}"#;
    let twice =
        r#"{"error":"invalid_request","error_description":"Cannot supply multiple client credentials."}"#;
    let basic = |case: Case| case.member("token_endpoint_auth_method", "client_secret_basic");
    play(vec![
        refused(client).says("sent by client_secret_post").says("client_secret_basic"),
        basic(refused(client)).says("client_secret_basic, encoded as form").says("basic_encoding raw"),
        basic(refused(client))
            .member("basic_encoding", "raw")
            .says("encoded as raw")
            .says("basic_encoding form"),
        basic(refused(missing)).says("set client_id_in_form to true in acme-server-egress.json"),
        basic(refused(r#"{"error":"invalid_request","error_description":"client_id is required"}"#))
            .says("set client_id_in_form to true"),
        basic(refused(twice)).member("client_id_in_form", true).says("remove client_id_in_form"),
        refused(missing).says("check client_id, client_secret"),
    ]);
}

#[test]
fn secrets_that_are_echoed_in_another_spelling() {
    let hex = NEW_REFRESH.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let reversed: String = NEW_REFRESH.chars().rev().collect();
    let describes = |echo: &str| {
        let body = json!({"error": "invalid_grant", "error_description": format!("no: {echo}"),
            "access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH});
        Case::json("acme", 400, &body.to_string(), SignIn).says("invalid_grant").says("withheld").hides(echo)
    };
    play(vec![
        describes(&NEW_REFRESH.to_uppercase()),
        describes(&NEW_ACCESS.to_lowercase()),
        describes(&reversed),
        describes(&hex),
        describes(&NEW_ACCESS[..8]),
        describes(&NEW_REFRESH[NEW_REFRESH.len() - 8..]),
    ]);
}
