//! Room on the disk before a token is spent.
//!
//! A rotating refresh token is gone once the endpoint has answered, so everything that can fail on
//! our side must fail before: the new file is made, given its owner and filled with zero bytes to
//! more than the size it can need. A plain write, because it tells the truth about a full disk
//! where `posix_fallocate` told nonsense (errno 2 on ext4) and leaves a torn length behind.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::file_at::FileAt;
use super::inode::{Inode, Stamp};
use super::read::MAX_SIZE;

/// The most that is read of a leftover: the room that the largest token file gets.
const READ_LIMIT: u64 = 2 * MAX_SIZE + 4096;

/// A new file `.NAME.refresh` beside NAME, filled with zeros, waiting to take NAME's place. Dropped, it
/// is removed only while nothing was written into it: after that it may be the only copy of a token, and
/// the next refresh of the file brings it into place.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    place: FileAt,
    target: FileAt,
    state: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Zeros.
    Empty,
    /// A text, or a part of one.
    Holding,
    /// It has taken its target's place; its directory may still want a sync.
    Placed,
}

/// The reserve of `target`.
pub(crate) fn leftover(target: &FileAt) -> FileAt {
    target.sibling(".", ".refresh")
}

/// The name whose reserve is called `name`: the reverse of [`leftover`].
pub(crate) fn leftover_target(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(".refresh").filter(|target| !target.is_empty())
}

impl Reserve {
    /// Makes the reserve of `target`, 0600 and ours, with twice `size` plus 4 KiB of room.
    ///
    /// # Errors
    /// A full disk, a read-only directory, a name that is taken: nothing is left behind.
    pub(crate) fn create(target: &FileAt, size: u64) -> io::Result<Self> {
        let place = leftover(target);
        let file = place.create()?;
        // From here on the drop removes it again.
        let reserve = Self { file, place, target: target.clone(), state: Stage::Empty };
        let room = usize::try_from(size.saturating_mul(2).saturating_add(4096).min(READ_LIMIT))
            .unwrap_or(usize::MAX);
        (&reserve.file).write_all(&vec![0_u8; room])?;
        Ok(reserve)
    }

    /// The user id that this process's files get in this directory.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(self.file.metadata()?.uid())
    }

    /// Writes `text`, cuts the file to its length and syncs it: from the return on a crash cannot
    /// lose the text. Can be called again with another text.
    ///
    /// # Errors
    /// When writing failed; the file then holds a part of the text and no closing brace, or zeros.
    pub(crate) fn store(&mut self, text: &str) -> io::Result<()> {
        self.write(text)?;
        self.seal(text.len())
    }

    /// The first half of [`Self::store`]: a crash of the process cannot lose the text any more.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.state = Stage::Holding;
        self.file.write_all_at(text.as_bytes(), 0)
    }

    /// Cuts the file to its first `length` bytes and syncs it: for a text that was found in it.
    ///
    /// # Errors
    /// When that failed; the text is still in it.
    pub(crate) fn seal(&mut self, length: usize) -> io::Result<()> {
        self.file.set_len(length as u64)?;
        self.file.sync_all()
    }

    /// Gives the reserve the time of the last change that `like` has, durably.
    pub(crate) fn set_modified(&self, like: &Stamp) -> io::Result<()> {
        self.file.set_modified(like.time())?;
        self.file.sync_all()
    }

    /// Renames the reserve over its target and syncs the directory.
    ///
    /// # Errors
    /// When renaming failed: the reserve is still there and this can be tried again. Once renamed, a
    /// failing sync of the directory is an error too, and trying again syncs again.
    pub(crate) fn take_place(&mut self) -> io::Result<()> {
        if !self.is_placed() {
            self.place.rename(&self.target)?;
            self.state = Stage::Placed;
        }
        self.target.directory().sync()
    }

    /// Its state.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Inode::of(&self.file.metadata()?).stamp)
    }

    /// Whether it has taken its target's place (its directory may still want a sync).
    pub(crate) fn is_placed(&self) -> bool {
        self.state == Stage::Placed
    }

    /// Opens the reserve that a crash left beside `target`, with its text (zero bytes at its end
    /// stripped). `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub(crate) fn found(target: &FileAt) -> io::Result<Option<(Self, Zeroizing<String>)>> {
        let place = leftover(target);
        let file = match place.open(OFlags::RDWR) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // With room for all of it: a buffer that grows leaves copies of the token behind.
        let room = usize::try_from(file.metadata()?.len().min(READ_LIMIT)).unwrap_or(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
        (&file).take(READ_LIMIT).read_to_end(&mut bytes)?;
        let text = str::from_utf8(&bytes).unwrap_or_default().trim_end_matches('\0');
        let text = Zeroizing::new(text.to_owned());
        let reserve = Self { file, place, target: target.clone(), state: Stage::Holding };
        Ok(Some((reserve, text)))
    }

    /// Removes the reserve that a crash left beside `target`, whatever it is.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(crate) fn remove_leftover(target: &FileAt) -> io::Result<bool> {
        leftover(target).remove()
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if self.state == Stage::Empty {
            // A leftover is settled by the next refresh of this file under its lock, so a failure
            // here costs nothing but a few kilobytes until then.
            let _ = self.place.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_that_holds_a_text_outlives_its_owner_and_an_empty_one_does_not() {
        let scratch = crate::scratch::Scratch::new();
        let target = FileAt::of(&scratch.join("a.json")).unwrap();
        drop(Reserve::create(&target, 10).unwrap());
        assert!(leftover(&target).inode().is_err());
        let mut reserve = Reserve::create(&target, 10).unwrap();
        reserve.store("{}").unwrap();
        drop(reserve);
        let (found, text) = Reserve::found(&target).unwrap().unwrap();
        assert_eq!(text.as_str(), "{}");
        drop(found);
        assert!(leftover(&target).inode().is_ok());
    }
}
