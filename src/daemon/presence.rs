//! One daemon per tokens directory, and the pid file.
//!
//! The lock is what counts: it is held for life and let go by the kernel however the process ends, so
//! a crash never blocks the next start. The pid file is for people and scripts and decides nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::files::{Lock, LockError, ReadError, own_directory, read_whole, reason, replace_text};
use crate::settings::Settings;

/// How long the lock is waited for: scripts and probes hold it shared for a moment to look at it.
const PROBE: Duration = Duration::from_millis(300);

/// The file whose lock is the daemon's place, in our own directory.
const LOCK: &str = "daemon.lock";

/// The daemon's place.
pub(super) struct Presence {
    lock: Lock,
    pid_file: Option<PathBuf>,
    since: Timestamp,
    /// Why the lock could not be made anew, as it was last said.
    said: Option<String>,
}

/// Why the place of the daemon was not taken.
enum ClaimError {
    /// Another daemon has it.
    Taken(String),
    /// The lock cannot be made.
    NoLock(String),
}

impl Presence {
    /// Takes the place of the daemon for the tokens directory, and writes the pid file.
    ///
    /// # Errors
    /// One line: which process has it, or what cannot be written.
    pub(super) fn claim(settings: &Settings) -> Result<Self, String> {
        let lock = claim_lock(&settings.tokens_dir)
            .map_err(|(ClaimError::Taken(message) | ClaimError::NoLock(message))| message)?;
        let pid_file = settings.pid_file.clone().filter(|path| write_pid(path));
        Ok(Self { lock, pid_file, since: Timestamp::now(), said: None })
    }

    /// When the daemon started.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Makes sure that the lock is still the one that another daemon would meet, and makes it anew
    /// where somebody has removed it (with the whole tokens directory, perhaps). Touches it: that is
    /// how a probe sees that the loop turns.
    ///
    /// # Errors
    /// When another daemon has taken the place meanwhile. A lock that cannot be made for another
    /// reason is no end: the token locks still keep every refresh apart.
    pub(super) fn keep(&mut self, settings: &Settings) -> Result<(), String> {
        // A path that cannot be looked at now (a network file system that stutters) says nothing.
        if self.lock.still_holds().unwrap_or(true) {
            write_note(&self.lock);
            return Ok(());
        }
        let claimed = super::make_tokens_directory(settings).map_err(ClaimError::NoLock);
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

    /// Shows that the daemon is alive, in the middle of a cycle.
    pub(super) fn touch(&self) {
        write_note(&self.lock);
    }

    /// Removes the pid file, if it is still ours.
    pub(super) fn leave(self) {
        let Some(path) = self.pid_file else { return };
        let ours = read_whole(&path).is_ok_and(|(text, _)| text.trim() == std::process::id().to_string());
        if ours && let Err(error) = std::fs::remove_file(&path) {
            log::warn!(target: "REFRESH", "the pid file {} cannot be removed: {}", path.display(), reason(&error));
        }
    }
}

fn claim_lock(tokens: &Path) -> Result<Lock, ClaimError> {
    let cannot = |error: &std::io::Error| {
        let why = reason(error);
        ClaimError::NoLock(format!("the tokens directory {} cannot be locked: {why}", tokens.display()))
    };
    let path = own_directory(tokens).map_err(|error| cannot(&error))?.join(LOCK);
    match Lock::exclusive(&path, PROBE) {
        Ok(lock) => {
            write_note(&lock);
            Ok(lock)
        }
        Err(LockError::Busy) => Err(ClaimError::Taken(format!(
            "another token-refresher ({}) already keeps {}; stop it first",
            holder(&path),
            tokens.display()
        ))),
        Err(LockError::Io(error)) => Err(cannot(&error)),
    }
}

fn holder(path: &Path) -> String {
    let note = read_whole(path).map(|(text, _)| text.trim().to_owned()).unwrap_or_default();
    if note.parse::<u32>().is_ok() { format!("process {note}") } else { "process unknown".to_owned() }
}

/// Writes the process id into the lock file, which is also what moves its modification time.
fn write_note(lock: &Lock) {
    // For people and probes only; the lock holds without it.
    let _ = lock.touch_note(&format!("{}\n", std::process::id()));
}

fn write_pid(path: &Path) -> bool {
    // A slip in the option must not cost a token file or anything else.
    let ours = match read_whole(path) {
        Ok((text, _)) => text.trim().bytes().all(|byte| byte.is_ascii_digit()),
        Err(error) => matches!(error, ReadError::Gone),
    };
    if !ours {
        log::warn!(target: "REFRESH", "the pid file {} is left alone: something else stands there", path.display());
        return false;
    }
    let written = replace_text(path, &format!("{}\n", std::process::id()));
    if let Err(error) = &written {
        log::warn!(target: "REFRESH", "the pid file {} cannot be written: {}", path.display(), reason(error));
    }
    written.is_ok()
}
