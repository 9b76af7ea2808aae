//! A token file of any text, and an answer stored in it: what a refresh does not own stays as it is.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use token_refresher_fuzz::clock::Timestamp;
use token_refresher_fuzz::secret::Secret;
use token_refresher_fuzz::tokens::Document;
use token_refresher_fuzz::tokens::document::EXPIRY_MEMBERS;
use token_refresher_fuzz::tokens::change::{Access, Change, Lasting, RefreshEnd, apply};

/// The members that a refresh may write, at the top or in `tokens`, beside those that say when a token expires.
const OURS: [&str; 13] = [
    "access_token",
    "refresh_token",
    "expires_in",
    "expires_at_human",
    "issued_at",
    "created_at",
    "generated_at",
    "obtained_at",
    "saved_at",
    "scope",
    "scopes",
    "token_type",
    "tokens",
];

/// Whether a refresh may write the member.
fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || EXPIRY_MEMBERS.contains(&name)
}

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else { return };
    document.kind();
    document.oddities();
    document.scope_list();
    for name in ["expires_at", "expires_in", "issued_at", "refresh_expires_at"] {
        document.time(name);
        document.seconds(name);
    }
    let access = Access {
        token: Secret::new("at-new".to_owned()),
        asked_at: Timestamp::from_seconds(1_800_000_000),
        lasting: Lasting::For(Duration::from_secs(3600)),
        scope: None,
        token_type: None,
        kept: Vec::new(),
    };
    let token = Secret::new("rt-new".to_owned());
    let change = Change { access: Some(access), refresh_token: Some(token), refresh_end: RefreshEnd::Unsaid };
    // A document that the change would break is an error, which stores the answer beside the file.
    let Ok(changed) = apply(document, &change, true, None) else { return };
    assert!(changed.access_token() == Some(Secret::new("at-new")), "the new access token is not there");
    assert!(changed.refresh_fingerprint() == Some(Secret::new("rt-new").fingerprint()), "the new refresh token is not there");
    let new = changed.file_text();
    assert!(Document::parse(&new).is_ok(), "it cannot be read again");
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) = (
        serde_json::from_str(text.trim_start_matches('\u{feff}')),
        serde_json::from_str(new.trim_start_matches('\u{feff}')),
    ) else {
        return;
    };
    for (name, value) in &before {
        assert!(is_ours(name) || after.get(name) == Some(value), "{name:?} has changed");
    }
});
