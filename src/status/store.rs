//! The status file, shared between processes: read, merge and replace under a lock of its own.
//!
//! Failures are written at once, while the credential's lock is still held, so that a process that
//! waits for that lock finds the delay that the failure set. Successes are written at the end of a
//! cycle: what matters of them stands in the token file itself, and ten thousand refreshes must not
//! write this file ten thousand times.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::file::{ClientRecord, CycleRecord, DaemonRecord, HookRecord, StatusFile};
use crate::clock::Timestamp;
use crate::files::{Lock, LockError, Stamp, own_directory, read_whole, reason, replace_text};
use crate::refresh::endpoints::Outage;
use crate::refresh::{Kind, Memory, Standing};

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
    /// The state of the file on disk that `file` includes.
    read: Option<Stamp>,
    /// Why writing failed last, to be said by the cycle.
    failure: Option<String>,
    /// The successor of every replaced refresh token, of whichever file.
    successors: BTreeMap<String, String>,
}

impl Known {
    /// Brings the table of successors in line with the records, after many may have changed.
    fn index(&mut self) {
        let spent = self.file.files.values().flat_map(|standing| &standing.spent);
        self.successors = spent.map(|spent| (spent.token.clone(), spent.successor.clone())).collect();
    }

    fn newest(&self, token: &str) -> Option<String> {
        let mut newest = self.successors.get(token)?;
        // Each step leads to a younger token. One that leads back is in use again (a provider may hand
        // out an old token anew), and nothing is known of it.
        for _ in 0..self.successors.len() {
            match self.successors.get(newest) {
                Some(next) if next == token => return None,
                Some(next) => newest = next,
                None => break,
            }
        }
        Some(newest.clone())
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

    /// As [`Memory::standing`], without a look at what other processes wrote since [`Store::refresh`]:
    /// ten thousand files ask in a row.
    pub(crate) fn standing_of_known(&self, file: &str) -> Standing {
        self.known().file.files.get(file).cloned().unwrap_or_default()
    }

    /// As [`Memory::newest`], without a look at what other processes wrote since [`Store::refresh`].
    pub(crate) fn newest_of_known(&self, token: &str) -> Option<String> {
        self.known().newest(token)
    }

    /// The last cycle, of whichever process.
    pub(crate) fn cycle(&self) -> Option<CycleRecord> {
        self.known().file.cycle.clone()
    }

    /// Ends every credential's wait after a passing failure: a person says that the network is back.
    pub(crate) fn end_waits(&self) {
        for standing in self.known().file.files.values_mut() {
            if let Some(trouble) = standing.trouble.as_mut().filter(|trouble| trouble.kind == Kind::Passing) {
                trouble.next_attempt = None;
                standing.updated += 1;
            }
        }
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

    /// Remembers how `--on-refresh` stands, at once: a change that no command has been told of must
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
        cycle: CycleRecord,
        endpoints: BTreeMap<String, Outage>,
        present: &[String],
        now: Timestamp,
    ) {
        let mut known = self.known();
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
        self.tokens.join(crate::files::OWN_DIRECTORY).join("status.json")
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
        Err(crate::files::ReadError::TooLarge(_)) => {
            let metadata = std::fs::metadata(path)?;
            Ok((std::fs::read_to_string(path)?, Stamp::of(&metadata)))
        }
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

impl Memory for Store {
    fn standing(&self, file: &str) -> Standing {
        let mut known = self.known();
        self.catch_up(&mut known);
        known.file.files.get(file).cloned().unwrap_or_default()
    }

    fn record(&self, file: &str, standing: Standing) {
        let mut known = self.known();
        let urgent = standing.trouble.is_some();
        // What an older record knew was replaced stays known: another file may still hold it. Only a token
        // that is in use again (a provider that hands the old one out anew) is none.
        let spent = standing.spent.iter().map(|spent| (spent.token.clone(), spent.successor.clone()));
        known.successors.extend(spent.collect::<Vec<_>>());
        if let Some(present) = &standing.refresh_hash {
            known.successors.remove(present);
        }
        known.file.files.insert(file.to_owned(), standing);
        if urgent {
            self.write(&mut known);
        }
    }

    fn newest(&self, token: &str) -> Option<String> {
        let mut known = self.known();
        self.catch_up(&mut known);
        known.newest(token)
    }
}
