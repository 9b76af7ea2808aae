//! Steps 3 to 9 of a refresh: one request for a chain that is locked, read and due.

use super::context::Context;
use super::endpoints::Permit;
use super::interpret::{Renewal, interpret};
use super::job::{Chain, Done, Job};
use super::may_send::{Allowed, attempt, may_send, permit};
use super::member::Member;
use super::neighbours::Neighbours;
use super::precautions::{HeldBack, Marks, reserve_all, unmark};
use super::report::{Report, Reports};
use super::slot::Slot;
use super::storing::{Part, Storing};
use super::unseal::Unsealed;
use super::verdict;
use crate::clock::{Timestamp, Words};
use crate::files::Reserve;
use crate::oauth::{Class, Concerns, Failure, GrantType, TokenRequest};
use crate::sealing::Seal;
use crate::secret::{Fingerprint, Secret};
use crate::state::{CredentialState, FailureKind, LastFailure};
use crate::tokens::chain::contradict;
use crate::tokens::directory::read_document;

/// Sends one request for the member at `due`, and stores the answer.
pub(super) fn request(
    chain: &Chain,
    members: Vec<Member>,
    due: usize,
    context: &Context<'_>,
    slot: Slot<'_>,
) -> Done {
    let (Allowed { request, unsealed }, permit) = match cleared(chain, &members, due, context) {
        Ok(cleared) => cleared,
        Err(report) => return context.tell(&members, &report).into(),
    };
    let try_ = Try { chain, members: &members, due, request: &request, asked_at: Timestamp::now(), context };
    let prepared = match context.client.prepare(&request, try_.asked_at) {
        Ok(prepared) => prepared,
        Err(failure) => return try_.not_prepared(permit, &failure).into(),
    };
    // From here to the stored answer a stop waits. Before, the chain is better left for the next start.
    let Some(_flight) = context.stop.begin() else { return context.tell(&members, &Report::Stopped).into() };
    // 3. Reserve.
    let reserves = match reserve_all(&members) {
        Ok(reserves) => reserves,
        Err(held) => return try_.held_back(&held).into(),
    };
    if let Some(line) = &chain.announcement {
        log::info!(target: "REFRESH", "{line}");
    }
    let Unsealed { refresh_token, seals } = unsealed;
    let spent = refresh_token.filter(|_| request.grant() == GrantType::RefreshToken);
    // Looked up before the request, because after the answer nothing may delay the write.
    let neighbours = Neighbours::new(context, &members);
    // 4. Mark, as late as possible. A process that dies while connecting leaves no doubt, and an unreachable endpoint
    // costs no write.
    let marks = Marks::of(if spent.is_some() { &members } else { &[] });
    // 5. Send.
    log::debug!(target: "REFRESH", "{}: asking {} at {}", members[due].name(), request.provider(), prepared.endpoint());
    let present = members[due].document.access_token();
    let answer = context.client.ask(&prepared, spent.as_ref(), present.as_ref(), &|| marks.make());
    // 6. Interpret.
    let mut connection = None;
    let renewal = match (answer, marks.made()) {
        (Ok((response, its_own)), _) => {
            connection = Some(its_own);
            interpret(&members[due], &request, response)
        }
        (Err(_), Some(Err(held))) => return drop_and(reserves, || try_.held_back(&held)).into(),
        (Err(mut failure), marked) => match failure.replacement.take() {
            Some(token) => Renewal::half(token, try_.last_failure(&failure, verdict::refused), &request),
            None => return drop_and(reserves, || try_.not_granted(permit, &failure, marked.is_some())),
        },
    };
    // 7 to 9. Store, look again, replace.
    let ready = Ready { files: ready_files(members, reserves, seals), due, renewal, neighbours };
    let done = ready.store(chain, context, slot);
    drop(connection);
    match permit {
        Some(permit) => permit.answered(),
        None => context.endpoints.answered(&request.endpoint_key()),
    }
    done
}

/// A request that may be sent now: the files, what is known of them, and the state of the endpoint allow it.
fn cleared<'a>(
    chain: &Chain,
    members: &[Member],
    due: usize,
    context: &Context<'a>,
) -> Result<(Allowed, Option<Permit<'a>>), Box<Report>> {
    let allowed = may_send(members, due, context)?;
    let permit = permit(chain, &members[due], &allowed.request, context);
    Ok((allowed, permit.map_err(|until| Box::new(Report::Waiting(until)))?))
}

/// Removes the reserves, and then does `act`.
fn drop_and<T>(reserves: Vec<Reserve>, act: impl FnOnce() -> T) -> T {
    drop(reserves);
    act()
}

