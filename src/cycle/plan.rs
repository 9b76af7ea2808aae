//! From the scan to the jobs of a cycle. Pure.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Credential, TokenScan};
use crate::files::Stamp;
use crate::ordered;
use crate::refresh::{Chain, Job};
use crate::secret::Fingerprint;
use crate::state::{FailureKind, Plan};

/// The plan of a cycle.
pub(super) struct Agenda {
    /// The jobs in order: the earliest expiry first, but failed credentials after all others.
    pub jobs: Vec<Job>,
    /// The credential of each job, by its place in the scan.
    pub leads: Vec<Lead>,
    /// The places of all credentials with a job, their own or that of their chain.
    pub due: BTreeSet<usize>,
}

/// The credential of a job.
pub(super) struct Lead {
    pub index: usize,
    /// Whether the job gets no line: its failure was logged before, and most likely persists.
    pub quiet: bool,
}

impl Agenda {
    /// Whether any job gets a line.
    pub(super) fn is_eventful(&self) -> bool {
        self.leads.iter().any(|lead| !lead.quiet)
    }
}

/// The jobs for `scan`. `busy` files are left out, since their answers are still being stored. `force`: every token
/// counts as due. `waiting_before`: files that waited for their endpoint in the last cycle.
pub(super) fn plan(
    scan: &TokenScan,
    force: bool,
    busy: &BTreeSet<String>,
    waiting_before: &BTreeSet<String>,
) -> Agenda {
    // Most cycles have nothing to refresh, and need none of them.
    let chains = LazyCell::new(|| chains(scan));
    let is_due = |token: &Credential| {
        let curable = token.newest.is_some_and(|newest| chains.contains_key(&newest));
        let wanted = force || curable || matches!(token.plan, Plan::Due | Plan::Recheck);
        wanted && token.monitored.is_none() && !busy.contains(token.name())
    };
    let quiet = |token: &Credential| {
        // The failure was logged, and most likely persists.
        let retried = || {
            let failure = token.facts().failure();
            token.in_trouble.is_some()
                || failure.is_some_and(|failure| {
                    matches!(failure.kind, FailureKind::Local | FailureKind::Transient)
                })
        };
        !force && (token.plan == Plan::Recheck || waiting_before.contains(token.name()) || retried())
    };
    let mut order: Vec<usize> = (0..scan.tokens.len()).filter(|index| is_due(&scan.tokens[*index])).collect();
    let mut agenda = Agenda { jobs: Vec::new(), leads: Vec::new(), due: ordered::set(order.iter().copied()) };
    let rank = |index: &usize| scan.tokens[*index].rank();
    ordered::sort(&mut order, |one, other| rank(one).cmp(&rank(other)));
    let mut planned = BTreeSet::new();
    for index in order {
        let token = &scan.tokens[index];
        if !planned.insert(token.name()) {
            continue;
        }
        let alone = || vec![token];
        let job = match (token.newest, token.source.refresh_hash) {
            (Some(newest), _) => Job::Repair { copy: token.name().to_owned(), newest },
            (None, hash) => {
                let files = hash.and_then(|hash| chains.get(&hash).cloned()).unwrap_or_else(alone);
                planned.extend(files.iter().map(|file| file.name()));
                let mut chain = Chain::new(files.into_iter().map(seen), hash);
                chain.endpoint = token.endpoint.as_deref().cloned();
                Job::Refresh(chain)
            }
        };
        agenda.jobs.push(job);
        agenda.leads.push(Lead { index, quiet: token.newest.is_none() && quiet(token) });
    }
    agenda
}

fn seen(token: &Credential) -> (String, Stamp) {
    (token.name().to_owned(), token.source.stamp())
}

fn chains(scan: &TokenScan) -> BTreeMap<Fingerprint, Vec<&Credential>> {
    let mut chains: BTreeMap<Fingerprint, Vec<&Credential>> = BTreeMap::new();
    for token in &scan.tokens {
        if let Some(hash) = token.source.refresh_hash {
            chains.entry(hash).or_default().push(token);
        }
    }
    chains
}
