//! Steps 3 and 4: before a refresh token is sent it is made sure that the answer can be stored, and that a process
//! after a crash can tell that the token was sent.

use super::mark::Mark;
use super::member::Member;
use crate::clock::Timestamp;
use crate::files::{Foreign, Reserve, directory_is_private, directory_of, is_mount_point, reason};
use crate::oauth::Class;

/// Why a chain is held back: the file of the member at `index` cannot be replaced or marked.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub index: usize,
    pub why: String,
}

/// Makes room for the answer beside every file, and checks that each can be replaced by us. One that
/// cannot holds all of its chain back, and is named to the others.
pub(super) fn reserve_all(members: &[Member]) -> Result<Vec<Reserve>, HeldBack> {
    members
        .iter()
        .enumerate()
        .map(|(index, member)| reserve(member).map_err(|why| HeldBack { index, why }))
        .collect()
}

fn reserve(member: &Member) -> Result<Reserve, String> {
    let place = directory_of(&member.real);
    let refused = |what: String| format!("{what}; nothing was sent");
    let failed = |error: std::io::Error| {
        refused(format!("no room for a new token can be made in {}: {}", place.display(), reason(&error)))
    };
    if is_mount_point(&member.real) {
        return Err(refused(
            "it is a mount point of its own and could not be replaced; mount its directory instead"
                .to_owned(),
        ));
    }
    let directory = std::fs::metadata(place).map_err(failed)?;
    let others_write = || {
        refused(format!("users other than the owner may write to {}; run: chmod go-w {0}", place.display()))
    };
    if !directory_is_private(&directory) {
        return Err(others_write());
    }
    let reserve = Reserve::create(&member.real, member.document.file_text().len() as u64).map_err(failed)?;
    let metadata = std::fs::metadata(&member.real).map_err(failed)?;
    // The reserve has just been made, so its owner is the user of this process.
    match reserve.owner().map(|ours| Foreign::check(&metadata, &directory, ours)).map_err(failed)? {
        Ok(()) => Ok(reserve),
        Err(Foreign::Directory) => Err(others_write()),
        Err(Foreign::File { owner }) => Err(refused(format!(
            "it belongs to another user (uid {owner}); run token-refresher as that user"
        ))),
    }
}

/// Writes down durably that the refresh token is about to be sent. A doubt that is marked already keeps its time. After
/// an error the marks are as before.
pub(super) fn mark_all(members: &[Member], now: Timestamp) -> Result<(), HeldBack> {
    for (index, member) in members.iter().enumerate() {
        let since = member.doubt.as_ref().map_or(now, |mark| mark.since);
        if let Err(error) = member.lock.write_note(&Mark::of(&member.document, since, now).note()) {
            // What was written must not be taken for a request that was sent.
            unmark(&members[..=index], Class::Passing);
            let message = format!("its lock file cannot be written: {}; nothing was sent", reason(&error));
            return Err(HeldBack { index, why: message });
        }
    }
    Ok(())
}

/// What the mark says after a failure: nothing after a refusal, what it said before after a passing
/// one, that the token is on its way while in doubt.
pub(super) fn unmark(members: &[Member], class: Class) {
    for member in members {
        let restored = match (class, &member.doubt) {
            (Class::InDoubt, _) => continue,
            (Class::Passing, Some(mark)) => member.lock.write_note(&mark.note()),
            _ => member.lock.clear_note(),
        };
        if let Err(error) = restored {
            // The doubt that stays is the safe side.
            log::warn!(target: "REFRESH", "{}: its lock file cannot be written: {}", member.name(), reason(&error));
        }
    }
}
