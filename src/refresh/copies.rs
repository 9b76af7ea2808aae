//! Old copies: a file that turns up with a refresh token which an answer of ours has replaced (a
//! restored backup, a copy made by hand).
//!
//! Sending that token would make a strict provider revoke the sign-in in use, so it is never sent, not
//! even when a person insists. The copy gets the refresh token of the file that holds the successor.

use super::chain::{Reports, fingerprint, refresh};
use super::member::{Found, Member, Obstacle, lock_and_read};
use super::precautions::reserve_all;
use super::standing::{Kind, Trouble};
use super::storing::{Answer, Memo, Storing};
use super::{Context, Report, verdict};
use crate::clock::Timestamp;
use crate::tokens::change::RefreshEnd;

/// Brings the file `copy` up to date from the file that holds `newest`, the youngest successor of its
/// refresh token, if there is one; otherwise somebody must sign in. Then refreshes it where it is due.
pub(crate) fn heal_from(copy: &str, newest: &str, context: &Context<'_>) -> Reports {
    let holder = (context.chain_of)(newest).into_iter().find(|name| name != copy);
    let names: Vec<String> = [Some(copy.to_owned()), holder.clone()].into_iter().flatten().collect();
    let found = match context.patiently(|patience| lock_and_read(context.directory, &names, patience)) {
        Ok(found) => found,
        Err(obstacle) => return vec![(copy.to_owned(), hindered(copy, obstacle, context))],
    };
    let Found { mut members, gone, mut unusable } = found;
    let called = |members: &[Member], name: &str| {
        members.iter().position(|member| member.names.iter().any(|known| known == name))
    };
    let report = if gone.iter().any(|name| name == copy) {
        Report::Gone
    } else if let Some(index) = unusable.iter().position(|(name, _)| name == copy) {
        Report::Unusable(unusable.swap_remove(index).1)
    } else if let Some(index) = called(&members, copy) {
        let old = members.swap_remove(index);
        let still_old = fingerprint(&old).and_then(|print| context.memory.newest(&print)).is_some();
        let current = holder.as_deref().and_then(|name| called(&members, name));
        match (still_old, current.map(|index| members.swap_remove(index))) {
            // Somebody else was faster.
            (false, _) => Report::Adopted,
            (true, Some(current)) => take_over(old, &current, context),
            (true, None) => dead(copy, &old, context),
        }
    } else {
        Report::Gone
    };
    let healed = matches!(report, Report::Healed(_));
    let mut reports = vec![(copy.to_owned(), report)];
    if healed {
        let chain = (context.chain_of)(newest);
        // Whatever the refresh says of the copy, that it was one is worth more words.
        reports.extend(
            refresh(&chain, Some(newest), context)
                .into_iter()
                .filter(|(name, report)| name != copy || !matches!(report, Report::Adopted)),
        );
    }
    reports
}

fn hindered(copy: &str, obstacle: Obstacle, context: &Context<'_>) -> Report {
    match obstacle {
        Obstacle::Busy => Report::Busy,
        Obstacle::Local(message) => local(copy, message, context),
        Obstacle::Unreadable(name, why) => local(copy, format!("{name} cannot be read: {why}"), context),
    }
}

fn local(copy: &str, message: String, context: &Context<'_>) -> Report {
    let standing = context.memory.standing(copy);
    let before = standing.trouble.as_ref();
    let hash = standing.refresh_hash.clone();
    Report::Failed(verdict::local(message, before, hash, Timestamp::now(), context.interval))
}

/// No file holds what came after: only a sign-in helps.
fn dead(copy: &str, old: &Member, context: &Context<'_>) -> Report {
    let now = Timestamp::now().as_millis();
    let mut standing = context.memory.standing(copy);
    let message = "it is an old copy: its refresh token has been replaced, and no file here holds the new one; sign in again";
    let trouble = Trouble {
        endpoint: None,
        kind: Kind::SignInAgain,
        message: message.to_owned(),
        refresh_hash: fingerprint(old),
        request: None,
        failures: 1,
        since: now,
        last_attempt: now,
        next_attempt: None,
    };
    standing.updated = now.max(standing.updated + 1);
    standing.refresh_hash.clone_from(&trouble.refresh_hash);
    standing.trouble = Some(trouble.clone());
    context.memory.record(copy, standing);
    Report::Failed(trouble)
}

/// Stores the refresh token of `current` in the file `old`, as an answer would be.
fn take_over(old: Member, current: &Member, context: &Context<'_>) -> Report {
    let (copy, holder) = (old.names[0].clone(), current.names[0].clone());
    let Some(token) = current.document.refresh_token() else { return Report::Busy };
    let reserve = match reserve_all(std::slice::from_ref(&old)) {
        Ok(mut reserves) => reserves.remove(0),
        Err((_, message)) => {
            return local(&copy, format!("cannot be brought up to date: {message}"), context);
        }
    };
    let answer = Answer { access: None, refresh_token: Some(token), refresh_end: RefreshEnd::Unsaid };
    let replaced = context.memory.standing(&copy).replaced().collect();
    let mut storing = Storing::new(vec![(old, reserve, false)], answer, Memo::default(), replaced);
    match storing.attempt() {
        Ok(()) => {
            let (reports, _) = storing.conclude(context.memory);
            match reports.into_iter().next() {
                Some((_, Report::Followed)) => Report::Healed(holder),
                Some((_, report)) => report,
                None => Report::Gone,
            }
        }
        Err(message) => {
            log::error!(target: "REFRESH", "{message}");
            Report::Held(Box::new(storing))
        }
    }
}
