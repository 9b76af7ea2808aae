//! The changes that a refresh makes in a document.
//!
//! Times are written back in their old form and under their old names. A missing member is added only where the next
//! due time depends on it: `expires_at`, `expires_in`, `issued_at`.

use std::time::Duration;

use super::document::{Document, DocumentDraft, Expiry, Unusable};
use super::due::REFRESH_LENGTHS;
use super::written_time::{EXACT_SECONDS, FOR_PEOPLE, PLAIN_SECONDS, TimeFormat};
use crate::clock::Timestamp;
use crate::json::{as_text, quoted};
use crate::ordered;
use crate::sealing::{Seal, SecretMember};
use crate::secret::Secret;

/// How long a new access token lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lasting {
    /// For this long, counted from the time of the request.
    For(Duration),
    /// No source says that the token ends.
    Unlimited,
}

/// When the refresh token ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefreshEnd {
    /// The answer does not mention the end.
    Unsaid,
    /// The refresh token does not end, as the answer says (Keycloak's offline tokens: `refresh_expires_in` is 0).
    Never,
    At(Timestamp),
}

/// A new access token and the values that came with it.
pub(crate) struct Access {
    pub token: Secret,
    /// When the request was sent: the token's life counts from there.
    pub asked_at: Timestamp,
    pub lasting: Lasting,
    /// The granted scope, where the answer names it.
    pub scope: Option<String>,
    /// `token_type`, where the answer names it.
    pub token_type: Option<String>,
    /// Other members of the answer that the file keeps, as name and JSON text.
    pub kept: Vec<(String, Secret)>,
}

/// The changes that one answer of a token endpoint makes in one file.
pub(crate) struct Change {
    /// The new access token; `None` where a file only takes over a refresh token.
    pub access: Option<Access>,
    /// The new refresh token; `None` where the old one stays (RFC 6749 section 6).
    pub refresh_token: Option<Secret>,
    pub refresh_end: RefreshEnd,
}

/// `document` with `change` made, and with a new refresh token sealed if `seal` is given. Without `takes_access` the
/// file keeps its own access token. Fails where the result would be no usable token file any more.
pub(crate) fn apply(
    document: Document,
    change: &Change,
    takes_access: bool,
    seal: Option<&Seal>,
) -> Result<Document, Unusable> {
    let mut draft = DocumentDraft::of(document);
    let access = change.access.as_ref().filter(|_| takes_access);
    if let Some(access) = access {
        set_access(&mut draft, access)?;
    }
    if let Some(token) = &change.refresh_token
        && draft.edited().refresh_fingerprint() != Some(token.fingerprint())
    {
        draft.set_secret(SecretMember::RefreshToken, token, seal)?;
    }
    set_refresh_end(&mut draft, change.refresh_end, access.map(|access| access.asked_at))?;
    draft.finish_readable()
}

/// Sets the end of the refresh token. `received` is when the request was sent, where the file takes the whole answer.
fn set_refresh_end(
    draft: &mut DocumentDraft,
    end: RefreshEnd,
    received: Option<Timestamp>,
) -> Result<(), Unusable> {
    let (time, length) = match end {
        RefreshEnd::Unsaid => return Ok(()),
        RefreshEnd::At(end) => (Some(end), received.map(|received| end.since(received).as_secs())),
        RefreshEnd::Never => (None, Some(0)),
    };
    let name = if draft.edited().time("refresh_token_expires_at").is_some() {
        "refresh_token_expires_at"
    } else {
        "refresh_expires_at"
    };
    match time {
        Some(end) => set_time(draft, name, end, PLAIN_SECONDS)?,
        None if draft.edited().raw(name).is_some() => draft.set(name, "null".to_owned().into())?,
        None => {}
    }
    for name in REFRESH_LENGTHS {
        if let Some(seconds) = length.filter(|_| draft.edited().raw(name).is_some()) {
            set_seconds(draft, name, seconds)?;
        }
    }
    Ok(())
}

fn set_access(draft: &mut DocumentDraft, access: &Access) -> Result<(), Unusable> {
    draft.set("access_token", quoted(access.token.expose()))?;
    for (name, value) in &access.kept {
        draft.set(name, value.expose().to_owned().into())?;
    }
    if let Some(kind) = &access.token_type
        && draft.edited().text("token_type").is_some_and(|present| !present.eq_ignore_ascii_case(kind))
    {
        draft.set("token_type", quoted(kind))?;
    }
    if let Some(scope) = &access.scope {
        set_scope(draft, scope)?;
    }
    // Without another time of receipt, tools count `expires_in` from `created_at`.
    let document = draft.edited();
    let issued = document.time("issued_at").map(|written| written.at);
    if let Some(created) = document.time("created_at").map(|written| written.at)
        && issued.map_or(document.expiries().next().is_none(), |issued| is_near(issued, created))
    {
        set_time(draft, "created_at", access.asked_at, PLAIN_SECONDS)?;
    }
    set_time(draft, "issued_at", access.asked_at, EXACT_SECONDS)?;
    // Other names for the same moment, updated where a tool has written them.
    for (name, form) in
        [("generated_at", EXACT_SECONDS), ("obtained_at", EXACT_SECONDS), ("saved_at", FOR_PEOPLE)]
    {
        if draft.edited().raw(name).is_some() {
            set_time(draft, name, access.asked_at, form)?;
        }
    }
    match access.lasting {
        Lasting::For(length) => set_end(draft, length, access.asked_at + length),
        Lasting::Unlimited => Ok(()),
    }
}

