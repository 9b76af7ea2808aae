//! The files of a chain under their locks: found, locked, read again, and what a crash left beside them
//! settled. All of it before anything is sent.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mark::Mark;
use super::settle::settle;
use crate::files::{Lock, LockError, ReadError, Stamp, directory_of, lock_of, own_directory, reason};
use crate::tokens::Document;
use crate::tokens::directory::{Problem, read_document};

/// A file that is locked and has been read under the lock.
pub(crate) struct Member {
    /// The names that lead to it in the tokens directory (links included).
    pub names: Vec<String>,
    /// One of its paths in the tokens directory, for looking where the name leads now.
    pub path: PathBuf,
    /// The file itself.
    pub real: PathBuf,
    /// Its lock.
    pub lock: Lock,
    /// Its state when it was read.
    pub stamp: Stamp,
    /// What it holds.
    pub document: Document,
    /// The mark of a request whose outcome is unknown.
    pub doubt: Option<Mark>,
    /// The mark of an interrupted refresh that was finished on the way here.
    pub settled: Option<Mark>,
}

/// What stood at the names of a chain when they were locked.
#[derive(Default)]
pub(super) struct Found {
    /// The files, in the order of their paths.
    pub members: Vec<Member>,
    /// Names that are not there any more.
    pub gone: Vec<String>,
    /// Names that cannot be read or used any more, and why.
    pub unusable: Vec<(String, String)>,
}

/// How long a busy lock is waited for.
pub(super) struct Patience<'a> {
    /// Altogether, over all files of a chain.
    pub longest: Duration,
    /// Ends the waiting before: the process has been told to stop.
    pub give_up: &'a (dyn Fn() -> bool + 'a),
}

/// Why a chain is not refreshed now, before anything was sent.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Another process is refreshing it.
    Busy,
    /// The lock, the disk, the directory: why, and what to do.
    Local(String),
    /// The file of this name is there and the system does not let it be read: why. The others of its
    /// chain wait for it, since it could not get their new refresh token.
    Unreadable(String, String),
}

/// A locked file that has not been read yet.
struct Locked {
    names: Vec<String>,
    path: PathBuf,
    real: PathBuf,
    lock: Lock,
}

/// Locks the files called `names` in `directory`, settles what a crash left, and reads them. Two names
/// of one file are one member. In the order of their paths, so that two processes never wait for each
/// other in a ring.
///
/// # Errors
/// The first obstacle; every lock is let go.
pub(super) fn lock_and_read(
    directory: &Path,
    names: &[String],
    patience: &Patience<'_>,
) -> Result<Found, Obstacle> {
    let deadline = Instant::now() + patience.longest;
    let mut found = Found::default();
    let mut files: BTreeMap<PathBuf, (Vec<String>, PathBuf)> = BTreeMap::new();
    for name in names {
        let path = directory.join(name);
        match std::fs::canonicalize(&path) {
            Ok(real) => files.entry(real).or_insert_with(|| (Vec::new(), path)).0.push(name.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => found.gone.push(name.clone()),
            Err(error) => {
                found.unusable.push((name.clone(), format!("cannot be found: {}", reason(&error))));
            }
        }
    }
    let mut locked = Vec::new();
    for (real, (names, path)) in files {
        let lock = lock(&real, deadline, patience.give_up)?;
        locked.push(Locked { names, path, real, lock });
    }
    for file in locked {
        match read_document(&file.real) {
            Ok((document, stamp)) => found.members.push(member(file, document, stamp)?),
            Err(Problem::Unreadable(ReadError::Gone)) => found.gone.extend(file.names),
            Err(Problem::Unreadable(ReadError::Io(error))) => {
                return Err(Obstacle::Unreadable(file.names[0].clone(), reason(&error)));
            }
            Err(problem) => {
                found.unusable.extend(file.names.into_iter().map(|name| (name, problem.to_string())));
            }
        }
    }
    settle(&mut found.members).map_err(|error| Obstacle::Local(unfinished(&error)))?;
    Ok(found)
}

fn unfinished(error: &io::Error) -> String {
    format!("what an interrupted refresh left cannot be settled: {}", reason(error))
}

/// The lock of the file at `real`.
///
/// # Errors
/// That it is busy, or why it cannot be had.
pub(super) fn lock(real: &Path, deadline: Instant, give_up: &dyn Fn() -> bool) -> Result<Lock, Obstacle> {
    let refused = |error: &io::Error| {
        Obstacle::Local(format!(
            "cannot be locked in {}: {}; nothing was sent",
            directory_of(real).display(),
            reason(error)
        ))
    };
    own_directory(directory_of(real)).map_err(|error| refused(&error))?;
    Lock::lasting(&lock_of(real), deadline, give_up).map_err(|error| match error {
        LockError::Busy => Obstacle::Busy,
        LockError::Io(error) => refused(&error),
    })
}

fn member(file: Locked, document: Document, stamp: Stamp) -> Result<Member, Obstacle> {
    let note = file.lock.note().map_err(|error| Obstacle::Local(unfinished(&error)))?;
    let doubt = Mark::parse(&note).filter(|mark| mark.names(&document));
    let Locked { names, path, real, lock } = file;
    Ok(Member { names, path, real, lock, stamp, document, doubt, settled: None })
}
