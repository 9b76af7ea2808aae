//! One chain of files: lock, read again, and ask once for each kind of access token that is due.

use std::collections::BTreeSet;

use super::member::{Member, Obstacle, lock_and_read};
use super::request::{Turn, one_request};
use super::{Context, Report, verdict};
use crate::clock::Timestamp;
use crate::tokens::{Life, Past, due};

/// How often a chain that turns out to be another one is locked anew before the next cycle gets it.
const CHAIN_ATTEMPTS: usize = 3;

/// What became of each file, by name.
pub type Reports = Vec<(String, Report)>;

/// Refreshes the chain of files called `names`, all of which held the refresh token with the
/// fingerprint `expected` when they were listed (`None`: none, a single file), where it is still due.
#[must_use]
pub fn refresh(names: &[String], expected: Option<&str>, context: &Context<'_>) -> Reports {
    let mut names = names.to_vec();
    let mut expected = expected.map(ToOwned::to_owned);
    let mut dropped = Reports::new();
    for _ in 0..CHAIN_ATTEMPTS {
        let members = match lock_and_read(context.directory, &names, context.patience) {
            Ok(members) => members,
            Err(obstacle) => return stopped(&names, &obstacle, context),
        };
        let Some(first) = members.first() else {
            return names.into_iter().map(|name| (name, Report::Gone)).collect();
        };
        let present = fingerprint(first);
        if members.iter().all(|member| fingerprint(member) == expected)
            || members.len() == 1 && present.is_none()
        {
            dropped.extend(under_lock(members, context));
            return dropped;
        }
        // Somebody wrote in between. The chain of the first file's token, as the directory has it now.
        let chain: Vec<String> = match &present {
            Some(print) => (context.chain_of)(print),
            None => first.names.clone(),
        };
        let kept: BTreeSet<&String> = chain.iter().collect();
        dropped.extend(
            names.iter().filter(|name| !kept.contains(name)).map(|name| (name.clone(), Report::Busy)),
        );
        (names, expected) = (chain, present);
    }
    dropped.extend(names.into_iter().map(|name| (name, Report::Busy)));
    dropped
}

pub(super) fn fingerprint(member: &Member) -> Option<String> {
    member.document.refresh_token().map(|token| token.fingerprint())
}

fn stopped(names: &[String], obstacle: &Obstacle, context: &Context<'_>) -> Reports {
    let now = Timestamp::now();
    let each = |name: &String| match obstacle {
        Obstacle::Busy => Report::Busy,
        Obstacle::Unreadable(problem) => Report::Unusable(problem.to_string()),
        Obstacle::Local(message) => {
            let standing = context.memory.standing(name);
            let hash = standing.refresh_hash.clone();
            Report::Failed(verdict::local(
                message.clone(),
                standing.trouble.as_ref(),
                hash,
                now,
                context.interval,
            ))
        }
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
        let due = members.iter().position(|member| {
            !refreshed.contains(&member.real) && is_due(member, context, Timestamp::now())
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
                return first_of_each(reports);
            }
        }
    }
    for member in &members {
        reports.extend(member.names.iter().map(|name| (name.clone(), Report::Adopted)));
    }
    first_of_each(reports)
}

/// One report for each name: the first one, which is what the request did for it, unless a later
/// request in the same chain did more.
fn first_of_each(reports: Reports) -> Reports {
    let mut kept = Reports::new();
    for (name, report) in reports {
        match kept.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if matches!(known, Report::Adopted) => *known = report,
            Some(_) => {}
            None => kept.push((name, report)),
        }
    }
    kept
}

fn is_due(member: &Member, context: &Context<'_>, now: Timestamp) -> bool {
    let name = &member.names[0];
    if let Some(first_read) = context.force {
        let present = member.document.access_token().map(|token| token.fingerprint());
        return first_read.get(name).is_none_or(|first| *first == present);
    }
    if member.document.access_token().is_none() {
        return true;
    }
    let standing = context.memory.standing(name);
    let past = Past { last_success: standing.last_success(), moved_refresh_end: standing.moved_refresh_end };
    due::due_at(&life(member), &past, context.buffer, now).is_some_and(|due| due <= now)
}

pub(super) fn life(member: &Member) -> Life {
    due::life(&member.document, member.stamp.modified())
}