/// A file that is ready for an answer.
struct ReadyFile {
    member: Member,
    reserve: Reserve,
    seal: Option<Seal>,
}

fn ready_files(members: Vec<Member>, reserves: Vec<Reserve>, seals: Vec<Option<Seal>>) -> Vec<ReadyFile> {
    let files = members.into_iter().zip(reserves).zip(seals);
    files.map(|((member, reserve), seal)| ReadyFile { member, reserve, seal }).collect()
}

/// An answer and the files that are ready for it.
struct Ready {
    files: Vec<ReadyFile>,
    due: usize,
    renewal: Renewal,
    neighbours: Neighbours,
}

impl Ready {
    /// Steps 7 to 9: into the reserves, then into place. Members whose access token is of another kind (scope,
    /// audience, resource) get the refresh token only; their access token is another job. `slot` is released when the
    /// answer is written and only waits for the disk.
    fn store(self, chain: &Chain, context: &Context<'_>, slot: Slot<'_>) -> Done {
        let Self { files, due, renewal, neighbours } = self;
        let agrees = |file: &ReadyFile| !contradict(&files[due].member.document, &file.member.document);
        let agreeing: Vec<bool> = files.iter().map(agrees).collect();
        let holds = renewal.change.refresh_token.as_ref().map(Secret::fingerprint).or(chain.token);
        let mut parts = Vec::new();
        for (ReadyFile { member, reserve, seal }, agrees) in files.into_iter().zip(agreeing) {
            let takes_access = renewal.failure.is_none() && agrees;
            let report = match &renewal.failure {
                Some(failure) => Report::HalfRefreshed(failure.clone()),
                None if takes_access => Report::Refreshed(renewal.warnings.clone()),
                None => Report::Followed,
            };
            parts.push(Part { member, reserve, takes_access, seal, report });
        }
        let mut storing = Storing::new(parts, renewal, neighbours);
        let mut slot = Some(slot);
        if let Err(message) = storing.attempt_with(&mut || drop(slot.take())) {
            log::error!(target: "REFRESH", "{message}");
            storing.remember_sent(context.state);
            return Done { held: vec![storing], ..Done::default() };
        }
        let reports = storing.conclude(context.state, Some(context.written));
        let then = rest(chain, &reports, holds);
        Done { reports, then, ..Done::default() }
    }
}

/// The job for members that keep an access token of another kind, if there are any.
fn rest(chain: &Chain, reports: &Reports, holds: Option<Fingerprint>) -> Vec<Job> {
    if !reports.iter().any(|(_, report)| *report == Report::Followed) {
        return Vec::new();
    }
    let mut next = chain.now(reports.iter().map(|(name, _)| name.clone()).collect(), holds);
    for (file, (_, report)) in next.files.iter_mut().zip(reports) {
        file.served |= matches!(report, Report::Refreshed(_));
    }
    vec![Job::Refresh(next)]
}

/// The judge of a failure: [`verdict::last_failure`], or [`verdict::refused`] where the endpoint answered.
type Judge = fn(&Failure, &verdict::Attempt<'_>) -> LastFailure;

/// One attempt for the member at `due` of a locked chain.
struct Try<'a> {
    chain: &'a Chain,
    members: &'a [Member],
    due: usize,
    request: &'a TokenRequest,
    /// When the request was about to be sent.
    asked_at: Timestamp,
    context: &'a Context<'a>,
}

