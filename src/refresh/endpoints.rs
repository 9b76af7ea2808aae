//! Token endpoints that do not answer.
//!
//! When an endpoint cannot be reached, times out or says 429 or 5xx, that is about the endpoint and
//! not about one token: one of its credentials asks again after a delay, the others wait for that
//! answer, and its first success ends the wait of all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::standing::{Kind, Standing};
use crate::clock::Timestamp;

/// One endpoint's run of failures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// Failures in a row.
    pub failures: u32,
    /// When one credential may ask again, in milliseconds since 1970.
    pub next_attempt: i64,
    /// Before this time not even a token about to expire is a reason to ask.
    #[serde(default)]
    pub closed_until: i64,
    /// Whether one is asking at this moment.
    #[serde(skip)]
    asking: bool,
}

/// All endpoints in trouble, by their key (scheme, host and port).
#[derive(Default, Debug)]
pub(crate) struct Endpoints(Mutex<BTreeMap<String, Outage>>);

impl Endpoints {
    /// With what an earlier process knew.
    pub(crate) fn new(known: BTreeMap<String, Outage>) -> Self {
        Self(Mutex::new(known))
    }

    /// Whether a credential may ask this endpoint at `now`; otherwise when to come back. One caller
    /// at a time is let through to an endpoint in trouble, and before its time only from
    /// `out_of_turn` on ([`Standing::out_of_turn`](super::Standing::out_of_turn)).
    ///
    /// # Errors
    /// The time before which it is not asked.
    pub(crate) fn enter(
        &self,
        key: &str,
        now: Timestamp,
        out_of_turn: Option<Timestamp>,
    ) -> Result<Pass<'_>, Timestamp> {
        let pass = || Pass { endpoints: self, key: key.to_owned() };
        let mut table = self.table();
        let Some(outage) = table.get_mut(key) else { return Ok(pass()) };
        let early = out_of_turn.map(|at| at.as_millis().max(outage.closed_until));
        let open = early.map_or(outage.next_attempt, |early| early.min(outage.next_attempt));
        if outage.asking || open > now.as_millis() {
            // Never in the past, or the caller would come back at once and spin.
            return Err(Timestamp::from_millis(open.max(now.as_millis() + 1000)));
        }
        outage.asking = true;
        Ok(pass())
    }

    /// Ends the wait of a credential that waits for an endpoint which is well again.
    pub(crate) fn end_wait(&self, standing: &mut Standing) {
        let Some(trouble) = standing.trouble.as_mut().filter(|trouble| trouble.kind == Kind::Passing) else {
            return;
        };
        if trouble.endpoint.as_ref().is_some_and(|key| !self.table().contains_key(key)) {
            trouble.next_attempt = None;
        }
    }

    /// Forgets all waits (a person said that the network is back).
    pub(crate) fn forget(&self) {
        self.table().clear();
    }

    /// What to remember over a restart.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Outage> {
        self.table().clone()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Outage>> {
        // A worker that panicked holding this left a whole table behind: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask an endpoint once. Dropped without a word, nothing was learnt of the endpoint.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    endpoints: &'a Endpoints,
    key: String,
}

impl Pass<'_> {
    /// The endpoint gave an answer of its own: whatever it said, it is there.
    pub(crate) fn answered(self) {
        self.endpoints.table().remove(&self.key);
    }

    /// The endpoint failed again; `again` gives the times from which it may be asked in and out of
    /// turn, for a count of failures in a row.
    pub(crate) fn failed(self, again: impl FnOnce(u32) -> Again) {
        let mut table = self.endpoints.table();
        let failures = table.get(&self.key).map_or(0, |outage| outage.failures).saturating_add(1);
        let again = again(failures);
        let (next_attempt, closed_until) = (again.in_turn.as_millis(), again.out_of_turn.as_millis());
        table.insert(self.key.clone(), Outage { failures, next_attempt, closed_until, asking: false });
    }
}

/// From when an endpoint may be asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    /// By whichever of its credentials comes first.
    pub in_turn: Timestamp,
    /// By one whose token is about to expire.
    pub out_of_turn: Timestamp,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(outage) = self.endpoints.table().get_mut(&self.key) {
            outage.asking = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::standing::Trouble;
    use super::*;

    #[test]
    fn one_asks_and_the_others_wait() {
        let endpoints = Endpoints::default();
        let now = Timestamp::from_millis(10_000);
        let half_a_minute = |failures: u32| Again {
            in_turn: now + Duration::from_secs(u64::from(failures) * 30),
            out_of_turn: now,
        };
        endpoints.enter("e", now, None).unwrap().failed(half_a_minute);
        let next = Timestamp::from_millis(40_000);
        assert_eq!(endpoints.enter("e", now, None).unwrap_err(), next);
        assert!(endpoints.enter("other", now, None).is_ok());
        let asking = endpoints.enter("e", next, None).unwrap();
        assert_eq!(endpoints.enter("e", next, None).unwrap_err(), Timestamp::from_millis(41_000));
        drop(asking);
        endpoints.enter("e", next, None).unwrap().failed(half_a_minute);
        assert_eq!(endpoints.snapshot()["e"].failures, 2);
        endpoints.enter("e", Timestamp::from_millis(70_000), None).unwrap().answered();
        assert!(endpoints.snapshot().is_empty());
    }

    #[test]
    fn who_is_about_to_expire_does_not_wait_for_its_turn_but_for_retry_after() {
        let endpoints = Endpoints::default();
        let at = |seconds: i64| Timestamp::from_seconds(seconds);
        endpoints
            .enter("e", at(0), None)
            .unwrap()
            .failed(|_| Again { in_turn: at(100), out_of_turn: at(20) });
        for (now, out_of_turn, entered) in [
            (10, None, Err(at(100))),
            (10, Some(at(50)), Err(at(50))),
            (10, Some(at(200)), Err(at(100))),
            (10, Some(at(5)), Err(at(20))),
            (49, Some(at(50)), Err(at(50))),
            (50, Some(at(50)), Ok(())),
            (100, None, Ok(())),
        ] {
            assert_eq!(
                endpoints.enter("e", at(now), out_of_turn).map(drop),
                entered,
                "{now} {out_of_turn:?}"
            );
        }
    }

    #[test]
    fn a_credentials_wait_ends_with_its_endpoints_outage() {
        let trouble = |endpoint: Option<&str>| Trouble {
            endpoint: endpoint.map(ToOwned::to_owned),
            kind: Kind::Passing,
            message: String::new(),
            refresh_hash: None,
            request: None,
            failures: 1,
            since: 0,
            last_attempt: 0,
            next_attempt: Some(50_000),
        };
        let wait = |endpoints: &Endpoints, endpoint| {
            let mut standing = Standing { trouble: Some(trouble(endpoint)), ..Standing::default() };
            endpoints.end_wait(&mut standing);
            standing.trouble.unwrap().next_attempt
        };
        let endpoints = Endpoints::default();
        let now = Timestamp::from_millis(10_000);
        let later = Timestamp::from_millis(40_000);
        endpoints.enter("e", now, None).unwrap().failed(|_| Again { in_turn: later, out_of_turn: later });
        assert_eq!(wait(&endpoints, Some("e")), Some(50_000));
        endpoints.enter("e", later, None).unwrap().answered();
        assert_eq!(wait(&endpoints, Some("e")), None);
        assert_eq!(wait(&endpoints, None), Some(50_000), "a wait of its own");
    }
}
