//! `--on-refresh` and `--on-trouble`: a command that runs after tokens changed, and one that runs when tokens begin to
//! need a person. Each runs once for all files of a cycle.
//!
//! The command runs beside the loop, which only looks whether the run has ended. The status file holds the files that
//! no run was told of: neither a failure nor a crash loses one. A failed run is retried after 30 s doubling to an
//! hour, or as soon as another file changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::clock::{Timestamp, Words};
use crate::command::{CommandError, Task, run};
use crate::ordered;
use crate::settings::Settings;
use crate::state::{HookKind, HookRecord, Store};
use crate::status::Trouble;
use crate::text::escaped;
use crate::threads;
use crate::tokens::name::stem;
use crate::tokens::spelled::{name_of, spelled};

/// The time limit of the command. A stop waits for a run this long, within the unit's `TimeoutStopSec`.
const LIMIT: Duration = Duration::from_secs(30);

/// The delay after the first failure. Each further failure doubles it.
const SHORTEST: Duration = Duration::from_secs(30);

/// The longest delay.
const LONGEST: Duration = Duration::from_hours(1);

/// The longest list in one variable, in bytes. Linux takes 128 KiB. A longer list is left out, and the count remains.
const LONGEST_LIST: usize = 64 << 10;

/// What a thread calls when a run has ended.
type AtEnd = Box<dyn FnOnce() + Send>;

/// A command, and the files that it has not been told of.
pub(super) struct Hook {
    kind: HookKind,
    words: Vec<String>,
    directory: PathBuf,
    tokens_dir: PathBuf,
    /// PATH and, where there is one, HOME.
    inherited: Vec<(&'static str, OsString)>,
    /// Files not yet passed to a run.
    waiting: BTreeSet<String>,
    /// The files that need a person, as the last cycle found them.
    troubles: BTreeMap<String, Trouble>,
    running: Option<Running>,
    record: HookRecord,
}

/// Both commands. A stop waits for them at the same time.
pub(super) struct Hooks {
    pub refresh: Hook,
    pub trouble: Hook,
}

impl Hooks {
    pub(super) fn new(settings: &Settings, store: &Store) -> Self {
        let hook = |kind| Hook::new(kind, settings, store);
        Self { refresh: hook(HookKind::Refresh), trouble: hook(HookKind::Trouble) }
    }

    /// Lets a failed run be retried at once.
    pub(super) fn retry_now(&mut self) {
        self.refresh.retry_now();
        self.trouble.retry_now();
    }

    /// The time until the next attempt of either command.
    pub(super) fn next(&self) -> Option<Duration> {
        [self.refresh.next(), self.trouble.next()].into_iter().flatten().min()
    }

