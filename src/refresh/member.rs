//! A token file under its lock.

use std::fmt;
use std::time::{Duration, Instant};

use super::mark::Mark;
use crate::files::{FileAt, Lock, LockError, Stamp, reason};
use crate::secret::Fingerprint;
use crate::tokens::{Document, Life, due};

/// A file that is locked and has been read under the lock.
pub(crate) struct Member {
    /// The names that lead to the file in the tokens directory, links included.
    pub names: Vec<String>,
    /// One of the names, to find out later where the name leads.
    pub place: FileAt,
    /// The file itself.
    pub real: FileAt,
    pub lock: Lock,
    pub stamp: Stamp,
    pub document: Document,
    /// The mark of a request whose outcome is unknown.
    pub doubt: Option<Mark>,
    /// The mark of an interrupted refresh that was finished on the way here.
    pub recovered: Option<Mark>,
}

impl Member {
    /// The first name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }

    /// The fingerprint of the refresh token.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.document.refresh_fingerprint()
    }

    pub(super) fn life(&self) -> Life {
        due::life(&self.document, self.stamp.modified())
    }
}

/// The patience with busy locks.
pub(super) struct Patience<'a> {
    /// The longest wait for all files of a chain together.
    pub longest: Duration,
    /// Ends the wait early when the process has been told to stop.
    pub give_up: &'a (dyn Fn() -> bool + 'a),
}

/// Why a chain is not refreshed now, before anything was sent.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Another process is refreshing the chain.
    Busy,
    /// A problem of the lock, the disk or the directory: the cause, and the remedy.
    Local(String),
    /// The system does not let this file be read. The other files of the chain wait for it, since it could not get
    /// their new refresh token.
    Unreadable { file: String, why: String },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => out.write_str("another process is refreshing it"),
            Self::Local(why) => out.write_str(why),
            Self::Unreadable { file, why } => write!(out, "{file} cannot be read: {why}"),
        }
    }
}

/// Locks the token file `real`, or says why it cannot be locked.
pub(super) fn lock(real: &FileAt, deadline: Instant, give_up: &dyn Fn() -> bool) -> Result<Lock, Obstacle> {
    let refused = |error: &std::io::Error| {
        let directory = real.directory().path().display();
        Obstacle::Local(format!("cannot be locked in {directory}: {}; nothing was sent", reason(error)))
    };
    let name = real.lock_file().map_err(|error| refused(&error))?;
    Lock::lasting(&name, deadline, give_up).map_err(|error| match error {
        LockError::Busy => Obstacle::Busy,
        LockError::Io(error) => refused(&error),
    })
}
