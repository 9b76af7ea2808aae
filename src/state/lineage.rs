//! The successors of refresh tokens, from the records of the status file, else from the history.

use std::collections::HashSet;

use super::credential::CredentialState;
use super::history::History;
use super::replaced::{REMEMBERED, ReplacedTokens, Replacement, Successors};
use crate::files::{Directory, reason};
use crate::secret::Fingerprint;

/// The known refresh tokens of one tokens directory.
#[derive(Default)]
pub(super) struct Lineage {
    successors: Successors,
    /// The refresh token that the last refresh stored, of every file: nothing has replaced these.
    latest: HashSet<Fingerprint>,
    history: History,
    /// Why the history could not be read or written the last time.
    failure: Option<String>,
}

impl Lineage {
    /// Builds the tables from the records, after many records may have changed.
    pub(super) fn index<'a>(&mut self, records: impl Iterator<Item = &'a CredentialState>) {
        self.successors = Successors::default();
        self.latest.clear();
        for state in records {
            self.successors.learn(&state.replaced);
            self.latest.extend(state.replaced.latest().map(|latest| latest.successor));
        }
        // The tables held the results of earlier searches.
        self.history.forget_looks();
    }

    /// Whether the tables hold many more tokens than the records of so many files: each refresh adds one, for years.
    /// The history on disk has those that the records have no longer.
    pub(super) fn is_overgrown(&self, files: usize) -> bool {
        self.successors.count() + self.history.count() > 1000 + 2 * REMEMBERED * files
    }

    /// Takes over the latest replacement of a record, and adds it to the history in `tokens`.
    pub(super) fn learn(&mut self, replaced: &ReplacedTokens, tokens: Option<&Directory>) {
        let Some(Replacement { token, successor }) = replaced.latest() else { return };
        // Other files of a chain report the same replacement, and a mended old copy reports a known one.
        if let Some(tokens) = tokens.filter(|_| self.successors.newest(token).is_none()) {
            self.failure = self.history.add(tokens, token, successor).err().map(|error| reason(&error));
        }
        self.latest.remove(&token);
        self.latest.insert(successor);
        self.successors.learn_latest(replaced);
    }

    /// Searches the history in `directory` for those of these refresh tokens that the records do not have.
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

    /// The youngest successor of `token`, as far as it was searched.
    pub(super) fn newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        self.successors.newest(token)
    }

    /// Why the history could not be read or written the last time, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let why = self.failure.as_ref()?;
        Some(format!("the history of replaced refresh tokens cannot be kept: {why}"))
    }
}
