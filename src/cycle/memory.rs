//! The files as a cycle read them. The next cycle reads only those that have changed.
//!
//! No secret is kept. Client-credential files are read in every cycle. Token files are read again where a
//! configuration must be written.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use super::kept_token::KeptToken;
use crate::files::{Directory, Inode, LastRead};
use crate::tokens::spelled::file_in;

#[derive(Default)]
pub(crate) struct Memory {
    /// The tokens directory; `None`: there was no cycle.
    pub directory: Option<Directory>,
    /// The token files, sorted by name, without the access tokens that configurations need.
    pub tokens: Vec<KeptToken>,
    /// The client-credential files.
    pub clients: BTreeMap<String, LastRead>,
    /// Files without a token.
    pub without_token: BTreeMap<String, LastRead>,
    /// The metadata of files that could not be used.
    pub problems: BTreeMap<String, Option<Inode>>,
    /// The names that are links.
    pub links: BTreeSet<String>,
    /// Whether every file must be read, even where its metadata are unchanged.
    pub distrusted: bool,
}

/// The earlier facts about one file.
#[allow(clippy::large_enum_variant, reason = "made and taken apart at once, for every file of a cycle")]
pub(super) enum Remembered {
    /// A token file.
    Token(KeptToken),
    /// A file without a token.
    WithoutToken(LastRead),
    /// A file that could not be used, with its metadata.
    Unusable(Option<Inode>),
    /// No cycle could have seen the file.
    Unknown,
    /// The file was missing, or was a client-credential file.
    Nothing,
}

/// Gives a memory back file by file, in the order of their names.
pub(super) struct Recall {
    tokens: Peekable<IntoIter<KeptToken>>,
    rest: Memory,
}

impl Memory {
    /// Makes the next cycle read every file.
    pub(super) fn distrust(&mut self) {
        self.distrusted = true;
    }

    /// Whether a file has changed since the last cycle. No file is opened.
    pub(crate) fn is_outdated(&self) -> bool {
        let Some(directory) = &self.directory else { return false };
        let followed = |name: &str| file_in(directory, name).followed_inode().ok();
        let token_differs = |token: &KeptToken| {
            let found = if self.links.contains(&token.source.name) {
                followed(&token.source.name)
            } else {
                token.source.real.inode().ok()
            };
            found.as_ref() != Some(token.source.read.found())
        };
        let read = self.clients.iter().chain(&self.without_token);
        self.tokens.iter().any(token_differs)
            || read.into_iter().any(|(name, read)| followed(name).as_ref() != Some(read.found()))
            || self.problems.iter().any(|(name, found)| followed(name) != *found)
    }

    /// Gives the memory back.
    pub(super) fn recall(&mut self) -> Recall {
        let mut rest = std::mem::take(self);
        Recall { tokens: std::mem::take(&mut rest.tokens).into_iter().peekable(), rest }
    }
}

impl Recall {
    /// The earlier facts about the file `name`. Names must come in their order.
    pub(super) fn next(&mut self, name: &str) -> Remembered {
        if self.rest.directory.is_none() {
            return Remembered::Unknown;
        }
        while self.tokens.next_if(|token| *token.source.name < *name).is_some() {}
        if let Some(token) = self.tokens.next_if(|token| token.source.name == name) {
            return Remembered::Token(token);
        }
        if let Some(read) = self.rest.without_token.remove(name) {
            return Remembered::WithoutToken(read);
        }
        self.rest.problems.remove(name).map_or(Remembered::Nothing, Remembered::Unusable)
    }

    /// Whether the facts about a file, which `is_link` now, can be used at all.
    pub(super) fn is_of_use(&self, name: &str, is_link: bool) -> bool {
        !self.rest.distrusted && self.rest.links.contains(name) == is_link
    }

    /// Whether these client-credential files, which were read now, are unchanged.
    pub(super) fn has_clients(
        &self,
        now: &BTreeMap<String, LastRead>,
        trusts: impl Fn(&LastRead, &Inode) -> bool,
    ) -> bool {
        let known = &self.rest.clients;
        known.len() == now.len()
            && now.iter().all(|(name, read)| known.get(name).is_some_and(|known| trusts(known, read.found())))
    }
}
