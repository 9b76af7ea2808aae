//! One file of a chain under its lock, and what a crash may have left beside it (design: "After a
//! crash").
//!
//! Everything here happens before anything is sent. Settling touches a file only when its mark names
//! exactly the tokens that it holds now; in any other case somebody else has written it since, and
//! what we left behind is rubbish.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mark::Mark;
use crate::files::{Lock, LockError, Reserve, Stamp, directory_of, own_directory, reason};
use crate::tokens::Document;
use crate::tokens::directory::{Problem, read_document};

/// A file that is locked and has been read under the lock.
pub struct Member {
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
pub struct Found {
    /// The files, in the order of their paths.
    pub members: Vec<Member>,
    /// Names that are not there any more.
    pub gone: Vec<String>,
    /// Names that cannot be read or used any more, and why.
    pub unusable: Vec<(String, String)>,
}

/// How long a busy lock is waited for.
pub struct Patience<'a> {
    /// Altogether, over all files of a chain.
    pub longest: Duration,
    /// Ends the waiting before: the process has been told to stop.
    pub give_up: &'a (dyn Fn() -> bool + 'a),
}

/// Why a chain is not refreshed now, before anything was sent.
#[derive(Debug)]
pub enum Obstacle {
    /// Another process is refreshing it.
    Busy,
    /// The lock, the disk, the directory: why, and what to do.
    Local(String),
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
pub fn lock_and_read(directory: &Path, names: &[String], patience: &Patience<'_>) -> Result<Found, Obstacle> {
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
            Err(Problem::Unreadable(crate::files::ReadError::Gone)) => found.gone.extend(file.names),
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
pub fn lock(real: &Path, deadline: Instant, give_up: &dyn Fn() -> bool) -> Result<Lock, Obstacle> {
    let refused = |error: &io::Error| {
        Obstacle::Local(format!(
            "cannot be locked in {}: {}; nothing was sent",
            directory_of(real).display(),
            reason(error)
        ))
    };
    let own = own_directory(directory_of(real)).map_err(|error| refused(&error))?;
    let mut name = real.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    Lock::lasting(&own.join(name), deadline, give_up).map_err(|error| match error {
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

/// An answer that a process stored and did not live to bring into place.
struct Interrupted {
    reserve: Reserve,
    length: usize,
    document: Document,
}

/// Finishes what a crash interrupted: a whole answer that was stored but not yet in place takes its
/// place, and its refresh token goes to every file that waited for the same one; anything else that
/// was left is removed. Whatever fails here, a whole answer stays where it is.
fn settle(members: &mut [Member]) -> io::Result<()> {
    let mut interrupted = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        let whole = match member.doubt {
            Some(_) => whole_answer(&member.real)?,
            None => None,
        };
        match whole {
            Some(answer) => drop(interrupted.insert(index, answer)),
            // Zeros, a part of a text, or about other tokens than the file's: of no use to anybody.
            None => drop(Reserve::remove_leftover(&member.real)?),
        }
    }
    let sent = |member: &Member| member.doubt.as_ref().map(|mark| mark.refresh.clone());
    let chains: BTreeSet<_> = interrupted.keys().filter_map(|index| sent(&members[*index])).collect();
    for chain in chains {
        let indexes = (0..members.len()).filter(|index| sent(&members[*index]).as_ref() == Some(&chain));
        settle_chain(members, &indexes.collect::<Vec<_>>(), &mut interrupted)?;
    }
    Ok(())
}

fn whole_answer(real: &Path) -> io::Result<Option<Interrupted>> {
    let Some((reserve, text)) = Reserve::found(real)? else { return Ok(None) };
    let document = Document::parse(&text).ok().filter(|document| document.refresh_token().is_some());
    Ok(document.map(|document| Interrupted { reserve, length: text.len(), document }))
}

/// Settles the members at `indexes`, whose marks name the same refresh token.
fn settle_chain(
    members: &mut [Member],
    indexes: &[usize],
    interrupted: &mut BTreeMap<usize, Interrupted>,
) -> io::Result<()> {
    let found = |index: &usize| interrupted.get(index)?.document.refresh_token();
    let Some(newest) = indexes.iter().find_map(found) else { return Ok(()) };
    let mut ready = Vec::new();
    // In a chain all are on disk before one takes its place, as in a refresh.
    for &index in indexes {
        ready.push(match interrupted.remove(&index) {
            Some(Interrupted { mut reserve, length, document })
                if document.refresh_token().as_ref() == Some(&newest) =>
            {
                reserve.seal(length)?;
                (index, reserve, document)
            }
            other => {
                let (reserve, document) = match other {
                    Some(found) => (found.reserve, found.document),
                    None => {
                        let document = members[index].document.clone();
                        let size = document.file_text().len() as u64;
                        (Reserve::create(&members[index].real, size)?, document)
                    }
                };
                let (mut reserve, document) = (reserve, document.with_refresh_token(&newest));
                reserve.store(&document.file_text())?;
                (index, reserve, document)
            }
        });
    }
    for (index, mut reserve, document) in ready {
        let member = &mut members[index];
        member.stamp = reserve.take_place()?;
        member.document = document;
        member.settled = member.doubt.take();
        // It names tokens that the file does not hold any more, so it is harmless where it stays.
        let _ = member.lock.clear_note();
    }
    Ok(())
}
