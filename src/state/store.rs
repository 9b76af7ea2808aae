//! The status file, shared between processes: read, merged and replaced under a lock of its own.
//!
//! A change is in memory at once, and on disk with the next [`Store::flush`]. A failed request is flushed while the
//! credential's lock is held: a process that waits for that lock must find the delay. A success may wait, since the
//! token file has the facts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::credential::{CredentialState, FailureKind, LastFailure};
use super::file::{ClientRecord, CycleRecord, DaemonRecord, HookKind, HookRecord};
use super::known::Known;
use super::outage::Outage;
use crate::clock::Timestamp;
use crate::files::Directory;
use crate::secret::Fingerprint;

/// The status file of one tokens directory.
pub(crate) struct Store {
    known: Mutex<Known>,
    /// The record of a file without one.
    nothing: Arc<CredentialState>,
}

impl Store {
    /// The store of the tokens directory `tokens`, with the records of earlier processes.
    pub(crate) fn open(tokens: &Path) -> Self {
        Self::of(Directory::open(tokens).ok())
    }

    /// The store of an open tokens directory. Without one it is empty.
    pub(crate) fn of(tokens: Option<Directory>) -> Self {
        let mut known = Known::new(tokens);
        known.enter();
        Self { known: Mutex::new(known), nothing: Arc::default() }
    }

    /// The endpoints in trouble when the file was last written.
    pub(crate) fn endpoints(&self) -> BTreeMap<String, Outage> {
        self.known().file.endpoints.clone()
    }

    /// Sets the endpoints in trouble. On disk with the next [`Store::flush`].
    pub(crate) fn set_endpoints(&self, endpoints: BTreeMap<String, Outage>) {
        let mut known = self.known();
        known.changed |= known.file.endpoints != endpoints;
        known.file.endpoints = endpoints;
    }

    /// Merges the writes of other processes, for a cycle that has opened `tokens`.
    pub(crate) fn enter(&self, tokens: &Directory) {
        let mut known = self.known();
        known.tokens = Some(tokens.clone());
        known.enter();
    }

    /// Merges the writes of other processes, for questions about files whose locks are held. No other process changes
    /// their records until the locks are free, so memory answers the questions.
    pub(crate) fn catch_up(&self) {
        self.known().catch_up();
    }

    /// The record of a file, with the latest attempts of other processes.
    pub(crate) fn get(&self, file: &str) -> CredentialState {
        let mut known = self.known();
        known.catch_up();
        known.file.files.get(file).map_or_else(CredentialState::default, |state| (**state).clone())
    }

    /// As [`Store::get`], from memory and without a copy: a scan calls this for every file.
    pub(crate) fn known_state(&self, file: &str) -> Arc<CredentialState> {
        self.known().file.files.get(file).unwrap_or(&self.nothing).clone()
    }

    /// Changes the record of a file. On disk with the next [`Store::flush`], which merges newer facts of other
    /// processes.
    pub(crate) fn update(&self, file: &str, change: impl FnOnce(&mut CredentialState)) {
        let mut known = self.known();
        let before = known.file.files.get(file).cloned().unwrap_or_default();
        let mut state = (*before).clone();
        change(&mut state);
        if state == *before {
            return;
        }
        state.updated = Timestamp::now().max(before.updated + Duration::from_millis(1));
        if state.replaced != before.replaced {
            let Known { lineage, tokens, .. } = &mut *known;
            lineage.learn(&state.replaced, tokens.as_ref());
        }
        known.file.files.insert(file.to_owned(), Arc::new(state));
        known.unsaved.insert(file.to_owned());
    }

