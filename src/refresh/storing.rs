//! Storing an answer: the steps between "the endpoint has rotated the token" and "the file holds it"
//! (design section 5, steps 7 to 9).
//!
//! This is the one place where losing something costs a person a sign-in, so it is a value that can
//! be tried again: it owns the locks, the reserved files and the answer, and [`Storing::attempt`]
//! continues where the last attempt failed.

use std::io;
use std::path::{Path, PathBuf};

use super::chain::Reports;
use super::member::Member;
use super::standing::{Kind, Trouble};
use super::{Memory, Report};
use crate::clock::Timestamp;
use crate::files::{Lock, Reserve, Stamp, reason};
use crate::secret::Secret;
use crate::tokens::Document;
use crate::tokens::change::{Access, Change, RefreshEnd, apply};
use crate::tokens::directory::{Problem, read_document};

/// What an endpoint granted, in the terms of the files.
pub struct Answer {
    /// The new access token.
    pub access: Access,
    /// The new refresh token, where there is one.
    pub refresh_token: Option<Secret>,
    /// The refresh token's own end.
    pub refresh_end: RefreshEnd,
}

/// What is to be remembered of an answer beside its tokens.
pub struct Memo {
    /// Whether the answer moved the end of the refresh token.
    pub moved_refresh_end: bool,
    /// What deserves a warning.
    pub warnings: Vec<String>,
    /// Before when the credential is not asked for again, where something is wrong with the answer.
    pub not_before: Option<Timestamp>,
}

/// What became of one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// It holds the new tokens.
    Replaced,
    /// It holds the new refresh token and keeps its own access token (another scope or audience).
    RefreshTokenOnly,
    /// Somebody signed in while the request was under way; theirs stays.
    SignedInMeanwhile,
    /// Somebody signed out while the request was under way; the file is not made again.
    SignedOutMeanwhile,
}

/// An answer on its way into the files of one chain.
pub struct Storing {
    items: Vec<Item>,
    answer: Answer,
    memo: Memo,
    /// Fingerprints of refresh tokens that answers of ours replaced: a file that turns up with one
    /// is an old copy, not a new sign-in.
    replaced: Vec<String>,
}

struct Item {
    names: Vec<String>,
    path: PathBuf,
    real: PathBuf,
    lock: Lock,
    reserve: Reserve,
    base: Document,
    stamp: Stamp,
    sent: Option<String>,
    takes_access: bool,
    written: bool,
    done: Option<Stored>,
}

impl Storing {
    /// Prepares storing `answer` into `members`; the flag beside each says whether it takes the new
    /// access token too.
    #[must_use]
    pub fn new(
        members: Vec<(Member, Reserve, bool)>,
        answer: Answer,
        memo: Memo,
        replaced: Vec<String>,
    ) -> Self {
        let items = members
            .into_iter()
            .map(|(member, reserve, takes_access)| Item {
                sent: member.document.refresh_token().map(|token| token.fingerprint()),
                names: member.names,
                path: member.path,
                real: member.real,
                lock: member.lock,
                reserve,
                base: member.document,
                stamp: member.stamp,
                takes_access,
                written: false,
                done: None,
            })
            .collect();
        Self { items, answer, memo, replaced }
    }

    /// Tries to bring the answer into every file; continues where an earlier attempt failed.
    ///
    /// # Errors
    /// One line naming the file and the reason. Nothing is lost: call again.
    pub fn attempt(&mut self) -> Result<(), String> {
        // In a chain every reserve is on disk before any file is replaced: from there on a crash in
        // the middle can be finished from what is left.
        for index in 0..self.items.len() {
            self.write(index).map_err(|error| self.failed(index, &error))?;
        }
        for index in 0..self.items.len() {
            self.place(index).map_err(|error| self.failed(index, &error))?;
        }
        Ok(())
    }

    /// The path of a file that still waits for its answer.
    #[must_use]
    pub fn waiting_file(&self) -> Option<&Path> {
        self.items.iter().find(|item| item.done.is_none()).map(|item| item.real.as_path())
    }

