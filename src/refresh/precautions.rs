//! Steps 3 and 4, before a refresh token is sent. First the room for the answer is made. Then a mark tells the next
//! process, after a crash, that the token was sent.

use std::cell::OnceCell;
use std::io;

use super::mark::Mark;
use super::member::Member;
use crate::clock::Timestamp;
use crate::files::{Reserve, make_room, reason};
use crate::oauth::Class;

/// Why a chain is held back: the file of the member at `index` cannot be replaced or marked.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub index: usize,
    pub why: String,
}

/// Makes room for the answer beside every file, and checks that this process can replace each file. A file that cannot
/// be replaced holds all of its chain back.
pub(super) fn reserve_all(members: &[Member]) -> Result<Vec<Reserve>, HeldBack> {
    members
        .iter()
        .enumerate()
        .map(|(index, member)| {
            let held = |why| HeldBack { index, why: format!("{why}; nothing was sent") };
            make_room(&member.real).map_err(held)
        })
        .collect()
}

/// The marks for one request, made once, just before the refresh token is sent.
pub(super) struct Marks<'a> {
    members: &'a [Member],
    made: OnceCell<Result<(), HeldBack>>,
}

impl<'a> Marks<'a> {
    /// No mark is made yet. `members` are the files whose refresh token is spent.
    pub(super) fn of(members: &'a [Member]) -> Self {
        Self { members, made: OnceCell::new() }
    }

    /// Makes the marks. The error of a failed mark keeps the request back.
    pub(super) fn make(&self) -> io::Result<()> {
        match self.made.get_or_init(|| mark_all(self.members, Timestamp::now())) {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::other("it could not be marked as sent")),
        }
    }

    /// The result of making the marks; `None` where the request did not come so far.
    pub(super) fn made(self) -> Option<Result<(), HeldBack>> {
        self.made.into_inner()
    }
}

/// Records durably that the refresh token is about to be sent. An earlier doubt keeps its time. After an error the
/// marks are as before.
fn mark_all(members: &[Member], now: Timestamp) -> Result<(), HeldBack> {
    for (index, member) in members.iter().enumerate() {
        let since = member.doubt.as_ref().map_or(now, |mark| mark.since);
        if let Err(error) = member.lock.write_note(&Mark::of(&member.document, since, now).note()) {
            // The written marks must not be taken for a request that was sent.
            unmark(&members[..=index], Class::Passing);
            let message = format!("its lock file cannot be written: {}; nothing was sent", reason(&error));
            return Err(HeldBack { index, why: message });
        }
    }
    Ok(())
}

/// Sets the marks after a failure. A refusal clears them, a passing failure restores them, and an unknown outcome
/// leaves them.
pub(super) fn unmark(members: &[Member], class: Class) {
    for member in members {
        let restored = match (class, &member.doubt) {
            (Class::InDoubt, _) => continue,
            (Class::Passing, Some(mark)) => member.lock.write_note(&mark.note()),
            _ => member.lock.clear_note(),
        };
        if let Err(error) = restored {
            // A doubt that remains is the safe side.
            log::warn!(target: "REFRESH", "{}: its lock file cannot be written: {}", member.name(), reason(&error));
        }
    }
}
