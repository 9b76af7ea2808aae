//! The files as a cycle read them. The next cycle reads only those that have changed.
//!
//! No secret is kept. Client-credential files are read in every cycle. Token files are read again where a
//! configuration must be written.

use std::collections::{BTreeMap, BTreeSet};

use super::kept_token::KeptToken;
use super::kept_tokens::KeptTokens;
use crate::files::{Directory, Inode, LastRead};
use crate::tokens::spelled::file_in;

#[derive(Default)]
pub(crate) struct Memory {
    /// The tokens directory; `None`: there was no cycle.
    pub directory: Option<Directory>,
    /// The token files without the access tokens that configurations need.
    pub tokens: KeptTokens,
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
    memory: Memory,
    /// The next token file to give back.
    next: usize,
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
        let token_differs = |(name, read): (&str, &LastRead)| {
            let file = file_in(directory, name);
            let found = if self.links.contains(name) { file.followed_inode() } else { file.inode() };
            found.ok().as_ref() != Some(read.found())
        };
        let read = self.clients.iter().chain(&self.without_token);
        self.tokens.read().any(token_differs)
            || read.into_iter().any(|(name, read)| followed(name).as_ref() != Some(read.found()))
            || self.problems.iter().any(|(name, found)| followed(name) != *found)
    }

    /// Gives the memory back.
    pub(super) fn recall(&mut self) -> Recall {
        Recall { memory: std::mem::take(self), next: 0 }
    }
}

impl Recall {
    /// The earlier facts about the file `name` of `directory`. Names must come in their order.
    pub(super) fn next(&mut self, name: &str, directory: &Directory) -> Remembered {
        let memory = &mut self.memory;
        if memory.directory.is_none() {
            return Remembered::Unknown;
        }
        while memory.tokens.name(self.next).is_some_and(|known| known < name) {
            self.next += 1;
        }
        if memory.tokens.name(self.next) == Some(name)
            && let Some(token) = memory.tokens.unpack(self.next, directory)
        {
            return Remembered::Token(token);
        }
        if let Some(read) = memory.without_token.get(name) {
            return Remembered::WithoutToken(*read);
        }
        memory.problems.get(name).map_or(Remembered::Nothing, |found| Remembered::Unusable(*found))
    }

    /// Whether the facts about a file, which `is_link` now, can be used at all.
    pub(super) fn is_of_use(&self, name: &str, is_link: bool) -> bool {
        !self.memory.distrusted && self.memory.links.contains(name) == is_link
    }

    /// Whether these client-credential files, which were read now, are unchanged.
    pub(super) fn has_clients(
        &self,
        now: &BTreeMap<String, LastRead>,
        trusts: impl Fn(&LastRead, &Inode) -> bool,
    ) -> bool {
        let known = &self.memory.clients;
        known.len() == now.len()
            && now.iter().all(|(name, read)| known.get(name).is_some_and(|known| trusts(known, read.found())))
    }
}
