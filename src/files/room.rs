//! The precautions before a token is spent: room for the answer, in a place where it can be stored.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::file_at::FileAt;
use super::reason::reason;
use super::reserve::Reserve;
use super::trust::Untrusted;

/// Why an answer could not be stored.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// The file is a mount point, which cannot be replaced.
    MountPoint,
    /// Other users could put a file of theirs in place of the token file.
    OpenDirectory(Untrusted),
    Foreign(u32),
    /// No file can be made in this directory.
    NotMade(PathBuf, io::Error),
}

impl fmt::Display for NoRoom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MountPoint => out.write_str(
                "it is a mount point of its own and could not be replaced; mount its directory instead",
            ),
            Self::OpenDirectory(why) => why.fmt(out),
            Self::Foreign(owner) => {
                write!(out, "it belongs to another user (uid {owner}); run token-refresher as that user")
            }
            Self::NotMade(directory, error) => {
                let directory = directory.display();
                write!(out, "no room for a new token can be made in {directory}: {}", reason(error))
            }
        }
    }
}

/// Makes room for a file that can take the place of `target`, which need not exist yet.
pub(crate) fn make_room(target: &FileAt) -> Result<Reserve, NoRoom> {
    let place = || target.directory().path().to_owned();
    let failed = |error| NoRoom::NotMade(place(), error);
    let present = target.occupant().map_err(failed)?;
    if present.as_ref().is_some_and(|found| found.is_mount_point) {
        return Err(NoRoom::MountPoint);
    }
    if let Some(why) = target.directory().open_to_others() {
        return Err(NoRoom::OpenDirectory(why));
    }
    let size = present.as_ref().map_or(0, |found| found.size);
    let reserve = Reserve::create(target, size).map_err(failed)?;
    if let Some(found) = present
        // The reserve has just been made, so its owner is the user of this process.
        && found.owner != reserve.owner().map_err(failed)?
    {
        return Err(NoRoom::Foreign(found.owner));
    }
    Ok(reserve)
}
