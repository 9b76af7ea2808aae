//! A process's view of the status file: reading, merging and writing.
//!
//! The file holds a record for every token file. The file is written whole at the end of a cycle with a changed
//! record. Earlier failures are added to a journal beside it. So two thousand failures do not write two thousand
//! records two thousand times. The record of the cycle, which always changes, has a small file of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::credential::CredentialState;
use super::file::{StatusFile, packed};
use super::lineage::Lineage;
use crate::files::{
    Directory, FileAt, Journal, JournalEnd, Lock, LockError, Stamp, read_own, reason, replace_text,
};
use crate::json::read_objects;
use crate::secret::Fingerprint;

/// The longest wait for another process that writes the status file. A write takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The name in the program's own directory.
const FILE: &str = "status.json";

/// The name of the journal: lines of changed records.
const CHANGES: &str = "status.changes";

/// The name of the file of the last cycle.
const CYCLE: &str = "cycle.json";

/// The largest status file, in bytes: several times the size for 100,000 tokens.
const LARGEST: u64 = 256 << 20;

/// The longest journal beside a shorter status file, in bytes: room for a thousand failures. A journal that is longer
/// than both is merged into a new status file.
const SHORT_JOURNAL: u64 = 1 << 20;

/// The status file of one tokens directory in memory.
#[derive(Default)]
pub(super) struct Known {
    /// The tokens directory, as the last cycle opened it; `None` where it has never existed.
    pub tokens: Option<Directory>,
    pub file: StatusFile,
    /// Whether `file` holds a change that is not on disk, beside the records of `unsaved`.
    pub changed: bool,
    /// The token files whose records are not on disk.
    pub unsaved: BTreeSet<String>,
    /// The state of the file on disk when it was last merged.
    read: Option<Stamp>,
    /// The end of the journal that `file` includes.
    read_changes: Option<JournalEnd>,
    /// The state of the file of the last cycle that `file` includes.
    read_cycle: Option<Stamp>,
    /// Why the last write failed, for a message of the cycle.
    pub failure: Option<String>,
    pub lineage: Lineage,
}

impl Known {
    /// An empty view for the tokens directory `tokens`.
    pub(super) fn new(tokens: Option<Directory>) -> Self {
        Self { tokens, ..Self::default() }
    }

    /// Merges the writes of other processes, the last cycle included.
    pub(super) fn enter(&mut self) {
        self.catch_up();
        if self.lineage.is_overgrown(self.file.files.len()) {
            self.lineage.index(self.file.files.values().map(|state| &**state));
        }
        let Some(file) = self.own().map(|own| own.file_at(CYCLE)) else { return };
        let stamp = file.inode().ok().map(|found| found.stamp);
        if stamp.is_none() || stamp == self.read_cycle {
            return;
        }
        if let Ok((text, stamp)) = read_own(&file, LARGEST) {
            self.file.merge_cycle(read_objects(&text).ok());
            self.read_cycle = Some(stamp);
        }
    }

    /// Merges the writes of other processes. The journal comes first: a process that writes its records into the file
    /// removes the journal afterwards.
    pub(super) fn catch_up(&mut self) {
        let Some(own) = self.own() else { return };
        let (file, changes) = (own.file_at(FILE), journal(&own));
        let mut merged = false;
        if !changes.is_read_to(self.read_changes) {
            let mut others = Vec::new();
            let end = changes.read(self.read_changes, &mut |line| others.extend(read_objects(line).ok()));
            for (name, state) in others {
                let (name, state): (String, Arc<CredentialState>) = (name, state);
                self.file.merge_state(name, state);
                merged = true;
            }
            // A journal that cannot be read now is read the next time.
            self.read_changes = end.unwrap_or(self.read_changes);
        }
        let stamp = file.inode().ok().map(|found| found.stamp);
        if stamp.is_some()
            && stamp != self.read
            && let Ok((text, stamp)) = read_own(&file, LARGEST)
        {
            let other = StatusFile::parse(&text);
            if self.read.is_none() {
                self.file.endpoints.clone_from(&other.endpoints);
            }
            self.file.merge(other);
            self.read = Some(stamp);
            merged = true;
        }
        if merged {
            self.lineage.index(self.file.files.values().map(|state| &**state));
        }
    }

