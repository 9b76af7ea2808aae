//! One request: everything between "it is due" and "its answer is stored", in the order that keeps
//! the promise (design section 5): reserve, mark, ask, understand, store, look again, replace.

use super::chain::{Reports, fingerprint, life};
use super::endpoints::Pass;
use super::mark::Mark;
use super::member::Member;
use super::precautions::{mark_all, reserve_all, unmark};
use super::standing::{Gate, Kind, Trouble};
use super::storing::Storing;
use super::understand::understand;
use super::verdict::{self, Attempt};
use super::{Context, Report};
use crate::clock::{Timestamp, Words};
use crate::files::Reserve;
use crate::oauth::{Class, Failure, GrantType, Granted, Request, Resolution, backoff};
use crate::tokens::chain;
use crate::tokens::directory::read_document;

/// How one request ended.
pub enum Turn {
    /// The answer stands in the files.
    Done(Box<Storing>),
    /// Nothing more can be done for this chain now.
    Stopped(Reports),
}

/// Asks once for the member at `due` of a locked chain, and stores what comes.
pub fn one_request(members: Vec<Member>, due: usize, context: &Context<'_>) -> Turn {
    let now = Timestamp::now();
    let request = match may_ask(&members, due, context, now) {
        Ok(request) => request,
        Err(report) => return everybody(&members, &report, context),
    };
    let before = context.memory.standing(&members[due].names[0]).trouble;
    let attempt = Attempt {
        before: before.as_ref(),
        refresh_hash: fingerprint(&members[due]),
        request: &request,
        life: life(&members[due]),
        doubt: members[due].doubt.as_ref(),
        now,
        random: backoff::random(),
    };
    let key = request.endpoint_key();
    let pass = match context.endpoints.enter(&key, now) {
        Ok(pass) => Some(pass),
        Err(_) if context.force.is_some() => None,
        Err(until) => return everybody(&members, &Stop::Waiting(until), context),
    };
    let failed = |failure: &Failure, pass: Option<Pass<'_>>| {
        conclude_pass(pass, failure, now);
        Stop::Trouble(verdict::trouble(failure, &attempt))
    };
    let prepared = match context.client.prepare(&request, now) {
        Ok(prepared) => prepared,
        Err(failure) => {
            let stop = failed(&failure, pass);
            return everybody(&members, &stop, context);
        }
    };
    let spends = request.grant() == GrantType::RefreshToken;
    let reserves = match reserve_all(&members)
        .and_then(|reserves| mark_all(&members, spends, now).map(|()| reserves))
    {
        Ok(reserves) => reserves,
        Err(message) => {
            let trouble =
                verdict::local(message, attempt.before, attempt.refresh_hash.clone(), now, context.interval);
            return everybody(&members, &Stop::Trouble(trouble), context);
        }
    };
    let token = members[due].document.refresh_token().filter(|_| spends);
    match context.client.ask(&prepared, token.as_ref()) {
        Ok(granted) => {
            if let Some(pass) = pass {
                pass.answered();
            }
            store(members, reserves, due, &request, granted, context)
        }
        Err(mut failure) => {
            drop(reserves);
            if failure.class == Class::SignInAgain && holds_another(&members[due]) {
                return everybody(&members, &Stop::Adopted, context);
            }
            if let (Class::SignInAgain, Some(mark)) = (failure.class, attempt.doubt) {
                failure.message = format!(
                    "{} (an earlier request for it was interrupted {}, which may have spent it)",
                    failure.message,
                    ago(mark, now)
                );
            }
            unmark(&members, failure.class);
            let stop = failed(&failure, pass);
            everybody(&members, &stop, context)
        }
    }
}

fn ago(mark: &Mark, now: Timestamp) -> String {
    format!("{} ago", Words(now.since(mark.since)))
}

/// Why a chain is not asked for.
enum Stop {
    Trouble(Trouble),
    Waiting(Timestamp),
    Monitored(String),
    Adopted,
}

/// Says the same of every file of the chain, and remembers it.
fn everybody(members: &[Member], stop: &Stop, context: &Context<'_>) -> Turn {
    let mut reports = Reports::new();
    for name in members.iter().flat_map(|member| &member.names) {
        let report = match stop {
            Stop::Trouble(trouble) => {
                let mut standing = context.memory.standing(name);
                if standing.trouble.as_ref() != Some(trouble) {
                    standing.updated = trouble.last_attempt.max(standing.updated + 1);
                    standing.trouble = Some(trouble.clone());
                    standing.refresh_hash.clone_from(&trouble.refresh_hash);
                    context.memory.record(name, standing);
                }
                Report::Failed(trouble.clone())
            }
            Stop::Waiting(until) => Report::Waiting(*until),
            Stop::Monitored(why) => Report::Monitored(why.clone()),
            Stop::Adopted => Report::Adopted,
        };
        reports.push((name.clone(), report));
    }
    Turn::Stopped(reports)
}

