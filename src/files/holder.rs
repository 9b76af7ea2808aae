//! Tests whether a lock is held, and when its holder last touched it.

use std::io;

use fs2::FileExt;
use rustix::fs::OFlags;

use super::file_at::FileAt;
use super::inode::Inode;
use super::lock::is_busy;
use crate::clock::Timestamp;

/// What a lock file tells about its holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// There is no such file: no process has ever locked it.
    Never,
    /// No process holds it now.
    Nobody,
    /// A process holds it.
    Somebody {
        /// When the file was last written, which its holder does to show that it is well.
        touched: Timestamp,
    },
}

/// Looks at a lock file: a shared lock, tried once and released at once, so that a start at
/// this moment is not refused.
pub(crate) fn holder(lock: &FileAt) -> io::Result<Holder> {
    let file = match lock.open(OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Never),
        opened => opened?,
    };
    match FileExt::try_lock_shared(&file) {
        // Closing the file unlocks it.
        Ok(()) => Ok(Holder::Nobody),
        Err(error) if is_busy(&error) => {
            Ok(Holder::Somebody { touched: Inode::of(&file.metadata()?).stamp.modified() })
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
        assert_eq!(holder(&path).unwrap(), Holder::Never);
        let lock = Lock::exclusive(&path, Duration::ZERO).unwrap();
        let before = Timestamp::now() - Duration::from_secs(2);
        lock.touch_note("7\n").unwrap();
        let Holder::Somebody { touched } = holder(&path).unwrap() else { panic!("nobody") };
        assert!(before < touched && touched <= Timestamp::now());
        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        assert!(Lock::exclusive(&path, Duration::ZERO).is_ok());
    }
}
