//! Whether a daemon runs for a tokens directory: what its lock says.

use std::io;
use std::path::Path;

use crate::files::{Directory, FileAt, Holder, holder, reason};

/// The file that a daemon locks, in the program's own directory.
pub(crate) const DAEMON_LOCK: &str = "daemon.lock";

/// The holder of the daemon's lock of the directory `tokens`. The error is one line: the lock may not be looked at.
pub(crate) fn daemon_holder(tokens: &Path) -> Result<Holder, String> {
    let looked_at = daemon_lock(tokens).and_then(|lock| lock.map_or(Ok(Holder::Never), |lock| holder(&lock)));
    looked_at.map_err(|error| {
        format!("the daemon's lock in {} cannot be looked at: {}", tokens.display(), reason(&error))
    })
}

/// The daemon's lock file of the directory `tokens`, where a daemon may have made it.
pub(crate) fn daemon_lock(tokens: &Path) -> io::Result<Option<FileAt>> {
    let tokens = match Directory::open(tokens) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    Ok(tokens.own_if_there()?.map(|own| own.file_at(DAEMON_LOCK)))
}