    /// The names of all files of the chain.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.items.iter().flat_map(|item| &item.names)
    }

    /// Remembers what was done and says it, and gives the replaced files back, still locked, for a
    /// further request. To be called once [`Storing::attempt`] has succeeded.
    #[must_use]
    pub fn conclude(self, memory: &dyn Memory) -> (Reports, Vec<Member>) {
        let now = Timestamp::now();
        let mut reports = Reports::new();
        let mut members = Vec::new();
        for item in self.items {
            let document = changed(item.base, item.takes_access, &self.answer);
            let hash = document.refresh_token().map(|token| token.fingerprint());
            for name in &item.names {
                if let Some(Stored::Replaced | Stored::RefreshTokenOnly) = item.done {
                    let mut standing = memory.standing(name);
                    if let (Some(sent), Some(successor)) = (&item.sent, &hash) {
                        standing.remember(sent.clone(), successor.clone());
                    }
                    standing.refresh_hash.clone_from(&hash);
                    standing.updated = now.as_millis().max(standing.updated + 1);
                    standing.trouble = None;
                    if item.takes_access {
                        standing.last_success = Some(now.as_millis());
                        standing.moved_refresh_end = self.memo.moved_refresh_end;
                        standing.trouble =
                            self.memo.not_before.map(|until| early(&self.memo, hash.clone(), now, until));
                    }
                    memory.record(name, standing);
                }
                reports.push((name.clone(), report(item.done, &self.memo)));
            }
            if let Some(Stored::Replaced | Stored::RefreshTokenOnly) = item.done {
                let Item { names, path, real, lock, stamp, .. } = item;
                members.push(Member { names, path, real, lock, stamp, document, doubt: None });
            }
        }
        (reports, members)
    }

    fn failed(&self, index: usize, error: &io::Error) -> String {
        let item = &self.items[index];
        format!("the new token cannot be stored in {}: {}; trying again", item.real.display(), reason(error))
    }

    fn write(&mut self, index: usize) -> io::Result<()> {
        let item = &mut self.items[index];
        if item.written || item.done.is_some() {
            return Ok(());
        }
        let text = changed(item.base.clone(), item.takes_access, &self.answer).file_text();
        item.reserve.store(&text)?;
        item.written = true;
        Ok(())
    }

    fn place(&mut self, index: usize) -> io::Result<()> {
        while self.items[index].done.is_none() {
            match self.look(index)? {
                Look::Unchanged => {
                    let item = &mut self.items[index];
                    match item.reserve.take_place() {
                        Ok(stamp) => item.stamp = stamp,
                        // Somebody cleaned up hidden files; the answer is still here.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            item.reserve = Reserve::create(&item.real, 0)?;
                            item.written = false;
                            self.write(index)?;
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                    item.done =
                        Some(if item.takes_access { Stored::Replaced } else { Stored::RefreshTokenOnly });
                }
                Look::Rewritten(document, stamp) => {
                    let item = &mut self.items[index];
                    (item.base, item.stamp, item.written) = (*document, stamp, false);
                    self.write(index)?;
                    continue;
                }
                Look::SignedIn => self.items[index].done = Some(Stored::SignedInMeanwhile),
                Look::Gone => self.items[index].done = Some(Stored::SignedOutMeanwhile),
            }
            let item = &mut self.items[index];
            if !matches!(item.done, Some(Stored::Replaced | Stored::RefreshTokenOnly)) {
                Reserve::remove_leftover(&item.real)?;
            }
            // A mark that comes back after a power loss no longer names the file, so this need not
            // be durable, and a failure to clear it costs nothing either.
            let _ = item.lock.clear_note();
        }
        Ok(())
    }

    /// What stands at the name now, links resolved anew.
    fn look(&self, index: usize) -> io::Result<Look> {
        let item = &self.items[index];
        // Ours already, and only the sync of the directory failed.
        if item.reserve.is_placed() {
            return Ok(Look::Unchanged);
        }
        let unchanged = || {
            let metadata = std::fs::symlink_metadata(&item.real).ok()?;
            let leads_here = std::fs::canonicalize(&item.path).ok()? == item.real;
            (leads_here && Stamp::of(&metadata) == item.stamp).then_some(())
        };
        if unchanged().is_some() {
            return Ok(Look::Unchanged);
        }
        // The name may lead elsewhere now (a link was turned): that is somebody's own doing.
        match std::fs::canonicalize(&item.path) {
            Ok(real) if real != item.real => return Ok(Look::SignedIn),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Gone),
            Err(error) => return Err(error),
        }
        let deadline = std::time::Instant::now() + UNREADABLE_PATIENCE;
        loop {
            match read_document(&item.real) {
                Ok((document, stamp)) => return Ok(self.compare(item, document, stamp)),
                Err(Problem::Unreadable(crate::files::ReadError::Gone)) => return Ok(Look::Gone),
                // Half-written by somebody who died: ours replaces it.
                Err(_) if std::time::Instant::now() >= deadline => {
                    return std::fs::symlink_metadata(&item.real).and_then(|metadata| {
                        if metadata.is_file() {
                            Ok(Look::Rewritten(Box::new(item.base.clone()), Stamp::of(&metadata)))
                        } else {
                            Err(io::Error::other("something else than a file has its name"))
                        }
                    });
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(50)),
            }
        }
    }

    fn compare(&self, item: &Item, document: Document, stamp: Stamp) -> Look {
        let present = document.refresh_token().map(|token| token.fingerprint());
        let old_copy = present.as_ref().is_some_and(|present| self.replaced.contains(present));
        if present == item.sent || old_copy {
            Look::Rewritten(Box::new(document), stamp)
        } else {
            Look::SignedIn
        }
    }
}

/// How long a file that another program left unreadable during the request is given to become whole.
const UNREADABLE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// What a second look at a file found.
enum Look {
    /// It is as it was when the request was sent.
    Unchanged,
    /// It has other contents for the same sign-in.
    Rewritten(Box<Document>, Stamp),
    /// It holds another sign-in.
    SignedIn,
    /// It is not there any more.
    Gone,
}

fn report(done: Option<Stored>, memo: &Memo) -> Report {
    match done {
        Some(Stored::Replaced) => Report::Refreshed(memo.warnings.clone()),
        Some(Stored::RefreshTokenOnly) | None => Report::Adopted,
        Some(Stored::SignedInMeanwhile) => Report::SignedInMeanwhile,
        Some(Stored::SignedOutMeanwhile) => Report::Gone,
    }
}

/// A token that arrived expired: stored, and not asked for again at once.
fn early(memo: &Memo, refresh_hash: Option<String>, now: Timestamp, until: Timestamp) -> Trouble {
    Trouble {
        kind: Kind::Passing,
        message: memo.warnings.join("; "),
        refresh_hash,
        request: None,
        failures: 1,
        since: now.as_millis(),
        last_attempt: now.as_millis(),
        next_attempt: Some(until.as_millis()),
    }
}

fn changed(document: Document, takes_access: bool, answer: &Answer) -> Document {
    let change = Change {
        access: takes_access.then_some(&answer.access),
        refresh_token: answer.refresh_token.as_ref(),
        refresh_end: answer.refresh_end,
    };
    apply(document, &change)
}
