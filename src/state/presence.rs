//! Whether a daemon runs for a tokens directory: what its lock says.

use std::path::Path;

use crate::files::{Holder, OWN_DIRECTORY, holder, reason};

/// The holder of the daemon's lock of the directory `tokens`. The error is one line: the lock may not be looked at.
pub(crate) fn daemon_holder(tokens: &Path) -> Result<Holder, String> {
    let path = tokens.join(OWN_DIRECTORY).join("daemon.lock");
    holder(&path).map_err(|error| format!("{} cannot be looked at: {}", path.display(), reason(&error)))
}
