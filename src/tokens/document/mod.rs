//! One token file as a document: its fields are read, and its text is changed only where a refresh changed a field.
//!
//! Readers are lenient about the forms that other tools write: numbers as text, nesting under `tokens`, list scopes.
//! Readers are strict about what would be sent: a refresh token that is no text is never guessed.

mod draft;
mod parsed;
mod secrets;
mod unusable;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

pub(crate) use draft::DocumentDraft;
pub(crate) use unusable::Unusable;

use self::parsed::{BYTE_ORDER_MARK, FindNamed, ParsedText};
use super::written_time::WrittenTime;
use crate::clock::Timestamp;
use crate::json::{self, JsonMember};
use crate::ordered;
use crate::secret::{Secret, is_printable};

/// The members that hold a secret. None is ever handed out as plain text.
const SECRET_MEMBERS: [&str; 7] =
    ["access_token", "refresh_token", "token", "id_token", "client_secret", "private_key", "password"];

/// The members in which tools write when the access token expires, the usual one first.
pub(super) const EXPIRY_MEMBERS: [&str; 10] = [
    "expires_at",
    // google-auth, and googleapis for Node (in milliseconds).
    "expiry",
    "expiry_date",
    // Azure.
    "expires_on",
    "access_token_expiration",
    "access_token_expires_at",
    "token_expiry",
    "expiration",
    "expires",
    "expiresAt",
];

/// When a document says that its access token expires.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Expiry {
    /// The document does not say.
    Unsaid,
    /// At this time.
    At(Timestamp),
    /// The value of this member is no time.
    Unreadable(&'static str),
}

/// A token file's text with its members found. Has no `Debug`, since its text is a secret.
#[derive(Clone)]
pub(crate) struct Document {
    /// Shared by the clones, so that there is one copy of the secrets.
    parsed: Arc<ParsedText>,
    /// The edits that are not in the text yet, as name and JSON text. Only a [`DocumentDraft`] has some.
    pending: Vec<(String, Zeroizing<String>)>,
}

/// The kind of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileKind {
    /// An access token or a refresh token.
    Token,
    /// A client id and a client secret: credentials for token files with the same client id.
    ClientCredentials,
    /// Anything else that people keep in the directory.
    Other,
}

