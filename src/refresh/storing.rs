//! Steps 7 to 9: storing an answer, between "the endpoint has rotated the token" and "the file holds it".
//!
//! This is the one place where losing something costs a sign-in, so it is a value that can be tried again: it owns the
//! locks, the reserved files and the answer, and [`Storing::attempt`] continues where the last attempt failed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::context::Written;
use super::interpret::Renewal;
use super::member::{Member, lock};
use super::report::{Report, Reports};
use crate::clock::Timestamp;
use crate::files::{FileAt, ReadError, Reserve, Stamp, reason};
use crate::sealing::Seal;
use crate::secret::{Fingerprint, Secret};
use crate::state::{FailureKind, LastFailure, Store};
use crate::tokens::Document;
use crate::tokens::change::apply;
use crate::tokens::directory::{Problem, read_document, real};

/// One file on its way to new tokens.
pub(super) struct Part {
    pub member: Member,
    pub reserve: Reserve,
    /// Whether it takes the new access token too, and not only the refresh token.
    pub takes_access: bool,
    /// What seals its new refresh token; `None`: the file keeps it readable. Made before the request: where the file
    /// leads to by now does not count.
    pub seal: Option<Seal>,
    /// What is reported of the file once its new tokens are in place.
    pub report: Report,
}

/// An answer on its way into the files of one chain.
pub(crate) struct Storing {
    items: Vec<Item>,
    renewal: Renewal,
    /// Refresh tokens that a refresh replaced earlier: a file that turns up with one is an old copy, not a new sign-in.
    replaced: Vec<Fingerprint>,
}

/// Why an answer is not in its files yet: the first file that it cannot be stored in.
#[derive(Debug)]
pub(crate) struct NotStored {
    file: PathBuf,
    error: io::Error,
}

impl fmt::Display for NotStored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(out, "the new token cannot be stored in {file}: {}; trying again", reason(&self.error))
    }
}

struct Item {
    part: Part,
    /// The refresh token that was sent.
    sent: Option<Fingerprint>,
    /// What is in the reserve.
    written: Option<Document>,
    /// What became of the file.
    done: Option<Report>,
}

impl fmt::Debug for Storing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.names()).finish()
    }
}

impl Storing {
    /// Prepares storing what `renewal` changes.
    pub(super) fn new(parts: Vec<Part>, renewal: Renewal, replaced: Vec<Fingerprint>) -> Self {
        let item = |part: Part| Item { sent: part.member.fingerprint(), part, written: None, done: None };
        Self { items: parts.into_iter().map(item).collect(), renewal, replaced }
    }

    /// Tries to bring the answer into every file; continues where an earlier attempt failed. After an error nothing is
    /// lost: call again.
    pub(crate) fn attempt(&mut self) -> Result<(), NotStored> {
        // In a chain every reserve is on disk before any file is replaced: from there on a crash in
        // the middle can be finished from what is left.
        for index in 0..self.items.len() {
            self.write(index).map_err(|error| self.failed(index, error))?;
        }
        for index in 0..self.items.len() {
            self.place(index).map_err(|error| self.failed(index, error))?;
        }
        Ok(())
    }

    /// The path of a file that still waits for its answer.
    pub(crate) fn waiting_file(&self) -> Option<PathBuf> {
        self.items.iter().find(|item| item.done.is_none()).map(|item| item.part.member.real.path())
    }

