//! The status file, shared between processes: read, merge and replace under a lock of its own.
//!
//! A change is in memory at once and on disk with the next [`Store::flush`]: at the end of a cycle, so that two
//! thousand files in a directory that cannot be written do not write this one two thousand times. A failure of a
//! request is flushed while the credential's lock is still held: a process that waits for that lock must find the
//! delay. A success need not be: what matters of it is in the token file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::credential::{CredentialState, FailureKind, LastFailure};
use super::file::{ClientRecord, CycleRecord, DaemonRecord, HookRecord, StatusFile};
use super::outage::Outage;
use super::replaced::Successors;
use crate::clock::Timestamp;
use crate::files::{
    Lock, LockError, OWN_DIRECTORY, ReadError, Stamp, own_directory, read_whole, reason, replace_text,
};
use crate::secret::Fingerprint;

/// How long another process that writes the status file is waited for: it needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The status file of one tokens directory.
pub(crate) struct Store {
    tokens: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    file: StatusFile,
    /// Whether `file` holds a change that is not on disk.
    changed: bool,
    /// The state of the file on disk that `file` includes.
    read: Option<Stamp>,
    /// Why writing failed last, to be said by the cycle.
    failure: Option<String>,
    successors: Successors,
}

impl Known {
    /// Brings the table of successors in line with the records, after many may have changed.
    fn index(&mut self) {
        self.successors = Successors::default();
        for state in self.file.files.values() {
            self.successors.learn(&state.replaced);
        }
    }
}

impl Store {
    /// The store of the tokens directory `tokens`, with what earlier processes left there.
    pub(crate) fn open(tokens: &Path) -> Self {
        let store = Self { tokens: tokens.to_owned(), known: Mutex::new(Known::default()) };
        store.catch_up(&mut store.known());
        store
    }

    /// The endpoints that were in trouble when the file was last written.
    pub(crate) fn endpoints(&self) -> BTreeMap<String, Outage> {
        self.known().file.endpoints.clone()
    }

    /// Takes in what other processes wrote, for the questions of one cycle.
    pub(crate) fn refresh(&self) {
        self.catch_up(&mut self.known());
    }

    /// What is known of a file, other processes' latest attempts included.
    pub(crate) fn get(&self, file: &str) -> CredentialState {
        let mut known = self.known();
        self.catch_up(&mut known);
        known.file.files.get(file).cloned().unwrap_or_default()
    }

    /// Like [`Store::get`], from memory: a scan calls it for every file.
    pub(crate) fn known_state(&self, file: &str) -> CredentialState {
        self.known().file.files.get(file).cloned().unwrap_or_default()
    }

    /// Changes what is known of a file, other processes' latest attempts included. On disk with the next
    /// [`Store::flush`].
    pub(crate) fn update(&self, file: &str, change: impl FnOnce(&mut CredentialState)) {
        let mut known = self.known();
        self.catch_up(&mut known);
        let before = known.file.files.get(file).cloned().unwrap_or_default();
        let mut state = before.clone();
        change(&mut state);
        if state == before {
            return;
        }
        state.updated = Timestamp::now().max(before.updated + Duration::from_millis(1));
        if state.replaced != before.replaced {
            known.successors.learn_latest(&state.replaced);
        }
        known.file.files.insert(file.to_owned(), state);
        known.changed = true;
    }