impl Document {
    /// Reads `text`, a byte order mark allowed. Checks only members that a request would use.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        Self::read(Zeroizing::new(text.to_owned()))
    }

    /// The same of a text that needs no copy.
    pub(crate) fn read(text: Zeroizing<String>) -> Result<Self, Unusable> {
        let document = Self::read_to_replace(text)?;
        document.check_tokens()?;
        Ok(document)
    }

    /// Like [`Self::parse`], for a text whose tokens are to be replaced: a token that cannot be sent is no fault.
    pub(crate) fn read_to_replace(text: Zeroizing<String>) -> Result<Self, Unusable> {
        Self::of(text, Vec::new())
    }

    /// The document of `text`, which is the result of these edits.
    fn of(text: Zeroizing<String>, edits: Vec<(String, Zeroizing<String>)>) -> Result<Self, Unusable> {
        let parsed = ParsedText::of(text, edits).map_err(Unusable::NotAnObject)?;
        let document = Self { parsed: Arc::new(parsed), pending: Vec::new() };
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), Unusable> {
        for member in [
            "access_token",
            "refresh_token",
            "token",
            "client_secret",
            "client_id",
            "provider",
            "token_endpoint",
        ] {
            let Some(value) = self.raw(member) else { continue };
            if self.decoded(member).is_none() {
                return Err(Unusable::NotText { member, found: json::kind(value) });
            }
        }
        Ok(())
    }

    fn check_tokens(&self) -> Result<(), Unusable> {
        if self.holds("refresh_token") && !self.holds_token("refresh_token") {
            return Err(Unusable::BadCharacter { member: "refresh_token" });
        }
        if !self.has_access_token()
            && self.holds("access_token")
            && !self.holds_placeholder("access_token")
            && !self.holds("refresh_token")
        {
            // Only a refresh can replace a broken access token.
            return Err(Unusable::BadCharacter { member: "access_token" });
        }
        Ok(())
    }

    /// Whether a member is a text that is not empty. Copies no secret, like [`Self::holds_token`].
    fn holds(&self, name: &str) -> bool {
        self.decoded(name).is_some_and(|text| !text.is_empty())
    }

    /// Whether a member is a text of characters that a token may have (RFC 6749 appendix A).
    fn holds_token(&self, name: &str) -> bool {
        self.decoded(name).is_some_and(|text| !text.is_empty() && is_printable(&text))
    }

    /// The whole text, as the file has it.
    pub(crate) fn file_text(&self) -> &str {
        &self.parsed.text
    }

    /// The JSON text of a member: the last one of that name, and first among nested token fields. `null` counts as
    /// absent.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        let pending =
            || self.pending.iter().rfind(|(edited, _)| edited == name).map(|(_, value)| value.as_str());
        let written = || Some(&self.parsed.plain()[self.written(name)?.place.clone()]);
        pending().or_else(written).filter(|value| *value != "null")
    }

    /// The member of that name which counts: the last one, and first among nested token fields.
    fn written(&self, name: &str) -> Option<&JsonMember> {
        self.inner_members().rfind_named(name).or_else(|| self.parsed.top.iter().rfind_named(name))
    }

    /// The text of a member, secret or not; `None` for any other value.
    fn decoded(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.pending.is_empty() {
            self.written(name)?.text(self.parsed.plain())
        } else {
            json::as_text(self.raw(name)?)
        }
    }

    /// A member's text; `None` when it is missing, empty or no text, and for members that are secret.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        plain_text(name, &self.decoded(name)?)
    }

    /// A text member of the object under `metadata`, where generators keep how they got the token.
    pub(crate) fn metadata(&self, name: &str) -> Option<String> {
        let metadata = self.raw("metadata")?;
        let members = json::members(metadata).ok()?;
        let found = members.iter().rfind_named(name)?;
        found.text(metadata).map(Cow::into_owned)
    }

    /// Every member that is plain text and no secret, by name, for endpoint templates.
    pub(crate) fn plain_texts(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        // The last member of a name counts, and a nested one before one above it.
        for member in self.parsed.top.iter().chain(self.inner_members()) {
            let text = member.text(self.parsed.plain()).and_then(|text| plain_text(&member.name, &text));
            match text {
                Some(text) => drop(texts.insert(member.name.clone(), text)),
                None => ordered::remove(&mut texts, member.name.as_str()),
            }
        }
        texts
    }

    /// A secret member; `None` when it is missing or empty.
    pub(crate) fn secret(&self, name: &str) -> Option<Secret> {
        let text = self.decoded(name)?;
        (!text.is_empty()).then(|| Secret::new(text))
    }

    /// The access token: `access_token`, or `token` alone, if it can be sent in a header.
    pub(crate) fn access_token(&self) -> Option<Secret> {
        self.secret(self.access_member()?)
    }

    /// Reads the access token without a copy of it, unless the file spells the token with escapes.
    pub(crate) fn in_access_token<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        match self.decoded(self.access_member()?)? {
            Cow::Borrowed(token) => read(token),
            Cow::Owned(token) => read(&Zeroizing::new(token)),
        }
    }

    /// Whether the document holds an access token that can be sent in a header.
    pub(crate) fn has_access_token(&self) -> bool {
        self.access_member().is_some()
    }

    fn access_member(&self) -> Option<&'static str> {
        *self.parsed.access_member.get_or_init(|| self.find_access())
    }

    /// The members of the nested object, where there is one.
    fn inner_members(&self) -> impl DoubleEndedIterator<Item = &JsonMember> {
        self.parsed.inner.iter().flat_map(|(_, members)| members)
    }

    fn find_access(&self) -> Option<&'static str> {
        let alone =
            || !self.holds("access_token") && !self.holds("refresh_token") && self.holds_token("token");
        let holds = |name: &str| self.holds_token(name) && !self.holds_placeholder(name);
        if holds("access_token") {
            Some("access_token")
        } else {
            alone().then_some("token").filter(|name| holds(name))
        }
    }

    /// Whether a member holds a text of templates and examples in the place of a token.
    fn holds_placeholder(&self, name: &str) -> bool {
        self.decoded(name).is_some_and(|text| is_placeholder(&text))
    }

    /// `"refresh": false`: another program owns this credential, and this one only watches it.
    pub(crate) fn is_monitored_only(&self) -> bool {
        matches!(self.raw("refresh"), Some("false" | "\"false\""))
    }

    /// A member that is a time.
    pub(crate) fn time(&self, name: &str) -> Option<WrittenTime> {
        WrittenTime::read(self.raw(name)?)
    }

    /// The members that say when the access token expires, with the times that they hold.
    pub(super) fn expiries(&self) -> impl Iterator<Item = (&'static str, WrittenTime)> + '_ {
        EXPIRY_MEMBERS.into_iter().filter_map(|name| Some((name, self.time(name)?))).filter(
            |(name, written)| {
                // Under another name, a number before the year 2001 is a length of time, or something else.
                *name == "expires_at" || written.at > Timestamp::from_seconds(1_000_000_000)
            },
        )
    }

    /// When the access token expires, according to the document.
    pub(crate) fn expiry(&self) -> Expiry {
        if let Some((_, written)) = self.expiries().next() {
            return Expiry::At(written.at);
        }
        let blank = |raw: &str| json::as_text(raw).is_some_and(|text| text.trim().is_empty());
        let unreadable =
            EXPIRY_MEMBERS.into_iter().take(4).find(|name| self.raw(name).is_some_and(|raw| !blank(raw)));
        unreadable.map_or(Expiry::Unsaid, Expiry::Unreadable)
    }

    /// A member that is a length of time in seconds, as a number or as text; positive.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        let raw = self.raw(name)?;
        let seconds: f64 = json::as_text(raw).map_or_else(|| raw.parse(), |text| text.trim().parse()).ok()?;
        // A thousand years: a longer time is a mistake, and would overflow later sums.
        (seconds > 0.0 && seconds < 3.2e10).then(|| Duration::from_secs_f64(seconds))
    }

    /// Whether the member exists, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parsed.top.iter().chain(self.inner_members()).any(|member| member.name == name)
            || self.pending.iter().any(|(edited, _)| edited == name)
    }

    /// The `scopes` list, where it is a list of texts.
    pub(crate) fn scope_list(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.raw("scopes")?).ok()
    }

    /// The scope as one text: `scope`, else the `scopes` list joined by blanks.
    pub(crate) fn scope(&self) -> Option<String> {
        self.text("scope")
            .or_else(|| self.scope_list().filter(|list| !list.is_empty()).map(|list| list.join(" ")))
    }

    pub(crate) fn kind(&self) -> FileKind {
        if self.holds("refresh_token") || self.has_access_token() || self.wants_a_first_token() {
            FileKind::Token
        } else if self.text("client_id").is_some() && self.holds("client_secret") {
            FileKind::ClientCredentials
        } else {
            FileKind::Other
        }
    }

    /// Whether the file says that an application gets its token for its credentials, and holds no token yet. A file
    /// that `revoke` has signed out gets none until a person signs in again.
    fn wants_a_first_token(&self) -> bool {
        self.text("grant_type").as_deref() == Some("client_credentials")
            && self.raw("signed_out_at").is_none()
    }

    /// The oddities that do not make the document useless, a sentence each, quoting nothing.
    pub(crate) fn oddities(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.parsed.text.starts_with(BYTE_ORDER_MARK) {
            said.push("it begins with a byte order mark, which other tools refuse; it is kept".to_owned());
        }
        for name in ["access_token", "refresh_token", "expires_at", "expires_in", "client_id", "provider"] {
            let count = |members: &[JsonMember]| members.iter().filter(|member| member.name == name).count();
            let ParsedText { top, inner, .. } = &*self.parsed;
            if count(top) > 1 || inner.as_ref().is_some_and(|(_, members)| count(members) > 1) {
                said.push(format!("it has {name} more than once; the last one counts"));
            }
        }
        if let Expiry::Unreadable(name) = self.expiry() {
            said.push(format!(
                "its {name} is not a time that can be read; a refresh writes a good one, else write seconds since 1970"
            ));
        }
        if self.holds("access_token") && !self.has_access_token() {
            let what = if self.holds_placeholder("access_token") {
                "is a placeholder"
            } else {
                "contains a character that no token has"
            };
            said.push(format!("its access_token {what}; it counts as missing"));
        }
        said
    }
}

/// Whether a text is a placeholder for a token, as templates and examples have it.
fn is_placeholder(text: &str) -> bool {
    const KNOWN: [&str; 9] =
        ["placeholder", "changeme", "replaceme", "todo", "none", "null", "undefined", "token", "accesstoken"];
    let text = text.trim();
    // Without a copy, and no further than a real token differs: every token of a scan is compared.
    let letters = || text.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let last =
        || text.bytes().rev().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    KNOWN.iter().any(|known| letters().eq(known.bytes()))
        || letters().take(4).eq(*b"your") && last().take(5).eq(*b"nekot")
        || letters().all(|letter| letter == b'x') && letters().nth(2).is_some()
        || text.starts_with('<') && text.ends_with('>')
}

/// The text of a member without white space around it; `None` for an empty one or a secret.
fn plain_text(name: &str, text: &str) -> Option<String> {
    (!SECRET_MEMBERS.contains(&name) && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests;
