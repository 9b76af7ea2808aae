//! What else is in the tokens directory while an answer is stored: a file may have been moved during its refresh, or an
//! old copy been put in its place.

use std::collections::BTreeSet;

use super::context::Context;
use super::member::Member;
use crate::files::{Directory, Stamp};
use crate::secret::Fingerprint;
use crate::state::is_replaced;
use crate::tokens::directory::{self, TokenFile};

/// What storing an answer may need of the directory, whenever it is done.
pub(super) struct Neighbours {
    directory: Directory,
    /// The names in it that are the program's own configurations.
    generated: Vec<String>,
    /// Refresh tokens of these files that a refresh replaced lately. Looked up before the request: after the answer
    /// nothing may come between it and the disk.
    replaced: Vec<Fingerprint>,
}

impl Neighbours {
    /// Those of `members`.
    pub(super) fn new(context: &Context<'_>, members: &[Member]) -> Self {
        let names = members.iter().flat_map(|member| &member.names);
        let tokens = |name: &String| context.state.known_state(name).replaced.tokens().collect::<Vec<_>>();
        Self {
            directory: context.directory.clone(),
            generated: context.generated.to_vec(),
            replaced: names.flat_map(tokens).collect(),
        }
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether a refresh replaced the token: a file that turns up with it is an old copy, not a new sign-in.
    pub(super) fn is_replaced(&self, token: Fingerprint) -> bool {
        self.replaced.contains(&token) || is_replaced(&self.directory, token)
    }

    /// The file that holds the refresh token `sent` under a name that is none of `known`: the very file that was
    /// `before`, where it is still there, else another with that token.
    pub(super) fn find(
        &self,
        sent: Fingerprint,
        before: &Stamp,
        known: &BTreeSet<&str>,
    ) -> Option<TokenFile> {
        let listing = directory::list(&self.directory, &self.generated).ok()?;
        let names = listing.names.iter().filter(|name| !known.contains(name.as_str()));
        let read = names.filter_map(|name| directory::read(&self.directory, name).ok().flatten());
        let holds = |file: &TokenFile| file.document.refresh_fingerprint() == Some(sent);
        let mut found: Vec<TokenFile> = read.filter(holds).collect();
        let same = found.iter().position(|file| file.stamp.identity() == before.identity());
        (!found.is_empty()).then(|| found.swap_remove(same.unwrap_or(0)))
    }
}