/// Everything that can stand against asking before the disk is touched.
fn may_ask(
    members: &[Member],
    due: usize,
    context: &Context<'_>,
    now: Timestamp,
) -> Result<Box<Request>, Stop> {
    if members.iter().any(|member| member.document.is_monitored_only()) {
        return Err(Stop::Monitored(
            "\"refresh\": false stands in it, or in another file with the same refresh token".to_owned(),
        ));
    }
    let member = &members[due];
    let name = &member.names[0];
    let hash = fingerprint(member);
    let standing = context.memory.standing(name);
    let misconfigured = |message: String| {
        let mut trouble = verdict::local(message, None, hash.clone(), now, context.interval);
        trouble.kind = Kind::Configuration;
        trouble.next_attempt = None;
        Stop::Trouble(trouble)
    };
    if let Some((other, what)) = members
        .iter()
        .find_map(|other| Some((other, chain::disagreement(&member.document, &other.document)?)))
    {
        return Err(misconfigured(format!(
            "it has the same refresh token as {} but another {what}; nothing is sent until they agree",
            other.names[0]
        )));
    }
    let request = match context.resolve(name, &member.document) {
        Resolution::Refresh(request) => request,
        Resolution::Monitored(why) => return Err(Stop::Monitored(why)),
        Resolution::Misconfigured(message) => return Err(misconfigured(message)),
    };
    if context.force.is_some() {
        return Ok(request);
    }
    let known = standing.trouble.filter(|trouble| trouble.refresh_hash == hash);
    let trouble = match (known, &member.doubt) {
        (Some(trouble), _) => Some(trouble),
        // A process died while it was asking: only the mark tells.
        (None, Some(mark)) => Some(verdict::left_in_doubt(
            mark,
            &Attempt {
                before: None,
                refresh_hash: hash.clone(),
                request: &request,
                life: life(member),
                doubt: Some(mark),
                now,
                random: backoff::random(),
            },
        )),
        (None, None) => None,
    };
    match trouble.map(|trouble| (trouble.gate(hash.as_deref(), Some(&request.fingerprint()), now), trouble)) {
        None | Some((Gate::Ask, _)) => Ok(request),
        Some((_, trouble)) => Err(Stop::Trouble(trouble)),
    }
}

/// Whether the file holds another refresh token now than the one that was sent: then it is that of
/// another process, and the refusal says nothing about it.
fn holds_another(member: &Member) -> bool {
    read_document(&member.real).is_ok_and(|(document, _)| {
        document.refresh_token().map(|token| token.fingerprint()) != fingerprint(member)
    })
}

fn conclude_pass(pass: Option<Pass<'_>>, failure: &Failure, now: Timestamp) {
    let Some(pass) = pass else { return };
    if failure.endpoint_wide {
        pass.failed(|failures| {
            backoff::after_passing(&backoff::Circumstances {
                now,
                failures,
                random: backoff::random(),
                expires_at: None,
                retry_after: failure.retry_after,
            })
        });
    } else {
        pass.answered();
    }
}

/// Steps 7 to 9: into the reserve, then into place.
fn store(
    members: Vec<Member>,
    reserves: Vec<Reserve>,
    due: usize,
    request: &Request,
    granted: Granted,
    context: &Context<'_>,
) -> Turn {
    let (answer, memo) = understand(&members[due], request, granted);
    let primary = members[due].document.clone();
    let mut replaced = Vec::new();
    let mut parts = Vec::new();
    for (member, reserve) in members.into_iter().zip(reserves) {
        let spent = context.memory.standing(&member.names[0]).spent;
        replaced.extend(spent.into_iter().map(|spent| spent.token));
        let takes_access = !chain::contradict(&primary, &member.document);
        parts.push((member, reserve, takes_access));
    }
    let mut storing = Storing::new(parts, answer, memo, replaced);
    match storing.attempt() {
        Ok(()) => Turn::Done(Box::new(storing)),
        Err(message) => {
            log::error!(target: "REFRESH", "{message}");
            let name = storing.names().next().cloned().unwrap_or_default();
            Turn::Stopped(vec![(name, Report::Held(Box::new(storing)))])
        }
    }
}
