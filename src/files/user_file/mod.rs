//! Editing a file of the user's: it cannot be made again, and its owner may be writing it too.
//!
//! Read it, decide on a new text, [`UserFile::replace`] it; where another program has written it in
//! between, nothing is replaced and the caller begins again with the present text. The new text is
//! synced before it takes the old one's place. Links are followed; mode, owner, group, access control list and
//! extended attributes stay. A file with a second name (a hard link) is left alone.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::attributes::copy_attributes;
use super::directory::{directory_of, sync_directory};
use super::follow::follow;
use super::open::open_regular;
use super::read::{bytes_of, text};
use super::read_error::ReadError;
use super::reason::reason;
use super::stamp::Stamp;
use super::trust::{Untrusted, me};

/// How long another process that edits a file in the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest file that is edited, in bytes. Assistants keep their own notes in some of these files:
/// megabytes were seen.
const LARGEST: u64 = 64 << 20;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A file as it was read, with a lock that keeps other processes of this program away from it.
#[derive(Debug)]
pub(crate) struct UserFile {
    path: PathBuf,
    real: PathBuf,
    before: Option<Before>,
    /// The lock is on the directory: a lock file would be left in the user's folders, and the file itself
    /// is replaced.
    _directory: File,
}

struct Before {
    text: Zeroizing<String>,
    stamp: Stamp,
    mode: u32,
    owner: (u32, u32),
    /// How many names the file has.
    names: u64,
}

/// Without the text, which may hold tokens.
impl fmt::Debug for Before {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Before({:?}, {:o})", self.stamp, self.mode)
    }
}

/// Why a file cannot be edited. Shown without its name.
#[derive(Debug)]
pub(crate) enum NotEditable {
    /// It is there and cannot be read.
    Unreadable(ReadError),
    /// Its name is a link to a file that does not exist.
    DanglingLink,
    /// Its directory, this one, does not exist.
    NoDirectory(PathBuf),
    /// Another process is editing a file in its directory.
    Locked,
    /// Another user, with this number, owns it.
    Foreign(u32),
    /// A link to it could have been turned by another user.
    Untrusted(Untrusted),
    /// Its owner took the permission to write from himself.
    ReadOnly,
    /// It has another name (a hard link), which would keep the old text.
    SecondName,
    /// Its access control list or another attribute cannot be kept.
    Attributes(io::Error),
    /// Its mode cannot be changed.
    Mode(io::Error),
    /// The new text cannot be written or put in its place.
    Unwritable(io::Error),
}

impl fmt::Display for NotEditable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "cannot be read: {error}"),
            Self::DanglingLink => out.write_str("it is a link that leads nowhere"),
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
    /// It holds something else than what was read: begin again.
    Changed,
    /// It cannot be: why.
    Failed(NotEditable),
}

impl UserFile {
    /// Locks the directory of `path`, links followed, and reads the file. One that is not there yet is
    /// fine; a directory that is not there is not made, since a path with a slip in it would go unnoticed.
    pub(crate) fn read(path: &Path) -> Result<Self, NotEditable> {
        let real = resolve(path)?;
        let directory = File::open(directory_of(&real)).map_err(unreadable)?;
        lock(&directory)?;
        let before = read(&real).map_err(NotEditable::Unreadable)?;
        if let Some(Before { owner: (owner, _), .. }) = before
            && owner != me()
        {
            return Err(NotEditable::Foreign(owner));
        }
        Ok(Self { path: path.to_owned(), real, before, _directory: directory })
    }

