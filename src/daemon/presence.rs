//! One daemon per tokens directory, and the pid file.
//!
//! The lock decides. The process holds it for life, and the kernel frees it however the process ends. So a crash never
//! blocks the next start. The pid file is for people and scripts, and decides nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::files::{
    Directory, FileAt, Lock, LockError, MAX_SIZE, ReadError, make_private_directory, read_own, read_text,
    reason, replace_text,
};
use crate::settings::Settings;
use crate::state::{DAEMON_LOCK, daemon_lock};

/// The longest wait for the lock: scripts and probes hold it shared for a moment to read it.
const PROBE: Duration = Duration::from_millis(300);

/// The daemon's lock and pid file.
pub(super) struct Presence {
    lock: Lock,
    pid_file: Option<PathBuf>,
    since: Timestamp,
    /// The last message about a lock that could not be made.
    said: Option<String>,
}

/// Why the daemon's lock was not taken.
enum ClaimError {
    /// Another daemon holds it.
    Taken(String),
    /// The lock cannot be made.
    NoLock(String),
}

impl Presence {
    /// Takes the daemon's lock for the tokens directory, and writes the pid file. The error names the process that
    /// holds the lock, or the reason why the lock cannot be made.
    pub(super) fn claim(settings: &Settings) -> Result<Self, String> {
        let lock = claim_lock(&settings.tokens_dir)
            .map_err(|(ClaimError::Taken(message) | ClaimError::NoLock(message))| message)?;
        let pid_file = settings.pid_file.clone().filter(|path| write_pid(path));
        Ok(Self { lock, pid_file, since: Timestamp::now(), said: None })
    }

    /// The start of the daemon.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Checks that the lock file is still in place, and makes it anew where it was removed. Touches the lock file: a
    /// probe sees from its time that the loop turns. The error tells that another daemon holds the lock. Another
    /// failure is no error: the tokens' own locks still keep refreshes apart.
    pub(super) fn keep(&mut self, settings: &Settings) -> Result<(), String> {
        let still_holds = daemon_lock(&settings.tokens_dir)
            .and_then(|found| found.map_or(Ok(false), |found| self.lock.is_at(&found)));
        // A path that cannot be read now, as on a slow network file system, tells nothing.
        if still_holds.unwrap_or(true) {
            write_note(&self.lock);
            return Ok(());
        }
        let claimed = make_tokens_directory(settings).map_err(ClaimError::NoLock);
        match claimed.and_then(|()| claim_lock(&settings.tokens_dir)) {
            Ok(lock) => {
                log::warn!(target: "REFRESH", "the daemon's lock file was removed; made it anew");
                (self.lock, self.said) = (lock, None);
                Ok(())
            }
            Err(ClaimError::Taken(message)) => Err(message),
            Err(ClaimError::NoLock(message)) => {
                if self.said.as_ref() != Some(&message) {
                    log::error!(target: "REFRESH", "{message}");
                    self.said = Some(message);
                }
                Ok(())
            }
        }
    }

    /// Gives a sign of life in the middle of a cycle.
    pub(super) fn touch(&self) {
        write_note(&self.lock);
    }

    /// Removes the pid file, if it still holds this process's id.
    pub(super) fn leave(self) {
        let Some(path) = self.pid_file else { return };
        let ours = read_text(&path).is_ok_and(|text| text.trim() == std::process::id().to_string());
        if ours && let Err(error) = std::fs::remove_file(&path) {
            log::warn!(target: "REFRESH", "the pid file {} cannot be removed: {}", path.display(), reason(&error));
        }
    }
}

/// Makes the tokens directory where it is missing.
pub(super) fn make_tokens_directory(settings: &Settings) -> Result<(), String> {
    let directory = &settings.tokens_dir;
    if directory.is_dir() {
        return Ok(());
    }
    make_private_directory(directory).map_err(|error| {
        format!("the tokens directory {} cannot be made: {}", directory.display(), reason(&error))
    })?;
    log::info!(target: "REFRESH", "made the tokens directory {}; waiting for token files", directory.display());
    Ok(())
}

fn claim_lock(tokens: &Path) -> Result<Lock, ClaimError> {
    let cannot = |error: &io::Error| {
        let why = reason(error);
        ClaimError::NoLock(format!("the tokens directory {} cannot be locked: {why}", tokens.display()))
    };
    let lock = Directory::open(tokens)
        .and_then(|tokens| Ok(tokens.own()?.file_at(DAEMON_LOCK)))
        .map_err(|error| cannot(&error))?;
    match Lock::exclusive(&lock, PROBE) {
        Ok(lock) => {
            write_note(&lock);
            Ok(lock)
        }
        Err(LockError::Busy) => Err(ClaimError::Taken(format!(
            "another token-refresher ({}) already keeps {}; stop it first",
            holder(&lock),
            tokens.display()
        ))),
        Err(LockError::Io(error)) => Err(cannot(&error)),
    }
}

fn holder(lock: &FileAt) -> String {
    let note = read_own(lock, MAX_SIZE).map(|(text, _)| text.trim().to_owned()).unwrap_or_default();
    if note.parse::<u32>().is_ok() { format!("process {note}") } else { "process unknown".to_owned() }
}

/// Writes the process id into the lock file, and so moves its modification time.
fn write_note(lock: &Lock) {
    // People and probes read the id; the lock holds without it.
    let _ = lock.touch_note(&format!("{}\n", std::process::id()));
}

fn write_pid(path: &Path) -> bool {
    // A wrong path in the option must not destroy a token file or any other file.
    let ours = match read_text(path) {
        Ok(text) => text.trim().bytes().all(|byte| byte.is_ascii_digit()),
        Err(error) => matches!(error, ReadError::Gone),
    };
    if !ours {
        log::warn!(target: "REFRESH", "the pid file {} is left alone: something else stands there", path.display());
        return false;
    }
    let written = FileAt::of(path).and_then(|file| replace_text(&file, &format!("{}\n", std::process::id())));
    if let Err(error) = &written {
        log::warn!(target: "REFRESH", "the pid file {} cannot be written: {}", path.display(), reason(error));
    }
    written.is_ok()
}
