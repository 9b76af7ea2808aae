//! Editing a file of the user: the file cannot be made again, and its owner may be writing it too.
//!
//! The caller reads the file, decides on a new text, and calls [`UserFile::replace`]. Where another program has written
//! the file in between, nothing is replaced. The caller then begins again with the present text. The new text is synced
//! before it takes the old one's place. Links are followed; mode, owner, group, access control list and extended
//! attributes are kept. A file with a second name (a hard link) is not edited.

use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt;
use rustix::fs::RenameFlags;
use zeroize::Zeroizing;

use super::attributes::copy_attributes;
use super::directory::directory_of;
use super::file_at::FileAt;
use super::follow::follow;
use super::inode::{Inode, Stamp};
use super::open::open_own;
use super::read::{bytes_of, text};
use super::read_error::ReadError;
use super::reason::reason;
use super::trust::{Untrusted, me};

/// How long to wait for another process that edits a file in the same directory.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the lock of the directory is tried, since `flock` has no timeout of its own: an edit takes milliseconds.
const POLL: Duration = Duration::from_millis(5);

/// The largest file that is edited, in bytes. Assistants keep their own notes in some of these files: megabytes were
/// seen.
const LARGEST: u64 = 64 << 20;

/// Permission bits of all users but the owner.
const OTHERS: u32 = 0o077;

/// A file that was read, with a lock against other processes of this program.
#[derive(Debug)]
pub(crate) struct UserFile {
    name: FileAt,
    /// Whether a link of this name is followed.
    follows: bool,
    real: FileAt,
    before: Option<Before>,
    /// The lock is on the directory: a lock file would remain in the user's folders, and the file itself is replaced.
    _directory: File,
}

struct Before {
    file: File,
    text: Zeroizing<String>,
    found: Inode,
    /// How many names the file has.
    names: u64,
}

/// Without the text, which may hold tokens.
impl fmt::Debug for Before {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Before({:?})", self.found)
    }
}

/// Why a file cannot be edited. Shown after its name.
#[derive(Debug)]
pub(crate) enum NotEditable {
    /// The file exists and cannot be read.
    Unreadable(ReadError),
    /// The name is a link to a file that does not exist.
    DanglingLink,
    /// The name is a link, which is not followed.
    Link,
    /// The directory, with this path, does not exist.
    NoDirectory(PathBuf),
    /// Another process is editing a file in the directory.
    Locked,
    /// Another user, with this number, owns the file.
    Foreign(u32),
    /// Another user could have turned a link to the file.
    Untrusted(Untrusted),
    /// The owner has taken the permission to write from the file.
    ReadOnly,
    /// The file has another name (a hard link), which would keep the old text.
    SecondName,
    /// The access control list or another attribute cannot be kept.
    Attributes(io::Error),
    /// The mode cannot be changed.
    Mode(io::Error),
    /// The new text cannot be written or put in place.
    Unwritable(io::Error),
}

impl fmt::Display for NotEditable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "cannot be read: {error}"),
            Self::DanglingLink => out.write_str("it is a link that leads nowhere"),
            Self::Link => out.write_str(
                "it is a link, which is not followed in the tokens directory; name the file with --client NAME=FILE",
            ),
            Self::NoDirectory(directory) => {
                write!(out, "its directory is not there; make {}, or correct the path", directory.display())
            }
            Self::Locked => out.write_str("cannot be locked: another process is editing in its directory"),
            Self::Foreign(owner) => {
                write!(out, "it belongs to another user (uid {owner}); run token-refresher as that user")
            }
            Self::Untrusted(why) => why.fmt(out),
            Self::ReadOnly => out.write_str("it is read-only; make it writable with chmod u+w"),
            Self::SecondName => out.write_str(
                "it has a second name (a hard link), which would keep the old text; make one of them a symbolic link",
            ),
            Self::Attributes(error) => {
                write!(out, "its access control list or attributes cannot be kept: {}", reason(error))
            }
            Self::Mode(error) => write!(out, "its mode cannot be changed: {}", reason(error)),
            Self::Unwritable(error) => write!(out, "cannot be written: {}", reason(error)),
        }
    }
}

