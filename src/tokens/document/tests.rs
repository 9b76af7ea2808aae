//! Tables and properties for the parent module.

use proptest::prelude::*;

use super::*;

#[test]
fn kinds_are_told_apart() {
    for (text, kind) in [
        (r#"{"access_token":"a"}"#, FileKind::Token),
        (r#"{"refresh_token":"r"}"#, FileKind::Token),
        (r#"{"token":"a"}"#, FileKind::Token),
        (r#"{"tokens":{"access_token":"a","refresh_token":null}}"#, FileKind::Token),
        (r#"{"grant_type":"client_credentials","client_id":"c","client_secret":"s"}"#, FileKind::Token),
        (
            r#"{"grant_type":"client_credentials","client_id":"c","client_secret":"s","signed_out_at":1}"#,
            FileKind::ClientCredentials,
        ),
        (r#"{"access_token":"","client_id":"c","client_secret":"s"}"#, FileKind::ClientCredentials),
        (r#"{"client_id":"c"}"#, FileKind::Other),
        (
            r#"{"grant_type":"client_credentials","provider":"auth0","client_id":"c","client_secret":"s"}"#,
            FileKind::Token,
        ),
        (
            r#"{"access_token":"","grant_type":"client_credentials","issuer":"https://i","client_id":"c"}"#,
            FileKind::Token,
        ),
        (
            r#"{"access_token":"<token>","grant_type":"client_credentials","issuer":"i","client_id":"c"}"#,
            FileKind::Token,
        ),
        (r#"{"access_token":null}"#, FileKind::Other),
    ] {
        assert_eq!(Document::parse(text).ok().unwrap().kind(), kind, "{text}");
    }
}

#[test]
fn placeholders_are_no_tokens() {
    for text in ["placeholder", "<your token>", "CHANGE_ME", "YOUR_ACCESS_TOKEN", "xxxx", "null"] {
        assert!(is_placeholder(text), "{text}");
        let text = format!(r#"{{"access_token":"{text}","refresh_token":"r"}}"#);
        let document = Document::parse(&text).ok().unwrap();
        assert!(
            !document.has_access_token() && document.oddities()[0].contains("is a placeholder"),
            "{text}"
        );
    }
    for text in ["xoxb-123", "ya29.a0", "eyJhbGciOi", "token_live_1", "your", "x", "ghp_token"] {
        assert!(!is_placeholder(text), "{text}");
    }
}

#[test]
fn an_expiry_under_any_name() {
    let second = |seconds| Expiry::At(Timestamp::from_seconds(seconds));
    for (members, expected) in [
        (r#""expires_at":1767225600"#, second(1_767_225_600)),
        (r#""expiry":"2026-01-01T00:00:00.000Z""#, second(1_767_225_600)),
        (r#""expiry_date":1767225600000"#, second(1_767_225_600)),
        (r#""expires_on":"1767225600""#, second(1_767_225_600)),
        (r#""access_token_expiration":1767225600"#, second(1_767_225_600)),
        (r#""expiresAt":1767225600000"#, second(1_767_225_600)),
        (r#""expires":1767225600,"expires_at":null"#, second(1_767_225_600)),
        (r#""expires":3600"#, Expiry::Unsaid),
        (r#""expires":false"#, Expiry::Unsaid),
        (r#""expires_at":"""#, Expiry::Unsaid),
        (r#""expires_at":"tomorrow""#, Expiry::Unreadable("expires_at")),
        (r#""expires_at":0"#, Expiry::Unreadable("expires_at")),
        (r#""expires_at":-5"#, Expiry::Unreadable("expires_at")),
        (r#""expires_at":true"#, Expiry::Unreadable("expires_at")),
        (r#""expiry":[]"#, Expiry::Unreadable("expiry")),
        (r#""expires_at":"tomorrow","expiry_date":1767225600000"#, second(1_767_225_600)),
    ] {
        let document = Document::parse(&format!(r#"{{"access_token":"a",{members}}}"#)).ok().unwrap();
        assert_eq!(document.expiry(), expected, "{members}");
    }
}

#[test]
fn a_token_that_is_no_text_is_refused_in_words() {
    for (text, said) in [
        (r#"{"refresh_token":12}"#, "its refresh_token is a number, not text"),
        (r#"{"access_token":"a","provider":7}"#, "its provider is a number, not text"),
        (
            r#"{"access_token":"a","refresh_token":"r\n"}"#,
            "its refresh_token contains a line break or another character that no token has; sign in again",
        ),
    ] {
        assert_eq!(Document::parse(text).err().unwrap().to_string(), said);
    }
    assert!(Document::parse(r#"{"access_token":"a\n","refresh_token":"r"}"#).is_ok());
}

#[test]
fn nested_fields_are_written_where_they_stand() {
    let text = r#"{"tokens": {"access_token": "a"}, "client_id": "c"}"#;
    let with = |document: Document, name, value| document.with(name, value).ok().unwrap();
    let document = with(Document::parse(text).ok().unwrap(), "access_token", "\"b\"");
    let document = with(with(document, "expires_in", "5"), "client_id", "\"d\"");
    assert_eq!(
        document.file_text(),
        r#"{"tokens": {"access_token": "b","expires_in": 5}, "client_id": "d"}"#
    );
}

#[test]
fn an_edit_that_makes_the_file_useless_is_an_error_and_not_the_old_file() {
    let document = || Document::parse(r#"{"access_token":"a","refresh_token":"r"}"#).ok().unwrap();
    for (name, value) in [("client_id", "{}"), ("note", "{"), ("refresh_token", r#""a\nb""#)] {
        assert!(document().with(name, value).is_err(), "{name}");
    }
}

#[test]
fn secrets_are_not_handed_out_as_text() {
    let document =
        Document::parse(r#"{"access_token":"a","client_secret":"s","host":"h","n":1}"#).ok().unwrap();
    assert_eq!(document.plain_texts(), [("host".to_owned(), "h".to_owned())].into());
}

#[test]
fn a_byte_order_mark_is_kept() {
    let document = Document::parse("\u{feff}{\"access_token\":\"a\"}").ok().unwrap();
    assert_eq!(
        document.with("access_token", "\"b\"").ok().unwrap().file_text(),
        "\u{feff}{\"access_token\":\"b\"}"
    );
}

/// A token file, flat or nested, of members that edits change too: some twice, some null, in any order.
fn any_document() -> impl Strategy<Value = String> {
    let member = |names: &'static [&'static str]| {
        let value = prop_oneof![Just("null"), Just("\"t\""), Just("1767225600"), Just("\"1767225600\"")];
        (prop::sample::select(names), value).prop_filter_map("a token is a text", |(name, value)| {
            (!name.ends_with("token") || value.starts_with(['"', 'n']))
                .then(|| format!("\"{name}\": {value}"))
        })
    };
    let object = move || prop::collection::vec(member(&EDITED[..5]), 0..5);
    (object(), prop::option::of(object()), any::<bool>()).prop_map(|(above, below, first)| {
        let mut members = above;
        if let Some(below) = below {
            let at = if first { 0 } else { members.len() };
            members.insert(at, format!("\"tokens\": {{\n  {}}}", below.join(",\n  ")));
        }
        format!("{{{}}}", members.join(", "))
    })
}

const EDITED: [&str; 6] = ["access_token", "refresh_token", "expires_at", "note", "issued_at", "tokens"];

fn any_edits() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let value = prop_oneof![Just("null"), Just("\"new\""), Just("\"newer\"")];
    let below = Just(("tokens", r#"{"refresh_token":"moved"}"#));
    prop::collection::vec(prop_oneof![8 => (prop::sample::select(&EDITED[..5]), value), 1 => below], 0..6)
}

proptest! {
    #[test]
    fn edits_written_together_are_the_same_as_one_by_one(text in any_document(), edits in any_edits()) {
        let Ok(document) = Document::parse(&text) else { return Ok(()) };
        let mut one_by_one = document.clone();
        let mut draft = DocumentDraft::of(document);
        for (name, value) in edits {
            let Ok(next) = one_by_one.with(name, value) else { return Ok(()) };
            one_by_one = next;
            prop_assert!(draft.set(name, value.to_owned().into()).is_ok());
            // The values by which the next edit is decided are the same too.
            for name in &EDITED[..5] {
                prop_assert_eq!(draft.edited().raw(name), one_by_one.raw(name), "{}", name);
                prop_assert_eq!(draft.edited().has(name), one_by_one.has(name), "{}", name);
            }
        }
        let together = draft.finish().ok().unwrap();
        prop_assert_eq!(together.file_text(), one_by_one.file_text());
    }
}

#[test]
fn an_edit_above_the_nested_tokens_moves_those_behind_it() {
    let text = r#"{"access_token":null,"tokens":{"refresh_token":"r"}}"#;
    let mut draft = DocumentDraft::of(Document::parse(text).ok().unwrap());
    for (name, value) in [("access_token", r#""a""#), ("refresh_token", r#""s""#)] {
        draft.set(name, value.to_owned().into()).ok().unwrap();
    }
    let edited = draft.finish().ok().unwrap();
    assert_eq!(
        edited.file_text(),
        r#"{"access_token":"a","tokens":{"refresh_token":"r"},"refresh_token":"s"}"#
    );
}
