//! Editing a file of the user's: nobody could make it again, and its owner may be writing it too.
//!
//! Read it, decide on a new text, [`UserFile::replace`] it; where somebody else has written it in
//! between, nothing is replaced and the caller begins again with what stands there now. The new text is
//! synced before it takes the old one's place. Links are followed; mode, owner and group stay.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt;
use zeroize::Zeroizing;

use super::{Stamp, directory_of, hand_to_owner_of, reason, sync_directory};

/// How long another process that edits a file in the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest file that is edited, in bytes. Assistants keep their own notes in some of these files:
/// megabytes were seen.
const LARGEST: u64 = 64 << 20;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A file as it was read, with a lock that keeps other processes of this program away from it.
#[derive(Debug)]
pub struct UserFile {
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
}

/// Without the text, which may hold tokens.
impl std::fmt::Debug for Before {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Before({:?}, {:o})", self.stamp, self.mode)
    }
}

/// Why a file was not replaced.
#[derive(PartialEq, Eq, Debug)]
pub enum NotReplaced {
    /// It is not any more what was read: begin again.
    Changed,
    /// It cannot be: why.
    Failed(String),
}

impl UserFile {
    /// Locks the directory of `path`, links followed, and reads the file. One that is not there yet is
    /// fine; a directory that is not there is not made, since a path with a slip in it would go unnoticed.
    ///
    /// # Errors
    /// Why it cannot be edited, without its name.
    pub fn read(path: &Path) -> Result<Self, String> {
        let real = resolve(path)?;
        let directory = File::open(directory_of(&real)).map_err(|error| cannot_be_read(&error))?;
        lock(&directory)?;
        let before = match read(&real) {
            Ok(before) => before,
            Err(error) => return Err(cannot_be_read(&error)),
        };
        Ok(Self { path: path.to_owned(), real, before, _directory: directory })
    }

    /// What stands in it; `None`: it is not there.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.text.as_str())
    }

    /// Whether others than its owner may read or write it.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.mode & OTHERS != 0)
    }

    /// Takes everybody's permissions away but the owner's.
    ///
    /// # Errors
    /// Why that is not possible.
    pub fn close_to_others(&self) -> Result<(), String> {
        let Some(before) = &self.before else { return Ok(()) };
        let narrowed = Permissions::from_mode(before.mode & !OTHERS);
        std::fs::set_permissions(&self.real, narrowed)
            .map_err(|error| format!("its mode cannot be changed: {}", reason(&error)))
    }

    /// Puts `text` in its place, for its owner alone where it is `private` or new.
    ///
    /// # Errors
    /// See [`NotReplaced`]; what stands there is untouched and no temporary file is left.
    pub fn replace(&self, text: &str, private: bool) -> Result<(), NotReplaced> {
        if self.before.as_ref().is_some_and(|before| before.mode & 0o200 == 0) {
            return Err(NotReplaced::Failed("it is read-only; make it writable with chmod u+w".to_owned()));
        }
        let temporary = self.temporary();
        let replaced = self
            .write(&temporary, text, private)
            .map_err(NotReplaced::from)
            .and_then(|()| self.take_place(&temporary));
        if replaced.is_err() {
            // The first error is the one to report; what is left is removed by the next try.
            let _ = std::fs::remove_file(&temporary);
        }
        replaced
    }

    fn temporary(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.real.file_name().unwrap_or_default());
        name.push(".token-refresher");
        directory_of(&self.real).join(name)
    }

    /// Writes the new file beside the old one and syncs it.
    fn write(&self, temporary: &Path, text: &str, private: bool) -> io::Result<()> {
        // Left over from a crash: nobody else writes here, the directory is locked.
        match std::fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(temporary)?;
        file.write_all(text.as_bytes())?;
        match &self.before {
            None => hand_to_owner_of(directory_of(temporary), &file)?,
            Some(before) => {
                let made = file.metadata()?;
                if (made.uid(), made.gid()) != before.owner {
                    fchown(&file, Some(before.owner.0), Some(before.owner.1))?;
                }
                let mask = if private { OTHERS } else { 0 };
                file.set_permissions(Permissions::from_mode(before.mode & !mask))?;
            }
        }
        file.sync_all()
    }

    /// Renames the new file over the old one, after a last look. Some microseconds remain between the two.
    fn take_place(&self, temporary: &Path) -> Result<(), NotReplaced> {
        if !self.is_unchanged() {
            return Err(NotReplaced::Changed);
        }
        if self.before.is_none() {
            // Unlike a rename, a link does not replace what has appeared meanwhile.
            match std::fs::hard_link(temporary, &self.real) {
                Ok(()) => std::fs::remove_file(temporary)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(NotReplaced::Changed);
                }
                // A file system without hard links.
                Err(_) => std::fs::rename(temporary, &self.real)?,
            }
        } else {
            std::fs::rename(temporary, &self.real)?;
        }
        Ok(sync_directory(directory_of(&self.real))?)
    }

    /// Whether the name still leads to the file that was read, and that still holds what was read. The
    /// text is compared too: two writes within one tick of the clock leave the same time.
    fn is_unchanged(&self) -> bool {
        if resolve(&self.path).as_ref() != Ok(&self.real) {
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
        Self::Failed(format!("cannot be written: {}", reason(&error)))
    }
}

fn cannot_be_read(error: &io::Error) -> String {
    format!("cannot be read: {}", reason(error))
}

