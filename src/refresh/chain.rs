//! One chain of files: lock, read again, and ask once for each kind of access token that is due.

use std::collections::BTreeSet;

use super::copies;
use super::member::{Found, Member, Obstacle, lock_and_read};
use super::request::{Turn, one_request};
use super::{Context, Report, verdict};
use crate::clock::Timestamp;
use crate::tokens::directory::read_document;
use crate::tokens::{Document, Life, due};

/// How often a chain that turns out to be another one is locked anew before the next cycle gets it.
const CHAIN_ATTEMPTS: usize = 3;

/// What became of each file, by name.
pub(crate) type Reports = Vec<(String, Report)>;

/// Refreshes the chain of files called `names`, all of which held the refresh token with the
/// fingerprint `expected` when they were listed (`None`: none, a single file), where it is still due.
pub(crate) fn refresh(names: &[String], expected: Option<&str>, context: &Context<'_>) -> Reports {
    let mut names = names.to_vec();
    let mut expected = expected.map(ToOwned::to_owned);
    let mut reports = Reports::new();
    let mut finished = BTreeSet::new();
    for _ in 0..CHAIN_ATTEMPTS {
        let found = match context.patiently(|patience| lock_and_read(context.directory, &names, patience)) {
            Ok(found) => found,
            Err(obstacle) => {
                reports.extend(stopped(&names, &obstacle, context));
                return reports;
            }
        };
        let Found { members, gone, unusable } = found;
        reports.extend(gone.into_iter().map(|name| (name, Report::Gone)));
        reports.extend(unusable.into_iter().map(|(name, why)| (name, Report::Unusable(why))));
        let Some(first) = members.first() else { return reports };
        finished.extend(remember_settled(&members, context));
        let present = fingerprint(first);
        if members.iter().any(|member| fingerprint(member) != present) || present != expected {
            // Somebody wrote in between. The chain of the first file's token, as the directory has it
            // now; the others' turn comes when they are looked at again.
            let chain = match &present {
                Some(print) => (context.chain_of)(print),
                None => first.names.clone(),
            };
            let kept: BTreeSet<&String> = chain.iter().collect();
            let others = members.iter().flat_map(|member| &member.names).filter(|name| !kept.contains(name));
            reports.extend(others.map(|name| (name.clone(), Report::Busy)));
            let settled = members.len() == 1 && present.is_none();
            if !settled {
                (names, expected) = (chain, present);
                continue;
            }
        }
        if let Some(newest) = present.and_then(|present| context.memory.newest(&present)) {
            // Found only now: another process has replaced it while this one looked through the
            // directory. It must not be sent.
            let names: Vec<String> = members.iter().flat_map(|member| member.names.clone()).collect();
            drop(members);
            reports.extend(names.iter().flat_map(|name| copies::heal_from(name, &newest, context)));
            return reports;
        }
        reports.extend(under_lock(members, context));
        for (name, report) in &mut reports {
            if finished.contains(name) && matches!(report, Report::Adopted) {
                *report = Report::Finished;
            }
        }
        return first_of_each(reports);
    }
    reports.extend(names.into_iter().map(|name| (name, Report::Busy)));
    first_of_each(reports)
}

pub(super) fn fingerprint(member: &Member) -> Option<String> {
    member.document.refresh_token().map(|token| token.fingerprint())
}

/// Remembers what the process that was interrupted could not any more; the names of those files.
fn remember_settled(members: &[Member], context: &Context<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for member in members {
        let (Some(mark), Some(present)) = (&member.settled, fingerprint(member)) else { continue };
        for name in &member.names {
            let mut standing = context.memory.standing(name);
            standing.remember(mark.refresh.clone(), present.clone());
            standing.refresh_hash = Some(present.clone());
            standing.last_success = Some(mark.last.as_millis());
            standing.trouble = None;
            standing.updated = Timestamp::now().as_millis().max(standing.updated + 1);
            context.memory.record(name, standing);
            names.push(name.clone());
        }
    }
    names
}

fn stopped(names: &[String], obstacle: &Obstacle, context: &Context<'_>) -> Reports {
    let now = Timestamp::now();
    let local = |message: String, name: &str| {
        let standing = context.memory.standing(name);
        let hash = standing.refresh_hash.clone();
        Report::Failed(verdict::local(message, standing.trouble.as_ref(), hash, now, context.interval))
    };
    let each = |name: &String| match obstacle {
        Obstacle::Busy if context.stop.is_asked() => Report::Stopped,
        // Whoever has it may have refreshed it by now: what the file holds decides.
        Obstacle::Busy => match read_document(&context.directory.join(name)) {
            Ok((document, stamp)) if !is_due(name, &document, stamp.modified(), context, now) => {
                Report::Adopted
            }
            _ => Report::Busy,
        },
        Obstacle::Local(message) => local(message.clone(), name),
        Obstacle::Unreadable(culprit, why) if culprit == name => Report::Unusable(why.clone()),
        Obstacle::Unreadable(culprit, why) => local(
            format!(
                "its refresh token also stands in {culprit}, which cannot be read: {why}; nothing was sent"
            ),
            name,
        ),
    };
    names.iter().map(|name| (name.clone(), each(name))).collect()
}

/// Refreshes what is due of a locked chain, one request after another where its members need access
/// tokens of different kinds.
fn under_lock(members: Vec<Member>, context: &Context<'_>) -> Reports {
    let mut reports = Reports::new();
    let mut members = members;
    let mut refreshed = BTreeSet::new();
    loop {
        let now = Timestamp::now();
        let due = members.iter().position(|member| {
            let due = is_due(&member.names[0], &member.document, member.stamp.modified(), context, now);
            due && !refreshed.contains(&member.real)
        });
        let Some(due) = due else { break };
        match one_request(members, due, context) {
            Turn::Done(done) => {
                let (results, rest) = done.conclude(context.memory);
                for (name, report) in results {
                    if matches!(report, Report::Refreshed(_)) {
                        refreshed.extend(std::fs::canonicalize(context.directory.join(&name)));
                    }
                    reports.push((name, report));
                }
                members = rest;
            }
            Turn::Stopped(results) => {
                reports.extend(results);
                return reports;
            }
        }
    }
    for member in &members {
        reports.extend(member.names.iter().map(|name| (name.clone(), Report::Adopted)));
    }
    reports
}

/// One report for each name: the first one, which is what the request did for it, unless a later
/// request in the same chain did more.
fn first_of_each(reports: Reports) -> Reports {
    let mut kept = Reports::new();
    for (name, report) in reports {
        match kept.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known))
                if matches!(known, Report::Adopted | Report::Finished | Report::Followed | Report::Busy) =>
            {
                *known = report;
            }
            Some(_) => {}
            None => kept.push((name, report)),
        }
    }
    kept
}

fn is_due(
    name: &str,
    document: &Document,
    modified: Timestamp,
    context: &Context<'_>,
    now: Timestamp,
) -> bool {
    if let Some(first_read) = context.force {
        let present = document.access_token().map(|token| token.fingerprint());
        return first_read.get(name).is_none_or(|first| *first == present);
    }
    if document.access_token().is_none() {
        return true;
    }
    let standing = context.memory.standing(name);
    let past = standing.past(document.refresh_token().map(|token| token.fingerprint()).as_deref());
    let life = due::life(document, modified);
    due::due_at(&life, &past, context.buffer, now).is_some_and(|due| due <= now)
}

pub(super) fn life(member: &Member) -> Life {
    due::life(&member.document, member.stamp.modified())
}
