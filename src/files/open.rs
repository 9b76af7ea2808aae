//! Opening a regular file, and nothing that a fifo, a device or an endless file could do to a reader.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::directory::directory_of;
use super::follow::{follow, judge_directory_at};
use super::read_error::ReadError;
use super::trust::judge_file;

/// Opens a file that gives orders: a regular file that no other user could have written, at `path` or where
/// links that no other user could have turned lead from there.
pub(super) fn open_order(path: &Path, limit: u64) -> Result<(File, Metadata), ReadError> {
    let real = follow(path)?;
    if !std::fs::symlink_metadata(&real)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let (file, metadata) = open(&real, libc::O_NOFOLLOW, limit)?;
    judge_file(&real, &file, &metadata)?;
    judge_directory_at(directory_of(&real))?;
    Ok((file, metadata))
}

/// Opens the regular file at `path`, links followed, of at most `limit` bytes. The name is looked at before
/// it is opened, since opening some devices has effects. [`open_listed`] looks again at what was opened.
pub(super) fn open_regular(path: &Path, limit: u64) -> Result<(File, Metadata), ReadError> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    open(path, 0, limit)
}

/// The same for a name that a directory listing calls a regular file: without the look before, which ten
/// thousand files feel, and not through a link.
pub(super) fn open_listed(path: &Path, limit: u64) -> Result<(File, Metadata), ReadError> {
    open(path, libc::O_NOFOLLOW, limit)
}

fn open(path: &Path, flags: i32, limit: u64) -> Result<(File, Metadata), ReadError> {
    // Without blocking: a fifo may have taken the name meanwhile.
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    if metadata.len() > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok((file, metadata))
}
