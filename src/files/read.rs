//! Reading a file that somebody else may be writing.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fs2::FileExt;
use zeroize::Zeroizing;

use super::{Stamp, reason};

/// The largest file that is read, in bytes. Real token files have a few kilobytes; a larger file
/// under a token's name is a mistake that must not cost memory.
pub(crate) const MAX_SIZE: u64 = 1 << 20;

/// The room for the largest file and the byte that shows that it is larger.
const MAX_SIZE_IN_MEMORY: usize = (1 << 20) + 1;

/// How long a writer that locks the file in place is waited for. Writers that replace by rename
/// (we do) need no lock at all.
const SHARED_LOCK_WAIT: Duration = Duration::from_millis(200);

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There is no such file (any more).
    Gone,
    /// A directory, fifo, socket or device has this name.
    NotRegular,
    /// Larger than [`MAX_SIZE`].
    TooLarge,
    /// The bytes are not UTF-8.
    NotText,
    /// The operating system refused.
    Io(io::Error),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => out.write_str("there is no such file"),
            Self::NotRegular => out.write_str("it is not a regular file"),
            Self::TooLarge => out.write_str("it is larger than 1 MiB"),
            Self::NotText => out.write_str("it is not UTF-8 text; save it as UTF-8"),
            Self::Io(error) => out.write_str(&reason(error)),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Gone } else { Self::Io(error) }
    }
}

/// Reads a file whole under a shared lock on the file itself, tried for 200 ms and then read anyway
/// (the lock is a courtesy between writers in place, not a promise). Returns its state with it.
///
/// # Errors
/// See [`ReadError`]; a fifo or device is recognised before it is opened and never waited on.
pub(crate) fn read_private(path: &Path) -> Result<(Zeroizing<String>, Stamp), ReadError> {
    let (file, before) = open_regular(path)?;
    courteously(&file);
    read_open(&file, &before)
}

/// As [`read_private`], for a name that the directory listing calls a regular file: opened without a
/// look before (which ten thousand files feel), and not through a link.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read_listed(path: &Path) -> Result<(Zeroizing<String>, Stamp), ReadError> {
    let (file, before) = open(path, libc::O_NOFOLLOW)?;
    courteously(&file);
    read_open(&file, &before)
}

/// Waits a moment for a writer that holds the file itself.
fn courteously(file: &File) {
    let deadline = Instant::now() + SHARED_LOCK_WAIT;
    // `FileExt::` because std has methods of the same names with other error types.
    while FileExt::try_lock_shared(file).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a file whole, without a lock: for files that are only ever replaced by rename.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read_whole(path: &Path) -> Result<(Zeroizing<String>, Stamp), ReadError> {
    let (file, before) = open_regular(path)?;
    read_open(&file, &before)
}

fn open_regular(path: &Path) -> Result<(File, Metadata), ReadError> {
    // Looked at before it is opened, since opening some devices has effects; opened without
    // blocking and looked at again, since the name may have changed hands in between.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    open(path, 0)
}

fn open(path: &Path, flags: i32) -> Result<(File, Metadata), ReadError> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    if metadata.len() > MAX_SIZE {
        return Err(ReadError::TooLarge);
    }
    Ok((file, metadata))
}

fn read_open(mut file: &File, before: &Metadata) -> Result<(Zeroizing<String>, Stamp), ReadError> {
    // One byte more than there was: a read that leaves room has reached the end, which saves asking.
    let expected = usize::try_from(before.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; expected + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        if length < bytes.len() {
            break;
        }
        // Somebody is writing: it has grown since.
        let longer = (bytes.len() * 2).min(MAX_SIZE_IN_MEMORY);
        if length as u64 > MAX_SIZE {
            return Err(ReadError::TooLarge);
        }
        bytes.resize(longer, 0);
    }
    bytes.truncate(length);
    // Stamped before the read: a write during it shows as a different stamp later.
    let stamp = Stamp::of(before);
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok((Zeroizing::new(text), stamp)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(ReadError::NotText)
        }
    }
}
