//! What a refresh changes in a document, and nothing else.
//!
//! Times are written back in the form they had; members that the file does not have are added only
//! where the next due time depends on them (`expires_at`, `expires_in`, `issued_at`).

use std::time::Duration;

use super::document::{Document, Unusable};
use super::written_time::{EXACT_SECONDS, FOR_PEOPLE, PLAIN_SECONDS, TimeFormat};
use crate::clock::Timestamp;
use crate::json::{as_text, quoted};
use crate::secret::Secret;

/// How long a new access token lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lasting {
    /// For this long from the time it was asked for.
    For(Duration),
    /// Nobody says that it ends.
    Unlimited,
}

/// When the refresh token ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefreshEnd {
    /// The answer says nothing of it.
    Unsaid,
    /// The answer says that it does not end (Keycloak's offline tokens: `refresh_expires_in` is 0).
    Never,
    /// Then.
    At(Timestamp),
}

/// A new access token and what came with it.
pub(crate) struct Access {
    /// The token.
    pub token: Secret,
    /// When it was asked for: its life counts from there.
    pub asked_at: Timestamp,
    /// How long it lasts.
    pub lasting: Lasting,
    /// The granted scope, where the answer names it.
    pub scope: Option<String>,
    /// `token_type`, where the answer names it.
    pub token_type: Option<String>,
    /// Other members of the answer that the file keeps, as name and JSON text.
    pub kept: Vec<(String, Secret)>,
}

/// What one answer of a token endpoint changes in one file.
pub(crate) struct Change {
    /// The new access token; `None` where a file only takes over a refresh token.
    pub access: Option<Access>,
    /// The new refresh token; `None`: the old one stays (RFC 6749 section 6).
    pub refresh_token: Option<Secret>,
    /// The refresh token's own end.
    pub refresh_end: RefreshEnd,
}

/// `document` with `change` made; a chain member that keeps its own access token does not take the new one. Fails
/// where the result would be no usable token file any more.
pub(crate) fn apply(document: Document, change: &Change, takes_access: bool) -> Result<Document, Unusable> {
    let mut document = document;
    if let Some(access) = change.access.as_ref().filter(|_| takes_access) {
        document = with_access(document, access)?;
    }
    if let Some(token) = &change.refresh_token
        && document.refresh_token().as_ref() != Some(token)
    {
        document = document.with_refresh_token(token)?;
    }
    match change.refresh_end {
        RefreshEnd::At(end) => with_time(document, "refresh_expires_at", end, PLAIN_SECONDS),
        RefreshEnd::Never if document.raw("refresh_expires_at").is_some() => {
            document.with("refresh_expires_at", "null")
        }
        RefreshEnd::Never | RefreshEnd::Unsaid => Ok(document),
    }
}

fn with_access(document: Document, access: &Access) -> Result<Document, Unusable> {
    let mut document = document.with("access_token", &quoted(access.token.expose()))?;
    for (name, value) in &access.kept {
        document = document.with(name, value.expose())?;
    }
    if let Some(kind) = &access.token_type
        && document.text("token_type").is_some_and(|present| !present.eq_ignore_ascii_case(kind))
    {
        document = document.with("token_type", &quoted(kind))?;
    }
    if let Some(scope) = &access.scope {
        document = with_scope(document, scope)?;
    }
    document = with_time(document, "issued_at", access.asked_at, EXACT_SECONDS)?;
    // Other names for the same moment, kept in step where a tool has put them there.
    for (name, form) in
        [("generated_at", EXACT_SECONDS), ("obtained_at", EXACT_SECONDS), ("saved_at", FOR_PEOPLE)]
    {
        if document.raw(name).is_some() {
            document = with_time(document, name, access.asked_at, form)?;
        }
    }
    let Lasting::For(length) = access.lasting else { return Ok(document) };
    let seconds = length.as_secs().max(1);
    let quoted = document.raw("expires_in").is_some_and(|raw| as_text(raw).is_some());
    document =
        document.with("expires_in", &if quoted { format!("\"{seconds}\"") } else { seconds.to_string() })?;
    let end = access.asked_at + length;
    document = with_time(document, "expires_at", end, PLAIN_SECONDS)?;
    if document.has("expires_at_human") {
        document = with_time(document, "expires_at_human", end, FOR_PEOPLE)?;
    }
    Ok(document)
}

fn with_time(
    document: Document,
    name: &str,
    at: Timestamp,
    otherwise: TimeFormat,
) -> Result<Document, Unusable> {
    let form = document.time(name).map_or(otherwise, |written| written.form);
    document.with(name, &form.write(at))
}

/// The granted scope in the member that the file uses: `scope` (a text) or `scopes` (a list).
fn with_scope(document: Document, scope: &str) -> Result<Document, Unusable> {
    if document.text("scope").is_some_and(|present| present != scope) {
        return document.with("scope", &quoted(scope));
    }
    match document.scope_list() {
        Some(mut present) => {
            let mut granted: Vec<String> = scope.split_whitespace().map(ToOwned::to_owned).collect();
            let spelled: Vec<_> = granted.iter().map(|one| quoted(one).to_string()).collect();
            let list = format!("[{}]", spelled.join(", "));
            granted.sort_unstable();
            present.sort_unstable();
            if granted == present { Ok(document) } else { document.with("scopes", &list) }
        }
        None => Ok(document),
    }
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
        apply(Document::parse(before).ok().unwrap(), &change, true).ok().unwrap().file_text().to_string()
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
