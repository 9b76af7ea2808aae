//! Counts the sealed token files without a key, by their contents.

use std::fmt;

use serde::Serialize;

use crate::secret::Fingerprint;
use crate::text::Count;
use crate::tokens::at_rest::AtRest;

/// The numbers of sealed and plain files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct SealCounts {
    /// The key id of the daemon's first key, where it has one.
    pub key: Option<Fingerprint>,
    /// Files with a secret in plain text.
    pub plain: usize,
    /// Files that are sealed, with the daemon's key where that key is known.
    pub sealed: usize,
    /// Files that are sealed with another key than the daemon's.
    pub older_key: usize,
}

impl SealCounts {
    /// Counts files; `key` is the daemon's.
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a AtRest>, key: Option<Fingerprint>) -> Self {
        let mut counts = Self { key, ..Self::default() };
        for file in files {
            match file {
                AtRest::NoSecret => {}
                AtRest::Plain => counts.plain += 1,
                sealed if sealed.is_of_another_key(key) => counts.older_key += 1,
                AtRest::Sealed(_) => counts.sealed += 1,
            }
        }
        counts
    }

    /// Whether sealing is in use, so that people are told of it.
    pub(super) const fn is_in_use(&self) -> bool {
        self.key.is_some() || self.sealed + self.older_key > 0
    }
}

impl fmt::Display for SealCounts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} sealed, {} plain", Count(self.sealed, "file"), self.plain)?;
        if self.older_key > 0 {
            write!(out, ", {} sealed with an older key (token-refresher seal)", self.older_key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_the_key_that_sealed_them() {
        let print = |name: &str| Fingerprint::of(name.as_bytes());
        let sealed = |names: &[&str]| AtRest::Sealed(names.iter().map(|name| print(name)).collect());
        let files = [
            AtRest::NoSecret,
            AtRest::Plain,
            sealed(&["new"]),
            sealed(&["old"]),
            sealed(&["new", "old"]),
            sealed(&[]),
        ];
        for (key, expected) in [
            (
                Some(print("new")),
                "2 files sealed, 1 plain, 2 sealed with an older key (token-refresher seal)",
            ),
            (None, "4 files sealed, 1 plain"),
        ] {
            assert_eq!(SealCounts::of(files.iter(), key).to_string(), expected);
        }
        assert!(!SealCounts::of(files[..2].iter(), None).is_in_use());
    }
}
