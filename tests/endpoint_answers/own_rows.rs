//! A provider that is not built in is a row in the user's `providers.json`, and no new release.

use crate::case::{Case, play};
use crate::outcome::{NEW_ACCESS, NEW_REFRESH, Outcome, in_doubt, kept, passing, rotated};

/// Everything that a row can say about answers, as a user would write it.
const ROWS: &str = r#"{
  "acme": {
    "title": "ACME",
    "token_endpoint": "https://login.acme.example/token",
    "client_authentication": ["client_secret_post"],
    "rotation": "always",
    "grace_seconds": 30,
    "lifetime_seconds": 1200,
    "answer": {
      "access_token": ["data.token"],
      "refresh_token": ["data.next"],
      "success": "successful",
      "keep": ["region"]
    },
    "errors": {
      "code": ["error", "fault"],
      "sign_in_again": ["TOKEN_GONE"],
      "passing": ["NOT_NOW"],
      "rules": [{"status": [409], "field": "detail", "contains": "signed out", "class": "sign_in_again"}]
    },
    "sign_in": "https://login.acme.example/"
  },
  "github": {"rotation": "never"}
}"#;

#[test]
fn a_row_says_how_to_read_its_answers() {
    let at = |status, body: &str, outcome| Case::json("acme", status, body, outcome).providers_json(ROWS);
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
        at(504, "", Outcome::InDoubt(0..=2)),
        // A built-in row with one key of the user's own.
        Case::json("github", 504, "", passing()).providers_json(ROWS),
        Case::json("github", 200, &format!(r#"{{"access_token":"{NEW_ACCESS}","expires_in":60}}"#), kept(60))
            .providers_json(ROWS),
        Case::json("github", 504, "", in_doubt()),
    ]);
}
