//! Why a file was not read.

use std::fmt;
use std::io;

use super::reason::reason;
use super::trust::Untrusted;

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The file does not exist, or not any more.
    Gone,
    NotRegular,
    /// The file is larger than this limit, in bytes.
    TooLarge(u64),
    /// The bytes are not UTF-8.
    NotText,
    /// The file gives orders, and another user could have written it.
    Untrusted(Untrusted),
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
            Self::Untrusted(why) => why.fmt(out),
            Self::Io(error) => out.write_str(&reason(error)),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Gone } else { Self::Io(error) }
    }
}

impl From<Untrusted> for ReadError {
    fn from(why: Untrusted) -> Self {
        Self::Untrusted(why)
    }
}
