//! Room on the disk before a token is spent.
//!
//! A rotating refresh token is gone once the endpoint has answered. So every step of this program that can fail must
//! fail before. The new file is made and filled with zero bytes to more than its largest size. A plain write tells the
//! truth about a full disk. `posix_fallocate` told nonsense (errno 2 on ext4) and leaves a torn length behind.

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

/// A new file `.NAME.refresh` beside NAME, filled with zeros, which will take NAME's place. Dropping the value removes
/// the file only while nothing was written into it. A written file may be the only copy of a token. The next refresh of
/// NAME brings it into place.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    place: FileAt,
    target: FileAt,
    state: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Only zeros.
    Empty,
    /// A text, or a part of one.
    Holding,
    /// The reserve has taken its target's place; the directory may still need a sync.
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
    /// Makes the reserve of `target` for this user alone, with twice `size` plus 4 KiB of room. Fails on a full disk,
    /// in a read-only directory, or where the name is taken. A failure leaves nothing behind.
    pub(crate) fn create(target: &FileAt, size: u64) -> io::Result<Self> {
        let place = leftover(target);
        let file = place.create()?;
        // From here on the drop removes the file.
        let reserve = Self { file, place, target: target.clone(), state: Stage::Empty };
        let room = usize::try_from(size.saturating_mul(2).saturating_add(4096).min(READ_LIMIT))
            .unwrap_or(usize::MAX);
        (&reserve.file).write_all(&vec![0_u8; room])?;
        Ok(reserve)
    }

    /// The user id that this process's files get in this directory.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(self.file.metadata()?.uid())
    }

    /// Writes `text`, cuts the file to its length and syncs it: afterwards a crash cannot lose the text. May be called
    /// again with another text. After an error the file holds a part of the text without a closing brace, or zeros.
    pub(crate) fn store(&mut self, text: &str) -> io::Result<()> {
        self.write(text)?;
        self.seal(text.len())
    }

    /// The first half of [`Self::store`]: afterwards a crash of the process cannot lose the text.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.state = Stage::Holding;
        self.file.write_all_at(text.as_bytes(), 0)
    }

    /// Cuts the file to its first `length` bytes and syncs it, for a text that it holds already. After an error the
    /// text is still there.
    pub(crate) fn seal(&mut self, length: usize) -> io::Result<()> {
        self.file.set_len(length as u64)?;
        self.file.sync_all()
    }

    /// Durably gives the reserve the modification time of `like`.
    pub(crate) fn set_modified(&self, like: &Stamp) -> io::Result<()> {
        self.file.set_modified(like.time())?;
        self.file.sync_all()
    }

    /// Renames the reserve over its target and syncs the directory. After an error the call can be repeated: the first
    /// step that failed is tried again.
    pub(crate) fn take_place(&mut self) -> io::Result<()> {
        if !self.is_placed() {
            self.place.rename(&self.target)?;
            self.state = Stage::Placed;
        }
        self.target.directory().sync()
    }

    /// The present state of the file.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Inode::of(&self.file.metadata()?).stamp)
    }

    /// Whether the reserve has taken its target's place. The directory may still need a sync.
    pub(crate) fn is_placed(&self) -> bool {
        self.state == Stage::Placed
    }

    /// Opens the reserve that a crash left beside `target`, with its text (zero bytes at its end stripped). `None`
    /// where there is none.
    pub(crate) fn found(target: &FileAt) -> io::Result<Option<(Self, Zeroizing<String>)>> {
        let place = leftover(target);
        let file = match place.open(OFlags::RDWR) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // With room for the whole text: a buffer that grows leaves copies of the token behind.
        let room = usize::try_from(file.metadata()?.len().min(READ_LIMIT)).unwrap_or(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
        (&file).take(READ_LIMIT).read_to_end(&mut bytes)?;
        let text = str::from_utf8(&bytes).unwrap_or_default().trim_end_matches('\0');
        let text = Zeroizing::new(text.to_owned());
        let reserve = Self { file, place, target: target.clone(), state: Stage::Holding };
        Ok(Some((reserve, text)))
    }

    /// Removes the file that a crash left beside `target`, whatever it holds.
    pub(crate) fn remove_leftover(target: &FileAt) -> io::Result<bool> {
        leftover(target).remove()
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if self.state == Stage::Empty {
            // The next refresh of this file settles a leftover under its lock. So a failure here costs a few kilobytes
            // until then.
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
