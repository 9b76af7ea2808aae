//! The token file of a sign-in: found or made, and written under the same lock, with the same reserve and in
//! the same order as by a refresh.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files::{
    Directory, FileAt, Lock, LockError, ReadError, Reserve, make_private_directory, make_room, reason,
};
use crate::tokens::directory::{self, Problem, read_to_replace};
use crate::tokens::spelled::{file_in, name_of};
use crate::tokens::{Document, Unusable};

/// How long another process that has the file is waited for: one refresh, with everything.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long to try to store an answer that the disk does not take.
const LAST_TRIES: Duration = Duration::from_mins(1);

/// Where a token file is, or will be.
pub(super) struct Place {
    directory: PathBuf,
    /// Its name in the directory.
    pub name: String,
}

/// A token file that is locked and has room for an answer.
pub(super) struct Room {
    lock: Lock,
    reserve: Reserve,
    real: FileAt,
}

impl Place {
    /// The file called `name` in the tokens directory.
    pub(super) fn new(directory: &Path, name: String) -> Self {
        Self { directory: directory.to_owned(), name }
    }

    /// Its path.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(name_of(&self.name))
    }

    /// What the file holds; `None` where it does not exist.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(&self) -> Result<Option<Document>, String> {
        let Ok(directory) = Directory::open(&self.directory) else { return Ok(None) };
        let read = directory::real(&file_in(&directory, &self.name))
            .and_then(|real| real.map(|real| read_to_replace(&real)).transpose());
        match read {
            Ok(read) => Ok(read),
            Err(Problem::Unreadable(ReadError::Gone)) => Ok(None),
            Err(problem) => Err(format!("{}: {problem}", self.path().display())),
        }
    }

    /// Finds out whether an answer could be stored, and leaves no directory behind that was not there.
    ///
    /// # Errors
    /// Why it could not.
    pub(super) fn probe(&self) -> Result<(), String> {
        if self.directory.is_dir() {
            return self.room().map(drop);
        }
        let refused =
            |error: io::Error| format!("{}: {}; nothing was sent", self.path().display(), reason(&error));
        make_private_directory(&self.directory).map_err(refused)?;
        // Another process may have put a file there meanwhile: then the directory stays.
        let _ = std::fs::remove_dir(&self.directory);
        Ok(())
    }

    /// Locks the file and makes room for an answer, before anything is asked that cannot be asked twice.
    ///
    /// # Errors
    /// Why an answer could not be stored.
    pub(super) fn room(&self) -> Result<Room, String> {
        let shown = self.path();
        let refused = |why: String| format!("{}: {why}; nothing was sent", shown.display());
        let failed = |error: io::Error| refused(reason(&error));
        if !self.directory.is_dir() {
            make_private_directory(&self.directory).map_err(failed)?;
        }
        let file = file_in(&Directory::open(&self.directory).map_err(failed)?, &self.name);
        let real = directory::real(&file).map_err(|problem| refused(problem.to_string()))?.unwrap_or(file);
        let lock = lock(&real).map_err(|error| match error {
            LockError::Busy => refused("another process is at it and does not come to an end".to_owned()),
            LockError::Io(error) => refused(format!("cannot be locked: {}", reason(&error))),
        })?;
        let reserve = make_room(&real).map_err(|why| refused(why.to_string()))?;
        Ok(Room { lock, reserve, real })
    }
}

fn lock(real: &FileAt) -> Result<Lock, LockError> {
    Lock::lasting(&real.lock_file()?, Instant::now() + PATIENCE, &|| false)
}

impl Room {
    /// Stores what `compose` makes of the file's present contents. A disk that does not take it is given a
    /// minute: the answer exists only here.
    ///
    /// # Errors
    /// Why it is lost.
    pub(super) fn store(
        mut self,
        compose: impl Fn(Option<Document>) -> Result<Document, Unusable>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + LAST_TRIES;
        let mut said = false;
        loop {
            let error = match self.attempt(&compose) {
                Ok(()) => break,
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(format!(
                    "{}: the new token cannot be stored: {error}",
                    self.real.path().display()
                ));
            }
            if !said {
                let file = self.real.path();
                let file = file.display();
                super::words::say(&format!(
                    "{file}: the new token cannot be stored: {error}; trying for a minute"
                ));
                said = true;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        // A mark of an older refresh names older tokens and says nothing of these: a failure costs nothing.
        let _ = self.lock.clear_note();
        Ok(())
    }

    fn attempt(
        &mut self,
        compose: &impl Fn(Option<Document>) -> Result<Document, Unusable>,
    ) -> Result<(), String> {
        if !self.reserve.is_placed() {
            // Read once more: other programs do not know our lock.
            let present = match read_to_replace(&self.real) {
                Ok(document) => Some(document),
                Err(Problem::Unreadable(ReadError::Io(error))) => return Err(reason(&error)),
                Err(_) => None,
            };
            let document = compose(present).map_err(|why| why.to_string())?;
            self.reserve.store(&document.file_text()).map_err(|error| reason(&error))?;
        }
        self.reserve.take_place().map_err(|error| reason(&error))
    }
}
