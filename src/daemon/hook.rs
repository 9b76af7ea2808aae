//! `--on-refresh`: a command that is run after tokens changed, once for all that changed in a cycle.
//!
//! The command runs beside the loop, which only looks whether the run has ended. Changed files that no
//! run was told of are kept in the status file: neither a failure nor a crash loses one. A failed run is
//! tried again after 30 s doubling to an hour, or as soon as another file changes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::command::{CommandError, Task, run};
use crate::clock::{Timestamp, Words};
use crate::settings::Settings;
use crate::state::{HookRecord, Store};
use crate::tokens::name::stem;

/// How long the command may take. A stop waits for it this long, within the unit's `TimeoutStopSec`.
const LIMIT: Duration = Duration::from_secs(30);

/// The delay after the first failure; it doubles.
const SHORTEST: Duration = Duration::from_secs(30);

/// No delay is longer.
const LONGEST: Duration = Duration::from_hours(1);

/// The longest list in one variable, of which Linux takes 128 KiB. A longer list is left out: the count
/// says enough.
const LONGEST_LIST: usize = 64 << 10;

/// The command, and the changed files that it is still to be told of.
pub(super) struct Hook {
    words: Vec<String>,
    directory: PathBuf,
    tokens_dir: PathBuf,
    /// Its PATH and its HOME, where there is one.
    inherited: Vec<(&'static str, OsString)>,
    /// Changed files not yet passed to a run.
    waiting: BTreeSet<String>,
    running: Option<Running>,
    record: HookRecord,
}

/// A run in progress.
struct Running {
    told: BTreeSet<String>,
    ended: Receiver<Result<(), CommandError>>,
    /// By when it has certainly ended.
    deadline: Instant,
}

impl Hook {
    /// The command of `settings`, with the changed files that an earlier process has left. Without a
    /// command nothing is remembered or run.
    pub(super) fn new(settings: &Settings, store: &Store) -> Self {
        let own = |name| settings.environment.of_process_only(name).map(ToOwned::to_owned);
        let path = own("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let home = own("HOME").map(|home| ("HOME", home));
        Self {
            inherited: std::iter::once(("PATH", path)).chain(home).collect(),
            words: settings.on_refresh.clone(),
            directory: settings.dir.clone(),
            tokens_dir: settings.tokens_dir.clone(),
            waiting: store.hook().waiting,
            running: None,
            record: store.hook(),
        }
    }

    /// These files hold other tokens than before.
    pub(super) fn changed(&mut self, names: impl IntoIterator<Item = String>, store: &Store) {
        let mut names = names.into_iter().peekable();
        if self.words.is_empty() || names.peek().is_none() {
            return;
        }
        self.waiting.extend(names);
        // A new change is told at once, whatever the last run came to.
        self.retry_now();
        self.remember(store);
    }

    /// Lets a failed run be tried again now.
    pub(super) fn retry_now(&mut self) {
        self.record.next_attempt = None;
    }

    /// Takes in a run that has ended, and starts the next one; `wake` is called when that one has ended.
    pub(super) fn poll(&mut self, store: &Store, wake: impl FnOnce() + Send + 'static) {
        if let Some(running) = &self.running {
            match running.ended.try_recv() {
                Err(TryRecvError::Empty) => return,
                Ok(result) => self.record_end(result, store),
                Err(TryRecvError::Disconnected) => self.record_end(Err(vanished()), store),
            }
        }
        let now = Timestamp::now();
        if !self.words.is_empty() && !self.waiting.is_empty() && self.wait(now).is_zero() {
            self.start(wake);
        }
    }

    /// How long until the next attempt; `None` where there is nothing to tell or it is running.
    pub(super) fn next(&self) -> Option<Duration> {
        let idle = self.words.is_empty() || self.waiting.is_empty() || self.running.is_some();
        (!idle).then(|| self.wait(Timestamp::now()))
    }

    /// At the end of the process: waits for a run in progress, and starts one for the files that are left.
    /// A run that failed before is left for the next start. The error says how the last run failed.
    pub(super) fn finish(&mut self, store: &Store) -> Result<(), String> {
        for _ in 0..2 {
            if self.running.is_none() {
                self.poll(store, || {});
            }
            let Some(running) = &self.running else { break };
            let left = running.deadline.saturating_duration_since(Instant::now());
            let result = match running.ended.recv_timeout(left) {
                Ok(result) => result,
                Err(RecvTimeoutError::Timeout) => Err(CommandError::TooLong(LIMIT)),
                Err(RecvTimeoutError::Disconnected) => Err(vanished()),
            };
            self.record_end(result, store);
        }
        match &self.record.error {
            Some(error) if !self.words.is_empty() => Err(format!("--on-refresh: {error}")),
            _ => Ok(()),
        }
    }

    fn wait(&self, now: Timestamp) -> Duration {
        let next = self.record.next_attempt;
        // Never longer than the longest delay, whatever a wrong clock has left.
        next.map_or(Duration::ZERO, |next| next.since(now)).min(LONGEST)
    }

    fn start(&mut self, wake: impl FnOnce() + Send + 'static) {
        let task = Task {
            words: self.words.clone(),
            environment: self.environment(),
            directory: self.directory.clone(),
            limit: LIMIT,
        };
        let (send, ended) = channel();
        let runs = move || {
            // The receiver is gone where the process is.
            let _ = send.send(run(&task));
            wake();
        };
        // Some seconds for killing what takes too long.
        let deadline = Instant::now() + LIMIT + Duration::from_secs(5);
        self.running = Some(Running { told: std::mem::take(&mut self.waiting), ended, deadline });
        // Where no thread can be started, the sender is gone, which is taken for a failure.
        let _ = std::thread::Builder::new().name("on-refresh".to_owned()).spawn(runs);
    }

    /// Everything that the command is told: nothing is inherited but where programs and the home are.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let names: Vec<&str> = self.waiting.iter().map(|file| stem(file)).collect();
        let files: Vec<String> =
            self.waiting.iter().map(|file| self.tokens_dir.join(file).display().to_string()).collect();
        let list = |lines: String| if lines.len() > LONGEST_LIST { String::new() } else { lines };
        let mut environment = self.inherited.clone();
        environment.extend([
            ("TOKEN_REFRESHER_DIR", self.directory.clone().into()),
            ("TOKEN_REFRESHER_TOKENS_DIR", self.tokens_dir.clone().into()),
            ("TOKEN_REFRESHER_CHANGED", self.waiting.len().to_string().into()),
            ("TOKEN_REFRESHER_CHANGED_NAMES", list(names.join("\n")).into()),
            ("TOKEN_REFRESHER_CHANGED_FILES", list(files.join("\n")).into()),
        ]);
        environment
    }

