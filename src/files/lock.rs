//! A lock file that outlives its holder's mistakes, with room for a short note.
//!
//! The lock is `flock` on a file of its own, never on the token file: that is replaced by rename,
//! and a lock on a replaced inode protects nothing (tried: 8 processes x 500 turns lost 1806 of 4000
//! updates without the inode check below). The program never renames or removes it, but a person may,
//! which is why the path is compared with the inode after locking.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt as _;

use super::directory::{directory_of, sync_directory};

/// The room for a note, in bytes.
const LONGEST_NOTE: usize = 256;

/// How often a busy lock is tried again. `flock` has no timeout of its own.
const POLL: Duration = Duration::from_millis(5);

/// An exclusively locked file; unlocked when dropped or when the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process (or thread) holds it.
    Busy,
    /// The file cannot be made, opened or locked.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    /// Locks the file at `path` exclusively, making it (0600) where it is missing, and waits up to
    /// `patience` for another holder.
    ///
    /// # Errors
    /// [`LockError::Busy`] when `patience` has passed, otherwise what the system said.
    pub(crate) fn exclusive(path: &Path, patience: Duration) -> Result<Self, LockError> {
        Self::take(path, Instant::now() + patience, &|| false, |_| Ok(()))
    }

    /// The same for a lock whose note must survive a power loss: a new file's name is synced too. Waits
    /// until `deadline`, or until `give_up` says so.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub(crate) fn lasting(
        path: &Path,
        deadline: Instant,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Self, LockError> {
        Self::take(path, deadline, give_up, sync_directory)
    }

    fn take(
        path: &Path,
        deadline: Instant,
        give_up: &dyn Fn() -> bool,
        new: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<Self, LockError> {
        loop {
            let file = open(path, &new)?;
            match file.try_lock_exclusive() {
                Ok(()) if is_still(path, &file)? => return Ok(Self { file, path: path.to_owned() }),
                // The file was removed or replaced between the open and the lock: once more.
                Ok(()) => {}
                Err(error) if is_busy(&error) => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline || give_up() {
                return Err(LockError::Busy);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Whether the path still names the file that is locked. Where it does not, another process may
    /// hold "the same" lock.
    ///
    /// # Errors
    /// What the system said of the path, other than that it is gone.
    pub(crate) fn still_holds(&self) -> io::Result<bool> {
        is_still(&self.path, &self.file)
    }

    /// The note in the file; empty when there is none or it is not text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn note(&self) -> io::Result<String> {
        let mut bytes = [0_u8; LONGEST_NOTE];
        let length = self.file.read_at(&mut bytes, 0)?;
        Ok(std::str::from_utf8(&bytes[..length]).map_or_else(|_| String::new(), ToOwned::to_owned))
    }

    /// Writes `note` durably: it is on disk when this returns. In place and in one write, so that a
    /// note of the same length replaces the old one whole.
    ///
    /// # Errors
    /// When it could not be written or synced; the note in the file then is unknown.
    pub(crate) fn write_note(&self, note: &str) -> io::Result<()> {
        self.touch_note(note)?;
        self.file.sync_data()
    }

    /// Writes `note` without making it durable, which also moves the file's modification time.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn touch_note(&self, note: &str) -> io::Result<()> {
        self.file.write_all_at(note.as_bytes(), 0)?;
        // A file that keeps its length is synced without a commit of the journal.
        if self.file.metadata()?.len() == note.len() as u64 {
            Ok(())
        } else {
            self.file.set_len(note.len() as u64)
        }
    }

    /// Overwrites the note with blanks, not durably: one that comes back after a power loss must be
    /// harmless.
    ///
    /// # Errors
    /// When it could not be overwritten.
    pub(crate) fn clear_note(&self) -> io::Result<()> {
        let length = usize::try_from(self.file.metadata()?.len()).unwrap_or(0).min(LONGEST_NOTE);
        self.file.write_all_at(&[b' '; LONGEST_NOTE][..length], 0)
    }
}

fn open(path: &Path, new: impl Fn(&Path) -> io::Result<()>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            new(directory_of(path))?;
            Ok(file)
        }
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok(named.dev() == held.dev() && named.ino() == held.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another process holds the lock that was tried.
pub(super) fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}
