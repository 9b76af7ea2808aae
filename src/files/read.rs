//! Reading a whole file that another program may be writing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use fs2::FileExt;
use zeroize::Zeroizing;

use super::file_at::FileAt;
use super::inode::{Inode, Stamp};
use super::open::{open_order, open_own, open_regular};
use super::read_error::ReadError;
use super::trust::judge_file;

/// The largest file that is read, in bytes. Real token files have a few kilobytes. A larger file under a token's name
/// is a mistake that must not cost memory.
pub(crate) const MAX_SIZE: u64 = 1 << 20;

/// How long to wait for a writer that locks the file in place. Writers that replace by rename (this program does) need
/// no lock at all.
const SHARED_LOCK_WAIT: Duration = Duration::from_millis(200);

/// How often the lock is tried, since `flock` has no timeout of its own. A writer in place needs about a millisecond.
const SHARED_LOCK_POLL: Duration = Duration::from_millis(5);

/// Reads a whole token file under a shared lock on the file itself, and returns its state too. After
/// 200 ms the file is read without the lock: the lock is a courtesy between writers in place. The caller follows links.
pub(crate) fn read_private(file: &FileAt) -> Result<(Zeroizing<String>, Inode), ReadError> {
    let (opened, before) = open_own(file, MAX_SIZE)?;
    judge_file(file.directory().user(), &file.path(), &opened, &before)?;
    wait_for_writer(&opened);
    // The state is from before the read: a write during the read shows as a different state later.
    Ok((text(bytes_of(&opened, &before, MAX_SIZE)?)?, before))
}

/// Waits a moment for a writer that holds the file itself.
fn wait_for_writer(file: &File) {
    let deadline = Instant::now() + SHARED_LOCK_WAIT;
    // `FileExt::` because std has methods of the same names with other error types.
    while FileExt::try_lock_shared(file).is_err() && Instant::now() < deadline {
        std::thread::sleep(SHARED_LOCK_POLL);
    }
}

/// Reads a file of the program's own, of at most `limit` bytes. Needs no lock, since such a file is only ever replaced
/// by rename.
pub(crate) fn read_own(file: &FileAt, limit: u64) -> Result<(Zeroizing<String>, Stamp), ReadError> {
    let (opened, before) = open_own(file, limit)?;
    Ok((text(bytes_of(&opened, &before, limit)?)?, before.stamp))
}

/// Reads the text at `path`, links followed.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, ReadError> {
    text(read_bytes(path, MAX_SIZE)?)
}

/// Reads a whole file that gives orders, and that no other user could have written.
pub(crate) fn read_order(path: &Path) -> Result<Zeroizing<String>, ReadError> {
    text(read_order_bytes(path)?)
}

/// Like [`read_order`], for a file whose bytes need not be text.
pub(crate) fn read_order_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let (file, before) = open_order(path, MAX_SIZE)?;
    bytes_of(&file, &before, MAX_SIZE)
}

/// Reads a regular file of at most `limit` bytes, links followed.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let (file, before) = open_regular(&FileAt::of(path)?, limit)?;
    bytes_of(&file, &before, limit)
}

/// The bytes as text, without a copy of them.
pub(super) fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, ReadError> {
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        ReadError::NotText
    })
}

/// The contents of `file`, at most `limit` bytes. No copy of a secret is left behind: the buffer has room for the whole
/// file, and a buffer that must grow is wiped.
pub(super) fn bytes_of(mut file: &File, before: &Inode, limit: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // One byte more than the file had. A read that leaves room has reached the end, which saves a second call.
    let expected = usize::try_from(before.stamp.size()).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; expected + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        if length as u64 > limit {
            return Err(ReadError::TooLarge(limit));
        }
        if length < bytes.len() {
            break;
        }
        // The file has grown, because another program is writing.
        let mut larger = Zeroizing::new(vec![0; bytes.len() * 2]);
        larger[..length].copy_from_slice(&bytes);
        bytes = larger;
    }
    bytes.truncate(length);
    Ok(bytes)
}