    /// Its text; `None`: there is no such file.
    pub(crate) fn text(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.text.as_str())
    }

    /// Whether others than its owner may read or write it.
    pub(crate) fn is_open_to_others(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.mode & OTHERS != 0)
    }

    /// Takes everybody's permissions away but the owner's.
    pub(crate) fn close_to_others(&self) -> Result<(), NotEditable> {
        let Some(before) = &self.before else { return Ok(()) };
        let narrowed = Permissions::from_mode(before.mode & !OTHERS);
        std::fs::set_permissions(&self.real, narrowed).map_err(NotEditable::Mode)
    }

    /// Puts `text` in its place, for its owner alone where it is `private` or new.
    ///
    /// # Errors
    /// See [`NotReplaced`]; the present file is untouched and no temporary file is left.
    pub(crate) fn replace(&self, text: &str, private: bool) -> Result<(), NotReplaced> {
        if self.before.as_ref().is_some_and(|before| before.mode & 0o200 == 0) {
            return Err(NotReplaced::Failed(NotEditable::ReadOnly));
        }
        if self.before.as_ref().is_some_and(|before| before.names > 1) {
            return Err(NotReplaced::Failed(NotEditable::SecondName));
        }
        let temporary = self.temporary();
        let written = self
            .write(&temporary, text, private)
            .and_then(|()| if self.is_unchanged() { Ok(()) } else { Err(NotReplaced::Changed) });
        written.map_err(|why| discard(&temporary, why))?;
        match &self.before {
            Some(before) => self.exchange(&temporary, before.stamp)?,
            None => rename_with(&temporary, &self.real, RenameFlags::NOREPLACE).map_err(|error| {
                let appeared = error.kind() == io::ErrorKind::AlreadyExists;
                discard(&temporary, if appeared { NotReplaced::Changed } else { error.into() })
            })?,
        }
        Ok(sync_directory(directory_of(&self.real))?)
    }

    fn temporary(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.real.file_name().unwrap_or_default());
        name.push(".token-refresher");
        directory_of(&self.real).join(name)
    }

    /// Writes the new file beside the old one and syncs it.
    fn write(&self, temporary: &Path, text: &str, private: bool) -> Result<(), NotReplaced> {
        // Left over from a crash: the directory is locked, so no other process is writing it.
        match std::fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(temporary)?;
        // Who may read it is settled while it is empty.
        match &self.before {
            None => {}
            Some(before) => {
                if file.metadata()?.gid() != before.owner.1 {
                    fchown(&file, None, Some(before.owner.1))?;
                }
                copy_attributes(&self.real, &file).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => NotReplaced::Changed,
                    _ => NotReplaced::Failed(NotEditable::Attributes(error)),
                })?;
                // Of a file with an access control list this narrows the list's mask.
                let mask = if private { OTHERS } else { 0 };
                file.set_permissions(Permissions::from_mode(before.mode & !mask))?;
            }
        }
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// Exchanges the new file and the one in place, and looks at what came out: a rename would destroy what
    /// its owner wrote since the last look (a rename of theirs that is under way waits for the journal, and
    /// our own fsync can make that take milliseconds). What came out and is not `before` is theirs and goes
    /// back; should something newer come out then, that is theirs too.
    fn exchange(&self, temporary: &Path, before: Stamp) -> Result<(), NotReplaced> {
        let ours = Stamp::of(&std::fs::symlink_metadata(temporary)?);
        let (mut put_in, mut expected) = (ours, before);
        loop {
            match rename_with(temporary, &self.real, RenameFlags::EXCHANGE) {
                Ok(()) => {}
                // Its owner has removed it: it stays removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(discard(temporary, NotReplaced::Changed));
                }
                Err(error) if put_in == ours => return Err(discard(temporary, error.into())),
                // What has the temporary name is not ours to remove.
                Err(error) => return Err(error.into()),
            }
            let out = match std::fs::symlink_metadata(temporary) {
                Ok(out) => Stamp::of(&out),
                // A file system that cannot exchange has renamed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if out == expected {
                std::fs::remove_file(temporary)?;
                return if put_in == ours { Ok(()) } else { Err(NotReplaced::Changed) };
            }
            (expected, put_in) = (put_in, out);
        }
    }

    /// Whether the name still leads to the file that was read, and that still holds what was read. The
    /// text is compared too: two writes within one tick of the clock leave the same time. Where the file
    /// system cannot exchange files, this look has to do.
    fn is_unchanged(&self) -> bool {
        if resolve(&self.path).ok().as_ref() != Some(&self.real) {
            return false;
        }
        match (read(&self.real), &self.before) {
            (Ok(None), None) => true,
            (Ok(Some(now)), Some(before)) => {
                now.text == before.text
                    && std::fs::metadata(&self.real)
                        .is_ok_and(|metadata| Stamp::of(&metadata) == before.stamp)
            }
            _ => false,
        }
    }
}

impl From<io::Error> for NotReplaced {
    fn from(error: io::Error) -> Self {
        Self::Failed(NotEditable::Unwritable(error))
    }
}

/// Removes a new file that is not needed; gives back why.
fn discard(temporary: &Path, why: NotReplaced) -> NotReplaced {
    // The first error is the one to report; what is left is removed by the next try.
    let _ = std::fs::remove_file(temporary);
    why
}

/// Renames, by the way of a plain rename where the file system knows no other (NFS, some FUSE).
fn rename_with(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => std::fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn unreadable(error: io::Error) -> NotEditable {
    NotEditable::Unreadable(ReadError::Io(error))
}

/// The file that `path` leads to, which need not exist while its directory does.
fn resolve(path: &Path) -> Result<PathBuf, NotEditable> {
    // Where a link of another user leads, this one would write.
    if let Err(ReadError::Untrusted(why)) = follow(path) {
        return Err(NotEditable::Untrusted(why));
    }
    let missing = match std::fs::canonicalize(path) {
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        Err(error) => return Err(unreadable(error)),
    };
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(NotEditable::DanglingLink);
    }
    let Some(name) = path.file_name() else { return Err(unreadable(missing)) };
    let directory = directory_of(path);
    match std::fs::canonicalize(directory) {
        Ok(real) => Ok(real.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(NotEditable::NoDirectory(directory.to_owned()))
        }
        Err(error) => Err(unreadable(error)),
    }
}

fn lock(directory: &File) -> Result<(), NotEditable> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match FileExt::try_lock_exclusive(directory) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A file system that does not lock directories (NFS): the last look has to do.
            Ok(()) | Err(_) => return Ok(()),
        }
        if Instant::now() >= deadline {
            return Err(NotEditable::Locked);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read(real: &Path) -> Result<Option<Before>, ReadError> {
    let (file, found) = match open_regular(real, LARGEST) {
        Ok(opened) => opened,
        Err(ReadError::Gone) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Before {
        text: text(bytes_of(&file, &found, LARGEST)?)?,
        // Stamped before the read: a write during it shows as a different stamp later.
        stamp: Stamp::of(&found),
        mode: found.mode() & 0o7777,
        owner: (found.uid(), found.gid()),
        names: found.nlink(),
    }))
}

#[cfg(test)]
mod tests;
