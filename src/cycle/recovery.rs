//! The credentials of an endpoint in trouble: one sends a request and the others wait. When the endpoint answers
//! again, the others are refreshed in the same cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::scan::{Credential, TokenScan};
use crate::clock::Timestamp;
use crate::ordered;
use crate::secret::Fingerprint;
use crate::state::{Outage, Plan};

/// The time until the next look at a credential whose endpoint gets a request from another one.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// Of the due credentials of an endpoint in trouble, one sends a request. The others wait for the result, which is
/// known at the next look.
pub(super) fn queue_at_endpoints(tokens: &mut [Credential], now: Timestamp) {
    let mut order: Vec<usize> = (0..tokens.len())
        .filter(|index| tokens[*index].in_trouble.is_some() && tokens[*index].is_about_to_ask())
        .collect();
    let rank = |index: &usize| tokens[*index].rank();
    ordered::sort(&mut order, |one, other| rank(one).cmp(&rank(other)));
    let mut asking: BTreeMap<String, Option<Fingerprint>> = BTreeMap::new();
    for index in order {
        let token = &mut tokens[index];
        let Some(endpoint) = &token.in_trouble else { continue };
        match asking.get(endpoint) {
            None => drop(asking.insert(endpoint.clone(), token.source.refresh_hash)),
            // Another file of the same chain.
            Some(hash) if hash.is_some() && *hash == token.source.refresh_hash => {}
            Some(_) => token.plan = Plan::Waiting(now + NEXT_LOOK),
        }
    }
}

/// The endpoints that were in trouble before and answer now.
pub(super) fn reachable(
    before: &BTreeMap<String, Outage>,
    after: &BTreeMap<String, Outage>,
) -> BTreeSet<String> {
    ordered::set(before.keys().filter(|endpoint| !after.contains_key(*endpoint)).cloned())
}

/// Ends the waits of the credentials of these endpoints. Returns the names of all other files.
pub(super) fn end_waits(
    scan: &mut TokenScan,
    reachable: &BTreeSet<String>,
    buffer: Duration,
    now: Timestamp,
) -> BTreeSet<String> {
    let mut others = BTreeSet::new();
    for token in &mut scan.tokens {
        let waits = matches!(token.plan, Plan::Waiting(_));
        if waits && token.in_trouble.as_ref().is_some_and(|endpoint| reachable.contains(endpoint)) {
            token.forget_outage(buffer, now);
        } else {
            others.insert(token.name().to_owned());
        }
    }
    others
}