/// Why a file was not replaced.
#[derive(Debug)]
pub(crate) enum NotReplaced {
    /// The file's contents are no longer those that were read: begin again.
    Changed,
    Failed(NotEditable),
}

impl UserFile {
    /// Locks the directory of `path`, links followed, and reads the file, which need not exist. A missing directory is
    /// not made, since a mistake in the path would go unnoticed.
    pub(crate) fn read(path: &Path) -> Result<Self, NotEditable> {
        let name = FileAt::of(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NotEditable::NoDirectory(directory_of(path).to_owned()),
            _ => unreadable(error),
        })?;
        Self::locked(name, true)
    }

    /// Like [`Self::read`], for a file of the program's own, which is never a link.
    pub(crate) fn read_own(name: FileAt) -> Result<Self, NotEditable> {
        Self::locked(name, false)
    }

    fn locked(name: FileAt, follows: bool) -> Result<Self, NotEditable> {
        let real = resolve(&name, follows)?;
        let directory = real.directory().again().map_err(unreadable)?;
        lock(&directory)?;
        let before = read(&real).map_err(NotEditable::Unreadable)?;
        if let Some(before) = &before
            && before.found.owner != me()
        {
            return Err(NotEditable::Foreign(before.found.owner));
        }
        Ok(Self { name, follows, real, before, _directory: directory })
    }

    /// The text; `None` where the file does not exist.
    pub(crate) fn text(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.text.as_str())
    }

    /// Whether users other than the owner may read or write the file.
    pub(crate) fn is_open_to_others(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.found.mode & OTHERS != 0)
    }

    /// Takes the permissions of all users but the owner away.
    pub(crate) fn close_to_others(&self) -> Result<(), NotEditable> {
        let Some(before) = &self.before else { return Ok(()) };
        let narrowed = Permissions::from_mode(before.found.mode & 0o7777 & !OTHERS);
        before.file.set_permissions(narrowed).map_err(NotEditable::Mode)
    }

    /// Puts `text` in place, for the owner alone if the file is `private` or new. After an error the present file is
    /// untouched, and no temporary file is left.
    pub(crate) fn replace(&self, text: &str, private: bool) -> Result<(), NotReplaced> {
        if let Some(before) = &self.before {
            if before.found.mode & 0o200 == 0 {
                return Err(NotReplaced::Failed(NotEditable::ReadOnly));
            }
            if before.names > 1 {
                return Err(NotReplaced::Failed(NotEditable::SecondName));
            }
        }
        let temporary = self.real.sibling(".", ".token-refresher");
        let written = self
            .write(&temporary, text, private)
            .and_then(|()| if self.is_unchanged() { Ok(()) } else { Err(NotReplaced::Changed) });
        written.map_err(|why| discard(&temporary, why))?;
        match &self.before {
            Some(before) => self.exchange(&temporary, before.found.stamp)?,
            None => temporary.rename_with(&self.real, RenameFlags::NOREPLACE).map_err(|error| {
                let appeared = error.kind() == io::ErrorKind::AlreadyExists;
                discard(&temporary, if appeared { NotReplaced::Changed } else { error.into() })
            })?,
        }
        Ok(self.real.directory().sync()?)
    }

    /// Writes the new file beside the old one and syncs it.
    fn write(&self, temporary: &FileAt, text: &str, private: bool) -> Result<(), NotReplaced> {
        // Left over from a crash: the directory is locked, so no other process is writing it.
        temporary.remove()?;
        let mut file = temporary.create()?;
        // The readers are settled while the file is empty.
        if let Some(before) = &self.before {
            if file.metadata()?.gid() != before.found.group {
                fchown(&file, None, Some(before.found.group))?;
            }
            copy_attributes(&before.file, &file)
                .map_err(|error| NotReplaced::Failed(NotEditable::Attributes(error)))?;
            // In a file with an access control list this mode narrows the list's mask.
            let mask = if private { OTHERS } else { 0 };
            file.set_permissions(Permissions::from_mode(before.found.mode & 0o7777 & !mask))?;
        }
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// Exchanges the new file and the one in place, and looks at the file that came out. A plain rename would destroy a
    /// change of the owner since the last look. The gap is real: a rename waits for the journal, and our own fsync can
    /// make that take milliseconds. A file that came out and is not `before` is the owner's, and goes back. A newer one
    /// that comes out then is the owner's too.
    fn exchange(&self, temporary: &FileAt, before: Stamp) -> Result<(), NotReplaced> {
        let ours = temporary.inode()?.stamp;
        let (mut put_in, mut expected) = (ours, before);
        loop {
            match temporary.rename_with(&self.real, RenameFlags::EXCHANGE) {
                Ok(()) => {}
                // The owner has removed the file, which stays removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(discard(temporary, NotReplaced::Changed));
                }
                Err(error) if put_in == ours => return Err(discard(temporary, error.into())),
                // The file with the temporary name is the owner's, so it is not removed.
                Err(error) => return Err(error.into()),
            }
            let out = match temporary.inode() {
                Ok(out) => out.stamp,
                // A file system that cannot exchange has renamed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if out == expected {
                temporary.remove()?;
                return if put_in == ours { Ok(()) } else { Err(NotReplaced::Changed) };
            }
            (expected, put_in) = (put_in, out);
        }
    }

    /// Whether the name still leads to the file that was read, with the same contents. The text is compared too, since
    /// two writes within one tick of the clock leave the same time. Where the file system cannot exchange files, this
    /// check is the last one.
    fn is_unchanged(&self) -> bool {
        if resolve(&self.name, self.follows).ok().as_ref() != Some(&self.real) {
            return false;
        }
        match (read(&self.real), &self.before) {
            (Ok(None), None) => true,
            (Ok(Some(now)), Some(before)) => now.text == before.text && now.found.stamp == before.found.stamp,
            _ => false,
        }
    }
}

