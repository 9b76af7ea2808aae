//! Storing an answer: the steps between "the endpoint has rotated the token" and "the file holds it"
//! (design section 5, steps 7 to 9).
//!
//! This is the one place where losing something costs a person a sign-in, so it is a value that can
//! be tried again: it owns the locks, the reserved files and the answer, and [`Storing::attempt`]
//! continues where the last attempt failed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
pub(crate) struct Answer {
    /// The new access token; none where a file only takes over a refresh token.
    pub access: Option<Access>,
    /// The new refresh token, where there is one.
    pub refresh_token: Option<Secret>,
    /// The refresh token's own end.
    pub refresh_end: RefreshEnd,
}

/// What is to be remembered of an answer beside its tokens.
#[derive(Default)]
pub(crate) struct Memo {
    /// Whether the answer moved the end of the refresh token.
    pub moved_refresh_end: bool,
    /// What deserves a warning.
    pub warnings: Vec<String>,
    /// Before when the credential is not asked for again, where something is wrong with the answer.
    pub not_before: Option<Timestamp>,
}

/// What became of one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stored {
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
pub(crate) struct Storing {
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
    /// What stands in the reserve.
    written: Option<Document>,
    done: Option<Stored>,
}

impl Storing {
    /// Prepares storing `answer` into `members`; the flag beside each says whether it takes the new
    /// access token too.
    pub(crate) fn new(
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
                written: None,
                done: None,
            })
            .collect();
        Self { items, answer, memo, replaced }
    }

    /// Tries to bring the answer into every file; continues where an earlier attempt failed.
    ///
    /// # Errors
    /// One line naming the file and the reason. Nothing is lost: call again.
    pub(crate) fn attempt(&mut self) -> Result<(), String> {
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
    pub(crate) fn waiting_file(&self) -> Option<&Path> {
        self.items.iter().find(|item| item.done.is_none()).map(|item| item.real.as_path())
    }

    /// The names of all files of the chain.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.items.iter().flat_map(|item| &item.names)
    }

    /// Remembers what was done and says it, and gives the replaced files back, still locked, for a
    /// further request. To be called once [`Storing::attempt`] has succeeded.
    pub(crate) fn conclude(self, memory: &dyn Memory) -> (Reports, Vec<Member>) {
        let now = Timestamp::now();
        let mut reports = Reports::new();
        let mut members = Vec::new();
        for item in self.items {
            let document = item.written.unwrap_or(item.base);
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
                members.push(Member { names, path, real, lock, stamp, document, doubt: None, settled: None });
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
        if item.written.is_some() || item.done.is_some() {
            return Ok(());
        }
        let document = changed(item.base.clone(), item.takes_access, &self.answer)?;
        item.reserve.store(&document.file_text())?;
        item.written = Some(document);
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
                            item.written = None;
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
                    (item.base, item.stamp, item.written) = (*document, stamp, None);
                    self.write(index)?;
                    continue;
                }
                Look::Elsewhere(moved) => {
                    self.follow(index, *moved)?;
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
        // The name may lead elsewhere now: a link was turned, or took the file's place.
        let real = match std::fs::canonicalize(&item.path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Gone),
            Err(error) => return Err(error),
        };
        let deadline = Instant::now() + UNREADABLE_PATIENCE;
        loop {
            match read_document(&real) {
                Ok((document, stamp)) => return Ok(self.compare(item, Moved { real, document, stamp })),
                Err(Problem::Unreadable(crate::files::ReadError::Gone)) => return Ok(Look::Gone),
                // Half-written by somebody who died: ours replaces it.
                Err(_) if Instant::now() >= deadline => {
                    return std::fs::symlink_metadata(&real).and_then(|metadata| {
                        if metadata.is_file() {
                            let (document, stamp) = (item.base.clone(), Stamp::of(&metadata));
                            Ok(rewritten(item, Moved { real, document, stamp }))
                        } else {
                            Err(io::Error::other("something else than a file has its name"))
                        }
                    });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn compare(&self, item: &Item, now: Moved) -> Look {
        let present = now.document.refresh_token();
        let hash = present.as_ref().map(Secret::fingerprint);
        let old_copy = hash.as_ref().is_some_and(|hash| self.replaced.contains(hash));
        let ours = present.is_some() && present == self.answer.refresh_token;
        if hash == item.sent || old_copy || ours { rewritten(item, now) } else { Look::SignedIn }
    }

    /// Goes on with the file that the name leads to now, which is for the same sign-in.
    fn follow(&mut self, index: usize, moved: Moved) -> io::Result<()> {
        let item = &mut self.items[index];
        let busy = |_| io::Error::other("its link was turned to a file that cannot be locked");
        let lock =
            super::member::lock(&moved.real, Instant::now() + FOLLOW_PATIENCE, &|| false).map_err(busy)?;
        let reserve = Reserve::create(&moved.real, item.base.file_text().len() as u64)?;
        let before = std::mem::replace(&mut item.reserve, reserve);
        let old = std::mem::replace(&mut item.real, moved.real);
        (item.base, item.stamp, item.written) = (moved.document, moved.stamp, None);
        self.write(index)?;
        // Stored at its new place: what stands at the old one is of no use any more.
        drop(before);
        self.items[index].lock = lock;
        Reserve::remove_leftover(&old).map(drop)
    }
}

fn rewritten(item: &Item, now: Moved) -> Look {
    if now.real == item.real {
        Look::Rewritten(Box::new(now.document), now.stamp)
    } else {
        Look::Elsewhere(Box::new(now))
    }
}

/// How long a file that a link was turned to is waited for while another process has it.
const FOLLOW_PATIENCE: Duration = Duration::from_millis(200);

/// What a name leads to now.
struct Moved {
    real: PathBuf,
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

fn report(done: Option<Stored>, memo: &Memo) -> Report {
    match done {
        Some(Stored::Replaced) => Report::Refreshed(memo.warnings.clone()),
        Some(Stored::RefreshTokenOnly) | None => Report::Followed,
        Some(Stored::SignedInMeanwhile) => Report::SignedInMeanwhile,
        Some(Stored::SignedOutMeanwhile) => Report::Gone,
    }
}

/// A token that arrived expired: stored, and not asked for again at once.
fn early(memo: &Memo, refresh_hash: Option<String>, now: Timestamp, until: Timestamp) -> Trouble {
    Trouble {
        endpoint: None,
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

fn changed(document: Document, takes_access: bool, answer: &Answer) -> io::Result<Document> {
    let change = Change {
        access: answer.access.as_ref().filter(|_| takes_access),
        refresh_token: answer.refresh_token.as_ref(),
        refresh_end: answer.refresh_end,
    };
    apply(document, &change)
        .map_err(|why| io::Error::other(format!("with it the file would be of no use: {why}")))
}