/// Sets the length of the access token's life, and its end.
fn set_end(draft: &mut DocumentDraft, length: Duration, end: Timestamp) -> Result<(), Unusable> {
    set_seconds(draft, "expires_in", length.as_secs().max(1))?;
    let document = draft.edited();
    let mut names: Vec<_> = document.expiries().map(|(name, _)| name).collect();
    // An unreadable end is replaced, so that other tools can read it.
    names.extend(if let Expiry::Unreadable(name) = document.expiry() { Some(name) } else { None });
    if names.is_empty() {
        names.push("expires_at");
    }
    for name in names {
        set_time(draft, name, end, PLAIN_SECONDS)?;
    }
    if draft.edited().has("expires_at_human") {
        set_time(draft, "expires_at_human", end, FOR_PEOPLE)?;
    }
    Ok(())
}

/// Sets a length of time, as a text if the old value is one.
fn set_seconds(draft: &mut DocumentDraft, name: &str, seconds: u64) -> Result<(), Unusable> {
    let quoted = draft.edited().raw(name).is_some_and(|raw| as_text(raw).is_some());
    let text = if quoted { format!("\"{seconds}\"") } else { seconds.to_string() };
    draft.set(name, text.into())
}

/// Whether two times are one moment, written by tools that round or read the clock twice.
fn is_near(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) <= Duration::from_secs(5)
}

fn set_time(
    draft: &mut DocumentDraft,
    name: &str,
    at: Timestamp,
    otherwise: TimeFormat,
) -> Result<(), Unusable> {
    let form = draft.edited().time(name).map_or(otherwise, |written| written.form);
    draft.set(name, form.write(at).into())
}