    fn record_end(&mut self, result: Result<(), CommandError>, store: &Store) {
        let Some(running) = self.running.take() else { return };
        let now = Timestamp::now();
        match result {
            Ok(()) => {
                log::debug!(target: "REFRESH", "--on-refresh: was told of {}", running.told.len());
                if self.record.failures > 0 {
                    log::info!(target: "REFRESH", "--on-refresh: works again");
                }
                (self.record.failures, self.record.error, self.record.next_attempt) = (0, None, None);
            }
            Err(failed) => {
                // Beside what has changed meanwhile, perhaps once more.
                self.waiting.extend(running.told);
                self.failed(&failed.to_string(), now);
            }
        }
        self.remember(store);
    }

    fn failed(&mut self, error: &str, now: Timestamp) {
        if self.record.failures == 0 {
            self.record.since = now;
        }
        self.record.failures = self.record.failures.saturating_add(1);
        let delay = delay(self.record.failures);
        self.record.next_attempt = Some(now + delay);
        if self.record.error.as_deref() != Some(error) {
            let program = &self.words[0];
            log::warn!(target: "REFRESH", "--on-refresh: {program} {error}; next attempt in {}", Words(delay));
        }
        self.record.error = Some(error.to_owned());
    }

    fn remember(&mut self, store: &Store) {
        let told = self.running.iter().flat_map(|running| &running.told);
        self.record.waiting = told.chain(&self.waiting).cloned().collect();
        // Of two records of the same millisecond the later one must count.
        self.record.updated = Timestamp::now().max(self.record.updated + Duration::from_millis(1));
        store.set_hook(self.record.clone());
    }
}

/// After that many failures in a row.
fn delay(failures: u32) -> Duration {
    SHORTEST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
}

/// The error of a run whose thread is gone and has sent no result.
fn vanished() -> CommandError {
    CommandError::NotStarted(std::io::Error::other("no thread can be started"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_an_hour() {
        let seconds = [1, 2, 3, 7, 8, 9, 1000].map(|failures| delay(failures).as_secs());
        assert_eq!(seconds, [30, 60, 120, 1920, 3600, 3600, 3600]);
    }
}
