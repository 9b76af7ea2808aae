//! The text of a token file, parsed.

use std::ops::Range;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::json::{self, JsonMember, NotAnObject};
use crate::secret::{Fingerprint, clear_for_wipe};

/// The mark that some editors put before a text.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file and the members found in it. Places are counted from the first character that is no byte order
/// mark.
pub(super) struct ParsedText {
    /// The whole text of the file.
    pub text: Zeroizing<String>,
    /// The place of the first character that is no byte order mark.
    begin: usize,
    pub top: Vec<JsonMember>,
    /// The object under `tokens`, if the token fields are there: its place and members.
    pub inner: Option<(Range<usize>, Vec<JsonMember>)>,
    /// The member that holds the access token, found once: a scan of ten thousand files needs it often.
    pub access_member: OnceLock<Option<&'static str>>,
    /// The texts of the edits that made the document from another one. Wiped with the document, since wiping earlier
    /// would delay an answer that waits for the disk.
    _edits: Vec<(String, Zeroizing<String>)>,
    /// The fingerprint of the refresh token, found once, because a sealed token must be decoded for it.
    pub refresh_fingerprint: OnceLock<Option<Fingerprint>>,
}

impl Drop for ParsedText {
    fn drop(&mut self) {
        clear_for_wipe(&mut self.text);
    }
}

impl ParsedText {
    /// Finds the members of `text`.
    pub(super) fn of(
        text: Zeroizing<String>,
        edits: Vec<(String, Zeroizing<String>)>,
    ) -> Result<Self, NotAnObject> {
        let plain = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
        let begin = text.len() - plain.len();
        let top = json::members(plain)?;
        let inner = nested(plain, &top);
        let (access_member, refresh_fingerprint) = (OnceLock::new(), OnceLock::new());
        Ok(Self { text, begin, top, inner, access_member, _edits: edits, refresh_fingerprint })
    }

    /// The text without a byte order mark.
    pub(super) fn plain(&self) -> &str {
        &self.text[self.begin..]
    }
}

/// The object under `tokens` and its members, if it and not the level `top` above it has the token fields.
fn nested(text: &str, top: &[JsonMember]) -> Option<(Range<usize>, Vec<JsonMember>)> {
    let is_above =
        |name| top.iter().rfind_named(name).is_some_and(|found| &text[found.place.clone()] != "null");
    if is_above("access_token") || is_above("refresh_token") {
        return None;
    }
    let place = top.iter().rfind_named("tokens")?.place.clone();
    let mut members = json::members(&text[place.clone()]).ok()?;
    for member in &mut members {
        member.place = member.place.start + place.start..member.place.end + place.start;
    }
    members
        .iter()
        .any(|member| matches!(&*member.name, "access_token" | "refresh_token"))
        .then_some((place, members))
}

pub(super) trait FindNamed<'a> {
    /// The last member called `name`: as in most parsers, the last of two counts.
    fn rfind_named(self, name: &str) -> Option<&'a JsonMember>;
}

impl<'a, I: DoubleEndedIterator<Item = &'a JsonMember>> FindNamed<'a> for I {
    fn rfind_named(mut self, name: &str) -> Option<&'a JsonMember> {
        self.rfind(|member| member.name == name)
    }
}