    pub(super) fn look_up(&mut self, tokens: &mut dyn Iterator<Item = Fingerprint>) {
        self.lineage.look_up(tokens, self.tokens.as_ref());
    }

    /// Writes the whole file.
    pub(super) fn write(&mut self) {
        let written = self.locked(Self::write_whole);
        self.note(written);
    }

    /// Adds the records of `unsaved` to the journal.
    pub(super) fn add(&mut self) {
        let added = self.locked(Self::add_changes);
        self.note(added);
    }

    /// Writes the changes of a cycle.
    pub(super) fn end_cycle(&mut self) {
        let written = self.locked(|known, own| {
            let is_there = known.read.is_some() && own.file_at(FILE).inode().is_ok();
            if known.changed || !known.unsaved.is_empty() || known.read_changes.is_some() || !is_there {
                known.write_whole(own)?;
            }
            // The record is plain, as the whole document is.
            let text = serde_json::to_string(&known.file.cycle).unwrap_or_default();
            let file = own.file_at(CYCLE);
            replace_text(&file, &text).map_err(|error| reason(&error))?;
            known.read_cycle = file.inode().ok().map(|found| found.stamp);
            Ok(())
        });
        self.note(written);
    }

    fn own(&self) -> Option<Directory> {
        self.tokens.as_ref()?.own_if_there().ok().flatten().cloned()
    }

    fn note(&mut self, written: Result<(), String>) {
        self.failure = written.err();
        self.changed |= self.failure.is_some();
    }

    /// Writes under the lock of the status file, after the writes of other processes were merged.
    fn locked(
        &mut self,
        write: impl FnOnce(&mut Self, &Directory) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(tokens) = self.tokens.clone() else { return Ok(()) };
        let cannot =
            |why: &str| format!("the status file in {} cannot be written: {why}", tokens.path().display());
        let own = tokens.own().map_err(|error| cannot(&reason(&error)))?;
        let _lock = Lock::exclusive(&own.file_at("status.lock"), PATIENCE).map_err(|error| match error {
            LockError::Busy => cannot("another process holds its lock"),
            LockError::Io(error) => cannot(&reason(&error)),
        })?;
        self.catch_up();
        write(self, own).map_err(|why| cannot(&why))
    }

    fn write_whole(&mut self, own: &Directory) -> Result<(), String> {
        // Numbers, texts and maps with text keys can always be printed as JSON.
        let mut text = serde_json::to_string(&self.file).unwrap_or_default();
        text.push('\n');
        let file = own.file_at(FILE);
        replace_text(&file, &text).map_err(|error| reason(&error))?;
        self.read = file.inode().ok().map(|found| found.stamp);
        self.changed = false;
        if self.unsaved.len() > self.file.files.len() / 2 {
            // The map has grown record by record, which leaves its nodes half empty.
            self.file.files = packed(std::mem::take(&mut self.file.files).into_iter().collect());
        }
        self.unsaved.clear();
        if self.read_changes.is_some() {
            own.file_at(CHANGES).remove().map_err(|error| reason(&error))?;
            self.read_changes = None;
        }
        Ok(())
    }

    fn add_changes(&mut self, own: &Directory) -> Result<(), String> {
        let whole = self.read.map_or(0, |read| read.size());
        if self.read_changes.is_some_and(|end| end.length() > whole.max(SHORT_JOURNAL)) {
            return self.write_whole(own);
        }
        let changes = journal(own);
        while let Some(name) = self.unsaved.pop_first() {
            let Some(state) = self.file.files.get(&name) else { continue };
            let line = serde_json::to_string(&(&name, state)).unwrap_or_default();
            if let Err(error) = changes.add(&line) {
                self.unsaved.insert(name);
                return Err(reason(&error));
            }
        }
        // The lines are merged already: under the lock no other process adds one.
        self.read_changes = changes.end();
        Ok(())
    }
}

/// The journal of changed records. The journal is merged into the status file long before it is full.
fn journal(own: &Directory) -> Journal {
    let file: FileAt = own.file_at(CHANGES);
    Journal::new(file, u64::MAX)
}
