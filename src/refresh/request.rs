//! One request: everything between "it is due" and "its answer is stored", in the order that keeps
//! the promise (design section 5): reserve, connect, mark, send, understand, store, look again, replace.

use std::cell::Cell;
use std::io;

use super::chain::{Reports, fingerprint, life};
use super::endpoints::Pass;
use super::member::Member;
use super::precautions::{mark_all, reserve_all, unmark};
use super::standing::{Kind, Trouble};
use super::storing::Storing;
use super::understand::understand;
use super::verdict::{self, Attempt};
use super::{Context, Report};
use crate::clock::{Timestamp, Words};
use crate::files::Reserve;
use crate::oauth::{Class, Failure, GrantType, Resolution, TokenRequest, TokenResponse, backoff};
use crate::tokens::chain;
use crate::tokens::directory::read_document;

/// How one request ended.
pub(super) enum Turn {
    /// The answer stands in the files.
    Done(Box<Storing>),
    /// Nothing more can be done for this chain now.
    Stopped(Reports),
}

/// Asks once for the member at `due` of a locked chain, and stores what comes.
pub(super) fn one_request(members: Vec<Member>, due: usize, context: &Context<'_>) -> Turn {
    let request = match may_ask(&members, due, context) {
        Ok(request) => request,
        Err(stop) => return everybody(&members, &stop, context),
    };
    let key = request.endpoint_key();
    let now = Timestamp::now();
    let standing = context.memory.standing(&members[due].names[0]);
    let expires_at = life(&members[due]).expires_at;
    let out_of_turn = standing.out_of_turn(expires_at, now);
    let pass = match context.endpoints.enter(&key, now, out_of_turn) {
        Ok(pass) => Some(pass),
        Err(_) if context.force.is_some() => None,
        Err(until) => {
            log::debug!(target: "REFRESH", "{}: {} is in trouble", members[due].names[0], request.endpoint());
            return everybody(&members, &Stop::Waiting(until), context);
        }
    };
    let prepared = match context.client.prepare(&request, now) {
        Ok(prepared) => prepared,
        Err(failure) => {
            let stop = failed(&members, due, &request, now, &failure, context);
            // What is wrong with a setting says nothing of the endpoint.
            conclude_pass(pass.filter(|_| failure.endpoint_wide), &failure, expires_at);
            return everybody(&members, &stop, context);
        }
    };
    // From here to the stored answer a stop waits; before, it is better left for the next start.
    let Some(_flight) = context.stop.begin() else { return everybody(&members, &Stop::Told, context) };
    let spends = request.grant() == GrantType::RefreshToken;
    log::debug!(target: "REFRESH", "{}: asking {} at {}", members[due].names[0], request.provider(), prepared.endpoint());
    let reserves = match reserve_all(&members) {
        Ok(reserves) => reserves,
        Err((index, message)) => return held_back(&members, index, &message, context),
    };
    // Made as late as can be, when the endpoint is connected to: who dies while connecting is not in
    // doubt, and an endpoint that cannot be reached costs no writing.
    let mark = Cell::new(Marked::NotYet);
    let before_it_leaves = || match mark_all(if spends { &members } else { &[] }, Timestamp::now()) {
        Ok(()) => {
            mark.set(Marked::Made);
            Ok(())
        }
        Err((index, message)) => {
            mark.set(Marked::Failed(index, message));
            Err(io::Error::other("it could not be marked as sent"))
        }
    };
    let token = members[due].document.refresh_token().filter(|_| spends);
    // Looked up before: after the answer nothing may stand between it and the disk.
    let replaced = members.iter().flat_map(|member| &member.names);
    let replaced = replaced.flat_map(|name| context.memory.standing(name).replaced().collect::<Vec<_>>());
    let replaced = replaced.collect();
    match context.client.ask(&prepared, token.as_ref(), &before_it_leaves) {
        Ok(granted) => {
            let turn = store(members, reserves, due, &request, granted, replaced);
            if let Some(pass) = pass {
                pass.answered();
            }
            turn
        }
        Err(failure) => {
            drop(reserves);
            let mark = mark.take();
            if let Marked::Failed(index, message) = mark {
                return held_back(&members, index, &message, context);
            }
            let stop = failed(&members, due, &request, now, &failure, context);
            conclude_pass(pass, &failure, expires_at);
            if failure.class == Class::SignInAgain && members.iter().any(holds_another) {
                return refused(&members, &stop, context);
            }
            if let Marked::Made = mark {
                unmark(&members, failure.class);
            }
            everybody(&members, &stop, context)
        }
    }
}

