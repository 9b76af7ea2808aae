//! Opening a regular file, safe from fifos, devices and endless files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::OFlags;

use super::file_at::FileAt;
use super::follow::follow;
use super::inode::Inode;
use super::read_error::ReadError;
use super::trust::judge_file;

/// Opens a file that gives orders: a regular file that no other user could have written. Links of `path` are followed
/// if no other user could have turned them. The directories of `path` are the choice of the person who named the file.
pub(super) fn open_order(path: &Path, limit: u64) -> Result<(File, Inode), ReadError> {
    // Most projects lack some of these files, and this call shows it without opening directories.
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Err(ReadError::Gone);
    }
    let real = follow(&FileAt::of(path)?)?;
    let (file, found) = open_own(&real, limit)?;
    judge_file(real.directory().user(), &real.path(), &file, &found)?;
    real.directory().judge()?;
    Ok((file, found))
}

/// Opens the regular file that `file` leads to, of at most `limit` bytes. The type is checked before the opening, since
/// opening some devices has effects.
pub(super) fn open_regular(file: &FileAt, limit: u64) -> Result<(File, Inode), ReadError> {
    if !file.followed_inode()?.is_file() {
        return Err(ReadError::NotRegular);
    }
    checked(file.open_followed()?, limit)
}

/// Opens the regular file called `file`, and no link. For a known regular file, or one of the program's own. The type
/// is checked after the opening, which saves a system call for each of ten thousand files.
pub(super) fn open_own(file: &FileAt, limit: u64) -> Result<(File, Inode), ReadError> {
    match file.open(OFlags::RDONLY) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Err(ReadError::NotRegular),
        opened => checked(opened?, limit),
    }
}

fn checked(file: File, limit: u64) -> Result<(File, Inode), ReadError> {
    let found = Inode::of(&file.metadata()?);
    if !found.is_file() {
        return Err(ReadError::NotRegular);
    }
    if found.stamp.size() > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok((file, found))
}