    /// The youngest successor of `token`, where a refresh of any process replaced it in any file.
    pub(crate) fn newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        let mut known = self.known();
        known.catch_up();
        known.look_up(&mut std::iter::once(token));
        known.lineage.newest(token)
    }

    /// As [`Store::newest`], from memory, where [`Store::look_up`] has seen the token.
    pub(crate) fn known_newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        self.known().lineage.newest(token)
    }

    /// Searches the successors of these refresh tokens at once: a scan does so for all files.
    pub(crate) fn look_up(&self, tokens: &mut dyn Iterator<Item = Fingerprint>) {
        self.known().look_up(tokens);
    }

    /// The file that holds, or held, the refresh token which a refresh stored last.
    pub(crate) fn file_of(&self, token: Fingerprint) -> Option<String> {
        let known = self.known();
        let holds =
            |state: &CredentialState| state.replaced.latest().is_some_and(|latest| latest.successor == token);
        known.file.files.iter().find(|(_, state)| holds(state)).map(|(name, _)| name.clone())
    }

    /// Whether the endpoint at `origin` has refreshed a token of another file than `files` since then.
    pub(crate) fn has_refreshed_others(&self, origin: &str, since: Timestamp, files: &[&str]) -> bool {
        self.known().file.files.iter().any(|(name, state)| {
            let at_origin = state.origin.as_deref() == Some(origin);
            at_origin && state.last_success > Some(since) && !files.contains(&name.as_str())
        })
    }

    /// Writes the file where it has changed. A failure is kept for [`Store::failure`], since it must not stop a
    /// refresh.
    pub(crate) fn flush(&self) {
        let mut known = self.known();
        if known.changed {
            known.write();
        } else if !known.unsaved.is_empty() {
            known.add();
        }
    }

    /// The last cycle of any process.
    pub(crate) fn cycle(&self) -> Option<CycleRecord> {
        self.known().file.cycle.clone()
    }

    /// Ends the waits of all credentials after transient failures: SIGUSR1 tells that the network is back.
    pub(crate) fn end_waits(&self) {
        self.retry_now(FailureKind::Transient);
    }

    /// Ends the waits of all credentials after refusals: the process has started, or a signal came.
    pub(crate) fn end_refusals(&self) {
        self.retry_now(FailureKind::Configuration);
    }

    fn retry_now(&self, kind: FailureKind) {
        let mut known = self.known();
        for state in known.file.files.values_mut() {
            let waits = |failure: &LastFailure| failure.kind == kind && failure.next_attempt.is_some();
            if !state.failure.as_deref().is_some_and(waits) {
                continue;
            }
            let state = Arc::make_mut(state);
            if let Some(failure) = &mut state.failure {
                failure.next_attempt = Some(failure.last_attempt);
            }
            state.updated = state.updated + Duration::from_millis(1);
        }
        known.changed = true;
    }

    /// Sets the running daemon, from the next write on.
    pub(crate) fn set_daemon(&self, daemon: DaemonRecord) {
        let mut known = self.known();
        known.file.daemon = Some(daemon);
        known.changed = true;
    }

    /// The daemon (or `--once`, where none ran) that last recorded its settings.
    pub(crate) fn daemon(&self) -> Option<DaemonRecord> {
        self.known().file.daemon.clone()
    }

    /// The records of the clients' files, with the latest ones of other processes.
    pub(crate) fn clients(&self) -> BTreeMap<String, ClientRecord> {
        let mut known = self.known();
        known.catch_up();
        known.file.clients.clone()
    }

    /// As [`Store::clients`], from memory.
    pub(crate) fn known_clients(&self) -> BTreeMap<String, ClientRecord> {
        self.known().file.clients.clone()
    }

    /// Sets the record of a client's file, from the next write on.
    pub(crate) fn record_client(&self, name: String, record: ClientRecord) {
        let mut known = self.known();
        known.file.clients.insert(name, record);
        known.changed = true;
    }

    /// The record of one of the user's commands.
    pub(crate) fn hook(&self, kind: HookKind) -> HookRecord {
        let known = self.known();
        match kind {
            HookKind::Refresh => known.file.hook.clone(),
            HookKind::Trouble => known.file.trouble_hook.clone(),
        }
    }

    /// Sets the record of one of the user's commands, at once: a file that the command was not told of must survive a
    /// crash.
    pub(crate) fn set_hook(&self, kind: HookKind, hook: HookRecord) {
        let mut known = self.known();
        match kind {
            HookKind::Refresh => known.file.hook = hook,
            HookKind::Trouble => known.file.trouble_hook = hook,
        }
        known.write();
    }

    /// Ends a cycle: records it, removes the records of long gone files, and writes a changed file. The record of the
    /// cycle has a file of its own.
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
        known.changed |= known.file.endpoints != endpoints;
        known.file.endpoints = endpoints;
        known.changed |= known.file.forget_gone(present, now);
        known.end_cycle();
    }

    /// Why the file could not be written the last time, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        let known = self.known();
        known.failure.clone().or_else(|| known.lineage.failure())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is a whole record, so a panicking worker leaves a usable table.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::scratch::Scratch;

    fn fail(store: &Store, file: &str) {
        let failure = LastFailure::new(FailureKind::Transient, "refused", Timestamp::now());
        store.update(file, |state| state.failure = Some(Box::new(failure)));
        store.flush();
    }

    fn end_cycle(store: &Store, present: &[String], tokens: usize) {
        let cycle = CycleRecord { ended: Timestamp::now(), tokens, ..CycleRecord::default() };
        store.end_cycle(cycle, BTreeMap::new(), present, Timestamp::now());
    }

    #[test]
    fn a_year_of_rotations_stays_out_of_memory_and_every_replaced_token_is_known() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch);
        let print = |number: usize| Fingerprint::of(&number.to_be_bytes());
        for number in 0..3000 {
            store.update("a.json", |state| state.replaced.add(print(number), print(number + 1)));
            if number % 10 == 0 {
                store.enter(&Directory::open(&scratch).unwrap());
                assert!(!store.known().lineage.is_overgrown(1), "{number}");
            }
        }
        for number in [0, 1, 1500, 2990, 2999] {
            assert_eq!(store.newest(print(number)), Some(print(3000)), "{number}");
        }
        assert_eq!(store.newest(print(3000)), None);
    }

    #[test]
    fn many_failures_write_the_status_file_once_and_each_is_seen_at_once() {
        let scratch = Scratch::new();
        let [ours, other] = [(), ()].map(|()| Store::open(&scratch));
        let names: Vec<String> = (0..200).map(|index| format!("{index:03}.json")).collect();
        end_cycle(&ours, &names, 0);
        let path = scratch.join(".token-refresher/status.json");
        let written = || fs::metadata(&path).map(|found| (found.ino(), found.ctime_nsec())).unwrap();
        let before = written();
        for name in &names {
            fail(&ours, name);
            assert!(other.get(name).failure.is_some(), "{name}");
        }
        assert_eq!(written(), before);
        // Another process fails too, and both then know all failures.
        fail(&other, "other.json");
        assert!(ours.get("other.json").failure.is_some());
        end_cycle(&ours, &names, 200);
        assert_ne!(written(), before);
        assert!(!scratch.join(".token-refresher/status.changes").exists());
        for store in [&ours, &other, &Store::open(&scratch)] {
            assert!(names.iter().all(|name| store.get(name).failure.is_some()));
            assert!(store.get("other.json").failure.is_some());
        }
    }

    #[test]
    fn a_cycle_in_which_nothing_changes_leaves_the_status_file_alone() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch);
        end_cycle(&store, &[], 1);
        let path = scratch.join(".token-refresher/status.json");
        let before = fs::metadata(&path).unwrap().ino();
        end_cycle(&store, &[], 2);
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(Store::open(&scratch).cycle().unwrap().tokens, 2);
        // A removed file is made again.
        fs::remove_file(&path).unwrap();
        end_cycle(&store, &[], 3);
        assert!(path.exists());
    }

    #[test]
    fn a_change_that_cannot_be_written_is_said_and_written_later() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch);
        end_cycle(&store, &[], 1);
        let changes = scratch.join(".token-refresher/status.changes");
        fs::create_dir(&changes).unwrap();
        fail(&store, "a.json");
        assert!(store.failure().is_some());
        fs::remove_dir(&changes).unwrap();
        store.flush();
        assert!(store.failure().is_none());
        assert!(Store::open(&scratch).get("a.json").failure.is_some());
    }
}
