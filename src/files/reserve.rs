//! Room on the disk before a token is spent.
//!
//! A rotating refresh token is gone once the endpoint has answered, so everything that can fail on
//! our side must fail before: the new file is made, given its owner and filled with zero bytes to
//! more than the size it can need. A plain write, because it tells the truth about a full disk
//! where `posix_fallocate` told nonsense (errno 2 on ext4) and leaves a torn length behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::directory::{directory_of, sync_directory};
use super::read::MAX_SIZE;
use super::stamp::Stamp;

/// The most that is read of a leftover: the room that the largest token file gets.
const READ_LIMIT: u64 = 2 * MAX_SIZE + 4096;

/// A new file `.NAME.refresh` beside NAME, filled with zeros, waiting to take NAME's place. Dropped, it
/// is removed only while nothing was written into it: after that it may be the only copy of a token, and
/// the next refresh of the file brings it into place.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    path: PathBuf,
    target: PathBuf,
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

/// The path of the reserve of `target`.
pub(crate) fn leftover(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".refresh");
    directory_of(target).join(name)
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
    pub(crate) fn create(target: &Path, size: u64) -> io::Result<Self> {
        let path = leftover(target);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        // From here on the drop removes it again.
        let reserve = Self { file, path, target: target.to_owned(), state: Stage::Empty };
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
        self.state = Stage::Holding;
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.seal(text.len())
    }

    /// Cuts the file to its first `length` bytes and syncs it: for a text that was found in it.
    ///
    /// # Errors
    /// When that failed; the text is still in it.
    pub(crate) fn seal(&mut self, length: usize) -> io::Result<()> {
        self.file.set_len(length as u64)?;
        self.file.sync_all()
    }

    /// Renames the reserve over its target and syncs the directory.
    ///
    /// # Errors
    /// When renaming failed: the reserve is still there and this can be tried again. Once renamed, a
    /// failing sync of the directory is an error too, and trying again syncs again.
    pub(crate) fn take_place(&mut self) -> io::Result<Stamp> {
        if !self.is_placed() {
            std::fs::rename(&self.path, &self.target)?;
            self.state = Stage::Placed;
        }
        sync_directory(directory_of(&self.target))?;
        Ok(Stamp::of(&self.file.metadata()?))
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
    pub(crate) fn found(target: &Path) -> io::Result<Option<(Self, Zeroizing<String>)>> {
        let path = leftover(target);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        let file = match opened {
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
        let reserve = Self { file, path, target: target.to_owned(), state: Stage::Holding };
        Ok(Some((reserve, text)))
    }

    /// Removes the reserve that a crash left beside `target`, whatever it is.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(crate) fn remove_leftover(target: &Path) -> io::Result<bool> {
        match std::fs::remove_file(leftover(target)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if self.state == Stage::Empty {
            // A leftover is settled by the next refresh of this file under its lock, so a failure
            // here costs nothing but a few kilobytes until then.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether `path` is itself a mount point (a single file bound into a container): a rename over it
/// fails with EBUSY, so it must be found out before a token is spent. `false` where
/// `/proc/self/mountinfo` cannot be read.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(table) = std::fs::read("/proc/self/mountinfo") else { return false };
    // proc(5): the fifth field is the mount point; blank, tab, newline and backslash are octal.
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .any(|field| unescape(field) == path.as_os_str().as_bytes())
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|digits| byte == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|text| u8::from_str_radix(text, 8).ok());
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_that_holds_a_text_outlives_its_owner_and_an_empty_one_does_not() {
        let scratch = crate::scratch::Scratch::new();
        let target = scratch.join("a.json");
        drop(Reserve::create(&target, 10).unwrap());
        assert!(!leftover(&target).exists());
        let mut reserve = Reserve::create(&target, 10).unwrap();
        reserve.store("{}").unwrap();
        drop(reserve);
        let (found, text) = Reserve::found(&target).unwrap().unwrap();
        assert_eq!(text.as_str(), "{}");
        drop(found);
        assert!(leftover(&target).exists());
    }

    #[test]
    fn octal_escapes_of_mountinfo_are_read() {
        assert_eq!(unescape(br"/a\040b\134c\9"), br"/a b\c\9".to_vec());
    }

    #[test]
    fn the_root_is_a_mount_point_and_this_file_is_not() {
        assert!(is_mount_point(Path::new("/")));
        assert!(!is_mount_point(Path::new(file!())));
    }
}