    /// The names of all files of the chain.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.items.iter().flat_map(|item| &item.part.member.names)
    }

    /// Remembers what was done and reports it, once [`Storing::attempt`] has succeeded. The locks are let go.
    pub(crate) fn conclude(self, state: &Store, written: Option<&Written>) -> Reports {
        let now = Timestamp::now();
        let mut reports = Reports::new();
        for item in &self.items {
            // Every item is done once an attempt has succeeded.
            let report = item.done.clone().unwrap_or(Report::Busy);
            for name in &item.part.member.names {
                if item.has_new_tokens() {
                    self.remember(name, item, now, state);
                    written.inspect(|written| written.add(name));
                }
                reports.push((name.clone(), report.clone()));
            }
        }
        if self.renewal.failure.is_some() {
            // A process that waits for the locks must find the failure.
            state.flush();
        }
        reports
    }

    fn remember(&self, name: &str, item: &Item, now: Timestamp, state: &Store) {
        let document = item.written.as_ref().unwrap_or(&item.part.member.document);
        let hash = document.refresh_fingerprint();
        state.update(name, |state| {
            state.replace(item.sent, hash);
            if self.renewal.origin.is_some() {
                state.origin.clone_from(&self.renewal.origin);
                state.origin_row.clone_from(&self.renewal.origin_row);
            }
            state.failure =
                self.renewal.failure.clone().map(|failure| LastFailure { refresh_hash: hash, ..failure });
            if item.part.takes_access {
                state.last_success = Some(now);
                state.moved_refresh_end = self.renewal.moved_refresh_end;
                // A token that arrived expired is stored, and not refreshed again at once.
                state.failure = self.renewal.not_before.map(|until| LastFailure {
                    refresh_hash: hash,
                    next_attempt: Some(until),
                    ..LastFailure::new(FailureKind::Transient, self.renewal.warnings.join("; "), now)
                });
            }
        });
    }

    fn failed(&self, index: usize, error: io::Error) -> NotStored {
        NotStored { file: self.items[index].part.member.real.path(), error }
    }

    /// 7. Store: into the reserve.
    fn write(&mut self, index: usize) -> io::Result<()> {
        let item = &mut self.items[index];
        if item.written.is_some() || item.done.is_some() {
            return Ok(());
        }
        let document = item.part.member.document.clone();
        let Part { takes_access, seal, .. } = &item.part;
        let document = apply(document, &self.renewal.change, *takes_access, seal.as_ref())
            .map_err(|why| io::Error::other(format!("with it the file would be of no use: {why}")))?;
        item.part.reserve.store(&document.file_text())?;
        item.written = Some(document);
        Ok(())
    }

    /// 8 and 9. Look again, and replace.
    fn place(&mut self, index: usize) -> io::Result<()> {
        while self.items[index].done.is_none() {
            let report = match self.look(index)? {
                Look::Unchanged => {
                    if !self.replace(index)? {
                        continue;
                    }
                    self.items[index].part.report.clone()
                }
                Look::Rewritten(document, stamp) => {
                    let item = &mut self.items[index];
                    (item.part.member.document, item.part.member.stamp) = (*document, stamp);
                    item.written = None;
                    self.write(index)?;
                    continue;
                }
                Look::Elsewhere(moved) => {
                    self.follow(index, *moved)?;
                    continue;
                }
                Look::SignedIn => Report::SignedInMeanwhile,
                Look::Gone => Report::Gone,
            };
            let item = &mut self.items[index];
            item.done = Some(report);
            if !item.has_new_tokens() {
                Reserve::remove_leftover(&item.part.member.real)?;
            }
            // A mark that comes back after a power loss no longer names the file, so this need not be durable, and a
            // failure to clear it costs nothing either.
            let _ = item.part.member.lock.clear_note();
        }
        Ok(())
    }

    /// Renames the reserve over the file; `false` where another program removed the reserve, which is written again.
    fn replace(&mut self, index: usize) -> io::Result<bool> {
        let part = &mut self.items[index].part;
        match part.reserve.take_place() {
            Ok(stamp) => {
                part.member.stamp = stamp;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                part.reserve = Reserve::create(&part.member.real, 0)?;
                self.items[index].written = None;
                self.write(index)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// What the name leads to now, links resolved anew.
    fn look(&self, index: usize) -> io::Result<Look> {
        let item = &self.items[index];
        let member = &item.part.member;
        // In place already, and only the sync of the directory failed.
        if item.part.reserve.is_placed() {
            return Ok(Look::Unchanged);
        }
        // The name may lead elsewhere now: a link was turned, or took the file's place.
        let real = match real(&member.place) {
            Ok(Some(real)) => real,
            Ok(None) | Err(Problem::BrokenLink) => return Ok(Look::Gone),
            Err(problem) => return Err(io::Error::other(problem.to_string())),
        };
        if real == member.real && real.inode()?.stamp == member.stamp {
            return Ok(Look::Unchanged);
        }
        let deadline = Instant::now() + UNREADABLE_PATIENCE;
        loop {
            match read_document(&real) {
                Ok((document, stamp)) => return Ok(self.compare(item, Moved { real, document, stamp })),
                Err(Problem::Unreadable(ReadError::Gone)) => return Ok(Look::Gone),
                // Half-written by a program that died: the answer replaces it.
                Err(_) if Instant::now() >= deadline => {
                    let found = real.inode()?;
                    if !found.is_file() {
                        return Err(io::Error::other("something else than a file has its name"));
                    }
                    let (document, stamp) = (member.document.clone(), found.stamp);
                    return Ok(rewritten(item, Moved { real, document, stamp }));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn compare(&self, item: &Item, now: Moved) -> Look {
        let hash = now.document.refresh_fingerprint();
        let old_copy = hash.as_ref().is_some_and(|hash| self.replaced.contains(hash));
        let ours =
            hash.is_some() && hash == self.renewal.change.refresh_token.as_ref().map(Secret::fingerprint);
        if hash == item.sent || old_copy || ours { rewritten(item, now) } else { Look::SignedIn }
    }

    /// Goes on with the file that the name leads to now, which is for the same sign-in.
    fn follow(&mut self, index: usize, moved: Moved) -> io::Result<()> {
        let item = &mut self.items[index];
        let member = &mut item.part.member;
        let busy = |_| io::Error::other("its link was turned to a file that cannot be locked");
        let lock = lock(&moved.real, Instant::now() + FOLLOW_PATIENCE, &|| false).map_err(busy)?;
        let reserve = Reserve::create(&moved.real, member.document.file_text().len() as u64)?;
        let before = std::mem::replace(&mut item.part.reserve, reserve);
        let old = std::mem::replace(&mut member.real, moved.real);
        (member.document, member.stamp, item.written) = (moved.document, moved.stamp, None);
        self.write(index)?;
        // Stored at its new place: the reserve at the old one is of no use any more.
        drop(before);
        self.items[index].part.member.lock = lock;
        Reserve::remove_leftover(&old).map(drop)
    }
}

impl Item {
    /// Whether the new tokens are in the file.
    fn has_new_tokens(&self) -> bool {
        let placed = |report: &Report| {
            let half = matches!(report, Report::HalfRefreshed(_));
            half || matches!(report, Report::Refreshed(_) | Report::Followed | Report::Repaired(_))
        };
        self.done.as_ref().is_some_and(placed)
    }
}

fn rewritten(item: &Item, now: Moved) -> Look {
    if now.real == item.part.member.real {
        Look::Rewritten(Box::new(now.document), now.stamp)
    } else {
        Look::Elsewhere(Box::new(now))
    }
}

/// How long a file that a link was turned to is waited for while another process has it.
const FOLLOW_PATIENCE: Duration = Duration::from_millis(200);

/// What a name leads to now.
struct Moved {
    real: FileAt,
    document: Document,
    stamp: Stamp,
}

/// How long a file that another program left unreadable during the request is given to become whole.
const UNREADABLE_PATIENCE: Duration = Duration::from_secs(2);

/// What a second look at a file found.
enum Look {
    /// It is as it was when the request was sent.
    Unchanged,
    /// It has other contents for the same sign-in.
    Rewritten(Box<Document>, Stamp),
    /// The name leads to another file now, for the same sign-in.
    Elsewhere(Box<Moved>),
    /// It holds another sign-in.
    SignedIn,
    /// It is not there any more.
    Gone,
}
