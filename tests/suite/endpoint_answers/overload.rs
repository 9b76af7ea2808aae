//! Endpoints that are overloaded, and pages of those who stand before them: the status decides, and
//! `Retry-After` says when to come back.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

use super::case::{Case, play};
use super::outcome::{Outcome, in_doubt, passing};
use crate::support::{Answer, Step};

const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Attention required</title></head><body>no</body></html>";

fn page(provider: &str, status: u16, outcome: Outcome) -> Case {
    let answer = Answer::new(status, PAGE).header("Content-Type", "text/html; charset=utf-8");
    let what = format!("{provider}: {status} with a page");
    Case::step(what, provider, Step::answer(answer), outcome).says(format!("HTTP {status}"))
}

#[test]
fn pages_instead_of_answers() {
    play(vec![
        // A captive portal; the request may have gone through to somewhere else.
        page("atlassian", 200, Outcome::InDoubt(0..=2)).says("may be spent"),
        page("github", 200, in_doubt()).says("may be spent"),
        page("google", 200, passing()),
        page("github", 200, passing()).machine(),
        // A firewall, or a server that is not the one.
        page("github", 400, passing()),
        page("github", 401, passing()),
        page("github", 403, passing()),
        page("github", 404, passing()),
        page("github", 405, passing()),
        page("github", 418, passing()),
        page("github", 451, passing()),
        // A gateway between the endpoint and the program lost the answer.
        page("github", 502, in_doubt()),
        page("github", 504, in_doubt()),
        page("github", 520, in_doubt()),
        page("github", 524, in_doubt()),
        page("google", 502, passing()),
        page("google", 504, passing()),
        page("github", 504, passing()).machine(),
        // It says itself that it did nothing.
        page("github", 408, passing()),
        page("github", 425, passing()),
        page("github", 429, passing()),
        page("github", 500, passing()),
        page("github", 501, passing()),
        page("github", 503, passing()),
        page("github", 521, passing()),
        page("github", 599, passing()),
    ]);
}

#[test]
fn redirects_are_never_followed() {
    let to = |status, location: &str| {
        let what = format!("{status} to {location}");
        Case::step(what, "acme", Step::redirect(status, location), Outcome::Configuration)
            .says("a redirect is never followed, set the right token_endpoint")
    };
    play(vec![
        to(301, "/token"),
        to(302, "https://login.example/?next=token"),
        to(303, "/elsewhere"),
        to(307, "/token"),
        to(308, "//evil.example/token"),
    ]);
}

fn busy(status: u16, code: Option<&str>, headers: &[(&str, String)], outcome: Outcome) -> Case {
    let body = code.map(|code| format!(r#"{{"error":"{code}"}}"#)).unwrap_or_default();
    let answer = Answer::new(status, body).header("Content-Type", "application/json");
    let answer = headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value));
    let what = format!("{status} {code:?} {headers:?}");
    Case::step(what, "acme", Step::answer(answer), outcome).says(format!("HTTP {status}"))
}

/// A date as HTTP writes it (RFC 9110 5.6.7), so many seconds from now.
fn date(seconds: i64) -> String {
    let at = OffsetDateTime::from(SystemTime::now()) + time::Duration::seconds(seconds);
    at.format(format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    ))
    .unwrap()
}

#[test]
fn how_long_an_endpoint_wants_to_be_left_alone() {
    let after =
        |status, value: &str, outcome| busy(status, None, &[("Retry-After", value.to_owned())], outcome);
    let dated = |after: i64, date_of_answer: Option<i64>, outcome| {
        let mut headers = vec![("Retry-After", date(after))];
        headers.extend(date_of_answer.map(|at| ("Date", date(at))));
        busy(503, None, &headers, outcome)
    };
    let wait = |seconds: i64| Outcome::Passing(seconds..=seconds);
    let in_grace = |status, value: &str, outcome| {
        let answer = Answer::new(status, PAGE).header("Retry-After", value);
        Case::step(format!("{status} in a grace, {value}"), "atlassian", Step::answer(answer), outcome)
    };
    play(vec![
        after(429, "120", wait(120)),
        after(503, "120", wait(120)),
        after(500, "90.5", wait(90)),
        after(400, "120", wait(120)),
        // Sooner than the delay too.
        after(429, "1", Outcome::Passing(0..=2)),
        after(503, "10", wait(10)),
        after(403, "7", wait(7)),
        dated(12, Some(0), wait(12)),
        after(429, "0", passing()),
        after(429, "-5", passing()),
        after(429, "a while", passing()),
        // At most an hour, also past the expiry.
        after(429, "3600", wait(3600)),
        after(429, "86400", wait(3600)),
        after(429, "99999999999999999999", wait(3600)),
        dated(300, None, Outcome::Passing(297..=300)),
        dated(300, Some(0), wait(300)),
        // Their clock is a day ahead, or behind: only the distance counts.
        dated(86_700, Some(86_400), wait(300)),
        dated(-86_100, Some(-86_400), wait(300)),
        dated(-300, None, passing()),
        dated(86_400, None, wait(3600)),
        // A dead token behind a limiter is not dead before the endpoint says so in peace.
        busy(429, Some("invalid_grant"), &[("Retry-After", "60".to_owned())], wait(60)),
        busy(429, Some("too_many_requests"), &[], passing()),
        busy(503, Some("temporarily_unavailable"), &[("Retry-After", "60".to_owned())], wait(60)),
        busy(500, Some("invalid_client"), &[], passing()),
        // Also where the token may be spent: in a grace, and before the expiry.
        in_grace(502, "120", Outcome::InDoubt(120..=120)),
        in_grace(502, "1", Outcome::InDoubt(0..=2)).sent_again(),
        busy(502, None, &[("Retry-After", "3000".to_owned())], Outcome::InDoubt(3000..=3000)),
        // What is final stays final.
        busy(400, Some("invalid_grant"), &[("Retry-After", "60".to_owned())], Outcome::SignIn),
    ]);
}
