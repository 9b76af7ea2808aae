//! The mark: a note in the lock file that says which refresh token was sent.
//!
//! The mark is written durably before the request and cleared after the new token is stored. So a mark that is found
//! means that a process died in between. Its two fingerprints tell whether the token file is still the one from before.

use crate::clock::Timestamp;
use crate::secret::Fingerprint;
use crate::tokens::Document;

/// Which refresh token was sent, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// When the refresh token was first sent without a known outcome.
    pub since: Timestamp,
    /// When the refresh token was last sent: tells an attempt whose process died from the attempts on record.
    pub last: Timestamp,
    /// The refresh token that was sent.
    pub refresh: Option<Fingerprint>,
    /// The access token that the file held at that time.
    pub access: Option<Fingerprint>,
}

/// The place of a token that the file does not have.
const NONE: &str = "----------------";

impl Mark {
    /// The mark for sending the refresh token of `document` at `last`, and first at `since`.
    pub(crate) fn of(document: &Document, since: Timestamp, last: Timestamp) -> Self {
        let access = document.access_token().map(|token| token.fingerprint());
        Self { since, last, refresh: document.refresh_fingerprint(), access }
    }

    /// Reads a note. Anything but a whole mark counts as none: a torn write, or an older format.
    pub(crate) fn parse(note: &str) -> Option<Self> {
        let mut words = note.strip_suffix('\n')?.split(' ');
        let mut next = || words.next();
        let (version, since, last, refresh, access) = (next()?, next()?, next()?, next()?, next()?);
        let time = |word: &str| word.parse().ok().map(Timestamp::from_millis);
        let print = |word: &str| match word {
            NONE => Some(None),
            word => Fingerprint::parse(word).map(Some),
        };
        (version == "sent" && next().is_none()).then_some(Self {
            since: time(since)?,
            last: time(last)?,
            refresh: print(refresh)?,
            access: print(access)?,
        })
    }

    /// The note's text: always of one length, so that a new note replaces an older one in a single write.
    pub(crate) fn note(&self) -> String {
        let print =
            |token: Option<Fingerprint>| token.map_or_else(|| NONE.to_owned(), |token| token.to_string());
        format!(
            "sent {:020} {:020} {} {}\n",
            self.since.as_millis(),
            self.last.as_millis(),
            print(self.refresh),
            print(self.access)
        )
    }

    /// Whether the mark was made for exactly these tokens.
    pub(crate) fn names(&self, document: &Document) -> bool {
        let now = Self::of(document, self.since, self.last);
        self.refresh == now.refresh && self.access == now.access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_anything_else_is_none() {
        let document = Document::parse(r#"{"refresh_token":"r","access_token":"a"}"#).ok().unwrap();
        let first = Timestamp::from_millis(1_767_225_600_123);
        let mark = Mark::of(&document, first, first + std::time::Duration::from_secs(5));
        assert_eq!(Mark::parse(&mark.note()), Some(mark.clone()));
        assert!(mark.names(&document));
        assert!(!mark.names(&Document::parse(r#"{"refresh_token":"r","access_token":"b"}"#).ok().unwrap()));
        let whole = mark.note();
        for cut in 0..whole.len() {
            assert_eq!(Mark::parse(&whole[..cut]), None);
        }
        assert_eq!(Mark::parse(&whole.replace("sent", "kept")), None);
    }

    #[test]
    fn a_missing_token_has_a_place_too() {
        let document = Document::parse(r#"{"refresh_token":"r"}"#).ok().unwrap();
        let (zero, now) = (Timestamp::from_millis(0), Timestamp::now());
        let mark = Mark::of(&document, zero, zero);
        assert_eq!(mark.note().len(), Mark::of(&document, now, now).note().len());
        assert!(Mark::parse(&mark.note()).unwrap().names(&document));
    }
}
