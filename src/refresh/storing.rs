//! Steps 7 to 9: storing an answer, between "the endpoint has rotated the token" and "the file holds it".
//!
//! Here a lost token costs a sign-in. So the work is a value that can be tried again: it owns the locks, the reserved
//! files and the answer, and [`Storing::attempt`] continues where the last attempt failed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::context::Written;
use super::interpret::Renewal;
use super::look::{Look, Moved};
use super::mark::Mark;
use super::member::{Member, lock};
use super::neighbours::Neighbours;
use super::report::{Report, Reports};
use crate::clock::Timestamp;
use crate::files::{ReadError, Reserve, reason};
use crate::ordered;
use crate::sealing::Seal;
use crate::secret::{Fingerprint, Secret};
use crate::state::{FailureKind, LastFailure, Store};
use crate::tokens::Document;
use crate::tokens::change::apply;
use crate::tokens::directory::{Problem, TokenFile, read_document, real_now};
use crate::tokens::spelled::file_in;

/// One file on its way to new tokens.
pub(super) struct Part {
    pub member: Member,
    pub reserve: Reserve,
    /// Whether the file takes the new access token too, and not only the refresh token.
    pub takes_access: bool,
    /// The seal for the new refresh token; `None` where the file keeps the token readable. Made before the request: a
    /// change of the file's endpoint since then does not count.
    pub seal: Option<Seal>,
    /// The report about the file once its new tokens are in place.
    pub report: Report,
}

/// An answer on its way into the files of one chain.
pub(crate) struct Storing {
    items: Vec<Item>,
    renewal: Renewal,
    neighbours: Neighbours,
}

/// Why an answer is not in its files yet: the first file in which it cannot be stored.
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
    /// The document in the reserve.
    written: Option<Document>,
    /// The result for the file.
    done: Option<Report>,
    /// The names that the file had before it was moved, and the report for each.
    left: Reports,
}

impl fmt::Debug for Storing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.names()).finish()
    }
}

impl Storing {
    /// Prepares storing the changes of `renewal`.
    pub(super) fn new(parts: Vec<Part>, renewal: Renewal, neighbours: Neighbours) -> Self {
        let item = |part: Part| Item {
            sent: part.member.fingerprint(),
            part,
            written: None,
            done: None,
            left: Reports::new(),
        };
        Self { items: parts.into_iter().map(item).collect(), renewal, neighbours }
    }

    /// Tries to bring the answer into every file, and continues where an earlier attempt failed. After an error nothing
    /// is lost, and the call can be repeated.
    pub(crate) fn attempt(&mut self) -> Result<(), NotStored> {
        self.attempt_with(&mut || {})
    }