impl Try<'_> {
    /// The request could not be made, or its endpoint not be found; nothing was sent.
    fn not_prepared(&self, permit: Option<Permit<'_>>, failure: &Failure) -> Reports {
        // A wrong setting tells nothing about the endpoint.
        let next = self.conclude_permit(permit.filter(|_| failure.concerns == Concerns::Endpoint), failure);
        self.failed(failure, verdict::last_failure, next)
    }

    /// There are no new tokens. The failure is recorded on disk before the locks are released. After a lost answer the
    /// same refresh token is sent again, if that can save the sign-in.
    fn not_granted(&self, permit: Option<Permit<'_>>, failure: &Failure, marked: bool) -> Done {
        let next = self.conclude_permit(permit, failure);
        if failure.class == Class::SignInAgain && self.members.iter().any(holds_another) {
            return self.refused_for_another(failure).into();
        }
        if marked {
            unmark(self.members, failure.class);
        }
        let first = self.members[self.due].doubt.is_none() && self.chain.again.is_none();
        let again = first && verdict::is_sent_again_at_once(failure, self.request);
        let then = again.then(|| Job::Refresh(self.chain.again_after(verdict::AT_ONCE)));
        Done {
            reports: self.failed(failure, verdict::refused, next),
            then: then.into_iter().collect(),
            ..Done::default()
        }
    }

    /// Remembers the failure; `next` is when the endpoint in trouble may get the next request for it.
    fn failed(&self, failure: &Failure, judge: Judge, next: Option<Timestamp>) -> Reports {
        let mut last = self.last_failure(failure, judge);
        if last.is_of_endpoint() && next.is_some() {
            last.next_attempt = next;
        }
        let reports = self.context.tell(self.members, &Report::Failed(last));
        self.context.state.flush();
        reports
    }

    /// The endpoint refused the refresh token as dead, and some of the files hold another one by now. The refusal does
    /// not concern the other token, which is used.
    fn refused_for_another(&self, failure: &Failure) -> Reports {
        let failure = Report::Failed(self.last_failure(failure, verdict::last_failure));
        let mut reports = Reports::new();
        for member in self.members {
            let member_alone = std::slice::from_ref(member);
            let other = holds_another(member);
            if !other {
                unmark(member_alone, Class::SignInAgain);
            }
            let report = if other { &Report::RefreshedElsewhere } else { &failure };
            reports.extend(self.context.tell(member_alone, report));
        }
        self.context.state.flush();
        reports
    }

    /// The precautions failed for one member. The whole chain is held back, and the other files' reports name the
    /// culprit.
    fn held_back(&self, held: &HeldBack) -> Reports {
        let culprit = self.members[held.index].name();
        let now = Timestamp::now();
        let interval = self.context.limits.interval;
        let mut reports = Reports::new();
        for (index, member) in self.members.iter().enumerate() {
            for name in &member.names {
                let message = if index == held.index {
                    held.why.clone()
                } else {
                    let why = &held.why;
                    format!("its refresh token also stands in {culprit}, which holds it back: {why}")
                };
                let before = self.context.state.get(name).failure;
                let failure = verdict::local(message, before.as_deref(), member.fingerprint(), now, interval);
                reports.push((name.clone(), self.context.remembered(name, Report::Failed(failure))));
            }
        }
        reports
    }

    /// The consequence of the failure for the credential.
    fn last_failure(&self, failure: &Failure, judge: Judge) -> LastFailure {
        let member = &self.members[self.due];
        let now = Timestamp::now();
        let code = failure.code.as_deref().unwrap_or("none");
        log::debug!(target: "REFRESH", "{}: {}, error code {code}", member.name(), failure.class.words());
        let state = self.context.state.get(member.name());
        let attempt = attempt(member, state.failure.as_deref(), self.request, self.asked_at, now);
        let mut last = judge(failure, &attempt);
        let supposed = match (failure.class, &member.doubt) {
            (Class::SignInAgain, Some(mark)) => Some(format!(
                " (an earlier request for it was interrupted {} ago, which may have spent it)",
                Words(now.since(mark.since))
            )),
            (Class::SignInAgain, None) => verdict::why_dead(&last.message, &attempt, state.last_success),
            _ => last.unexplained.and_then(|run| {
                verdict::suspicion(run, self.refreshes_others_since(run.since), self.request)
            }),
        };
        last.message.extend(supposed);
        last
    }

    /// Whether the endpoint has refreshed a token of another chain since then.
    fn refreshes_others_since(&self, since: Timestamp) -> bool {
        let names: Vec<&str> =
            self.members.iter().flat_map(|member| &member.names).map(String::as_str).collect();
        self.context.state.has_refreshed_others(&self.request.endpoint_key(), since, &names)
    }

    /// The consequence of the failure for the endpoint. Returns when an endpoint in trouble may get the next request
    /// for this credential.
    fn conclude_permit(&self, permit: Option<Permit<'_>>, failure: &Failure) -> Option<Timestamp> {
        let permit = permit?;
        match failure.concerns {
            Concerns::Endpoint => {}
            Concerns::Credential => {
                permit.answered();
                return None;
            }
            // The failure tells nothing about the endpoint.
            Concerns::Machine => return None,
        }
        let member = &self.members[self.due];
        let (expires_at, now) = (member.life().expires_at, Timestamp::now());
        let tried = LastFailure::new(FailureKind::Transient, "", now);
        let tried = CredentialState { failure: Some(Box::new(tried)), ..CredentialState::default() };
        let last_chance = tried.last_chance(expires_at, now);
        Some(
            permit
                .failed(last_chance, |failures| verdict::endpoint_again(failure, expires_at, now, failures)),
        )
    }
}

/// Whether another process has stored another refresh token in the file than the one that was sent.
fn holds_another(member: &Member) -> bool {
    read_document(&member.real)
        .is_ok_and(|(document, _)| document.refresh_fingerprint() != member.fingerprint())
}
