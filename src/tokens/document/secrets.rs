//! The secret members of a document, which may be sealed.

use super::Document;
use crate::sealing::{SecretMember, StoredSecret, stored};
use crate::secret::{Fingerprint, Secret};

impl Document {
    /// The contents of a secret member: the secret, or a sealed text.
    pub(crate) fn stored(&self, member: SecretMember) -> Option<Secret> {
        self.secret(member.name())
    }

    /// The secret members that the document has, and the form of each.
    pub(crate) fn seals(&self) -> impl Iterator<Item = (SecretMember, StoredSecret)> + '_ {
        SecretMember::ALL.into_iter().filter_map(|member| {
            let text = self.decoded(member.name())?;
            (!text.is_empty()).then(|| (member, stored(&text)))
        })
    }

    /// Whether a secret member holds a sealed text, whole or damaged.
    pub(crate) fn is_sealed(&self) -> bool {
        self.seals().any(|(_, form)| form != StoredSecret::Plain)
    }

    /// Whether the document holds a refresh token, sealed or not.
    pub(crate) fn has_refresh_token(&self) -> bool {
        self.holds("refresh_token")
    }

    /// The fingerprint of the refresh token. A sealed token tells it in its header; a damaged one equals only its own
    /// copies.
    pub(crate) fn refresh_fingerprint(&self) -> Option<Fingerprint> {
        if self.pending.iter().any(|(name, _)| name == "refresh_token") {
            return self.find_refresh_fingerprint();
        }
        *self.parsed.refresh_fingerprint.get_or_init(|| self.find_refresh_fingerprint())
    }

    fn find_refresh_fingerprint(&self) -> Option<Fingerprint> {
        let text = self.decoded("refresh_token")?;
        let print = || match stored(&text) {
            StoredSecret::Sealed(header) => header.fp,
            StoredSecret::Plain | StoredSecret::Damaged(_) => Fingerprint::of(text.as_bytes()),
        };
        (!text.is_empty()).then(print)
    }

    /// How often the document has a member of that name, at the top or in `tokens`.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.parsed.top.iter().chain(self.inner_members()).filter(|member| member.name == name).count()
    }
}
