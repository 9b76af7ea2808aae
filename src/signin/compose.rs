//! The text of a token file after a sign-in: the earlier members, the members that identify the sign-in, and the
//! tokens.

use crate::clock::Timestamp;
use crate::oauth::TokenResponse;
use crate::secret::Secret;
use crate::tokens::change::{Access, Change, Lasting, RefreshEnd, apply};
use crate::tokens::{Document, Unusable};

/// The new value of a member.
pub(super) enum MemberValue<'a> {
    /// This text.
    Text(&'a str),
    /// This secret text.
    Secret(&'a Secret),
    /// A value in its JSON notation.
    Json(String),
    /// No value: the member of an older sign-in is removed.
    Nothing,
}

impl<'a> MemberValue<'a> {
    /// This secret text, or no value.
    pub(super) fn secret(secret: Option<&'a Secret>) -> Self {
        secret.map_or(Self::Nothing, Self::Secret)
    }
}

/// The result of a sign-in, as members of a token file.
pub(super) struct SignedIn<'a> {
    /// The members that identify the sign-in, in the order of a new file.
    pub members: &'a [(&'a str, MemberValue<'a>)],
    pub granted: &'a TokenResponse,
    /// The granted scopes, else the requested ones.
    pub scope: Option<&'a str>,
    pub lasting: Lasting,
}

/// `document`, or a new one, after the sign-in.
///
/// # Errors
/// The result would be no token file.
pub(super) fn composed(document: Option<Document>, signed_in: &SignedIn<'_>) -> Result<Document, Unusable> {
    let mut document = document.map_or_else(empty, Ok)?;
    for (name, setting) in signed_in.members {
        document = set(document, name, setting)?;
    }
    if let Some(scope) = signed_in.scope
        && document.scope().is_none()
    {
        document = set(document, "scope", &MemberValue::Text(scope))?;
    }
    let granted = signed_in.granted;
    // Members with the lifetime of older tokens are wrong for the new ones. A member that gets a new value keeps its
    // form.
    let ends = granted.refresh_expires_in.filter(|length| !length.is_zero());
    let unlimited = signed_in.lasting == Lasting::Unlimited;
    for (name, stale) in [
        ("expires_at", unlimited),
        ("expires_in", unlimited),
        ("expires_at_human", unlimited),
        ("refresh_expires_at", ends.is_none()),
    ] {
        if stale {
            document = set(document, name, &MemberValue::Nothing)?;
        }
    }
    let kind = granted.token_type.as_deref().unwrap_or("Bearer");
    document = set(document, "token_type", &MemberValue::Text(kind))?;
    document = set(document, "signed_out_at", &MemberValue::Nothing)?;
    // The refresh token of an older sign-in may be another person's, so none replaces it, too.
    document = set(document, "refresh_token", &MemberValue::secret(granted.refresh_token.as_ref()))?;
    let access = Access {
        token: granted.access_token.clone(),
        asked_at: granted.asked_at,
        lasting: signed_in.lasting,
        scope: signed_in.scope.map(str::to_owned),
        token_type: None,
        kept: granted.kept.clone(),
    };
    let refresh_end = ends.map_or(RefreshEnd::Unsaid, |length| RefreshEnd::At(granted.asked_at + length));
    apply(document, &Change { access: Some(access), refresh_token: None, refresh_end }, true, None)
}

/// The lifetime of the access token, from the answer or the token itself. Without a lifetime, a token that can be
/// refreshed counts as valid for an hour, so that it is refreshed.
pub(super) fn lasting(granted: &TokenResponse, usual: Option<std::time::Duration>) -> Lasting {
    let claimed = granted.expires_at.or_else(|| crate::tokens::jwt_expiry(granted.access_token.expose()));
    let said = granted.expires_in.or_else(|| claimed.map(|end| end.since(granted.asked_at)));
    let assumed = || {
        let refreshable = granted.refresh_token.is_some();
        refreshable.then(|| usual.unwrap_or(std::time::Duration::from_hours(1)))
    };
    said.or_else(assumed).map_or(Lasting::Unlimited, Lasting::For)
}

/// The expiry of the access token.
pub(super) fn end(granted: &TokenResponse, lasting: Lasting) -> Option<Timestamp> {
    match lasting {
        Lasting::For(length) => Some(granted.asked_at + length),
        Lasting::Unlimited => None,
    }
}

/// A file without facts, in the style of files that people write.
pub(super) fn empty() -> Result<Document, Unusable> {
    Document::parse("{\n  \"provider\": \"\"\n}\n")
}

/// Sets one member. [`MemberValue::Nothing`] adds no member.
pub(super) fn set(document: Document, name: &str, setting: &MemberValue<'_>) -> Result<Document, Unusable> {
    // A text can always be printed as JSON.
    let quoted = |text: &str| zeroize::Zeroizing::new(serde_json::to_string(text).unwrap_or_default());
    match setting {
        MemberValue::Text(text) if document.text(name).as_deref() == Some(text) => Ok(document),
        MemberValue::Text(text) => document.with(name, &quoted(text)),
        MemberValue::Secret(secret) => document.with(name, &quoted(secret.expose())),
        MemberValue::Json(text) => document.with(name, text),
        MemberValue::Nothing if document.raw(name).is_some() => document.with(name, "null"),
        MemberValue::Nothing => Ok(document),
    }
}
