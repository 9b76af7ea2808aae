//! Answers that break off, are none, or never come, and endpoints that cannot be reached: whether
//! the request left decides, and whether the provider may have replaced the refresh token.

use super::case::{Case, Serve, play};
use super::outcome::{NEW_ACCESS, NEW_REFRESH, Outcome, in_doubt, passing};
use crate::support::{Answer, Delivery, End, Fault, Framing, Step};

/// A good answer.
fn tokens() -> Answer {
    let body =
        format!(r#"{{"access_token":"{NEW_ACCESS}","refresh_token":"{NEW_REFRESH}","expires_in":3600}}"#);
    Answer::new(200, body).header("Content-Type", "application/json")
}

/// A good answer delivered like this, where refresh tokens rotate and where they never do.
fn both(what: &str, delivery: &Delivery, says: &str) -> [Case; 2] {
    [("github", in_doubt()), ("google", passing())].map(|(provider, outcome)| {
        let step = Step::answer(tokens()).delivered(delivery.clone());
        Case::step(format!("{provider}: {what}"), provider, step, outcome).says(says)
    })
}

#[test]
fn answers_that_break_off() {
    let cut = |framing, end| Delivery::CutBody { framing, keep: 40, end };
    let long_header = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "a".repeat(65 << 10)).into_bytes();
    let deliveries = [
        ("closed before the answer", Delivery::Nothing(End::Close), "the connection was closed"),
        ("reset before the answer", Delivery::Nothing(End::Reset), "the connection was reset"),
        ("head cut and closed", Delivery::CutHead { keep: 20, end: End::Close }, "the connection was closed"),
        ("head cut and reset", Delivery::CutHead { keep: 20, end: End::Reset }, "the connection was reset"),
        ("body cut and closed", cut(Framing::Length, End::Close), "the connection was closed"),
        ("body cut and reset", cut(Framing::Length, End::Reset), "the connection was closed"),
        ("chunks cut and closed", cut(Framing::Chunked, End::Close), "the connection was closed"),
        ("chunks cut and reset", cut(Framing::Chunked, End::Reset), "the connection was closed"),
        ("body without a length cut", cut(Framing::UntilClose, End::Close), "not an OAuth answer"),
        ("endless body", Delivery::EndlessBody, "larger than 1 MiB"),
        ("a header without end", Delivery::Raw(long_header), "larger than 64 KiB"),
        ("headers without end", Delivery::EndlessHead, "larger than 64 KiB"),
        ("not HTTP", Delivery::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "does not speak HTTP"),
        ("HTTP/0.9", Delivery::Raw(b"<html>hello</html>".to_vec()), "does not speak HTTP"),
    ];
    play(deliveries.iter().flat_map(|(what, delivery, says)| both(what, delivery, says)).collect());
}

/// A form-encoded body reads well wherever it is cut: without a marked end it is not whole.
#[test]
fn a_form_whose_end_is_not_marked() {
    let answer = Answer::new(200, format!("access_token={NEW_ACCESS}&refresh_token=rt-new&expires_in=3600"))
        .header("Content-Type", "application/x-www-form-urlencoded");
    let step = Step::answer(answer).delivered(Delivery::Whole(Framing::UntilClose));
    play(vec![Case::step("form until close", "github", step, in_doubt())]);
}

