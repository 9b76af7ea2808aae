//! Edits of a document: decided one after the other, and made in its text together.
//!
//! An answer is in memory only until the edits are written. So all edits together cost one pass over the text.

use zeroize::Zeroizing;

use super::parsed::FindNamed as _;
use super::{Document, Unusable};
use crate::files::MAX_SIZE;
use crate::json::{self, MemberEdit, spliced, splices};
use crate::sealing::{Seal, SecretMember};
use crate::secret::Secret;

/// A document with edits that are not in its text yet.
pub(crate) struct DocumentDraft(Document);

impl DocumentDraft {
    pub(crate) fn of(document: Document) -> Self {
        Self(document)
    }

    /// The document as its members read with the edits so far. An object keeps its text when members in it are edited.
    pub(crate) fn edited(&self) -> &Document {
        &self.0
    }

    /// Sets `name` to `value` (JSON text), among the token fields unless the member exists above them only. Fails where
    /// an earlier edit makes the document useless.
    pub(crate) fn set(&mut self, name: &str, value: Zeroizing<String>) -> Result<(), Unusable> {
        let moves = self.0.moves_the_token_fields(name, &value);
        if moves {
            // The next edits are for the new place of the token fields.
            self.write()?;
        }
        // The next decisions look the edited member up here. The text is changed later, with all edits.
        self.0.pending.push((name.to_owned(), value));
        if moves { self.write() } else { Ok(()) }
    }

    /// Sets a secret member, sealed if `seal` is given.
    pub(crate) fn set_secret(
        &mut self,
        member: SecretMember,
        secret: &Secret,
        seal: Option<&Seal>,
    ) -> Result<(), Unusable> {
        let sealed = seal.map(|seal| seal.seal(member, secret)).transpose().map_err(Unusable::NotSealed)?;
        self.set(member.name(), json::quoted(sealed.as_ref().unwrap_or(secret).expose()))
    }

    /// The document with all edits in its text. Fails where it is no usable token file any more.
    pub(crate) fn finish(mut self) -> Result<Document, Unusable> {
        self.write()?;
        Ok(self.0)
    }

    /// Like [`Self::finish`]. Fails also where the text is too large to be read back: such a file has lost its tokens.
    pub(crate) fn finish_readable(self) -> Result<Document, Unusable> {
        let document = self.finish()?;
        let size = u64::try_from(document.file_text().len()).unwrap_or(u64::MAX);
        if size > MAX_SIZE { Err(Unusable::TooLarge) } else { Ok(document) }
    }

    /// Makes the edits in the text.
    fn write(&mut self) -> Result<(), Unusable> {
        if self.0.pending.is_empty() {
            return Ok(());
        }
        let text = self.0.with_pending();
        let document = Document::of(text, std::mem::take(&mut self.0.pending))?;
        document.check_tokens()?;
        self.0 = document;
        Ok(())
    }
}

impl Document {
    /// The document with another refresh token, sealed or not, and nothing else changed.
    pub(crate) fn with_refresh_token(self, token: &Secret) -> Result<Self, Unusable> {
        self.with("refresh_token", &json::quoted(token.expose()))
    }

    /// The document with one member changed, as [`DocumentDraft::set`] does it. Fails where the changed text is no
    /// usable token file any more.
    pub(crate) fn with(self, name: &str, value: &str) -> Result<Self, Unusable> {
        let mut draft = DocumentDraft::of(self);
        draft.set(name, Zeroizing::new(value.to_owned()))?;
        draft.finish()
    }

    /// The text with the pending edits in it.
    fn with_pending(&self) -> Zeroizing<String> {
        let edits = self.pending.iter().map(|(name, value)| MemberEdit { name, value });
        let (below, above): (Vec<_>, Vec<_>) = edits.partition(|edit| self.is_below(edit.name));
        let (parsed, text) = (&self.parsed, self.parsed.plain());
        let mut changes = splices(text, 0..text.len(), &parsed.top, &above);
        if let Some((place, members)) = &parsed.inner {
            changes.extend(splices(text, place.clone(), members, &below));
        }
        let byte_order_mark = &parsed.text[..parsed.text.len() - text.len()];
        spliced(byte_order_mark, text, changes)
    }

    /// Whether an edit of `name` belongs into the nested object.
    fn is_below(&self, name: &str) -> bool {
        self.parsed.inner.as_ref().is_some_and(|(_, members)| {
            members.iter().rfind_named(name).is_some() || self.parsed.top.iter().rfind_named(name).is_none()
        })
    }

    /// Whether an edit can change where the token fields are. With a token at the top, the nested object does not count
    /// any more.
    fn moves_the_token_fields(&self, name: &str, value: &str) -> bool {
        let is_token = matches!(name, "access_token" | "refresh_token");
        !self.is_below(name)
            && (name == "tokens" || is_token && (self.parsed.inner.is_some() || value == "null"))
    }
}
