//! How the secrets of a document are stored on the disk. Seals and opens them.

use super::document::{Document, DocumentDraft, Unusable};
use crate::sealing::{Seal, SecretMember, StoredSecret};
use crate::secret::{Fingerprint, Secret};

/// How the secrets of a file are stored on the disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum AtRest {
    /// The file holds no secret.
    #[default]
    NoSecret,
    /// At least one secret is plain text.
    Plain,
    /// All secrets are sealed, with the keys of these numbers. A damaged text names no key.
    Sealed(Vec<Fingerprint>),
}

impl AtRest {
    pub(crate) fn of(document: &Document) -> Self {
        let mut found = Self::NoSecret;
        for (_, form) in document.seals() {
            let kid = match form {
                StoredSecret::Plain => return Self::Plain,
                StoredSecret::Sealed(header) => Some(header.kid),
                StoredSecret::Damaged(_) => None,
            };
            if found == Self::NoSecret {
                found = Self::Sealed(Vec::new());
            }
            if let Self::Sealed(kids) = &mut found {
                kids.extend(kid.filter(|kid| !kids.contains(kid)));
            }
        }
        found
    }

    /// Whether the file is sealed, and a part of it with another key than this one.
    pub(crate) fn is_of_another_key(&self, key: Option<Fingerprint>) -> bool {
        let Self::Sealed(kids) = self else { return false };
        key.is_some_and(|key| kids.iter().any(|kid| *kid != key))
    }
}

/// `document` with these secrets in their members, sealed if `seal` is given.
pub(crate) fn with_secrets(
    document: Document,
    secrets: &[(SecretMember, Secret)],
    seal: Option<&Seal>,
) -> Result<Document, Unusable> {
    let mut draft = DocumentDraft::of(document);
    for (member, secret) in secrets {
        draft.set_secret(*member, secret, seal)?;
    }
    draft.finish_readable()
}

/// The secrets of `document` that are plain text.
pub(crate) fn plain_secrets(document: &Document) -> Vec<(SecretMember, Secret)> {
    let plain = document.seals().filter(|(_, form)| *form == StoredSecret::Plain);
    plain.filter_map(|(member, _)| Some((member, document.stored(member)?))).collect()
}

/// The shortest secret that is looked for in the rest of its file. A shorter one may be there by chance.
const SHORTEST: usize = 12;

/// The first of these secrets that `document` holds a second time, outside of its own member. Sealing would leave the
/// other copy readable.
pub(crate) fn second_copy(document: &Document, secrets: &[(SecretMember, Secret)]) -> Option<SecretMember> {
    let text = document.file_text();
    let is_twice = |(member, secret): &&(SecretMember, Secret)| {
        document.count(member.name()) > 1
            || secret.expose().len() >= SHORTEST && text.matches(secret.expose()).count() > 1
    };
    secrets.iter().find(is_twice).map(|(member, _)| *member)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text).ok().unwrap()
    }

    #[test]
    fn a_second_copy_in_the_file_is_found() {
        let token = "a-long-refresh-token";
        for (text, expected) in [
            (format!(r#"{{"refresh_token":"{token}"}}"#), None),
            (format!(r#"{{"refresh_token":"{token}","raw":{{"refresh_token":"{token}"}}}}"#), true.into()),
            (format!(r#"{{"refresh_token":"other","refresh_token":"{token}"}}"#), true.into()),
            (format!(r#"{{"tokens":{{"refresh_token":"{token}"}},"note":"{token}"}}"#), true.into()),
            (r#"{"refresh_token":"short","note":"short"}"#.to_owned(), None),
        ] {
            let document = document(&text);
            let found = second_copy(&document, &plain_secrets(&document));
            assert_eq!(found, expected.map(|_: bool| SecretMember::RefreshToken), "{text}");
        }
    }

    #[test]
    fn a_file_with_one_plain_secret_is_plain() {
        for (text, expected) in [
            (r#"{"access_token":"a"}"#, AtRest::NoSecret),
            (r#"{"access_token":"a","refresh_token":"r"}"#, AtRest::Plain),
            (r#"{"client_id":"c","client_secret":"s"}"#, AtRest::Plain),
            (r#"{"refresh_token":""}"#, AtRest::NoSecret),
        ] {
            assert_eq!(AtRest::of(&document(text)), expected, "{text}");
        }
    }
}
