//! Token endpoints that do not answer.
//!
//! An unreachable endpoint, a timeout, 429 or 5xx concerns the endpoint and not one token. One credential of the
//! endpoint tries again after a delay, and the others wait for the result. The first success ends the wait of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ordered;
use crate::state::Outage;

/// All endpoints in trouble, by their key (scheme, host and port).
#[derive(Default, Debug)]
pub(crate) struct Endpoints(Mutex<Table>);

#[derive(Default, Debug)]
struct Table {
    outages: BTreeMap<String, Outage>,
    /// The endpoints in trouble to which one credential is sending a request at this moment.
    asking: BTreeSet<String>,
}

impl Endpoints {
    /// Begins with the outages that an earlier process recorded.
    pub(crate) fn new(known: BTreeMap<String, Outage>) -> Self {
        Self(Mutex::new(Table { outages: known, asking: BTreeSet::new() }))
    }

    /// Permission for one request at `now`, or else the time for the next try. An endpoint in trouble gets one request
    /// at a time, not before [`Outage::open_at`].
    pub(super) fn try_acquire(
        &self,
        key: &str,
        now: Timestamp,
        last_chance: Option<Timestamp>,
    ) -> Result<Permit<'_>, Timestamp> {
        let permit = || Permit { endpoints: self, key: key.to_owned() };
        let mut table = self.table();
        let Some(outage) = table.outages.get(key) else { return Ok(permit()) };
        let open = outage.open_at(last_chance);
        if table.asking.contains(key) || open > now {
            // Never in the past, since the caller would try again at once and spin.
            return Err(open.max(now + Duration::from_secs(1)));
        }
        table.asking.insert(key.to_owned());
        Ok(permit())
    }

    /// The endpoint answered a request that had no permit. Whatever the answer, the endpoint works.
    pub(super) fn answered(&self, key: &str) {
        ordered::remove(&mut self.table().outages, key);
    }

    /// Forgets all waits, after a person said that the network is back.
    pub(crate) fn forget(&self) {
        self.table().outages.clear();
    }

    /// The outages to remember over a restart.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Outage> {
        self.table().outages.clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A thread that panicked with the lock left a whole table behind: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission for one request. The caller reports the result with `answered` or `failed`; dropping the permit changes
/// nothing.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    endpoints: &'a Endpoints,
    key: String,
}

impl Permit<'_> {
    /// The endpoint gave an answer of its own. Whatever the answer, the endpoint works.
    pub(super) fn answered(self) {
        ordered::remove(&mut self.endpoints.table().outages, &self.key);
    }

    /// The endpoint failed again. `again` gives the times of the next requests for a count of failures in a row.
    /// Returns the time of the next request for a credential with this `last_chance`.
    pub(super) fn failed(
        self,
        last_chance: Option<Timestamp>,
        again: impl FnOnce(u32) -> Again,
    ) -> Timestamp {
        let mut table = self.endpoints.table();
        let failures = table.outages.get(&self.key).map_or(0, |outage| outage.failures).saturating_add(1);
        let Again { in_turn, last_chance: closed_until } = again(failures);
        let outage = Outage { failures, next_attempt: in_turn, closed_until };
        let open = outage.open_at(last_chance);
        table.outages.insert(self.key.clone(), outage);
        open
    }
}

/// The times from which an endpoint may get another request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// For the first credential that is due.
    pub in_turn: Timestamp,
    /// For a credential whose token is about to expire.
    pub last_chance: Timestamp,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.endpoints.table().asking.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_and_the_others_wait() {
        let endpoints = Endpoints::default();
        let now = Timestamp::from_millis(10_000);
        let half_a_minute = |failures: u32| Again {
            in_turn: now + Duration::from_secs(u64::from(failures) * 30),
            last_chance: now,
        };
        endpoints.try_acquire("e", now, None).unwrap().failed(None, half_a_minute);
        let next = Timestamp::from_millis(40_000);
        assert_eq!(endpoints.try_acquire("e", now, None).unwrap_err(), next);
        assert!(endpoints.try_acquire("other", now, None).is_ok());
        let asking = endpoints.try_acquire("e", next, None).unwrap();
        assert_eq!(endpoints.try_acquire("e", next, None).unwrap_err(), Timestamp::from_millis(41_000));
        drop(asking);
        endpoints.try_acquire("e", next, None).unwrap().failed(None, half_a_minute);
        assert_eq!(endpoints.snapshot()["e"].failures, 2);
        endpoints.try_acquire("e", Timestamp::from_millis(70_000), None).unwrap().answered();
        assert!(endpoints.snapshot().is_empty());
    }

    #[test]
    fn who_is_about_to_expire_does_not_wait_for_its_turn_but_for_retry_after() {
        let endpoints = Endpoints::default();
        let at = |seconds: i64| Timestamp::from_seconds(seconds);
        endpoints
            .try_acquire("e", at(0), None)
            .unwrap()
            .failed(None, |_| Again { in_turn: at(100), last_chance: at(20) });
        for (now, last_chance, entered) in [
            (10, None, Err(at(100))),
            (10, Some(at(50)), Err(at(50))),
            (10, Some(at(200)), Err(at(100))),
            (10, Some(at(5)), Err(at(20))),
            (49, Some(at(50)), Err(at(50))),
            (50, Some(at(50)), Ok(())),
            (100, None, Ok(())),
        ] {
            assert_eq!(
                endpoints.try_acquire("e", at(now), last_chance).map(drop),
                entered,
                "{now} {last_chance:?}"
            );
        }
    }
}
