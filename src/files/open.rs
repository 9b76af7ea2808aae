//! Opening a regular file, and nothing that a fifo, a device or an endless file could do to a reader.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::reason::reason;

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There is no such file (any more).
    Gone,
    /// A directory, fifo, socket or device has this name.
    NotRegular,
    /// Larger than this limit, in bytes.
    TooLarge(u64),
    /// The bytes are not UTF-8.
    NotText,
    /// The operating system refused.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => out.write_str("there is no such file"),
            Self::NotRegular => out.write_str("it is not a regular file"),
            Self::TooLarge(limit) => write!(out, "it is larger than {} MiB", limit >> 20),
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