#[test]
fn successes_that_hold_no_tokens() {
    let body = |text: &str, says: &str| Case::json("github", 200, text, in_doubt()).says(says);
    let compressed = Answer::new(200, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56])
        .header("Content-Encoding", "gzip")
        .header("Content-Type", "application/json");
    play(vec![
        body("", "not an OAuth answer"),
        body("   ", "not an OAuth answer"),
        body("null", "not an OAuth answer"),
        body("[]", "not an OAuth answer"),
        body(&format!(r#"[{{"access_token":"{NEW_ACCESS}"}}]"#), "not an OAuth answer"),
        body(&format!(r#""{NEW_ACCESS}""#), "not an OAuth answer"),
        body("{}", "no access token"),
        body(r#"{"access_token":"cut he"#, "not an OAuth answer"),
        body(r#"{"access_token":"whole"} and more"#, "not an OAuth answer"),
        body(r#"{"ok":true}"#, "no access token"),
        body(r#"{"error":{"message":"nested"}}"#, "no access token"),
        body(
            r#"{"access_token":"at-new","refresh_token":"rt\r\nnew"}"#,
            "refresh token that is not printable",
        ),
        body(
            r#"{"access_token":"at-new","refresh_token":{"value":"rt"}}"#,
            "refresh token that is not printable",
        ),
        Case::step("204", "github", Step::answer(Answer::new(204, "")), in_doubt()).says("HTTP 204"),
        Case::step("compressed", "github", Step::answer(compressed), in_doubt())
            .says("compressed body is damaged"),
        Case::json("slack", 200, &format!(r#"{{"ok":false,"access_token":"{NEW_ACCESS}"}}"#), in_doubt())
            .says("without an error code"),
        Case::json("google", 200, "{}", passing()).says("no access token"),
        Case::json("github", 200, "{}", passing()).machine().says("no access token"),
    ]);
}

/// The refresh token that was sent may be dead by then: the new one is stored, whatever the access token is.
#[test]
fn half_an_answer_is_stored() {
    let half = |provider: &str, body: &str, lacks: &str| {
        Case::json(provider, 200, body, Outcome::Half).says(format!("({lacks}) with a new refresh token"))
    };
    let without = format!(r#"{{"refresh_token":"{NEW_REFRESH}","id_token":"e30.e30.","not_before":1}}"#);
    let quoted = |token: &str| {
        format!(r#"{{"access_token":{token},"refresh_token":"{NEW_REFRESH}","expires_in":3600}}"#)
    };
    let printable = "an access token that is not printable text";
    let form =
        Answer::new(201, format!("token_type=bearer&refresh_token={}", NEW_REFRESH.replace('+', "%2B")))
            .header("Content-Type", "application/x-www-form-urlencoded");
    play(vec![
        half("github", &without, "no access token").says("check scope in github-server-egress.json"),
        half("acme", &without, "no access token"),
        // Where nothing rotates it is a new one all the same.
        half("google", &without, "no access token"),
        half("github", &quoted(r#""""#), "an empty access token"),
        half("github", &quoted(r#""  ""#), "an empty access token"),
        half("github", &quoted("null"), "no access token"),
        half("github", &quoted("true"), printable),
        half("github", &quoted("1234567890"), printable),
        half("github", &quoted(r#"{"value":"at"}"#), printable),
        // In a header each of these would end it, or begin another one.
        half("github", &quoted(r#""at-new\nX-Evil: 1""#), printable),
        half("github", &quoted(r#""at-new\u0000""#), printable),
        half("github", &quoted(r#""at-\u00e4""#), printable),
        half("github", &quoted(r#""at-new ""#), "an access token with a blank at its end"),
        half("github", &quoted(&format!(r#""{}""#, "a".repeat(300 << 10))), "tokens of more than 256 KiB"),
        Case::step("form", "acme", Step::answer(form), Outcome::Half).says("HTTP 201 (no access token)"),
        // Neither a refusal nor the answer for an application brings one.
        Case::json("acme", 400, &without, passing()),
        Case::json("slack", 200, &without.replace('{', r#"{"ok":false,"#), in_doubt()),
        Case::json(
            "acme",
            200,
            &without.replace('{', r#"{"error":"invalid_scope","#),
            Outcome::Configuration,
        ),
        Case::json("acme", 200, &without, passing()).machine(),
    ]);
}

/// Tokens in an answer that is no success count for nothing: the request was refused.
#[test]
fn refusals_that_hold_tokens() {
    let body =
        format!(r#"{{"access_token":"{NEW_ACCESS}","refresh_token":"{NEW_REFRESH}","expires_in":3600}}"#);
    let and_error = body.replace("{\"", r#"{"error":"invalid_grant",""#);
    play(vec![
        Case::json("github", 400, &body, passing()),
        Case::json("github", 500, &body, passing()),
        Case::json("github", 200, &and_error, Outcome::SignIn).says("invalid_grant"),
    ]);
}

#[test]
fn endpoints_that_cannot_be_used() {
    let address = |address, outcome, says: &str| {
        Case::new(address, "github", Serve::Address(address), outcome).says(says)
    };
    let unreachable = |at, says: &str| address(at, passing(), says).says("nothing was sent");
    play(vec![
        // No process listens on the port of RFC 1078, not even where root runs this.
        unreachable("http://127.0.0.1:1/token", "connection refused"),
        unreachable("https://127.0.0.1:1/token", "connection refused"),
        unreachable("https://[::1]:1/token", "cannot reach"),
        // RFC 6761 6.4: this name never exists.
        unreachable("https://no-such-host.invalid/token", "cannot reach"),
        unreachable("https://127.0.0.1:PORT/token", "cannot reach"),
        address("https://127.0.0.1:1/token?api_key=hunter2", passing(), "nothing was sent").hides("hunter2"),
        address("http://idp.example/token", Outcome::Configuration, "plain http: use https")
            .says("--allow-http idp.example"),
        address("http://127.0.0.1.idp.example/token", Outcome::Configuration, "--allow-http"),
        address("http://localhost.example/token?tenant=1", Outcome::Configuration, "--allow-http"),
    ]);
}

#[test]
fn addresses_that_are_none() {
    let none = |address, says: &str| {
        // The message names the file's member and not the address, which may hold a password.
        Case::new(address, "github", Serve::Address(address), Outcome::Configuration)
            .says("token_endpoint in github-server-egress.json")
            .says(says)
            .hides("hunter2")
            .nameless()
    };
    play(vec![
        none("ftp://idp.example/token", "https://"),
        none("idp.example/token", "not a URL"),
        none("https://someone:hunter2@idp.example/token", "user name and password"),
        none("https://idp.example/token#x", "fragment"),
    ]);
}

#[test]
fn connections_that_end_before_anything_is_read() {
    play(vec![
        Case::new("closed at once", "google", Serve::Connection(Fault::Close), passing()),
        Case::new("reset at once", "google", Serve::Connection(Fault::Reset), passing()),
    ]);
}
