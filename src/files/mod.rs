//! Files: lock, reserve, durable replace. The only code of the program that writes.
//!
//! Everything here is about paths, bytes and inodes; it knows nothing of tokens. The order in
//! which the pieces are used is the promise "nothing is lost, nothing is spent twice" and is
//! kept in `refresh`.

mod holder;
mod lock;
mod owner;
mod read;
mod replace;
mod reserve;
mod user_file;

pub(crate) use holder::{Holder, holder};
pub(crate) use lock::{Lock, LockError};
pub(crate) use owner::{Foreign, directory_is_private, hand_to_owner_of};
pub(crate) use read::{MAX_SIZE, ReadError, read_listed, read_private, read_whole};
pub(crate) use replace::{Replaced, replace_public, replace_text};
pub(crate) use reserve::{Reserve, is_mount_point, leftover, leftover_target};
pub(crate) use user_file::{NotReplaced, UserFile};

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;

/// The name of our own directory beside the token files.
pub(crate) const OWN_DIRECTORY: &str = ".token-refresher";

/// What tells one state of a file from another: a rename changes the inode, a write in place the
/// size or the modification time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The state that `metadata` describes.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// When the file was last written.
    pub(crate) fn modified(&self) -> Timestamp {
        Timestamp::from_millis(
            self.modified.0.saturating_mul(1000).saturating_add(self.modified.1 / 1_000_000),
        )
    }
}

/// The directory of `path`, and `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes sure that `.token-refresher` (0700) stands in `directory`, and returns its path. A new
/// one is fsynced into its parent, since locks and marks are only worth something if they survive
/// a crash.
///
/// # Errors
/// When it cannot be made, or something else than a directory has its name.
pub(crate) fn own_directory(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join(OWN_DIRECTORY);
    if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
        return Ok(path);
    }
    make_private_directory(&path)?;
    sync_directory(directory)?;
    Ok(path)
}

/// Makes one directory with mode 0700, owned by the owner of its parent; an existing directory is
/// fine (two processes may start at once).
///
/// # Errors
/// When it cannot be made or is not a directory.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => hand_to_owner_of(directory_of(path), &File::open(path)?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not following links: a link here could point anywhere.
            if std::fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Makes the names in `directory` durable (what a rename needs to survive a power loss).
///
/// # Errors
/// When the directory cannot be opened or synced.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// An operating-system error in the program's words: lowercase, without the error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
