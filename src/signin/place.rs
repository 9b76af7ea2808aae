//! The token file of a sign-in, old or new. The file is written as by a refresh: with the same lock, the same reserve
//! and the same order.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files::{
    Directory, FileAt, Lock, LockError, ReadError, Reserve, make_private_directory, make_room, reason,
};
use crate::tokens::directory::{self, Problem, read_to_replace};
use crate::tokens::spelled::{file_in, name_of};
use crate::tokens::{Document, Unusable};

/// The longest wait for another process with the file's lock: the time of a whole refresh.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long storing is retried where the disk refuses the answer.
const LAST_TRIES: Duration = Duration::from_mins(1);

/// The time between two tries to store: about sixty tries in a minute, for a disk on which a person makes room.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// The place of a token file, which may not exist yet.
pub(super) struct Place {
    directory: PathBuf,
    /// The name in the directory.
    pub name: String,
}

/// A locked token file with room for an answer.
pub(super) struct Room {
    lock: Lock,
    reserve: Reserve,
    real: FileAt,
}

impl Place {
    pub(super) fn new(directory: &Path, name: String) -> Self {
        Self { directory: directory.to_owned(), name }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(name_of(&self.name))
    }

    /// The contents of the file; `None` where the file is missing.
    ///
    /// # Errors
    /// Why the file cannot be read.
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

    /// Checks whether an answer could be stored. A missing directory is still missing afterwards.
    ///
    /// # Errors
    /// Why an answer could not be stored.
    pub(super) fn probe(&self) -> Result<(), String> {
        if self.directory.is_dir() {
            return self.room().map(drop);
        }
        let refused =
            |error: io::Error| format!("{}: {}; nothing was sent", self.path().display(), reason(&error));
        make_private_directory(&self.directory).map_err(refused)?;
        // The removal fails where another process has put a file there meanwhile. The directory is right then.
        let _ = std::fs::remove_dir(&self.directory);
        Ok(())
    }

    /// Locks the file and makes room for an answer. The caller then sends a request that cannot be repeated.
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
    /// Stores the document that `compose` makes of the file's present contents. A disk that refuses gets a minute of
    /// retries, since no other copy of the answer exists.
    ///
    /// # Errors
    /// Why the answer is lost.
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
            std::thread::sleep(BETWEEN_TRIES);
        }
        // A mark of an older refresh names older tokens. A failure to remove the mark costs nothing.
        let _ = self.lock.clear_note();
        Ok(())
    }

    fn attempt(
        &mut self,
        compose: &impl Fn(Option<Document>) -> Result<Document, Unusable>,
    ) -> Result<(), String> {
        if !self.reserve.is_placed() {
            // The file is read again, since other programs do not take this program's lock.
            let present = match read_to_replace(&self.real) {
                Ok(document) => Some(document),
                Err(Problem::Unreadable(ReadError::Io(error))) => return Err(reason(&error)),
                Err(_) => None,
            };
            let document = compose(present).map_err(|why| why.to_string())?;
            self.reserve.store(document.file_text()).map_err(|error| reason(&error))?;
        }
        self.reserve.take_place().map_err(|error| reason(&error))
    }
}
