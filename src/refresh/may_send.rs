//! The checks before a request that need no change on the disk.

use super::context::Context;
use super::endpoints::Permit;
use super::job::Chain;
use super::member::Member;
use super::report::Report;
use super::unseal::{Unsealed, unseal};
use super::verdict::{self, Attempt};
use crate::clock::Timestamp;
use crate::oauth::{Resolution, TokenRequest, backoff};
use crate::state::{CredentialState, FailureKind, LastFailure};
use crate::tokens::chain;

/// A request that may be sent, and its secrets that were sealed.
pub(super) struct Allowed {
    pub request: Box<TokenRequest>,
    pub unsealed: Unsealed,
}

/// The request for the member at `due`, or the reason why none may be sent for its chain.
pub(super) fn may_send(
    members: &[Member],
    due: usize,
    context: &Context<'_>,
) -> Result<Allowed, Box<Report>> {
    let now = Timestamp::now();
    if members.iter().any(|member| member.document.is_monitored_only()) {
        let why = "\"refresh\": false stands in it, or in another file with the same refresh token";
        return Err(Box::new(Report::Monitored(why.to_owned())));
    }
    let member = &members[due];
    let name = member.name();
    let mut state = (*context.state.known_state(name)).clone();
    state.leave_to_endpoint();
    if let Some((other, what)) = members
        .iter()
        .find_map(|other| Some((other, chain::disagreement(&member.document, &other.document)?)))
    {
        let other = other.name();
        let message = format!(
            "{name} and {other} hold the same refresh token and another {what} each; \
             nothing is sent until they agree"
        );
        return Err(Box::new(Report::Failed(misconfigured(message, member, &state, now))));
    }
    let mut request = match context.resolve(name, &member.document) {
        Resolution::Refresh(request) => request,
        Resolution::Monitored(why) => return Err(Box::new(Report::Monitored(why))),
        Resolution::Misconfigured(message) => {
            return Err(Box::new(Report::Failed(misconfigured(message, member, &state, now))));
        }
    };
    // Not even `--force` sends a sealed secret elsewhere.
    let unsealed = unseal(&members.iter().collect::<Vec<_>>(), due, &mut request, context)
        .map_err(|message| Box::new(Report::Failed(misconfigured(message, member, &state, now))))?;
    if context.force.is_some() {
        return Ok(Allowed { request, unsealed });
    }
    if let Some(before) = moved_from(&request, member, &state) {
        let now_at = request.endpoint_key();
        let message = format!(
            "leads to {now_at} now, and this sign-in was last refreshed at {before}; nothing was sent: \
             put the old endpoint back, or, if the new one is right, sign in again or run \
             token-refresher --once --force"
        );
        let failure = LastFailure { warning: true, ..misconfigured(message, member, &state, now) };
        return Err(Box::new(Report::Failed(failure)));
    }
    match verdict::against(&attempt(member, state.failure.as_deref(), &request, now, now)) {
        None => Ok(Allowed { request, unsealed }),
        Some(failure) => Err(Box::new(Report::Failed(failure))),
    }
}

/// The origin of the sign-in's last refresh, if the request would go to another origin. A file with a changed endpoint
/// is how a refresh token is stolen. A built-in row that makes another origin from the same values is safe: a newer
/// version of the program knows that the provider has moved.
fn moved_from<'a>(request: &TokenRequest, member: &Member, state: &'a CredentialState) -> Option<&'a str> {
    let before = state.origin.as_deref().filter(|_| state.refresh_hash == member.fingerprint())?;
    let same_row = request.made_by().is_some() && request.made_by() == state.origin_row.as_deref();
    (before != request.endpoint_key() && !same_row).then_some(before)
}

/// Permission to send the request to its endpoint now, or else the time for the next try. A forced request, or one that
/// is sent again after a lost answer, needs no permission.
pub(super) fn permit<'a>(
    chain: &Chain,
    member: &Member,
    request: &TokenRequest,
    context: &Context<'a>,
) -> Result<Option<Permit<'a>>, Timestamp> {
    let now = Timestamp::now();
    let last_chance = context.state.known_state(member.name()).last_chance(member.life().expires_at, now);
    match context.endpoints.try_acquire(&request.endpoint_key(), now, last_chance) {
        Ok(permit) => Ok(Some(permit)),
        Err(_) if context.force.is_some() || chain.again.is_some() => Ok(None),
        Err(until) => {
            log::debug!(target: "REFRESH", "{}: {} is in trouble", member.name(), request.endpoint());
            Err(until)
        }
    }
}

/// The circumstances by which an attempt for a member is judged.
pub(super) fn attempt<'a>(
    member: &'a Member,
    before: Option<&'a LastFailure>,
    request: &'a TokenRequest,
    asked_at: Timestamp,
    now: Timestamp,
) -> Attempt<'a> {
    Attempt {
        before,
        refresh_hash: member.fingerprint(),
        request,
        life: member.life(),
        doubt: member.doubt.as_ref(),
        asked_at,
        now,
        random: &backoff::random,
    }
}

/// A wrong setting on this side. The same mistake as before keeps its old record.
fn misconfigured(message: String, member: &Member, state: &CredentialState, now: Timestamp) -> LastFailure {
    let refresh_hash = member.fingerprint();
    let same = |known: &&LastFailure| {
        known.kind == FailureKind::Configuration
            && known.message == message
            && known.refresh_hash == refresh_hash
    };
    state.failure.as_deref().filter(same).cloned().unwrap_or_else(|| LastFailure {
        refresh_hash,
        ..LastFailure::new(FailureKind::Configuration, message, now)
    })
}