impl From<io::Error> for NotReplaced {
    fn from(error: io::Error) -> Self {
        Self::Failed(NotEditable::Unwritable(error))
    }
}

/// Removes a new file that is not needed, and returns `why`.
fn discard(temporary: &FileAt, why: NotReplaced) -> NotReplaced {
    // The first error is the one to report. The next try removes a leftover.
    let _ = temporary.remove();
    why
}

fn unreadable(error: io::Error) -> NotEditable {
    NotEditable::Unreadable(ReadError::Io(error))
}

/// The file that `name` leads to, which need not exist.
fn resolve(name: &FileAt, follows: bool) -> Result<FileAt, NotEditable> {
    match name.inode() {
        Ok(found) if !found.is_link() => Ok(name.clone()),
        Ok(_) if !follows => Err(NotEditable::Link),
        Ok(_) => follow(name).map_err(|why| match why {
            // Otherwise another user's link would decide where this program writes.
            ReadError::Untrusted(why) => NotEditable::Untrusted(why),
            ReadError::Gone => NotEditable::DanglingLink,
            why => NotEditable::Unreadable(why),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(name.clone()),
        Err(error) => Err(unreadable(error)),
    }
}

fn lock(directory: &File) -> Result<(), NotEditable> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match FileExt::try_lock_exclusive(directory) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A file system that does not lock directories (NFS): the check before the exchange must suffice.
            Ok(()) | Err(_) => return Ok(()),
        }
        if Instant::now() >= deadline {
            return Err(NotEditable::Locked);
        }
        std::thread::sleep(POLL);
    }
}

fn read(real: &FileAt) -> Result<Option<Before>, ReadError> {
    let (file, found) = match open_own(real, LARGEST) {
        Ok(opened) => opened,
        Err(ReadError::Gone) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Before {
        text: text(bytes_of(&file, &found, LARGEST)?)?,
        names: file.metadata()?.nlink(),
        // From before the read, so that a write during the read shows as a different state later.
        found,
        file,
    }))
}

#[cfg(test)]
mod tests;
