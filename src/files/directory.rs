//! A directory that is held open.
//!
//! Files in the directory are reached through its descriptor. Its path may lead elsewhere by now: another directory got
//! the name, or a link took its place. Nothing is written through the path.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, mkdirat, openat};
use rustix::io::{Errno, retry_on_intr};

use super::inode::Inode;
use super::shared_sync::SharedSync;
use super::trust::{self, Untrusted, judge_directory, judge_own, me};

/// The name of the program's own directory beside the token files.
pub(crate) const OWN_DIRECTORY: &str = ".token-refresher";

/// How a directory is opened.
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The bytes of a directory that are read at once, as the C libraries do: some five hundred names.
const READ_AT_ONCE: usize = 32 << 10;

/// A directory that is held open.
#[derive(Clone)]
pub(crate) struct Directory(Arc<Opened>);

struct Opened {
    file: File,
    /// The path where the directory was found, for messages.
    path: PathBuf,
    /// The system's data of the directory when it was opened.
    found: Inode,
    /// The user of this process, who does not change once directories are open.
    user: u32,
    /// The program's own directory inside, once it was needed.
    own: OnceLock<Directory>,
    syncs: SharedSync,
}

impl fmt::Debug for Directory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(out)
    }
}

impl Directory {
    /// Opens the directory at `path`, links followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let opened = retry_on_intr(|| openat(CWD, path, READ, Mode::empty()))?;
        Self::from(File::from(opened), path.to_owned(), me())
    }

    fn from(file: File, path: PathBuf, user: u32) -> io::Result<Self> {
        let found = Inode::of(&file.metadata()?);
        let (own, syncs) = (OnceLock::new(), SharedSync::default());
        Ok(Self(Arc::new(Opened { file, path, found, user, own, syncs })))
    }

    /// Opens the directory `name` inside, and no link of this name.
    pub(super) fn subdirectory(&self, name: &OsStr) -> io::Result<Self> {
        let open =
            |how: OFlags| retry_on_intr(|| openat(self.file(), name, how | OFlags::NOFOLLOW, Mode::empty()));
        let opened = match open(READ) {
            // Some directories can be passed through and not listed, like `/home` on some machines.
            Err(Errno::ACCESS) => open(READ | OFlags::PATH),
            opened => opened,
        };
        Self::from(File::from(opened?), self.path().join(name), self.user())
    }

    /// Opens the directory once more, for a lock: all users of one descriptor share its lock.
    pub(super) fn again(&self) -> io::Result<File> {
        Ok(File::from(retry_on_intr(|| openat(self.file(), c".", READ, Mode::empty()))?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// The user of this process, for whom files of the directory are judged.
    pub(super) fn user(&self) -> u32 {
        self.0.user
    }

    pub(super) fn file(&self) -> &File {
        &self.0.file
    }

    /// The system's data of the directory when it was opened.
    pub(super) fn found(&self) -> &Inode {
        &self.0.found
    }

    /// Makes the names in the directory durable, so that a rename survives a power loss. Threads that come together
    /// share a sync.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.syncs.after_changes(|| self.file().sync_all())
    }

    /// Gives `take` each name in the directory, and whether it is plainly a regular file.
    pub(crate) fn each_name(&self, take: &mut dyn FnMut(&OsStr, bool)) -> io::Result<()> {
        // Descriptors that were copied from one share its place in the directory.
        let opened = self.again()?;
        let mut buffer = Vec::with_capacity(READ_AT_ONCE);
        let mut entries = RawDir::new(opened, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // The directory was removed since it was opened.
                Err(Errno::NOENT) => break,
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                take(OsStr::from_bytes(name), entry.file_type() == FileType::RegularFile);
            }
        }
        Ok(())
    }

    /// The program's own directory inside, made (0700) where it is missing. A new one is synced into the directory,
    /// because locks and marks must survive a crash.
    pub(crate) fn own(&self) -> io::Result<&Self> {
        if let Some(own) = self.own_if_there()? {
            return Ok(own);
        }
        match mkdirat(self.file(), OWN_DIRECTORY, Mode::RWXU) {
            // Another process may start at this moment too.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.sync()?;
        self.own_if_there()?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The program's own directory inside, if it exists. One of another user is an error: that user could make locks
    /// and marks that this program would believe.
    pub(crate) fn own_if_there(&self) -> io::Result<Option<&Self>> {
        if let Some(own) = self.0.own.get() {
            return Ok(Some(own));
        }
        match self.subdirectory(OWN_DIRECTORY.as_ref()) {
            Ok(own) => {
                judge_own(own.path(), own.file(), own.found())
                    .map_err(|why| io::Error::other(why.to_string()))?;
                Ok(Some(self.0.own.get_or_init(|| own)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Why other users could put their own files into the directory, if they could.
    pub(crate) fn open_to_others(&self) -> Option<Untrusted> {
        trust::open_to_others(self.user(), self.path(), self.file(), self.found())
    }

    /// Judges the directory as the place of an order.
    pub(super) fn judge(&self) -> Result<(), Untrusted> {
        judge_directory(self.path(), self.file(), self.found())
    }
}

/// The directory of `path`, and `.` for a bare name.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes one directory with mode 0700. An existing directory is fine: two processes may start at once.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // The link itself is checked: a link here could point anywhere.
            if std::fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}
