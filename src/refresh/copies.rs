//! Old copies: a file that turns up with a refresh token which an answer of ours has replaced (a
//! restored backup, a copy made by hand).
//!
//! Sending that token would make a strict provider revoke the sign-in in use, so it is never sent. The
//! copy gets the refresh token of the file that holds the successor.

use super::chain::Reports;
use super::member::{Obstacle, lock_and_read};
use super::standing::{Kind, Trouble};
use super::{Context, Report};
use crate::clock::Timestamp;
use crate::files::{Reserve, reason};

/// Brings the file `copy` up to date from the file `current`, which holds the successor of its
/// refresh token (`None`: no file does; then somebody must sign in).
#[must_use]
pub fn heal(copy: &str, current: Option<&str>, context: &Context<'_>) -> Reports {
    let report = match current {
        None => dead(copy, context),
        Some(current) => match take_over(copy, current, context) {
            Ok(()) => Report::Refreshed(vec![format!(
                "it was an old copy, with a refresh token that has been replaced; took the one in {current}"
            )]),
            Err(Obstacle::Busy) => Report::Busy,
            Err(Obstacle::Local(why)) => Report::Unusable(why),
            Err(Obstacle::Unreadable(problem)) => Report::Unusable(problem.to_string()),
        },
    };
    vec![(copy.to_owned(), report)]
}

fn dead(copy: &str, context: &Context<'_>) -> Report {
    let now = Timestamp::now().as_millis();
    let mut standing = context.memory.standing(copy);
    let message = "it is an old copy: its refresh token has been replaced, and no file here holds the new one; sign in again";
    let trouble = Trouble {
        kind: Kind::SignInAgain,
        message: message.to_owned(),
        refresh_hash: standing.refresh_hash.clone(),
        request: None,
        failures: 1,
        since: now,
        last_attempt: now,
        next_attempt: None,
    };
    standing.updated = now.max(standing.updated + 1);
    standing.trouble = Some(trouble.clone());
    context.memory.record(copy, standing);
    Report::Failed(trouble)
}

fn take_over(copy: &str, current: &str, context: &Context<'_>) -> Result<(), Obstacle> {
    let names = [copy.to_owned(), current.to_owned()];
    let members = lock_and_read(context.directory, &names, context.patience)?;
    let find = |name: &str| members.iter().find(|member| member.names.iter().any(|known| known == name));
    // One of them is gone, or both names lead to one file by now: nothing to do.
    let (Some(old), Some(new)) = (find(copy), find(current)) else { return Ok(()) };
    let Some(token) = new.document.refresh_token().filter(|_| old.real != new.real) else { return Ok(()) };
    let local =
        |error: std::io::Error| Obstacle::Local(format!("cannot be brought up to date: {}", reason(&error)));
    let document = old.document.clone().with_refresh_token(&token);
    let text = document.file_text();
    let mut reserve = Reserve::create(&old.real, text.len() as u64).map_err(local)?;
    reserve.store(&text).map_err(local)?;
    reserve.take_place().map_err(local)?;
    let mut standing = context.memory.standing(copy);
    standing.updated = Timestamp::now().as_millis().max(standing.updated + 1);
    standing.refresh_hash = Some(token.fingerprint());
    standing.trouble = None;
    context.memory.record(copy, standing);
    Ok(())
}
