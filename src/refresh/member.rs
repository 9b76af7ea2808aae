//! One file of a chain under its lock, and what a crash may have left beside it (design: "After a
//! crash").
//!
//! Everything here happens before anything is sent. Settling touches a file only when its mark names
//! exactly the tokens that it holds now; in any other case somebody else has written it since, and
//! what we left behind is rubbish.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
}

/// Why a file is not refreshed now, before anything was sent.
#[derive(Debug)]
pub enum Obstacle {
    /// Another process is refreshing it.
    Busy,
    /// The lock, the disk, the directory: why, and what to do.
    Local(String),
    /// It cannot be read or used any more.
    Unreadable(Problem),
}

/// A locked file that has not been read yet.
struct Locked {
    names: Vec<String>,
    path: PathBuf,
    real: PathBuf,
    lock: Lock,
}

/// Locks the files called `names` in `directory`, settles what a crash left, and reads them. Files
/// that are gone are left out; two names of one file are one member. In the order of their paths, so
/// that two processes never wait for each other in a ring.
///
/// # Errors
/// The first obstacle; every lock is let go.
pub fn lock_and_read(
    directory: &Path,
    names: &[String],
    patience: Duration,
) -> Result<Vec<Member>, Obstacle> {
    let mut files: BTreeMap<PathBuf, (Vec<String>, PathBuf)> = BTreeMap::new();
    for name in names {
        let path = directory.join(name);
        match std::fs::canonicalize(&path) {
            Ok(real) => files.entry(real).or_insert_with(|| (Vec::new(), path)).0.push(name.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Obstacle::Local(format!("cannot be found: {}", reason(&error)))),
        }
    }
    let mut locked = Vec::new();
    for (real, (names, path)) in files {
        let lock = lock(&real, patience)?;
        locked.push(Locked { names, path, real, lock });
    }
    let mut members = Vec::new();
    for file in locked {
        match read_document(&file.real) {
            Ok((document, stamp)) => members.push(member(file, document, stamp)?),
            Err(Problem::Unreadable(crate::files::ReadError::Gone)) => {}
            Err(problem) => return Err(Obstacle::Unreadable(problem)),
        }
    }
    settle(&mut members).map_err(|error| Obstacle::Local(unfinished(&error)))?;
    Ok(members)
}

fn unfinished(error: &io::Error) -> String {
    format!("what an interrupted refresh left cannot be settled: {}", reason(error))
}

fn lock(real: &Path, patience: Duration) -> Result<Lock, Obstacle> {
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
    Lock::exclusive(&own.join(name), patience).map_err(|error| match error {
        LockError::Busy => Obstacle::Busy,
        LockError::Io(error) => refused(&error),
    })
}

fn member(file: Locked, document: Document, stamp: Stamp) -> Result<Member, Obstacle> {
    let note = file.lock.note().map_err(|error| Obstacle::Local(unfinished(&error)))?;
    let doubt = Mark::parse(&note).filter(|mark| mark.names(&document));
    let Locked { names, path, real, lock } = file;
    Ok(Member { names, path, real, lock, stamp, document, doubt })
}

/// Finishes what a crash interrupted: a whole answer that was stored but not yet in place takes its
/// place, and its refresh token goes to every file that waited for the same one; anything else that
/// was left is removed.
fn settle(members: &mut [Member]) -> io::Result<()> {
    let mut whole = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        if member.doubt.is_none() {
            Reserve::remove_leftover(&member.real)?;
        } else if let Some((reserve, text)) = Reserve::found(&member.real)? {
            match Document::parse(&text) {
                Ok(document) if document.refresh_token().is_some() => {
                    whole.insert(index, (reserve, document));
                }
                // Zeros, or a part of the text: the crash came before the answer was stored.
                _ => drop(reserve),
            }
        }
    }
    let Some((first, _)) = whole.iter().next() else { return Ok(()) };
    let sent = members[*first].doubt.as_ref().map(|mark| mark.refresh.clone());
    let newest = whole.values().find_map(|(_, document)| document.refresh_token());
    let mut ready = Vec::new();
    for (index, member) in members.iter().enumerate() {
        if member.doubt.as_ref().map(|mark| &mark.refresh) != sent.as_ref() {
            continue;
        }
        let (reserve, document) = if let Some(found) = whole.remove(&index) {
            found
        } else {
            let text = member.document.file_text();
            (Reserve::create(&member.real, text.len() as u64)?, member.document.clone())
        };
        let document = match &newest {
            Some(token) => document.with_refresh_token(token),
            None => document,
        };
        reserve.store(&document.file_text())?;
        ready.push((index, reserve, document));
    }
    for (index, mut reserve, document) in ready {
        members[index].stamp = reserve.take_place()?;
        members[index].document = document;
        members[index].doubt = None;
        members[index].lock.clear_note()?;
    }
    Ok(())
}