    /// Ends both at the end of the process, as [`Hook::finish`].
    pub(super) fn finish(&mut self, store: &Store) -> Result<(), String> {
        // This run begins before the wait for the other one.
        self.trouble.poll(store, Box::new(|| {}));
        let refresh = self.refresh.finish(store);
        let trouble = self.trouble.finish(store);
        refresh.and(trouble)
    }
}

/// A run in progress.
struct Running {
    told: BTreeSet<String>,
    ended: Receiver<Result<(), CommandError>>,
    /// The time at which the run has certainly ended.
    deadline: Instant,
}

impl Hook {
    /// The command of `settings`, with the files from an earlier process. Without a command nothing is recorded or
    /// run.
    pub(super) fn new(kind: HookKind, settings: &Settings, store: &Store) -> Self {
        let own = |name| settings.environment.of_process_only(name).map(ToOwned::to_owned);
        let path = own("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let home = own("HOME").map(|home| ("HOME", home));
        let words = match kind {
            HookKind::Refresh => &settings.on_refresh,
            HookKind::Trouble => &settings.on_trouble,
        };
        let record = store.hook(kind);
        Self {
            kind,
            inherited: std::iter::once(("PATH", path)).chain(home).collect(),
            words: words.clone(),
            directory: settings.dir.clone(),
            tokens_dir: settings.tokens_dir.clone(),
            waiting: record.waiting.clone(),
            troubles: BTreeMap::new(),
            running: None,
            record,
        }
    }

    /// Takes over files with changed tokens.
    pub(super) fn changed(&mut self, names: impl IntoIterator<Item = String>, store: &Store) {
        let mut names = names.into_iter().peekable();
        if self.words.is_empty() || names.peek().is_none() {
            return;
        }
        self.waiting.extend(names);
        // A new change is told at once, whether or not the last run failed.
        self.retry_now();
        self.remember(store);
    }

    /// Takes over all files that need a person. A run is ordered for new ones and for those that have become more
    /// urgent.
    pub(super) fn needs_person(&mut self, troubles: BTreeMap<String, Trouble>, store: &Store) {
        if self.words.is_empty() {
            return;
        }
        let ordered = &mut self.record.ordered;
        let before = ordered.clone();
        // A file that has become less urgent is told of again when it becomes more urgent.
        ordered::retain(ordered, |file, told| {
            troubles.get(file).is_some_and(|trouble| {
                *told = trouble.urgency.min(*told);
                true
            })
        });
        let new = |(file, trouble): &(&String, &Trouble)| ordered.get(*file) < Some(&trouble.urgency);
        let new = troubles.iter().filter(new).map(|(file, trouble)| (file.clone(), trouble.urgency));
        let new = ordered::map(new);
        // A file that is well before a run began is not told of.
        self.waiting.retain(|file| troubles.contains_key(file));
        self.waiting.extend(new.keys().cloned());
        let is_new = !new.is_empty();
        ordered.extend(new);
        self.troubles = troubles;
        if is_new {
            self.retry_now();
        }
        if self.record.ordered != before {
            self.remember(store);
        }
    }

    /// Lets a failed run be retried at once.
    pub(super) fn retry_now(&mut self) {
        self.record.next_attempt = None;
    }

    /// Takes over a run that has ended, and starts the next one. `wake` is called when that one has ended.
    pub(super) fn poll(&mut self, store: &Store, wake: AtEnd) {
        if let Some(running) = &self.running {
            match running.ended.try_recv() {
                Err(TryRecvError::Empty) => return,
                Ok(result) => self.record_end(result, store),
                Err(TryRecvError::Disconnected) => self.record_end(Err(vanished()), store),
            }
        }
        let now = Timestamp::now();
        if self.has_news() && self.wait(now).is_zero() {
            self.start(wake);
        }
    }

    /// The time until the next attempt; `None` where there is nothing to tell, or a run is in progress.
    pub(super) fn next(&self) -> Option<Duration> {
        let idle = !self.has_news() || self.running.is_some();
        (!idle).then(|| self.wait(Timestamp::now()))
    }

    /// Whether there is a run to begin. Troubles from an earlier process wait for a first cycle, which finds the ones
    /// that still hold.
    fn has_news(&self) -> bool {
        let known = self.kind == HookKind::Refresh || !self.troubles.is_empty();
        known && !self.words.is_empty() && !self.waiting.is_empty()
    }

    /// Ends the hook at the end of the process: waits for a run in progress, and starts one for the remaining files. A
    /// command that failed before is left for the next start. The error tells how the last run failed.
    pub(super) fn finish(&mut self, store: &Store) -> Result<(), String> {
        for _ in 0..2 {
            if self.running.is_none() {
                self.poll(store, Box::new(|| {}));
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
            Some(error) if !self.words.is_empty() => Err(format!("{}: {error}", self.kind.option())),
            _ => Ok(()),
        }
    }

    fn wait(&self, now: Timestamp) -> Duration {
        let next = self.record.next_attempt;
        // The limit holds even where a wrong clock has left a later time.
        next.map_or(Duration::ZERO, |next| next.since(now)).min(LONGEST)
    }

    fn start(&mut self, wake: AtEnd) {
        let task = Task {
            words: self.words.clone(),
            environment: self.environment().into_iter().map(|(name, value)| (name.into(), value)).collect(),
            directory: self.directory.clone(),
            limit: LIMIT,
        };
        let (send, ended) = channel();
        let runs = move || {
            // The receiver is gone when the process ends.
            let _ = send.send(run(&task));
            wake();
        };
        // The addition is for killing a command that takes too long.
        let deadline = Instant::now() + LIMIT + Duration::from_secs(5);
        self.running = Some(Running { told: std::mem::take(&mut self.waiting), ended, deadline });
        // Where no thread can be started, the sender is dropped, which counts as a failure.
        let _ = threads::start(self.kind.option().trim_start_matches('-'), runs);
    }

    /// The whole environment of the command. Only PATH and HOME are inherited.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut environment = self.inherited.clone();
        environment.extend([
            ("TOKEN_REFRESHER_DIR", self.directory.clone().into()),
            ("TOKEN_REFRESHER_TOKENS_DIR", self.tokens_dir.clone().into()),
        ]);
        environment.extend(match self.kind {
            HookKind::Refresh => self.told_of_changes(),
            HookKind::Trouble => self.told_of_troubles(),
        });
        environment
    }

    fn told_of_changes(&self) -> Vec<(&'static str, OsString)> {
        let files = |file: &String| one_line(self.tokens_dir.join(name_of(file)).as_os_str());
        vec![
            ("TOKEN_REFRESHER_CHANGED", self.waiting.len().to_string().into()),
            (
                "TOKEN_REFRESHER_CHANGED_NAMES",
                list(self.waiting.iter().map(|file| one_line(stem(file).as_ref()))),
            ),
            ("TOKEN_REFRESHER_CHANGED_FILES", list(self.waiting.iter().map(files))),
        ]
    }

    fn told_of_troubles(&self) -> Vec<(&'static str, OsString)> {
        let troubles: Vec<&Trouble> =
            self.waiting.iter().filter_map(|file| self.troubles.get(file)).collect();
        let lines = |line: &dyn Fn(&Trouble) -> String| {
            list(troubles.iter().map(|trouble| one_line(line(trouble).as_ref())))
        };
        vec![
            ("TOKEN_REFRESHER_TROUBLE", troubles.len().to_string().into()),
            ("TOKEN_REFRESHER_TROUBLE_NAMES", lines(&|trouble| trouble.name.clone())),
            ("TOKEN_REFRESHER_TROUBLE_COMMANDS", lines(&|trouble| trouble.command.clone())),
            (
                "TOKEN_REFRESHER_TROUBLE_TEXT",
                lines(&|trouble| format!("{}: {}", trouble.words, trouble.command)),
            ),
        ]
    }

    fn record_end(&mut self, result: Result<(), CommandError>, store: &Store) {
        let Some(running) = self.running.take() else { return };
        let now = Timestamp::now();
        match result {
            Ok(()) => {
                let option = self.kind.option();
                log::debug!(target: "REFRESH", "{option}: was told of {}", running.told.len());
                if self.record.failures > 0 {
                    log::info!(target: "REFRESH", "{option}: works again");
                }
                (self.record.failures, self.record.error, self.record.next_attempt) = (0, None, None);
            }
            Err(failed) => {
                // Files that have changed meanwhile are in the set already.
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
            let (option, program) = (self.kind.option(), &self.words[0]);
            log::warn!(target: "REFRESH", "{option}: {program} {error}; next attempt in {}", Words(delay));
        }
        self.record.error = Some(error.to_owned());
    }

    fn remember(&mut self, store: &Store) {
        let told = self.running.iter().flat_map(|running| &running.told);
        self.record.waiting = ordered::set(told.chain(&self.waiting).cloned());
        // Of two records of the same millisecond the later one must count.
        self.record.updated = Timestamp::now().max(self.record.updated + Duration::from_millis(1));
        store.set_hook(self.kind, self.record.clone());
    }
}

/// A line for each; nothing where the list would be too long.
fn list(lines: impl Iterator<Item = OsString>) -> OsString {
    let text = lines.collect::<Vec<_>>().join("\n".as_ref());
    if text.len() > LONGEST_LIST { OsString::new() } else { text }
}

/// A name or a path on one line. One that is not UTF-8 is left as it is, so that the command can open the file.
fn one_line(text: &OsStr) -> OsString {
    match text.to_str() {
        Some(text) => escaped(text).into_owned().into(),
        None if text.as_encoded_bytes().contains(&b'\n') => escaped(&spelled(text)).into_owned().into(),
        None => text.to_owned(),
    }
}

/// The delay after so many failures in a row.
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
