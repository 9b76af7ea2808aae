//! What became of a refresh token: from the records of the status file, and from the history where they do not tell.

use std::collections::BTreeSet;

use super::credential::CredentialState;
use super::history::History;
use super::replaced::{ReplacedTokens, Replacement, Successors};
use crate::files::{Directory, reason};
use crate::secret::Fingerprint;

/// What is known of the refresh tokens of one tokens directory.
#[derive(Default)]
pub(super) struct Lineage {
    successors: Successors,
    /// The refresh tokens that a refresh stored last, of every file: nothing has replaced them.
    latest: BTreeSet<Fingerprint>,
    history: History,
    /// Why the history could not be read or written the last time.
    failure: Option<String>,
}

impl Lineage {
    /// Brings the tables in line with the records, after many may have changed.
    pub(super) fn index<'a>(&mut self, records: impl Iterator<Item = &'a CredentialState>) {
        self.successors = Successors::default();
        self.latest.clear();
        for state in records {
            self.successors.learn(&state.replaced);
            self.latest.extend(state.replaced.latest().map(|latest| latest.successor));
        }
        // What was found in it was in the tables.
        self.history.forget_looks();
    }

    /// Takes in the latest replacement of a record, and adds it to the history in `tokens`.
    pub(super) fn learn(&mut self, replaced: &ReplacedTokens, tokens: Option<&Directory>) {
        let Some(Replacement { token, successor }) = replaced.latest() else { return };
        // The other files of a chain tell the same, and of an old copy that is mended it is known already.
        if let Some(tokens) = tokens.filter(|_| self.successors.newest(token).is_none()) {
            self.failure = self.history.add(tokens, token, successor).err().map(|error| reason(&error));
        }
        self.latest.remove(&token);
        self.latest.insert(successor);
        self.successors.learn_latest(replaced);
    }

    /// Looks up in the history in `directory` what the records do not tell of these refresh tokens.
    pub(super) fn look_up(
        &mut self,
        tokens: &mut dyn Iterator<Item = Fingerprint>,
        directory: Option<&Directory>,
    ) {
        let Self { successors, latest, history, failure } = self;
        let Some(directory) = directory else { return };
        let unclear = |token: &Fingerprint| !latest.contains(token) && successors.newest(*token).is_none();
        match history.look_up(directory, &mut tokens.filter(unclear)) {
            Ok(found) => {
                for (token, newest) in found {
                    successors.learn_old(token, newest);
                }
            }
            Err(error) => *failure = Some(reason(&error)),
        }
    }

    /// The youngest token that took the place of `token`, as far as it was looked up.
    pub(super) fn newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        self.successors.newest(token)
    }

    /// Why the history could not be read or written the last time, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let why = self.failure.as_ref()?;
        Some(format!("the history of replaced refresh tokens cannot be kept: {why}"))
    }
}