/// What became of the mark.
#[derive(Default)]
enum Marked {
    /// It was not due: the endpoint was never reached.
    #[default]
    NotYet,
    /// It stands: from here on the token may have left.
    Made,
    /// It could not be written for the member at this index, and nothing was sent.
    Failed(usize, String),
}

/// Everything that an attempt for the member at `due` is judged by.
fn attempt<'a>(
    member: &'a Member,
    before: Option<&'a Trouble>,
    request: &'a TokenRequest,
    asked_at: Timestamp,
    now: Timestamp,
) -> Attempt<'a> {
    Attempt {
        before,
        refresh_hash: fingerprint(member),
        request,
        life: life(member),
        doubt: member.doubt.as_ref(),
        asked_at,
        now,
        random: backoff::random(),
    }
}

/// The trouble that a failure means.
fn failed(
    members: &[Member],
    due: usize,
    request: &TokenRequest,
    asked_at: Timestamp,
    failure: &Failure,
    context: &Context<'_>,
) -> Stop {
    let member = &members[due];
    let now = Timestamp::now();
    let code = failure.code.as_deref().unwrap_or("none");
    log::debug!(target: "REFRESH", "{}: {:?}, error code {code:?}", member.names[0], failure.class);
    let before = context.memory.standing(&member.names[0]).trouble;
    let mut trouble = verdict::trouble(failure, &attempt(member, before.as_ref(), request, asked_at, now));
    if let (Class::SignInAgain, Some(mark)) = (failure.class, &member.doubt) {
        trouble.message = format!(
            "{} (an earlier request for it was interrupted {} ago, which may have spent it)",
            trouble.message,
            Words(now.since(mark.since))
        );
    }
    Stop::Trouble(Box::new(trouble))
}

/// The precautions failed for the member at `index`: all of the chain is held back, and the others
/// are told by which file.
fn held_back(members: &[Member], index: usize, message: &str, context: &Context<'_>) -> Turn {
    let culprit = members[index].names[0].clone();
    let now = Timestamp::now();
    let mut reports = Reports::new();
    for (position, member) in members.iter().enumerate() {
        for name in &member.names {
            let message = if position == index {
                message.to_owned()
            } else {
                format!("its refresh token also stands in {culprit}, which holds it back: {message}")
            };
            let before = context.memory.standing(name).trouble;
            let hash = fingerprint(member);
            let trouble = verdict::local(message, before.as_ref(), hash, now, context.interval);
            reports.push(report_to(name, &Stop::Trouble(Box::new(trouble)), context));
        }
    }
    Turn::Stopped(reports)
}

/// The endpoint refused the refresh token as dead, and some of the files hold another one by now: what
/// they hold is adopted.
fn refused(members: &[Member], stop: &Stop, context: &Context<'_>) -> Turn {
    let mut reports = Reports::new();
    for member in members {
        let adopted = holds_another(member);
        if !adopted {
            unmark(std::slice::from_ref(member), Class::SignInAgain);
        }
        let stop = if adopted { &Stop::Adopted } else { stop };
        reports.extend(member.names.iter().map(|name| report_to(name, stop, context)));
    }
    Turn::Stopped(reports)
}

/// Why a chain is not asked for.
enum Stop {
    Trouble(Box<Trouble>),
    Waiting(Timestamp),
    Monitored(String),
    Adopted,
    Told,
}