/// The file that `path` leads to, which need not be there while its directory is.
fn resolve(path: &Path) -> Result<PathBuf, String> {
    let missing = match std::fs::canonicalize(path) {
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        Err(error) => return Err(cannot_be_read(&error)),
    };
    if std::fs::symlink_metadata(path).is_ok() {
        return Err("it is a link that leads nowhere".to_owned());
    }
    let Some(name) = path.file_name() else { return Err(cannot_be_read(&missing)) };
    let directory = directory_of(path);
    match std::fs::canonicalize(directory) {
        Ok(real) => Ok(real.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("its directory is not there; make {}, or correct the path", directory.display()))
        }
        Err(error) => Err(cannot_be_read(&error)),
    }
}

fn lock(directory: &File) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match FileExt::try_lock_exclusive(directory) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A file system that does not lock directories (NFS): the last look has to do.
            Ok(()) | Err(_) => return Ok(()),
        }
        if Instant::now() >= deadline {
            return Err("cannot be locked: another process is editing in its directory".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read(real: &Path) -> io::Result<Option<Before>> {
    // Looked at before it is opened, since opening some devices has effects.
    match std::fs::metadata(real) {
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is not a regular file")),
        Ok(found) if found.len() > LARGEST => return Err(io::Error::other("it is larger than 64 MiB")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(real)?;
    let found = file.metadata()?;
    // With room for all of it, so that no growing leaves copies of tokens behind.
    let capacity = usize::try_from(found.len()).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    (&file).take(LARGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        io::Error::other("it is not UTF-8 text")
    })?;
    Ok(Some(Before {
        text: Zeroizing::new(text),
        // Stamped before the read: a write during it shows as a different stamp later.
        stamp: Stamp::of(&found),
        mode: found.mode() & 0o7777,
        owner: (found.uid(), found.gid()),
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn names(scratch: &Scratch) -> Vec<String> {
        let entries = std::fs::read_dir(&**scratch).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_is_private() {
        let scratch = Scratch::new();
        let path = scratch.write("a.json", "{}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let file = UserFile::read(&path).unwrap();
        assert_eq!((file.text(), file.is_open_to_others()), (Some("{}"), true));
        file.replace("{1}", false).unwrap();
        drop(file);
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("{1}", 0o640));
        UserFile::read(&path).unwrap().replace("{2}", true).unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("{2}", 0o600));

        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        UserFile::read(&path).unwrap().close_to_others().unwrap();
        assert_eq!(mode(&path), 0o700);

        let new = scratch.join("new.json");
        let file = UserFile::read(&new).unwrap();
        assert_eq!((file.text(), file.is_open_to_others()), (None, false));
        file.replace("n", false).unwrap();
        assert_eq!((std::fs::read_to_string(&new).unwrap().as_str(), mode(&new)), ("n", 0o600));
        assert_eq!(names(&scratch), ["a.json", "new.json"]);
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.join("dotfiles")).unwrap();
        let target = scratch.write("dotfiles/a.json", "old");
        let link = scratch.join("a.json");
        symlink("dotfiles/a.json", &link).unwrap();
        UserFile::read(&link).unwrap().replace("new", false).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(names(&scratch), ["a.json", "dotfiles"]);
    }

    /// What may happen to a file between reading and replacing it.
    type Interference = fn(&Path);

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_replaced() {
        let interferences: [(&str, Interference); 5] = [
            ("written in place", |path| std::fs::write(path, "theirs, longer").unwrap()),
            ("written in place, same size", |path| std::fs::write(path, "THEIRS").unwrap()),
            ("replaced", |path| {
                std::fs::write(path.with_extension("x"), "before").unwrap();
                std::fs::rename(path.with_extension("x"), path).unwrap();
            }),
            ("removed", |path| std::fs::remove_file(path).unwrap()),
            ("made a link", |path| {
                std::fs::rename(path, path.with_extension("y")).unwrap();
                symlink(path.with_extension("y"), path).unwrap();
            }),
        ];
        for (what, interfere) in interferences {
            let scratch = Scratch::new();
            let path = scratch.write("a.json", "before");
            let file = UserFile::read(&path).unwrap();
            interfere(&path);
            let there = std::fs::read_to_string(&path).ok();
            assert_eq!(file.replace("ours", false), Err(NotReplaced::Changed), "{what}");
            assert_eq!(std::fs::read_to_string(&path).ok(), there, "{what}");
            assert!(names(&scratch).iter().all(|name| !name.ends_with(".token-refresher")), "{what}");
        }
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let scratch = Scratch::new();
        let path = scratch.join("a.json");
        let file = UserFile::read(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert_eq!(file.replace("ours", false), Err(NotReplaced::Changed));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn what_cannot_be_edited_is_said() {
        let scratch = Scratch::new();
        symlink("nowhere", scratch.join("link")).unwrap();
        scratch.write("latin1.json", b"\xe9");
        for (name, said) in [
            ("none/a.json", "its directory is not there; make"),
            ("link", "it is a link that leads nowhere"),
            ("latin1.json", "cannot be read: it is not UTF-8 text"),
            (".", "cannot be read: it is not a regular file"),
        ] {
            let why = UserFile::read(&scratch.join(name)).unwrap_err();
            assert!(why.starts_with(said), "{name}: {why}");
        }
        let path = scratch.write("a.json", "{}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let refused = UserFile::read(&path).unwrap().replace("x", false).unwrap_err();
        assert!(matches!(refused, NotReplaced::Failed(why) if why.starts_with("it is read-only")));
    }

    #[test]
    fn two_of_us_wait_for_each_other() {
        let scratch = Scratch::new();
        let path = scratch.write("count", "0");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let file = UserFile::read(&path).unwrap();
                        let next = file.text().unwrap().parse::<u32>().unwrap() + 1;
                        file.replace(&next.to_string(), false).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "100");
    }
}
