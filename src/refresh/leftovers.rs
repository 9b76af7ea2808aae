//! The small files beside a token file that is not refreshed now: a crash's leftovers, and the time of the last
//! refresh.

use std::io;
use std::time::{Duration, Instant};

use super::context::Context;
use super::locked::lock_and_read;
use super::mark::Mark;
use super::member::{Obstacle, Patience, lock};
use crate::files::{FileAt, Reserve, Stamp, reason};
use crate::sealing::SecretMember;
use crate::tokens::Document;
use crate::tokens::directory::{read_document, real};
use crate::tokens::spelled::file_in;

/// Recovers what a crash left beside the file `name`, which is gone or only monitored now. A leftover that cannot be
/// recovered, or belongs to a running process, waits for the next cycle.
pub(crate) fn recover_leftover(name: &str, context: &Context<'_>) {
    let file = file_in(context.directory, name);
    let settled = if file.inode().is_ok() {
        let patience = Patience { longest: Duration::ZERO, give_up: &|| true };
        lock_and_read(context.directory, &[name.to_owned()], &patience).map(drop)
    } else {
        settle_orphan(name, &file, context)
    };
    if let Err(obstacle) = settled {
        log::debug!(target: "REFRESH", "{name}: what an interrupted refresh left stays for now: {obstacle}");
    }
}

/// Settles the reserve of the token file `name`, which is gone. A whole answer in the reserve follows the sign-in: the
/// file may have been moved after the process died that stored the answer. After a sign-out the reserve is removed.
fn settle_orphan(name: &str, file: &FileAt, context: &Context<'_>) -> Result<(), Obstacle> {
    let lock = lock(file, Instant::now(), &|| true)?;
    if file.inode().is_ok() {
        // The person has signed in again meanwhile.
        return Ok(());
    }
    let mark = Mark::parse(&lock.note().map_err(|error| unsettled(&error))?);
    if let Some(mark) = mark
        && let Some((_, text)) = Reserve::found(file).map_err(|error| unsettled(&error))?
        && let Ok(answer) = Document::parse(&text)
        && let (Some(sent), Some(new)) = (mark.refresh, answer.refresh_fingerprint())
    {
        for moved in context.chain_of(sent) {
            bring_along(&moved, &mark, &answer, context)?;
        }
        context.state.update(name, |state| state.replaced_elsewhere(sent, new));
    }
    Reserve::remove_leftover(file).map(drop).map_err(|error| unsettled(&error))
}

/// Stores the answer in the file `name`, which holds the refresh token that was sent.
fn bring_along(name: &str, mark: &Mark, answer: &Document, context: &Context<'_>) -> Result<(), Obstacle> {
    let Ok(Some(real)) = real(&file_in(context.directory, name)) else { return Ok(()) };
    let _lock = lock(&real, Instant::now(), &|| true)?;
    let Ok((present, _)) = read_document(&real) else { return Ok(()) };
    if present.refresh_fingerprint() != mark.refresh {
        return Ok(());
    }
    // A sealed text is copied unopened, together with the endpoint and client in its header.
    let document = match answer.stored(SecretMember::RefreshToken) {
        Some(new) if !mark.names(&present) => {
            present.with_refresh_token(&new).map_err(|why| Obstacle::Local(why.to_string()))?
        }
        _ => answer.clone(),
    };
    let text = document.file_text();
    let mut reserve = Reserve::create(&real, text.len() as u64).map_err(|error| unsettled(&error))?;
    reserve.store(text).and_then(|()| reserve.take_place()).map_err(|error| unsettled(&error))?;
    context.state.update(name, |state| {
        state.replace(mark.refresh, answer.refresh_fingerprint());
        state.last_success = Some(mark.last);
    });
    log::info!(target: "REFRESH", "{name}: finished a refresh that was interrupted under another name of the file");
    Ok(())
}

fn unsettled(error: &io::Error) -> Obstacle {
    Obstacle::Local(reason(error))
}

/// Whether this program wrote the file `real` last, which had the state `stamp`. The lock file is touched after the
/// rename, so it is at least as new. `false` where this program never locked the file.
pub(crate) fn written_by_us(real: &FileAt, stamp: &Stamp) -> bool {
    let lock = real.known_lock_file().and_then(|lock| Some(lock.inode().ok()?.stamp));
    lock.is_some_and(|lock| lock.size() > 0 || lock.modified() >= stamp.modified())
}
