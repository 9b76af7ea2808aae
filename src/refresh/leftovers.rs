//! What the small files beside a token file tell, where the token file is not refreshed now.

use std::time::{Duration, Instant};

use super::context::Context;
use super::locked::lock_and_read;
use super::member::{Obstacle, Patience, lock};
use crate::files::{FileAt, Reserve, Stamp, reason};
use crate::tokens::spelled::file_in;

/// Recovers what a crash left beside the file `name` that is not refreshed any more: it is gone, or monitored only
/// now. What cannot be recovered, or is the reserve of a process at work, waits for the next look.
pub(crate) fn recover_leftover(name: &str, context: &Context<'_>) {
    let file = file_in(context.directory, name);
    let settled = if file.inode().is_ok() {
        let patience = Patience { longest: Duration::ZERO, give_up: &|| true };
        lock_and_read(context.directory, &[name.to_owned()], &patience).map(drop)
    } else {
        remove_orphan(&file)
    };
    if let Err(obstacle) = settled {
        log::debug!(target: "REFRESH", "{name}: what an interrupted refresh left stays for now: {obstacle}");
    }
}

/// Removes the reserve of a token file that is gone after a sign-out.
fn remove_orphan(file: &FileAt) -> Result<(), Obstacle> {
    let _lock = lock(file, Instant::now(), &|| true)?;
    if file.inode().is_ok() {
        // Signed in again meanwhile.
        return Ok(());
    }
    Reserve::remove_leftover(file).map(drop).map_err(|error| Obstacle::Local(reason(&error)))
}

/// True if our own refresh wrote the file `real` last, which was found in the state `stamp`: the lock file is
/// touched after the rename, so it is at least as new. `false` where we never locked the file.
pub(crate) fn written_by_us(real: &FileAt, stamp: &Stamp) -> bool {
    let lock = real.known_lock_file().and_then(|lock| Some(lock.inode().ok()?.stamp));
    lock.is_some_and(|lock| lock.size() > 0 || lock.modified() >= stamp.modified())
}