/// Sets the granted scope in the member that the file uses: `scope` (a text) or `scopes` (a list).
fn set_scope(draft: &mut DocumentDraft, scope: &str) -> Result<(), Unusable> {
    if draft.edited().text("scope").is_some_and(|present| present != scope) {
        return draft.set("scope", quoted(scope));
    }
    let Some(mut present) = draft.edited().scope_list() else { return Ok(()) };
    let mut granted: Vec<String> = scope.split_whitespace().map(ToOwned::to_owned).collect();
    let spelled: Vec<_> = granted.iter().map(|one| quoted(one).to_string()).collect();
    let list = format!("[{}]", spelled.join(", "));
    ordered::sort(&mut granted, Ord::cmp);
    ordered::sort(&mut present, Ord::cmp);
    if granted == present { Ok(()) } else { draft.set("scopes", list.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: &str, asked_at: i64, lasting: Lasting) -> Access {
        Access {
            token: Secret::new(token),
            asked_at: Timestamp::from_millis(asked_at),
            lasting,
            scope: None,
            token_type: None,
            kept: Vec::new(),
        }
    }

    fn changed(before: &str, access: Access, refresh: Option<&str>) -> String {
        let refresh_token = refresh.map(Secret::new);
        let change = Change { access: Some(access), refresh_token, refresh_end: RefreshEnd::Unsaid };
        apply(Document::parse(before).ok().unwrap(), &change, true, None)
            .ok()
            .unwrap()
            .file_text()
            .to_string()
    }

    #[test]
    fn the_python_services_file_keeps_everything_else() {
        let before = r#"{
  "provider": "atlassian",
  "access_token": "old",
  "refresh_token": "rt1",
  "expires_at": 1767225600.521374,
  "expires_at_human": "2026-01-01 00:00:00 UTC",
  "scopes": [
    "offline_access"
  ],
  "saved_at": "2025-12-31 22:00:00 UTC",
  "usage_notes": "caf\u00e9 1e5"
}"#;
        let after = r#"{
  "provider": "atlassian",
  "access_token": "new",
  "refresh_token": "rt2",
  "expires_at": 1767229200.250000,
  "expires_at_human": "2026-01-01 01:00:00 UTC",
  "scopes": [
    "offline_access"
  ],
  "saved_at": "2026-01-01 00:00:00 UTC",
  "usage_notes": "caf\u00e9 1e5",
  "issued_at": 1767225600.250,
  "expires_in": 3600
}"#;
        let access = access("new", 1_767_225_600_250, Lasting::For(Duration::from_hours(1)));
        assert_eq!(changed(before, access, Some("rt2")), after);
    }

    #[test]
    fn an_expiry_stays_under_its_name_and_in_its_form() {
        // 2026-01-01 00:00:00 UTC
        let hour = || access("new", 1_767_225_600_000, Lasting::For(Duration::from_hours(1)));
        let of = |members: &str| changed(&format!(r#"{{"access_token":"a",{members}}}"#), hour(), None);
        for (members, after) in [
            (r#""expiry":"2025-12-31T00:00:00Z""#, r#""expiry":"2026-01-01T01:00:00Z""#),
            (r#""expiry_date":1767000000000"#, r#""expiry_date":1767229200000"#),
            (r#""expires_on":"1767000000""#, r#""expires_on":"1767229200""#),
            (
                r#""expires_at":1767000000,"expiresAt":1767000000000"#,
                r#""expires_at":1767229200,"expiresAt":1767229200000"#,
            ),
            (r#""expires_at":"tomorrow""#, r#""expires_at":1767229200"#),
            (
                r#""expires_at":"Wed, 31 Dec 2025 00:00:00 GMT""#,
                r#""expires_at":"Thu, 01 Jan 2026 01:00:00 GMT""#,
            ),
            (r#""expires_at":true,"expiry_date":1767000000000"#, r#""expiry_date":1767229200000"#),
            (r#""created_at":1767000000,"expires_in":7200"#, r#""created_at":1767225600,"expires_in":3600"#),
            (
                r#""created_at":1700000000,"expires_at":1767000000"#,
                r#""created_at":1700000000,"expires_at":1767229200"#,
            ),
            (r#""created_at":1767000000,"issued_at":1767000001.5"#, r#""created_at":1767225600"#),
        ] {
            let text = of(members);
            assert!(text.contains(after), "{members}: {text}");
        }
        assert!(!of(r#""expiry_date":1767000000000"#).contains("expires_at"), "no second one is added");
    }

    #[test]
    fn the_end_of_a_refresh_token_is_kept_in_its_member() {
        let hour = || access("new", 1_767_225_600_000, Lasting::For(Duration::from_hours(1)));
        let of = |members: &str, refresh_end| {
            let before = format!(r#"{{"access_token":"a",{members}}}"#);
            let change = Change { access: Some(hour()), refresh_token: None, refresh_end };
            apply(Document::parse(&before).ok().unwrap(), &change, true, None)
                .ok()
                .unwrap()
                .file_text()
                .to_string()
        };
        let day = RefreshEnd::At(Timestamp::from_seconds(1_767_225_600 + 86_400));
        assert!(of(r#""refresh_token_expires_in":60"#, day).contains(r#""refresh_token_expires_in":86400"#));
        assert!(of(r#""x_refresh_token_expires_in":"60""#, day).contains(r#"_expires_in":"86400""#));
        assert!(of(r#""refresh_expires_in":60"#, RefreshEnd::Never).contains(r#""refresh_expires_in":0"#));
        let text = of(r#""refresh_token_expires_at":1767000000"#, day);
        assert!(
            text.contains(r#""refresh_token_expires_at":1767312000"#) && !text.contains("refresh_expires_at"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_could_not_be_read_back_is_not_made() {
        let large = access(&"a".repeat(1 << 20), 1_767_225_600_000, Lasting::Unlimited);
        let change = Change { access: Some(large), refresh_token: None, refresh_end: RefreshEnd::Unsaid };
        let document = Document::parse(r#"{"access_token":"a"}"#).ok().unwrap();
        assert_eq!(apply(document, &change, true, None).err(), Some(Unusable::TooLarge));
    }

    #[test]
    fn a_token_that_does_not_expire_gets_no_end() {
        let access = access("new", 1_767_225_600_000, Lasting::Unlimited);
        let after = changed(r#"{"access_token":"a","refresh_token":"r","expires_at":null}"#, access, None);
        assert_eq!(
            after,
            r#"{"access_token":"new","refresh_token":"r","expires_at":null,"issued_at":1767225600.000}"#
        );
    }

    #[test]
    fn scope_and_type_change_where_the_file_has_them() {
        let granted = || Access {
            scope: Some("b a".to_owned()),
            token_type: Some("bearer".to_owned()),
            ..access("new", 1_767_225_600_000, Lasting::Unlimited)
        };
        let after =
            changed(r#"{"access_token":"a","scopes":["a","b"],"token_type":"Bearer"}"#, granted(), None);
        assert!(after.contains(r#""scopes":["a","b"],"token_type":"Bearer""#), "{after}");
        let after = changed(r#"{"access_token":"a","scope":"a"}"#, granted(), None);
        assert!(after.contains(r#""scope":"b a""#), "{after}");
    }
}
