//! Requests as they are sent, and the result of each kind of answer.

use super::*;
use crate::oauth::Concerns;

#[test]
fn a_request_as_it_travels() {
    let form = "grant_type=refresh_token&refresh_token=old-refresh-token";
    for (provider, authorization, body) in [
        ("nobody", None, format!("{form}&client_id=the%20client&client_secret=the%2Bsecret")),
        // "the%20client:the%2Bsecret"
        ("spotify", Some("Basic dGhlJTIwY2xpZW50OnRoZSUyQnNlY3JldA=="), form.to_owned()),
        // "the+secret:"
        ("stripe-apps", Some("Basic dGhlK3NlY3JldDo="), form.to_owned()),
        (
            "sentry-integration",
            None,
            [
                r#"{"grant_type":"refresh_token","refresh_token":"old-refresh-token","#,
                r#""client_id":"the client","client_secret":"the+secret"}"#,
            ]
            .concat(),
        ),
    ] {
        let answer = with_length("200 OK", "", r#"{"access_token":"a","token":"a"}"#);
        let (port, serving) = serve(vec![Step::Answer(answer)]);
        let before = Timestamp::now();
        let granted =
            ask(&client(), &person(provider, &format!("http://127.0.0.1:{port}/a/token?p=q"))).ok().unwrap();
        assert_eq!(granted.access_token.expose(), "a");
        assert!(granted.asked_at >= before && granted.asked_at <= Timestamp::now());
        let requests = serving.join().unwrap();
        assert_eq!(requests.len(), 1);
        let (head, sent) = requests[0].split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert_eq!(sent, body, "{provider}");
        assert!(head.starts_with("post /a/token?p=q http/1.1\r\n"), "{head}");
        let media_type =
            if sent.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let length = format!("content-length: {}", body.len());
        for line in ["accept: application/json".to_owned(), format!("content-type: {media_type}"), length] {
            assert_eq!(head.matches(&format!("\r\n{line}")).count(), 1, "{line} in {head}");
        }
        let found = requests[0].lines().find_map(|line| line.strip_prefix("authorization: "));
        assert_eq!(found, authorization, "{provider}");
        assert!(head.contains("accept-encoding: identity"));
    }
}

const JSON: &str = "content-type: application/json\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const HTML: &str = "content-type: text/html\r\n";
const FORM_TOKENS: &str = "access_token=new-access&expires_in=60";

fn json(status: &str, body: &str) -> Step {
    Step::Answer(with_length(status, JSON, body))
}

fn oauth_error(status: &str, code: &str) -> Step {
    json(status, &format!(r#"{{"error":"{code}"}}"#))
}

fn html(status: &str) -> Step {
    Step::Answer(with_length(status, HTML, "<html>"))
}

fn raw(answer: &str) -> Step {
    Step::Answer(answer.to_owned())
}

fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn until_close(headers: &str, body: &str) -> Step {
    Step::Answer(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
}

/// Sends one request; returns the new access token, or class and message without the address.
fn check(table: Vec<(&str, Step, &str)>) {
    for (row, (provider, step, expected)) in table.into_iter().enumerate() {
        let (port, serving) = serve(vec![step]);
        let url = format!("http://127.0.0.1:{port}/token");
        let outcome = match ask(&client(), &person(provider, &url)) {
            Ok(granted) => granted.access_token.expose().to_owned(),
            Err(failure) => {
                let wide = if failure.concerns == Concerns::Endpoint { " wide" } else { "" };
                let message = failure.message.replace(&format!("{url} answered "), "");
                format!("{:?}{wide} {}", failure.class, message.replace(&format!(" from {url}"), ""))
            }
        };
        assert!(outcome.starts_with(expected), "row {row}, {expected}: {outcome}");
        assert_eq!(serving.join().unwrap().len(), 1, "row {row}: one request and no second");
    }
}

#[test]
fn complete_successes() {
    check(vec![
        ("nobody", json("200 OK", TOKENS), "new-access"),
        ("sentry-integration", json("201 Created", r#"{"token":"new-access"}"#), "new-access"),
        ("nobody", Step::Answer(chunked(TOKENS)), "new-access"),
        ("nobody", until_close(JSON, TOKENS), "new-access"),
        ("nobody", Step::Answer(with_length("200 OK", FORM, FORM_TOKENS)), "new-access"),
        ("slack", json("200 OK", r#"{"ok":true,"authed_user":{"access_token":"new-access"}}"#), "new-access"),
    ]);
}

#[test]
fn answers_that_are_not_complete() {
    let cut_json = &TOKENS[..50];
    let padded = format!("{TOKENS}{}", " ".repeat(1 << 20));
    let long_header = format!("x: {}\r\n", "x".repeat(65 << 10));
    let short = format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{TOKENS}");
    check(vec![
        (
            "nobody",
            until_close(FORM, FORM_TOKENS),
            "InDoubt HTTP 200 (not an OAuth answer); the refresh token may be",
        ),
        ("nobody", until_close(JSON, cut_json), "InDoubt HTTP 200 (not an OAuth answer)"),
        ("nobody", raw(&short), "InDoubt HTTP 200 (the connection was closed)"),
        ("nobody", raw(&chunked(TOKENS)[..100]), "InDoubt HTTP 200 (the connection was closed)"),
        ("nobody", Step::Answer(with_length("200 OK", "", "")), "InDoubt HTTP 200"),
        ("nobody", raw("HTTP/1.1 204 No Content\r\n\r\n"), "InDoubt HTTP 204"),
        ("nobody", html("200 OK"), "InDoubt HTTP 200 (not an OAuth answer)"),
        ("nobody", json("200 OK", "{}"), "InDoubt HTTP 200 (no access token)"),
        ("nobody", json("200 OK", r#"{"access_token":""}"#), "InDoubt HTTP 200 (an empty access token)"),
        ("google", json("200 OK", "{}"), "Passing HTTP 200 (no access token)"),
        ("nobody", raw("HTTP/1.1 400 Bad Request\r\ncontent-length: 99\r\n\r\n{"), "InDoubt HTTP 400"),
        ("nobody", json("200 OK", &padded), "InDoubt HTTP 200 (the answer is larger than 1 MiB)"),
        (
            "nobody",
            Step::Answer(with_length("200 OK", &long_header, TOKENS)),
            "InDoubt no complete answer: the answer's header is larger than 64 KiB",
        ),
        ("nobody", html("502 Bad Gateway"), "InDoubt wide HTTP 502"),
        ("google", html("504 Gateway Timeout"), "Passing wide HTTP 504"),
        (
            "nobody",
            raw(""),
            "InDoubt no complete answer: the connection was closed; the refresh token may be",
        ),
        ("google", raw(""), "Passing no complete answer: the connection was closed"),
        ("nobody", raw("HTTP/1.1 200 OK\r\ncontent-"), "InDoubt no complete answer"),
        ("nobody", raw("SSH-2.0-OpenSSH_9.6\r\n"), "InDoubt no complete answer: it does not speak HTTP"),
        (
            "nobody",
            Step::Endless("HTTP/1.1 200 OK\r\n\r\n", "x"),
            "InDoubt HTTP 200 (the answer is larger than 1 MiB)",
        ),
        (
            "nobody",
            Step::Endless("HTTP/1.1 200 OK\r\nx: ", "x"),
            "InDoubt no complete answer: the answer's header is larger than 64 KiB",
        ),
    ]);
}

#[test]
fn refusals() {
    let redirect = with_length("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", "");
    let dead = "SignInAgain HTTP 400 invalid_grant: sign in to nobody again";
    check(vec![
        ("nobody", oauth_error("400 Bad Request", "invalid_grant"), dead),
        (
            "github",
            oauth_error("200 OK", "bad_refresh_token"),
            "SignInAgain HTTP 200 bad_refresh_token: sign in to GitHub",
        ),
        (
            "github",
            Step::Answer(with_length("200 OK", FORM, "error=bad_refresh_token")),
            "SignInAgain HTTP 200 bad_refresh_token",
        ),
        (
            "atlassian",
            oauth_error("403 Forbidden", "unauthorized_client"),
            "SignInAgain HTTP 403 unauthorized_client",
        ),
        ("slack", json("200 OK", r#"{"ok":false,"error":"ratelimited"}"#), "Passing HTTP 200 ratelimited"),
        (
            "nobody",
            oauth_error("401 Unauthorized", "invalid_client"),
            "Configuration HTTP 401 invalid_client: check client_id, client_secret",
        ),
        (
            "nobody",
            oauth_error("400 Bad Request", "invalid_scope"),
            "Configuration HTTP 400 invalid_scope: check scope in f.json",
        ),
        ("nobody", Step::Answer(redirect), "Configuration HTTP 307"),
        ("nobody", html("403 Forbidden"), "Passing HTTP 403 (not an OAuth answer)"),
        (
            "nobody",
            oauth_error("429 Too Many Requests", "invalid_grant"),
            "Passing wide HTTP 429 invalid_grant",
        ),
        ("nobody", html("500 Internal Server Error"), "Passing wide HTTP 500"),
    ]);
}

#[test]
fn a_hostile_description_is_harmless() {
    let body = format!(
        r#"{{"error":"invalid_{OLD}","error_description":"\r\n2026 [ERROR] forged {OLD} and the+secret"}}"#
    );
    let (port, serving) = serve(vec![Step::Answer(with_length("400 Bad Request", "", &body))]);
    let failure = ask(&client(), &person("nobody", &format!("http://127.0.0.1:{port}/t"))).err().unwrap();
    serving.join().unwrap();
    let withheld = "(withheld: it repeats a secret)";
    let line = format!("http://127.0.0.1:{port}/t answered HTTP 400 {withheld} {withheld}: check the client");
    assert!(failure.message.starts_with(&line), "{}", failure.message);
    let all = format!("{failure:?}");
    assert!(!all.contains(OLD) && !all.contains("the+secret") && !all.contains('\n'), "{all}");
}

#[test]
fn echoed_credentials_are_withheld_in_every_form() {
    for echoed in [
        "Basic dGhlJTIwY2xpZW50OnRoZSUyQnNlY3JldA==",
        "dGhlJTIwY2xpZW50OnRoZSUyQnNlY3JldA",
        "the%2Bsecret",
        "old-refresh-tok",
    ] {
        let body = format!(r#"{{"error":"invalid_client","error_description":"you sent {echoed}"}}"#);
        let (port, serving) = serve(vec![Step::Answer(with_length("401 Unauthorized", "", &body))]);
        let failure =
            ask(&client(), &person("spotify", &format!("http://127.0.0.1:{port}/t"))).err().unwrap();
        serving.join().unwrap();
        assert!(failure.message.contains("401 invalid_client (withheld"), "{}", failure.message);
    }
}

#[test]
fn how_long_to_leave_the_endpoint_alone() {
    for (headers, seconds) in [
        ("retry-after: 120\r\n", Some(120)),
        ("retry-after: 86400\r\n", Some(3600)),
        ("date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n", Some(30)),
        ("retry-after: soon\r\n", None),
        ("", None),
    ] {
        let (port, serving) = serve(vec![Step::Answer(with_length("503 Service Unavailable", headers, ""))]);
        let failure = ask(&client(), &person("nobody", &format!("http://127.0.0.1:{port}/t"))).err().unwrap();
        serving.join().unwrap();
        assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), seconds, "{headers}");
    }
}