    /// Like [`Self::attempt`]. `written` is called when the answer is in a file, before the file is synced.
    pub(super) fn attempt_with(&mut self, written: &mut dyn FnMut()) -> Result<(), NotStored> {
        // In a chain every reserve is on disk before any file is replaced. From there on the leftovers suffice to
        // finish after a crash.
        for index in 0..self.items.len() {
            self.write(index, written).map_err(|error| self.failed(index, error))?;
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

    /// Records the results and reports them, once [`Storing::attempt`] has succeeded. Releases the locks.
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
                } else {
                    self.remember_replaced(name, item, state);
                }
                reports.push((name.clone(), report.clone()));
            }
            for (name, report) in &item.left {
                self.remember_replaced(name, item, state);
                reports.push((name.clone(), report.clone()));
            }
        }
        if self.renewal.failure.is_some() {
            // Another process that waits for the locks must find the failure.
            state.flush();
        }
        reports
    }

    /// Remembers that the sent refresh tokens are replaced, once the answer is in a reserve. While the answer waits for
    /// its place, a moved file may turn up with the old token.
    pub(super) fn remember_sent(&self, state: &Store) {
        for item in self.items.iter().filter(|item| item.written.is_some()) {
            for name in &item.part.member.names {
                self.remember_replaced(name, item, state);
            }
        }
    }

    /// Remembers the replaced refresh token of a file that does not hold the new one. The old token must never be sent
    /// again, wherever it turns up.
    fn remember_replaced(&self, name: &str, item: &Item, state: &Store) {
        let new = self.renewal.change.refresh_token.as_ref().map(Secret::fingerprint);
        if let (Some(sent), Some(new), Some(_)) = (item.sent, new, &self.renewal.origin) {
            state.update(name, |state| state.replaced_elsewhere(sent, new));
        }
    }

    fn remember(&self, name: &str, item: &Item, now: Timestamp, state: &Store) {
        let document = item.written.as_ref().unwrap_or(&item.part.member.document);
        let hash = document.refresh_fingerprint();
        state.update(name, |state| {
            state.replace(item.sent, hash);
            if self.renewal.origin.is_some() {
                state.origin = self.renewal.origin.as_deref().map(Box::from);
                state.origin_row = self.renewal.origin_row.as_deref().map(Box::from);
            }
            let failed = self.renewal.failure.clone();
            state.failure = failed.map(|failure| Box::new(LastFailure { refresh_hash: hash, ..failure }));
            if item.part.takes_access {
                state.last_success = Some(now);
                state.moved_refresh_end = self.renewal.moved_refresh_end;
                // A token that arrived expired is stored, and not refreshed again at once.
                let warnings = || self.renewal.warnings.join("; ");
                let until = |until| LastFailure {
                    refresh_hash: hash,
                    next_attempt: Some(until),
                    ..LastFailure::new(FailureKind::Transient, warnings(), now)
                };
                state.failure = self.renewal.not_before.map(|time| Box::new(until(time)));
            }
        });
    }

    fn failed(&self, index: usize, error: io::Error) -> NotStored {
        NotStored { file: self.items[index].part.member.real.path(), error }
    }

    /// 7. Store: into the reserve.
    fn write(&mut self, index: usize, written: &mut dyn FnMut()) -> io::Result<()> {
        let item = &mut self.items[index];
        if item.written.is_some() || item.done.is_some() {
            return Ok(());
        }
        let document = item.part.member.document.clone();
        let Part { takes_access, seal, .. } = &item.part;
        let document = apply(document, &self.renewal.change, *takes_access, seal.as_ref())
            .map_err(|why| io::Error::other(format!("with it the file would be of no use: {why}")))?;
        let text = document.file_text();
        item.part.reserve.write(text)?;
        written();
        item.part.reserve.seal(text.len())?;
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
                    self.write(index, &mut || {})?;
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
            // A mark that comes back after a power loss no longer names the file. So clearing it need not be durable,
            // and may fail.
            let _ = item.part.member.lock.clear_note();
        }
        Ok(())
    }

    /// Renames the reserve over the file; `false` where another program removed the reserve, which is written again.
    fn replace(&mut self, index: usize) -> io::Result<bool> {
        let part = &mut self.items[index].part;
        match part.reserve.take_place() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                part.reserve = Reserve::create(&part.member.real, 0)?;
                self.items[index].written = None;
                self.write(index, &mut || {})?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The file to which the name leads now, links resolved anew.
    fn look(&self, index: usize) -> io::Result<Look> {
        let item = &self.items[index];
        let member = &item.part.member;
        // The reserve is in place already, and only the sync of the directory failed.
        if item.part.reserve.is_placed() {
            return Ok(Look::Unchanged);
        }
        let deadline = Instant::now() + UNREADABLE_PATIENCE;
        loop {
            // The name may lead elsewhere now: a link was turned, or took the file's place.
            let (place, found) = match real_now(&member.place) {
                Ok(Some(now)) => now,
                Ok(None) | Err(Problem::BrokenLink) => {
                    match self.moved(index, &|name| Report::Moved(name.to_owned())) {
                        Some(moved) => return Ok(Look::Elsewhere(Box::new(moved))),
                        None if Instant::now() >= deadline => return Ok(Look::Gone),
                        None => {
                            std::thread::sleep(LOOK_AGAIN);
                            continue;
                        }
                    }
                }
                Err(problem) => return Err(io::Error::other(problem.to_string())),
            };
            if place == member.real && found == member.stamp {
                return Ok(Look::Unchanged);
            }
            match read_document(&place) {
                Ok((document, stamp)) => return Ok(self.compare(index, Moved::here(place, document, stamp))),
                Err(Problem::Unreadable(ReadError::Gone)) => {}
                // A program died in the middle of writing the file: the answer replaces it.
                Err(_) if Instant::now() >= deadline => {
                    let found = place.inode()?;
                    if !found.is_file() {
                        return Err(io::Error::other("something else than a file has its name"));
                    }
                    let moved = Moved::here(place, member.document.clone(), found.stamp);
                    return Ok(rewritten(item, moved));
                }
                Err(_) => {}
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn compare(&self, index: usize, now: Moved) -> Look {
        let item = &self.items[index];
        let hash = now.document.refresh_fingerprint();
        let ours =
            hash.is_some() && hash == self.renewal.change.refresh_token.as_ref().map(Secret::fingerprint);
        let old_copy = || hash.is_some_and(|hash| self.neighbours.is_replaced(hash));
        if hash == item.sent || ours || old_copy() {
            return rewritten(item, now);
        }
        // A person signed in under this name. The file may have been moved out of the way before.
        let moved = self.moved(index, &|_| Report::SignedInMeanwhile);
        moved.map_or(Look::SignedIn, |moved| Look::Elsewhere(Box::new(moved)))
    }

    /// The file under another name in the directory, if it was moved; `left` makes the report for its old names.
    fn moved(&self, index: usize, left: &dyn Fn(&str) -> Report) -> Option<Moved> {
        let item = &self.items[index];
        let known = ordered::set(self.names().map(String::as_str));
        let found = self.neighbours.find(item.sent?, &item.part.member.stamp, &known)?;
        let TokenFile { name, real, stamp, document, .. } = found;
        let left = left(&name);
        Some(Moved { real, document, stamp, renamed: Some((name, left)) })
    }

    /// Continues with the file to which the name leads now, which is for the same sign-in.
    fn follow(&mut self, index: usize, moved: Moved) -> io::Result<()> {
        let item = &mut self.items[index];
        let member = &mut item.part.member;
        let busy = |_| io::Error::other("it was moved to a file that cannot be locked");
        let lock = lock(&moved.real, Instant::now() + FOLLOW_PATIENCE, &|| false).map_err(busy)?;
        // After a crash from here on, the mark of the file leads to the answer beside it.
        let now = Timestamp::now();
        lock.write_note(&Mark::of(&moved.document, now, now).note())?;
        let reserve = Reserve::create(&moved.real, member.document.file_text().len() as u64)?;
        let before = std::mem::replace(&mut item.part.reserve, reserve);
        let old = std::mem::replace(&mut member.real, moved.real);
        (member.document, member.stamp, item.written) = (moved.document, moved.stamp, None);
        if let Some((name, report)) = moved.renamed {
            member.place = file_in(self.neighbours.directory(), &name);
            let left = std::mem::replace(&mut member.names, vec![name]);
            item.left.extend(left.into_iter().map(|name| (name, report.clone())));
        }
        self.write(index, &mut || {})?;
        // The answer is stored at its new place, so the old reserve is not needed any more.
        drop(before);
        let old_lock = std::mem::replace(&mut self.items[index].part.member.lock, lock);
        // A mark that remains is harmless, because the name does not lead to the marked tokens any more.
        let _ = old_lock.clear_note();
        Reserve::remove_leftover(&old).map(drop)
    }
}

impl Item {
    /// Whether the new tokens are in the file.
    fn has_new_tokens(&self) -> bool {
        use Report::{Followed, HalfRefreshed, Refreshed, Repaired};
        matches!(self.done, Some(Refreshed(_) | HalfRefreshed(_) | Followed | Repaired(_)))
    }
}

fn rewritten(item: &Item, now: Moved) -> Look {
    if now.real == item.part.member.real {
        Look::Rewritten(Box::new(now.document), now.stamp)
    } else {
        Look::Elsewhere(Box::new(now))
    }
}

/// How soon an unreadable or missing file is looked for again. A writer needs about a millisecond, and twenty looks a
/// second cost next to nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long to wait for another process's lock on a file to which a link was turned. The answer is safe, and storing is
/// tried again, so the wait only spares the second attempt.
const FOLLOW_PATIENCE: Duration = Duration::from_millis(200);

/// How long another program may leave the file unreadable or missing during the request. Editors and tools that copy
/// over a network need up to a second.
const UNREADABLE_PATIENCE: Duration = Duration::from_secs(2);