    /// The youngest token that took the place of `token`, where a refresh replaced it in any file, in this process
    /// or another.
    pub(crate) fn newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        let mut known = self.known();
        self.catch_up(&mut known);
        known.successors.newest(token)
    }

    /// Like [`Store::newest`], from memory.
    pub(crate) fn known_newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        self.known().successors.newest(token)
    }

    /// Whether the endpoint at `origin` has refreshed another token than those of `files` since then.
    pub(crate) fn has_refreshed_others(&self, origin: &str, since: Timestamp, files: &[&str]) -> bool {
        self.known().file.files.iter().any(|(name, state)| {
            let at_origin = state.origin.as_deref() == Some(origin);
            at_origin && state.last_success > Some(since) && !files.contains(&name.as_str())
        })
    }

    /// Writes the file where something in it has changed. A failure is kept for [`Store::failure`]: it must not
    /// stop a refresh.
    pub(crate) fn flush(&self) {
        let mut known = self.known();
        if known.changed {
            self.write(&mut known);
        }
    }

    /// The last cycle, of whichever process.
    pub(crate) fn cycle(&self) -> Option<CycleRecord> {
        self.known().file.cycle.clone()
    }

    /// Ends every credential's wait after a transient failure: SIGUSR1 says that the network is back.
    pub(crate) fn end_waits(&self) {
        self.retry_now(FailureKind::Transient);
    }

    /// Ends every credential's wait after an endpoint refused its request: the process has started, or a signal came.
    pub(crate) fn end_refusals(&self) {
        self.retry_now(FailureKind::Configuration);
    }

    fn retry_now(&self, kind: FailureKind) {
        let mut known = self.known();
        for state in known.file.files.values_mut() {
            let waiting = |failure: &&mut LastFailure| failure.kind == kind && failure.next_attempt.is_some();
            if let Some(failure) = state.failure.as_mut().filter(waiting) {
                failure.next_attempt = Some(failure.last_attempt);
                state.updated = state.updated + Duration::from_millis(1);
            }
        }
        known.changed = true;
    }

    /// Says which daemon runs, from the next write on.
    pub(crate) fn set_daemon(&self, daemon: DaemonRecord) {
        self.known().file.daemon = Some(daemon);
    }

    /// The daemon (or `--once`, where none ran) that left its settings last.
    pub(crate) fn daemon(&self) -> Option<DaemonRecord> {
        self.known().file.daemon.clone()
    }

    /// What was left in the clients' files, other processes' latest doings included.
    pub(crate) fn clients(&self) -> BTreeMap<String, ClientRecord> {
        let mut known = self.known();
        self.catch_up(&mut known);
        known.file.clients.clone()
    }

    /// Remembers what was left in a client's file, from the next write on.
    pub(crate) fn record_client(&self, name: String, record: ClientRecord) {
        self.known().file.clients.insert(name, record);
    }

    /// What is known of `--on-refresh`.
    pub(crate) fn hook(&self) -> HookRecord {
        self.known().file.hook.clone()
    }

    /// Remembers what is known of the `--on-refresh` command, at once: a change that it was not told of must
    /// outlive a crash.
    pub(crate) fn set_hook(&self, hook: HookRecord) {
        let mut known = self.known();
        known.file.hook = hook;
        self.write(&mut known);
    }

    /// Ends a cycle: remembers it, forgets files that are long gone, and writes the file where
    /// something in it has changed.
    pub(crate) fn end_cycle(
        &self,
        mut cycle: CycleRecord,
        endpoints: BTreeMap<String, Outage>,
        present: &[String],
        now: Timestamp,
    ) {
        let mut known = self.known();
        let before = known.file.cycle.as_ref().map_or(0, |before| before.tokens.max(before.vanished));
        let vanished = if cycle.tokens == 0 { before } else { 0 };
        cycle.vanished = vanished;
        known.file.cycle = Some(cycle);
        known.file.endpoints = endpoints;
        known.file.forget_gone(present, now);
        self.write(&mut known);
    }

    /// Why the file could not be written the last time, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.known().failure.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is a whole record, so a panicking worker leaves a usable table.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.tokens.join(OWN_DIRECTORY).join("status.json")
    }

    /// Reads the file where another process has written it since.
    fn catch_up(&self, known: &mut Known) {
        let path = self.path();
        let stamp = std::fs::symlink_metadata(&path).ok().map(|metadata| Stamp::of(&metadata));
        if stamp.is_none() || stamp == known.read {
            return;
        }
        if let Ok((text, stamp)) = read_whole_status(&path) {
            let first = known.read.is_none();
            let other = StatusFile::parse(&text);
            if first {
                known.file.endpoints.clone_from(&other.endpoints);
            }
            known.file.merge(other);
            known.read = Some(stamp);
            known.index();
        }
    }

    fn write(&self, known: &mut Known) {
        known.failure = self.try_write(known).err();
        known.changed = known.failure.is_some();
    }

    fn try_write(&self, known: &mut Known) -> Result<(), String> {
        let path = self.path();
        let say = |error: &io::Error| format!("{} cannot be written: {}", path.display(), reason(error));
        let own = own_directory(&self.tokens).map_err(|error| say(&error))?;
        let _lock = Lock::exclusive(&own.join("status.lock"), PATIENCE).map_err(|error| match error {
            LockError::Busy => {
                format!("{} cannot be written: another process holds its lock", path.display())
            }
            LockError::Io(error) => say(&error),
        })?;
        self.catch_up(known);
        // A plain document of numbers, texts and maps with text keys: printing it cannot fail.
        let mut text = serde_json::to_string(&known.file).unwrap_or_default();
        text.push('\n');
        replace_text(&path, &text).map_err(|error| say(&error))?;
        known.read = std::fs::symlink_metadata(&path).ok().map(|metadata| Stamp::of(&metadata));
        Ok(())
    }
}

/// The status file of ten thousand tokens is larger than a token file may be.
fn read_whole_status(path: &Path) -> io::Result<(String, Stamp)> {
    match read_whole(path) {
        Ok((text, stamp)) => Ok((text.to_string(), stamp)),
        Err(ReadError::TooLarge(_)) => {
            let metadata = std::fs::metadata(path)?;
            Ok((std::fs::read_to_string(path)?, Stamp::of(&metadata)))
        }
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}
