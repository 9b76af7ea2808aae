//! One chain of files: lock, read again, and send one request where a member is due.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::job::{Chain, ChainFile, Done, Job};
use super::locked::{Locked, lock_and_read};
use super::member::{Member, Obstacle};
use super::report::{Report, Reports};
use super::request::request;
use super::slot::Slot;
use super::verdict;
use crate::clock::Timestamp;
use crate::secret::Fingerprint;
use crate::state::{Gate, Store};
use crate::tokens::directory::read;

/// Refreshes the due members of the chain: steps 1 and 2, then the request.
pub(super) fn refresh(chain: &Chain, context: &Context<'_>, slot: Slot<'_>) -> Done {
    let names = chain.names();
    if let Some(time) = chain.again {
        context.stop.wait_until(time);
    }
    // 1. Lock.
    let locked = context.patiently(|patience| lock_and_read(context.directory, &names, patience));
    let Locked { members, mut reports } = match locked {
        Ok(locked) => locked,
        Err(obstacle) => return not_locked(chain, &obstacle, context).into(),
    };
    // 2. Read again.
    let finished = remember_recovered(&members, context.state);
    context.state.catch_up();
    let now = Timestamp::now();
    if is_another_chain(&members, chain) {
        let mut done = split(&members, chain, &finished, now, context);
        done.reports.splice(0..0, reports);
        return done;
    }
    context.state.look_up(&mut chain.token.into_iter());
    if let Some(newest) = chain.token.and_then(|token| context.state.known_newest(token)) {
        // Another process has replaced the token while this one looked through the directory. The old token must not be
        // sent.
        let copies = members.iter().flat_map(|member| &member.names);
        let then = copies.map(|copy| Job::Repair { copy: copy.clone(), newest }).collect();
        return Done { reports, then, ..Done::default() };
    }
    let Some(due) = first_due(&members, chain, now, context) else {
        reports.extend(members.iter().flat_map(|member| not_due(member, chain, &finished, context)));
        return reports.into();
    };
    let mut done = request(chain, members, due, context, slot);
    done.reports.splice(0..0, reports);
    done
}

/// Whether the files hold another refresh token than the chain's. A single file without a refresh token is refreshed as
/// it is.
fn is_another_chain(members: &[Member], chain: &Chain) -> bool {
    let alone = members.len() == 1 && members[0].fingerprint().is_none();
    !alone && members.iter().any(|member| member.fingerprint() != chain.token)
}

/// Makes new jobs for files that were written in between. A due file's chain, as the directory has it now, is a job of
/// its own.
fn split(
    members: &[Member],
    chain: &Chain,
    finished: &BTreeSet<String>,
    now: Timestamp,
    context: &Context<'_>,
) -> Done {
    let mut done = Done::default();
    let mut chains: BTreeMap<Fingerprint, Vec<String>> = BTreeMap::new();
    for member in members {
        let is_due = context.is_due(member.name(), &member.document, member.stamp.modified(), now);
        match member.fingerprint() {
            _ if !is_due => done.reports.extend(not_due(member, chain, finished, context)),
            _ if chain.attempts == 0 => {
                done.reports.extend(context.tell(std::slice::from_ref(member), &Report::Busy));
            }
            Some(token) => drop(chains.entry(token).or_insert_with(|| context.chain_of(token))),
            None => done.then.push(Job::Refresh(chain.now(member.names.clone(), None))),
        }
    }
    let chains = chains.into_iter().map(|(token, names)| Job::Refresh(chain.now(names, Some(token))));
    done.then.extend(chains);
    done
}

/// The due member that the request is for. A member that no failure holds back comes before others.
fn first_due(members: &[Member], chain: &Chain, now: Timestamp, context: &Context<'_>) -> Option<usize> {
    let is_due = |member: &Member| {
        let served = member.names.iter().any(|name| chain.file(name).is_some_and(|file| file.served));
        !served && context.is_due(member.name(), &member.document, member.stamp.modified(), now)
    };
    let is_open = |member: &Member| {
        let state = context.state.known_state(member.name());
        state
            .failure
            .as_ref()
            .is_none_or(|failure| failure.gate(member.fingerprint(), None, now) == Gate::Open)
    };
    let due = || (0..members.len()).filter(|index| is_due(&members[*index]));
    due().find(|index| is_open(&members[*index])).or_else(|| due().next())
}

/// The reports about a member that is not due: which process has changed the file since the cycle read it.
fn not_due(member: &Member, chain: &Chain, finished: &BTreeSet<String>, context: &Context<'_>) -> Reports {
    let report = |name: &String| {
        let read = chain.file(name).and_then(|file| file.stamp);
        if finished.contains(name) {
            Report::Finished
        } else if read.is_some_and(|read| read != member.stamp) && !context.written.contains(name) {
            Report::RefreshedElsewhere
        } else {
            Report::NotDue
        }
    };
    member.names.iter().map(|name| (name.clone(), report(name))).collect()
}

/// Remembers the refresh that an interrupted process could not record. Returns the names of its files.
pub(super) fn remember_recovered(members: &[Member], state: &Store) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for member in members {
        let Some(mark) = &member.recovered else { continue };
        for name in &member.names {
            state.update(name, |state| {
                state.replace(mark.refresh, member.fingerprint());
                state.last_success = Some(mark.last);
            });
            names.insert(name.clone());
        }
    }
    names
}

/// The reports about files whose chain could not be locked.
fn not_locked(chain: &Chain, obstacle: &Obstacle, context: &Context<'_>) -> Reports {
    context.state.catch_up();
    let now = Timestamp::now();
    let each = |file: &ChainFile| match obstacle {
        Obstacle::Busy if context.stop.is_asked() => Report::Stopped,
        // The holder may have refreshed the file by now, so the file's contents decide.
        Obstacle::Busy => match read(context.directory, &file.name) {
            Ok(Some(read)) if !context.is_due(&file.name, &read.document, read.stamp.modified(), now) => {
                if file.stamp == Some(read.stamp) {
                    Report::NotDue
                } else {
                    Report::RefreshedElsewhere
                }
            }
            _ => Report::Busy,
        },
        Obstacle::Local(message) => local(&file.name, message.clone(), now, context),
        Obstacle::Unreadable { file: unread, why } if *unread == file.name => Report::Unusable(why.clone()),
        Obstacle::Unreadable { file: unread, why } => {
            let message = format!(
                "its refresh token also stands in {unread}, which cannot be read: {why}; nothing was sent"
            );
            local(&file.name, message, now, context)
        }
    };
    chain.files.iter().map(|file| (file.name.clone(), each(file))).collect()
}

/// Remembers a failure whose cause is on this machine, and reports it.
pub(super) fn local(name: &str, message: String, now: Timestamp, context: &Context<'_>) -> Report {
    let state = context.state.get(name);
    let interval = context.limits.interval;
    let failure = verdict::local(message, state.failure.as_deref(), state.refresh_hash, now, interval);
    context.remembered(name, Report::Failed(failure))
}
