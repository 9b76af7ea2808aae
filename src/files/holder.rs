//! Tests whether a lock is held, and when its holder last touched it.

use std::io;

use fs2::FileExt;
use rustix::fs::OFlags;

use super::file_at::FileAt;
use super::inode::Inode;
use super::lock::is_busy;
use crate::clock::Timestamp;

/// The state of a lock file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// The file is missing: no process has ever locked it.
    NoFile,
    /// No process holds the lock.
    Free,
    /// A process holds the lock.
    Held {
        /// When the file was last written, by which its holder shows that it is alive.
        touched: Timestamp,
    },
}

impl Holder {
    /// Whether a process holds the lock.
    pub(crate) fn is_held(self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

/// Looks at a lock file. A shared lock is tried once and released at once: a process that starts at this moment can
/// still take the lock.
pub(crate) fn holder(lock: &FileAt) -> io::Result<Holder> {
    let file = match lock.open(OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::NoFile),
        opened => opened?,
    };
    match FileExt::try_lock_shared(&file) {
        // Closing the file unlocks it.
        Ok(()) => Ok(Holder::Free),
        Err(error) if is_busy(&error) => {
            Ok(Holder::Held { touched: Inode::of(&file.metadata()?).stamp.modified() })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::files::Lock;
    use crate::scratch::Scratch;

    #[test]
    fn a_lock_is_looked_at_and_not_taken() {
        let scratch = Scratch::new();
        let path = FileAt::of(&scratch.join("lock")).unwrap();
        assert_eq!(holder(&path).unwrap(), Holder::NoFile);
        let lock = Lock::exclusive(&path, Duration::ZERO).unwrap();
        let before = Timestamp::now() - Duration::from_secs(2);
        lock.touch_note("7\n").unwrap();
        let Holder::Held { touched } = holder(&path).unwrap() else { panic!("free") };
        assert!(before < touched && touched <= Timestamp::now());
        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Free);
        assert!(Lock::exclusive(&path, Duration::ZERO).is_ok());
    }
}
