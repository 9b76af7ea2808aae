//! A lock file that outlives its holder's mistakes, with room for a short note.
//!
//! The lock is `flock` on a file of its own, never on the token file: that is replaced by rename,
//! and a lock on a replaced inode protects nothing (tried: 8 processes x 500 turns lost 1806 of 4000
//! updates without the inode check below). The program never renames or removes it, but a person may,
//! which is why the name is compared with the inode after locking.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use fs2::FileExt as _;
use rustix::fs::OFlags;

use super::directory::Directory;
use super::file_at::FileAt;
use super::inode::Inode;

/// The room for a note, in bytes.
const LONGEST_NOTE: usize = 256;

/// How often a busy lock is tried again, since `flock` has no timeout of its own. Its holder awaits an endpoint for a
/// hundred milliseconds or more, to which this adds little.
const POLL: Duration = Duration::from_millis(5);

/// An exclusively locked file; unlocked when dropped or when the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// The length of the file, which only the holder changes: that of its note.
    length: Cell<u64>,
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
    /// Locks the file called `name` exclusively, making it (0600) where it is missing, and waits up to
    /// `patience` for another holder.
    ///
    /// # Errors
    /// [`LockError::Busy`] when `patience` has passed, otherwise what the system said.
    pub(crate) fn exclusive(name: &FileAt, patience: Duration) -> Result<Self, LockError> {
        Self::take(name, Instant::now() + patience, &|| false, |_| Ok(()))
    }

    /// The same for a lock whose note must survive a power loss: a new file's name is synced too. Waits
    /// until `deadline`, or until `give_up` says so.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub(crate) fn lasting(
        name: &FileAt,
        deadline: Instant,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Self, LockError> {
        Self::take(name, deadline, give_up, Directory::sync)
    }

    fn take(
        name: &FileAt,
        deadline: Instant,
        give_up: &dyn Fn() -> bool,
        new: impl Fn(&Directory) -> io::Result<()>,
    ) -> Result<Self, LockError> {
        loop {
            let file = open(name, &new)?;
            match file.try_lock_exclusive() {
                Ok(()) => {
                    let held = Inode::of(&file.metadata()?);
                    if has_name(&held, name)? {
                        return Ok(Self { file, length: Cell::new(held.stamp.size()) });
                    }
                    // The file was removed or replaced between the open and the lock: once more.
                }
                Err(error) if is_busy(&error) => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline || give_up() {
                return Err(LockError::Busy);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Whether `name`, by which other processes find the lock now, is the file that is locked. Where it is not,
    /// another process may hold "the same" lock.
    pub(crate) fn is_at(&self, name: &FileAt) -> io::Result<bool> {
        has_name(&Inode::of(&self.file.metadata()?), name)
    }

    /// The note in the file; empty when there is none or it is not text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn note(&self) -> io::Result<String> {
        if self.length.get() == 0 {
            return Ok(String::new());
        }
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
        let length = note.len() as u64;
        // Also where only a part of it can be written.
        self.length.set(self.length.get().max(length));
        self.file.write_all_at(note.as_bytes(), 0)?;
        // A file that keeps its length is synced without a commit of the journal.
        if self.length.get() > length {
            self.file.set_len(length)?;
            self.length.set(length);
        }
        Ok(())
    }

    /// Overwrites the note with blanks, not durably: one that comes back after a power loss must be
    /// harmless.
    ///
    /// # Errors
    /// When it could not be overwritten.
    pub(crate) fn clear_note(&self) -> io::Result<()> {
        let length = usize::try_from(self.length.get()).unwrap_or(usize::MAX).min(LONGEST_NOTE);
        self.file.write_all_at(&[b' '; LONGEST_NOTE][..length], 0)
    }
}

fn open(name: &FileAt, new: impl Fn(&Directory) -> io::Result<()>) -> io::Result<File> {
    match name.open(OFlags::RDWR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match name.create() {
        Ok(file) => {
            new(name.directory())?;
            Ok(file)
        }
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => name.open(OFlags::RDWR),
        Err(error) => Err(error),
    }
}

fn has_name(held: &Inode, name: &FileAt) -> io::Result<bool> {
    match name.inode() {
        Ok(named) => Ok(named.stamp.identity() == held.stamp.identity()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another process holds the lock that was tried.
pub(super) fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}
