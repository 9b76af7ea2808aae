//! The other files of the tokens directory while an answer is stored: a file may have been moved during its refresh, or
//! an old copy may have taken its place.

use std::collections::BTreeSet;

use super::context::Context;
use super::member::Member;
use crate::files::{Directory, Stamp};
use crate::secret::Fingerprint;
use crate::services::list_token_files;
use crate::state::is_replaced;
use crate::tokens::directory::{self, TokenFile};

/// The facts about the directory for storing an answer, whenever that succeeds.
pub(super) struct Neighbours {
    directory: Directory,
    /// Refresh tokens of these files that a refresh replaced lately. Looked up before the request, because after the
    /// answer nothing may delay the write.
    replaced: Vec<Fingerprint>,
}

impl Neighbours {
    /// The neighbours of `members`.
    pub(super) fn new(context: &Context<'_>, members: &[Member]) -> Self {
        let names = members.iter().flat_map(|member| &member.names);
        let tokens = |name: &String| context.state.known_state(name).replaced.tokens().collect::<Vec<_>>();
        Self { directory: context.directory.clone(), replaced: names.flat_map(tokens).collect() }
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether a refresh replaced the token. A file that turns up with such a token is an old copy and no new sign-in.
    pub(super) fn is_replaced(&self, token: Fingerprint) -> bool {
        self.replaced.contains(&token) || is_replaced(&self.directory, token)
    }

    /// The file that holds the refresh token `sent` under a name outside of `known`: the very file with the state
    /// `before` if it still exists, else another one with that token.
    pub(super) fn find(
        &self,
        sent: Fingerprint,
        before: &Stamp,
        known: &BTreeSet<&str>,
    ) -> Option<TokenFile> {
        let listing = list_token_files(&self.directory).ok()?;
        let names = listing.names.iter().filter(|name| !known.contains(name.as_str()));
        let read = names.filter_map(|name| directory::read(&self.directory, name).ok().flatten());
        let holds = |file: &TokenFile| file.document.refresh_fingerprint() == Some(sent);
        let mut found: Vec<TokenFile> = read.filter(holds).collect();
        let same = found.iter().position(|file| file.stamp.identity() == before.identity());
        (!found.is_empty()).then(|| found.swap_remove(same.unwrap_or(0)))
    }
}