/// Says the same of every file of the chain, and remembers it.
fn everybody(members: &[Member], stop: &Stop, context: &Context<'_>) -> Turn {
    let names = members.iter().flat_map(|member| &member.names);
    Turn::Stopped(names.map(|name| report_to(name, stop, context)).collect())
}

fn report_to(name: &str, stop: &Stop, context: &Context<'_>) -> (String, Report) {
    let report = match stop {
        Stop::Trouble(trouble) => {
            let mut standing = context.memory.standing(name);
            if standing.trouble.as_ref() != Some(trouble) {
                standing.updated = trouble.last_attempt.max(standing.updated + 1);
                standing.trouble = Some((**trouble).clone());
                standing.refresh_hash.clone_from(&trouble.refresh_hash);
                context.memory.record(name, standing);
            }
            Report::Failed((**trouble).clone())
        }
        Stop::Waiting(until) => Report::Waiting(*until),
        Stop::Monitored(why) => Report::Monitored(why.clone()),
        Stop::Adopted => Report::Adopted,
        Stop::Told => Report::Stopped,
    };
    (name.to_owned(), report)
}

/// Everything that can stand against asking before the disk is touched.
fn may_ask(members: &[Member], due: usize, context: &Context<'_>) -> Result<Box<TokenRequest>, Stop> {
    let now = Timestamp::now();
    if members.iter().any(|member| member.document.is_monitored_only()) {
        return Err(Stop::Monitored(
            "\"refresh\": false stands in it, or in another file with the same refresh token".to_owned(),
        ));
    }
    let member = &members[due];
    let name = &member.names[0];
    let hash = fingerprint(member);
    let mut standing = context.memory.standing(name);
    context.endpoints.end_wait(&mut standing);
    let misconfigured = |message: String| {
        let known = standing.trouble.as_ref().filter(|known| {
            known.kind == Kind::Configuration && known.message == message && known.refresh_hash == hash
        });
        Stop::Trouble(Box::new(known.cloned().unwrap_or_else(|| {
            let mut trouble = verdict::local(message, None, hash.clone(), now, context.interval);
            trouble.kind = Kind::Configuration;
            trouble.next_attempt = None;
            trouble
        })))
    };
    if let Some((other, what)) = members
        .iter()
        .find_map(|other| Some((other, chain::disagreement(&member.document, &other.document)?)))
    {
        return Err(misconfigured(format!(
            "{name} and {} hold the same refresh token and another {what} each; nothing is sent until they agree",
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
    match verdict::against(&attempt(member, standing.trouble.as_ref(), &request, now, now)) {
        None => Ok(request),
        Some(trouble) => Err(Stop::Trouble(Box::new(trouble))),
    }
}

/// Whether the file holds another refresh token now than the one that was sent: then it is that of
/// another process, and the refusal says nothing about it.
fn holds_another(member: &Member) -> bool {
    read_document(&member.real).is_ok_and(|(document, _)| {
        document.refresh_token().map(|token| token.fingerprint()) != fingerprint(member)
    })
}

fn conclude_pass(pass: Option<Pass<'_>>, failure: &Failure, expires_at: Option<Timestamp>) {
    let Some(pass) = pass else { return };
    if failure.endpoint_wide {
        pass.failed(|failures| verdict::endpoint_again(failure, expires_at, Timestamp::now(), failures));
    } else {
        pass.answered();
    }
}

/// Steps 7 to 9: into the reserve, then into place.
fn store(
    members: Vec<Member>,
    reserves: Vec<Reserve>,
    due: usize,
    request: &TokenRequest,
    granted: TokenResponse,
    replaced: Vec<String>,
) -> Turn {
    let (answer, memo) = understand(&members[due], request, granted);
    let primary = members[due].document.clone();
    let mut parts = Vec::new();
    for (member, reserve) in members.into_iter().zip(reserves) {
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
