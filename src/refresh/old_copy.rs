//! Old copies: files that turn up with a replaced refresh token. A restored backup is one.
//!
//! Sending that token would make a strict provider revoke the sign-in in use. So the token is never sent, not even with
//! `--force`. The copy gets the refresh token of the file that holds the successor.

use std::time::Duration;

use super::chain::{local, remember_recovered};
use super::context::Context;
use super::interpret::Renewal;
use super::job::{Chain, Done, Job};
use super::locked::{Locked, lock_and_read};
use super::member::{Member, Obstacle};
use super::neighbours::Neighbours;
use super::precautions::reserve_all;
use super::report::Report;
use super::storing::{Part, Storing};
use super::unseal::handed_on;
use crate::clock::Timestamp;
use crate::secret::Fingerprint;
use crate::state::{FailureKind, LastFailure};

/// How often a holder of the newest token is looked for, and how soon again. The record of a refresh follows its files
/// within a millisecond or two. A busy machine gets a hundred.
const LOOKS: usize = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Gives the file `copy` the refresh token of a file with `newest`, the newest successor of the copy's token. Without
/// such a file only a new sign-in helps. Refreshing the copy's new chain is another job.
pub(super) fn repair(copy: &str, newest: Fingerprint, context: &Context<'_>) -> Done {
    let (newest, holder) = holder_of(newest, copy, context);
    let names: Vec<String> = [Some(copy.to_owned()), holder.clone()].into_iter().flatten().collect();
    let locked = context.patiently(|patience| lock_and_read(context.directory, &names, patience));
    let Locked { mut members, reports } = match locked {
        Ok(locked) => locked,
        Err(obstacle) => return vec![(copy.to_owned(), not_locked(copy, obstacle, context))].into(),
    };
    let finished = remember_recovered(&members, context.state);
    let mut take = |name: &str| {
        let called = |member: &Member| member.names.iter().any(|known| known == name);
        members.iter().position(called).map(|index| members.swap_remove(index))
    };
    let Some(old) = take(copy) else {
        return reports.into_iter().filter(|(name, _)| name == copy).collect::<Vec<_>>().into();
    };
    if finished.contains(copy) {
        return vec![(copy.to_owned(), Report::Finished)].into();
    }
    if old.fingerprint().is_none_or(|token| context.state.newest(token).is_none()) {
        // Another process has repaired the copy.
        return vec![(copy.to_owned(), Report::RefreshedElsewhere)].into();
    }
    match holder.as_deref().and_then(take) {
        Some(current) => take_over(old, &current, newest, context),
        None => dead(&old, newest, context).into(),
    }
}

/// The newest successor of a token that leads to `newest`, and a file beside `copy` that holds it. Another thread may
/// have replaced the token since the scan: in its files first, and in the records a moment later.
fn holder_of(newest: Fingerprint, copy: &str, context: &Context<'_>) -> (Fingerprint, Option<String>) {
    let mut newest = newest;
    for _ in 0..LOOKS {
        newest = context.state.newest(newest).unwrap_or(newest);
        if let Some(holder) = context.chain_of(newest).into_iter().find(|name| name != copy) {
            return (newest, Some(holder));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    (newest, None)
}

fn not_locked(copy: &str, obstacle: Obstacle, context: &Context<'_>) -> Report {
    let message = match obstacle {
        Obstacle::Busy if context.stop.is_asked() => return Report::Stopped,
        Obstacle::Busy => return Report::Busy,
        Obstacle::Local(message) => message,
        Obstacle::Unreadable { file, why } => format!("{file} cannot be read: {why}"),
    };
    local(copy, message, Timestamp::now(), context)
}

/// The report about a copy whose successor no file holds.
fn dead(old: &Member, newest: Fingerprint, context: &Context<'_>) -> Vec<(String, Report)> {
    let original = context.state.file_of(newest).filter(|name| !old.names.contains(name));
    let copy = original.map_or_else(|| "an old copy".to_owned(), |name| format!("an old copy of {name}"));
    let message = format!(
        "it is {copy}: its refresh token has been replaced, and no file here holds the new one; it is never sent: \
         put the newest copy back, or sign in again"
    );
    let failure = LastFailure {
        refresh_hash: old.fingerprint(),
        ..LastFailure::new(FailureKind::ReauthRequired, message, Timestamp::now())
    };
    context.tell(std::slice::from_ref(old), &Report::Failed(failure))
}

/// Stores the refresh token of `current` in the file `old`, in the way of an answer.
fn take_over(old: Member, current: &Member, newest: Fingerprint, context: &Context<'_>) -> Done {
    let copy = old.name().to_owned();
    let busy = || Done::from(vec![(copy.clone(), Report::Busy)]);
    if !current.document.has_refresh_token() {
        return busy();
    }
    let (token, seal) = match handed_on(&old, current, context) {
        Ok(found) => found,
        Err(why) => {
            let message = format!("cannot be brought up to date: {why}");
            let failure = LastFailure {
                refresh_hash: old.fingerprint(),
                ..LastFailure::new(FailureKind::Configuration, message, Timestamp::now())
            };
            return context.tell(std::slice::from_ref(&old), &Report::Failed(failure)).into();
        }
    };
    let reserve = match reserve_all(std::slice::from_ref(&old)) {
        Ok(mut reserves) => reserves.remove(0),
        Err(held) => {
            let message = format!("cannot be brought up to date: {}", held.why);
            return vec![(copy.clone(), local(&copy, message, Timestamp::now(), context))].into();
        }
    };
    let report = Report::Repaired(current.name().to_owned());
    let part = Part { member: old, reserve, takes_access: false, seal, report };
    let neighbours = Neighbours::new(context, std::slice::from_ref(&part.member));
    let mut storing = Storing::new(vec![part], Renewal::of_refresh_token(token), neighbours);
    match storing.attempt() {
        Ok(()) => {
            let reports = storing.conclude(context.state, Some(context.written));
            let then = vec![Job::Refresh(Chain::unseen(context.chain_of(newest), newest))];
            Done { reports, then, ..Done::default() }
        }
        Err(message) => {
            log::error!(target: "REFRESH", "{message}");
            Done { held: vec![storing], ..Done::default() }
        }
    }
}
