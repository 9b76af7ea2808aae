//! A provider that is not built in is a row in the user's `providers.json`, and no new release. The rows
//! played here are the example of docs/tokens.md.

use super::case::{Case, play};
use super::outcome::{NEW_ACCESS, NEW_REFRESH, Outcome, in_doubt, kept, passing, rotated};

const PAGE: &str = include_str!("../../../docs/tokens.md");

/// The example of the page, as a user would copy it.
fn rows() -> &'static str {
    let blocks = PAGE.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks
        .into_iter()
        .find(|block| block.contains("\"acme\""))
        .expect("docs/tokens.md has an example of a row")
}

#[test]
fn a_row_says_how_to_read_its_answers() {
    let at = |status, body: &str, outcome| Case::json("acme", status, body, outcome).providers_json(rows());
    let data = format!(r#"{{"data":{{"token":"{NEW_ACCESS}","next":"{NEW_REFRESH}"}},"region":{{"id":7}}"#);
    let kept_region = |outcome: Outcome| outcome.with("region", serde_json::json!({"id": 7}));
    play(vec![
        at(200, &format!("{data}}}"), kept_region(rotated(1200))),
        at(200, &format!(r#"{data},"successful":true}}"#), kept_region(rotated(1200))),
        at(200, &format!(r#"{data},"successful":false}}"#), Outcome::InDoubt(0..=2)),
        at(200, r#"{"access_token":"elsewhere"}"#, Outcome::InDoubt(0..=2)).says("no access token"),
        at(400, r#"{"fault":"TOKEN_GONE"}"#, Outcome::SignIn)
            .says("sign in to ACME again (at https://login.acme.example/)"),
        at(400, r#"{"fault":"NOT_NOW"}"#, passing()),
        at(400, r#"{"fault":"ANYTHING"}"#, Outcome::Configuration),
        at(409, r#"{"detail":"user is signed out"}"#, Outcome::SignIn),
        at(409, r#"{"detail":"something else"}"#, passing()),
        at(504, "", Outcome::InDoubt(0..=2)).sent_again(),
        // A built-in row with one key of the user's own.
        Case::json("github", 504, "", passing()).providers_json(rows()),
        Case::json("github", 200, &format!(r#"{{"access_token":"{NEW_ACCESS}","expires_in":60}}"#), kept(60))
            .providers_json(rows()),
        Case::json("github", 504, "", in_doubt()),
    ]);
}
