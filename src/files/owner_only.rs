//! Closing a file to all users but its owner.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::OFlags;

use super::file_at::FileAt;
use super::inode::Inode;
use super::reason::reason;
use super::trust::me;

/// Why users other than the owner may still read a file.
#[derive(Debug)]
pub(crate) enum NotClosed {
    /// The file belongs to another user, who decides.
    Foreign(u32),
    /// The file system keeps no modes.
    NoModes,
    /// The operating system refused.
    Io(io::Error),
}

impl fmt::Display for NotClosed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(owner) => write!(out, "it belongs to another user (uid {owner})"),
            Self::NoModes => out.write_str("its file system keeps no modes"),
            Self::Io(error) => out.write_str(&reason(error)),
        }
    }
}

impl From<io::Error> for NotClosed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Closes `file` to all users but its owner, and returns the mode that the file had.
pub(crate) fn close_to_others(file: &FileAt) -> Result<u32, NotClosed> {
    let opened = file.open(OFlags::RDONLY)?;
    let found = Inode::of(&opened.metadata()?);
    if found.owner != me() {
        return Err(NotClosed::Foreign(found.owner));
    }
    opened.set_permissions(Permissions::from_mode(found.mode & 0o700))?;
    if Inode::of(&opened.metadata()?).is_open_to_readers() {
        return Err(NotClosed::NoModes);
    }
    Ok(found.mode & 0o7777)
}
