//! The tokens directory, judged.

use std::collections::{BTreeMap, BTreeSet};

use super::credential::Credential;
use super::kept_token::KeptToken;
use super::kept_tokens::KeptTokens;
use super::memory::Memory;
use crate::files::{Directory, FileAt, LastRead};
use crate::oauth::ClientFile;
use crate::ordered;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::Problem;
use crate::tokens::spelled::file_in;

/// The directory, judged.
#[derive(Default)]
pub(crate) struct TokenScan {
    /// The token files, sorted by name.
    pub tokens: Vec<Credential>,
    /// The client-credential files beside them.
    pub clients: Vec<ClientFile>,
    /// Whether the secrets of those are sealed.
    pub clients_at_rest: BTreeMap<String, AtRest>,
    /// The same files, as they were read.
    pub clients_read: BTreeMap<String, LastRead>,
    /// Files without a token, as they were read.
    pub without_token: BTreeMap<String, LastRead>,
    /// The names that are links.
    pub links: BTreeSet<String>,
    /// Files that cannot be used, with the reasons.
    pub problems: Vec<(String, Problem)>,
    /// The problems that have changed since the last cycle.
    pub changed_problems: Vec<String>,
    /// Files of services and of the gateway that hold no token.
    pub empty: Vec<String>,
    /// Files with secrets that other users may read, with the place of each.
    pub open: Vec<(String, FileAt)>,
    /// The number of files that were read.
    pub read: usize,
    /// All listed names, sorted.
    pub names: Vec<String>,
    /// Copies of token files, by their names. Copies are never read.
    pub copies: Vec<String>,
    /// Names beside which a crash left a file, and that are not refreshed.
    pub leftovers: Vec<String>,
}

impl TokenScan {
    pub(crate) fn find(&self, name: &str) -> Option<&Credential> {
        let index = self.tokens.binary_search_by(|token| token.name().cmp(name)).ok()?;
        self.tokens.get(index)
    }

    /// Whether `about` is the name of a file that is no longer in the directory.
    pub(crate) fn lacks(&self, about: &str) -> bool {
        let known = self.names.iter().chain(&self.copies).any(|name| name == about);
        !known && !about.contains('/')
    }

    /// The files for which no request can be made, with the fact that lacks.
    pub(crate) fn unresolved(&self) -> BTreeMap<String, String> {
        let lacking = |token: &Credential| Some((token.name().to_owned(), token.unresolved.clone()?));
        ordered::map(self.tokens.iter().filter_map(lacking))
    }

    /// The names of the token files that have changed since the last cycle.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &str> {
        let changed = self.tokens.iter().filter(|token| token.source.has_changed);
        changed.map(Credential::name).chain(self.changed_problems.iter().map(String::as_str))
    }

    /// The facts for the next cycle, without secrets. `directory` is the tokens directory.
    pub(crate) fn into_memory(self, directory: Directory) -> Memory {
        let tokens = self.tokens.into_iter().map(KeptToken::of);
        let tokens = KeptTokens::pack(tokens, |name| self.links.contains(name));
        let found = |name: &str| file_in(&directory, name).followed_inode().ok();
        let problems = self.problems.into_iter().map(|(name, _)| (found(&name), name));
        Memory {
            tokens,
            clients: self.clients_read,
            without_token: self.without_token,
            problems: ordered::map(problems.map(|(found, name)| (name, found))),
            links: self.links,
            distrusted: false,
            directory: Some(directory),
        }
    }
}
