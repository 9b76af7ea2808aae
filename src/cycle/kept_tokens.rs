//! The token files between two cycles, packed into a few large blocks of memory. Thousands of small blocks would lie
//! between the tokens that a cycle reads. The allocator gives back a page only when the whole page is free.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::kept_token::{KeptToken, RareFacts};
use crate::files::{Directory, FileAt, LastRead};
use crate::secret::Fingerprint;
use crate::services::TokenSource;
use crate::tokens::Life;
use crate::tokens::at_rest::AtRest;
use crate::tokens::name::Role;
use crate::tokens::spelled::file_in;

/// Token files, sorted by name.
#[derive(Default)]
pub(crate) struct KeptTokens {
    /// All names, one after the other.
    names: String,
    tokens: Vec<PackedToken>,
}

/// The facts of a [`KeptToken`] beside its name.
struct PackedToken {
    /// The end of the name among all names.
    name_end: usize,
    server_at: usize,
    role: Role,
    has_access: bool,
    needs_clients: bool,
    read: LastRead,
    life: Life,
    refresh_hash: Option<Fingerprint>,
    entry_digest: Option<Fingerprint>,
    access_hash: Option<Fingerprint>,
    endpoint: Option<Arc<String>>,
    odd: Option<Box<OddFacts>>,
}

/// The facts that differ from those of a usual file: no link, its secrets in plain text.
struct OddFacts {
    /// The file, where the name is a link.
    real: Option<FileAt>,
    at_rest: AtRest,
    rare: Option<RareFacts>,
}

impl KeptTokens {
    /// Packs `tokens`, which are sorted by name. `is_link` tells the names that are links.
    pub(super) fn pack(
        tokens: impl ExactSizeIterator<Item = KeptToken>,
        is_link: impl Fn(&str) -> bool,
    ) -> Self {
        let mut packed = Self { names: String::new(), tokens: Vec::with_capacity(tokens.len()) };
        let mut endpoints = BTreeSet::new();
        for token in tokens {
            let KeptToken { source, access_hash, endpoint, needs_clients, rare } = token;
            packed.names.push_str(&source.name);
            let real = is_link(&source.name).then_some(source.real);
            let is_odd = real.is_some() || source.at_rest != AtRest::Plain || rare.is_some();
            packed.tokens.push(PackedToken {
                name_end: packed.names.len(),
                server_at: source.server_at,
                role: source.role,
                has_access: source.has_access,
                needs_clients,
                read: source.read,
                life: source.life,
                refresh_hash: source.refresh_hash,
                entry_digest: source.entry_digest.into_inner().flatten(),
                access_hash,
                endpoint: endpoint.map(|endpoint| shared(&mut endpoints, endpoint)),
                odd: is_odd.then(|| Box::new(OddFacts { real, at_rest: source.at_rest, rare })),
            });
        }
        packed.names.shrink_to_fit();
        packed
    }

    /// The names with the state in which each file was read.
    pub(super) fn read(&self) -> impl Iterator<Item = (&str, &LastRead)> {
        (0..self.tokens.len())
            .zip(&self.tokens)
            .filter_map(|(index, token)| Some((self.name(index)?, &token.read)))
    }

    /// The name of the file at `index`; `None` behind the last.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        let end = self.tokens.get(index)?.name_end;
        let start = index.checked_sub(1).map_or(0, |before| self.tokens[before].name_end);
        Some(&self.names[start..end])
    }

    /// Unpacks the file at `index`, which is now in `directory`. Its odd facts are taken out.
    pub(super) fn unpack(&mut self, index: usize, directory: &Directory) -> Option<KeptToken> {
        let name = self.name(index)?.to_owned();
        let token = self.tokens.get_mut(index)?;
        let (real, at_rest, rare) = match token.odd.take() {
            Some(odd) => (odd.real, odd.at_rest, odd.rare),
            None => (None, AtRest::Plain, None),
        };
        let real = real.unwrap_or_else(|| file_in(directory, &name));
        let source = TokenSource {
            name,
            real,
            read: token.read,
            has_changed: false,
            role: token.role,
            server_at: token.server_at,
            life: token.life,
            has_access: token.has_access,
            refresh_hash: token.refresh_hash,
            at_rest,
            entry: None,
            entry_digest: OnceCell::from(token.entry_digest),
        };
        let (access_hash, needs_clients) = (token.access_hash, token.needs_clients);
        Some(KeptToken { source, access_hash, endpoint: token.endpoint.take(), needs_clients, rare })
    }
}

/// The one text of an endpoint that many files have.
fn shared(endpoints: &mut BTreeSet<Arc<String>>, endpoint: Arc<String>) -> Arc<String> {
    if let Some(known) = endpoints.get(&endpoint) {
        return known.clone();
    }
    endpoints.insert(endpoint.clone());
    endpoint
}
