//! A name in a directory that is held open, and the system calls for it. The name itself is never followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags, openat, readlinkat, renameat,
    renameat_with, statat, statx, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::directory::{Directory, directory_of};
use super::inode::Inode;
use crate::secret::Fingerprint;

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// A name in a directory that is held open. The file need not exist. Two values are equal where the directory and the
/// name are; all processes have the same order of them, so that locks are taken in one order.
#[derive(Clone, Debug)]
pub(crate) struct FileAt {
    directory: Directory,
    name: OsString,
}

/// The file whose name a new file is to take.
pub(super) struct Occupant {
    /// The user id of the owner.
    pub owner: u32,
    /// The length in bytes.
    pub size: u64,
    /// Whether the file is itself a mount point (a single file bound into a container). A rename over a mount point
    /// fails with EBUSY, which must show before a token is spent.
    pub is_mount_point: bool,
}

impl Directory {
    /// The file called `name` in the directory.
    pub(crate) fn file_at(&self, name: impl Into<OsString>) -> FileAt {
        FileAt { directory: self.clone(), name: name.into() }
    }
}

impl FileAt {
    /// The name that `path` ends with, in the directory where the rest of it leads.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        Ok(Directory::open(directory_of(path))?.file_at(name))
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// The name in the same directory with `before` and `after` around it.
    pub(super) fn sibling(&self, before: &str, after: &str) -> Self {
        self.directory.file_at(self.with(before, after))
    }

    /// The name between two others. A name that the system would not take is shortened, with a fingerprint of the
    /// whole.
    fn with(&self, before: &str, after: &str) -> OsString {
        let mut name = OsString::from(before);
        let whole = self.name.as_bytes();
        if before.len() + whole.len() + after.len() <= LONGEST_NAME {
            name.push(&self.name);
        } else {
            let print = format!("-{}", Fingerprint::of(whole));
            let room = LONGEST_NAME.saturating_sub(before.len() + print.len() + after.len());
            name.push(OsStr::from_bytes(&whole[..room.min(whole.len())]));
            name.push(print);
        }
        name.push(after);
        name
    }

    /// The lock file, `.token-refresher/NAME.lock` beside the file. The directory is made where it is missing.
    pub(crate) fn lock_file(&self) -> io::Result<Self> {
        Ok(self.directory.own()?.file_at(self.with("", ".lock")))
    }

    /// The lock file, if the program has a directory of its own beside the file.
    pub(crate) fn known_lock_file(&self) -> Option<Self> {
        Some(self.directory.own_if_there().ok()??.file_at(self.with("", ".lock")))
    }

    /// Opens the file for reading, and for what `how` adds. Never waits: a fifo may have taken the name.
    pub(super) fn open(&self, how: OFlags) -> io::Result<File> {
        self.open_with(how | OFlags::NOFOLLOW, Mode::empty())
    }

    /// Like [`Self::open`], but follows a link.
    pub(super) fn open_followed(&self) -> io::Result<File> {
        self.open_with(OFlags::RDONLY, Mode::empty())
    }

    /// Makes the file (0600) for reading and writing. A taken name is an error.
    pub(super) fn create(&self) -> io::Result<File> {
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        self.open_with(how, Mode::RUSR | Mode::WUSR)
    }

    /// Does the same after the removal of a file that a crash left under this name.
    pub(super) fn create_anew(&self) -> io::Result<File> {
        self.remove()?;
        self.create()
    }

    /// Opens the file for adding to it and reading; made (0600) where it is missing.
    pub(super) fn open_to_add(&self) -> io::Result<File> {
        let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        self.open_with(how, Mode::RUSR | Mode::WUSR)
    }

    fn open_with(&self, how: OFlags, mode: Mode) -> io::Result<File> {
        let how = how | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(retry_on_intr(|| openat(self.directory.file(), &*self.name, how, mode))?))
    }

    /// The system's data of the name itself: of a link and not of its target.
    pub(crate) fn inode(&self) -> io::Result<Inode> {
        self.stat(AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The system's data of the file to which the name leads.
    pub(crate) fn followed_inode(&self) -> io::Result<Inode> {
        self.stat(AtFlags::empty())
    }

    fn stat(&self, how: AtFlags) -> io::Result<Inode> {
        Ok(Inode::of_stat(&statat(self.directory.file(), &*self.name, how)?))
    }

    /// The target of the link of this name.
    pub(super) fn link(&self) -> io::Result<PathBuf> {
        let target = readlinkat(self.directory.file(), &*self.name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    /// The file that has the name now; `None` where the name is free.
    pub(super) fn occupant(&self) -> io::Result<Option<Occupant>> {
        let how = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let root = StatxAttributes::MOUNT_ROOT;
        match statx(self.directory.file(), &*self.name, how, StatxFlags::BASIC_STATS) {
            Ok(found) if found.stx_attributes_mask.contains(root) => Ok(Some(Occupant {
                owner: found.stx_uid,
                size: found.stx_size,
                is_mount_point: found.stx_attributes.contains(root),
            })),
            Err(Errno::NOENT) => Ok(None),
            // Before Linux 5.8, or where a sandbox forbids the call.
            _ => match self.inode() {
                Ok(found) => Ok(Some(Occupant {
                    owner: found.owner,
                    size: found.stamp.size(),
                    is_mount_point: self.is_on_another_mount(),
                })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    fn is_on_another_mount(&self) -> bool {
        let mount = |file: &File| {
            let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
            facts.lines().find(|line| line.starts_with("mnt_id:")).map(ToOwned::to_owned)
        };
        let here = mount(self.directory.file());
        here.is_some() && self.open(OFlags::PATH).is_ok_and(|file| mount(&file) != here)
    }

    /// Renames the file to `other`, which is replaced.
    pub(super) fn rename(&self, other: &Self) -> io::Result<()> {
        Ok(renameat(self.directory.file(), &*self.name, other.directory.file(), &*other.name)?)
    }

    /// Renames with flags; like [`Self::rename`] where the file system knows no flags (NFS, some FUSE).
    pub(super) fn rename_with(&self, other: &Self, how: RenameFlags) -> io::Result<()> {
        match renameat_with(self.directory.file(), &*self.name, other.directory.file(), &*other.name, how) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.rename(other),
            renamed => Ok(renamed?),
        }
    }

    /// Removes the file. Returns whether the file existed.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        match unlinkat(self.directory.file(), &*self.name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn key(&self) -> ((u64, u64), &OsStr) {
        (self.directory.found().stamp.identity(), &self.name)
    }
}

impl PartialEq for FileAt {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for FileAt {}

impl PartialOrd for FileAt {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FileAt {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_known() {
        let file = |path: &str| FileAt::of(Path::new(path)).unwrap();
        for (path, expected) in [("/proc", true), ("/proc/self", false), (file!(), false)] {
            let occupant = file(path).occupant().unwrap().unwrap();
            assert_eq!(occupant.is_mount_point, expected, "{path}");
            assert_eq!(
                Some(occupant.size),
                file(path).inode().ok().map(|found| found.stamp.size()),
                "{path}"
            );
            assert_eq!(file(path).is_on_another_mount(), expected, "{path}");
        }
    }
}
