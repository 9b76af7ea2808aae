//! The system's data of a file without its contents. A part of the data tells one state of a file from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};

use crate::clock::Timestamp;

/// The system's data of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Inode {
    /// The user id of the owner.
    pub owner: u32,
    pub group: u32,
    /// The type and the permissions.
    pub mode: u32,
    pub stamp: Stamp,
    /// When the system last changed anything of the file. No program can set this time.
    changed: (i64, i64),
}

/// One state of a file: a rename changes the inode, a write in place the size or the modification time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Inode {
    /// The data that `found` holds.
    pub(super) fn of(found: &Metadata) -> Self {
        let modified = (found.mtime(), found.mtime_nsec());
        let stamp = Stamp { device: found.dev(), inode: found.ino(), size: found.len(), modified };
        let changed = (found.ctime(), found.ctime_nsec());
        Self { owner: found.uid(), group: found.gid(), mode: found.mode(), stamp, changed }
    }

    /// The data of the file to which `path` leads; `None` where the system refuses.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|found| Self::of(&found))
    }

    /// The data that `found` holds.
    pub(super) fn of_stat(found: &Stat) -> Self {
        let nanoseconds = |part| i64::try_from(part).unwrap_or_default();
        let modified = (found.st_mtime, nanoseconds(found.st_mtime_nsec));
        let changed = (found.st_ctime, nanoseconds(found.st_ctime_nsec));
        let size = u64::try_from(found.st_size).unwrap_or_default();
        let stamp = Stamp { device: found.st_dev, inode: found.st_ino, size, modified };
        Self { owner: found.st_uid, group: found.st_gid, mode: found.st_mode, stamp, changed }
    }

    pub(crate) fn is_file(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::RegularFile
    }

    /// Whether the mode lets users other than the owner read the file.
    pub(crate) fn is_open_to_readers(&self) -> bool {
        self.mode & 0o044 != 0
    }

    /// The later of two times: when the file was written, and when anything of it was changed.
    pub(super) fn latest(&self) -> Timestamp {
        in_millis(self.stamp.modified.max(self.changed))
    }

    pub(super) fn is_link(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Symlink
    }
}

impl Stamp {
    /// The state of the file to which `path` leads; `None` where the system refuses.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Inode::at(path).map(|found| found.stamp)
    }

    /// The modification time to the nanosecond; no file was written before 1970.
    pub(super) fn time(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let since = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        UNIX_EPOCH + since.map_or(Duration::ZERO, |(seconds, rest)| Duration::new(seconds, rest))
    }

    /// When the file was last written.
    pub(crate) fn modified(&self) -> Timestamp {
        in_millis(self.modified)
    }

    /// The length in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The numbers of device and inode, which tell the file from all others, whatever its contents.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

fn in_millis((seconds, nanoseconds): (i64, i64)) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
}
