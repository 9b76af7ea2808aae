//! Looking whether somebody holds a lock, without making a file or keeping anybody waiting.

use std::fs::File;
use std::io;
use std::path::Path;

use fs2::FileExt;

/// Whether another process holds the lock file at `path` now. It is locked shared for a moment, which
/// whoever takes locks has the patience for.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // `FileExt::` because std has a method of the same name with another error type.
    FileExt::try_lock_shared(&file).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::files::Lock;
    use crate::scratch::Scratch;

    #[test]
    fn a_lock_is_seen_while_it_is_held_and_no_file_is_made() {
        let scratch = Scratch::new();
        let path = scratch.join("a.lock");
        assert!(!is_locked(&path) && !path.exists());
        let lock = Lock::exclusive(&path, Duration::ZERO).unwrap();
        assert!(is_locked(&path));
        drop(lock);
        assert!(!is_locked(&path));
    }
}
