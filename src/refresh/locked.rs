//! Steps 1 and 2: the files of a chain are locked, a crash's leftovers are settled, and the files are read again.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use super::mark::Mark;
use super::member::{Member, Obstacle, Patience, lock};
use super::recover::recover;
use super::report::{Report, Reports};
use crate::files::{Directory, FileAt, Lock, ReadError, reason};
use crate::tokens::directory::{Problem, read_document, real};
use crate::tokens::spelled::file_in;

/// The files and problems found at the names of a chain.
#[derive(Default)]
pub(super) struct Locked {
    /// The files, in their order.
    pub members: Vec<Member>,
    /// The names that are gone or cannot be used any more.
    pub reports: Reports,
}

/// A locked file that has not been read yet.
struct Unread {
    names: Vec<String>,
    place: FileAt,
    real: FileAt,
    lock: Lock,
}

/// Locks the files called `names` in `directory`, settles a crash's leftovers, and reads the files. Two names of one
/// file are one member. The fixed order of the files keeps two processes from waiting for each other. At the first
/// obstacle every lock is released.
pub(super) fn lock_and_read(
    directory: &Directory,
    names: &[String],
    patience: &Patience<'_>,
) -> Result<Locked, Obstacle> {
    let deadline = Instant::now() + patience.longest;
    let mut found = Locked::default();
    #[allow(clippy::mutable_key_type, reason = "files are ordered by what never changes in them")]
    let mut files: BTreeMap<FileAt, (Vec<String>, FileAt)> = BTreeMap::new();
    for name in names {
        let file = file_in(directory, name);
        match real(&file) {
            Ok(Some(real)) => files.entry(real).or_insert_with(|| (Vec::new(), file)).0.push(name.clone()),
            Ok(None) => found.reports.push((name.clone(), Report::Gone)),
            Err(problem) => found.reports.push((name.clone(), Report::Unusable(problem.to_string()))),
        }
    }
    let mut unread = Vec::new();
    for (real, (names, place)) in files {
        let lock = lock(&real, deadline, patience.give_up)?;
        unread.push(Unread { names, place, real, lock });
    }
    for file in unread {
        read_under_lock(file, &mut found)?;
    }
    recover(&mut found.members).map_err(|error| unfinished(&error))?;
    Ok(found)
}

fn read_under_lock(file: Unread, found: &mut Locked) -> Result<(), Obstacle> {
    let report = match read_document(&file.real) {
        Ok((document, stamp)) => {
            let note = file.lock.note().map_err(|error| unfinished(&error))?;
            let doubt = Mark::parse(&note).filter(|mark| mark.names(&document));
            let Unread { names, place, real, lock } = file;
            found.members.push(Member { names, place, real, lock, stamp, document, doubt, recovered: None });
            return Ok(());
        }
        Err(Problem::Unreadable(ReadError::Gone)) => Report::Gone,
        Err(Problem::Unreadable(ReadError::Io(error))) => {
            return Err(Obstacle::Unreadable { file: file.names[0].clone(), why: reason(&error) });
        }
        Err(problem) => Report::Unusable(problem.to_string()),
    };
    found.reports.extend(file.names.into_iter().map(|name| (name, report.clone())));
    Ok(())
}

fn unfinished(error: &io::Error) -> Obstacle {
    Obstacle::Local(format!("what an interrupted refresh left cannot be settled: {}", reason(error)))
}
