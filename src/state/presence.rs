//! Whether a daemon runs for a tokens directory, by the state of its lock.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Directory, FileAt, Holder, holder, reason};

/// The file that a daemon locks, in the program's own directory.
pub(crate) const DAEMON_LOCK: &str = "daemon.lock";

/// The error where the daemon's lock of this tokens directory cannot be read.
#[derive(Debug)]
pub(crate) struct UnknownHolder {
    tokens: PathBuf,
    error: io::Error,
}

impl fmt::Display for UnknownHolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.tokens.display();
        write!(out, "the daemon's lock in {tokens} cannot be looked at: {}", reason(&self.error))
    }
}

/// The holder of the daemon's lock of the directory `tokens`.
pub(crate) fn daemon_holder(tokens: &Path) -> Result<Holder, UnknownHolder> {
    let looked_at =
        daemon_lock(tokens).and_then(|lock| lock.map_or(Ok(Holder::NoFile), |lock| holder(&lock)));
    looked_at.map_err(|error| UnknownHolder { tokens: tokens.to_owned(), error })
}

/// The same for an open directory.
pub(crate) fn daemon_holder_in(tokens: &Directory) -> Result<Holder, UnknownHolder> {
    let looked_at = lock_in(tokens).and_then(|lock| lock.map_or(Ok(Holder::NoFile), |lock| holder(&lock)));
    looked_at.map_err(|error| UnknownHolder { tokens: tokens.path().to_owned(), error })
}

/// The daemon's lock file of the directory `tokens`, where a daemon may have made it.
pub(crate) fn daemon_lock(tokens: &Path) -> io::Result<Option<FileAt>> {
    match Directory::open(tokens) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => lock_in(&opened?),
    }
}

fn lock_in(tokens: &Directory) -> io::Result<Option<FileAt>> {
    Ok(tokens.own_if_there()?.map(|own| own.file_at(DAEMON_LOCK)))
}
