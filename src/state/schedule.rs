//! The time of the next refresh, by the token's life and by a failure that delays it.

use std::time::Duration;

use super::credential::{CredentialState, FailureKind, Gate};
use super::outage::Outage;
use crate::clock::Timestamp;
use crate::secret::Fingerprint;
use crate::tokens::{Life, due};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    Due,
    Later(Timestamp),
    /// The refresh is due, but must not be tried before this time.
    Waiting(Timestamp),
    /// The refresh is due, but a person must sign in first.
    Blocked,
    /// The refresh is due, but was refused for a setting. The setting is checked again in case it has changed.
    Recheck,
    /// The token does not expire.
    Never,
}

/// The facts that decide about the time of a refresh.
#[derive(Clone, Copy)]
pub(crate) struct Schedule<'a> {
    pub life: &'a Life,
    pub has_access: bool,
    pub refresh_hash: Option<Fingerprint>,
    pub state: &'a CredentialState,
    /// The time between a refresh and the expiry.
    pub buffer: Duration,
    /// The outage of the token's endpoint, if any.
    pub outage: Option<&'a Outage>,
}

impl Schedule<'_> {
    /// The time from which the refresh is due; `None`: the token does not expire.
    pub(crate) fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.has_access {
            return Some(now);
        }
        due::due_at(self.life, &self.state.past(self.refresh_hash), self.buffer, now)
    }

    /// The time of the refresh, by its due time and by a failure that delays it. The request's fingerprint is not
    /// known here: an attempt finds out whether a changed setting ends a failure.
    pub(crate) fn plan(&self, now: Timestamp) -> Plan {
        let Some(due) = self.due_at(now) else { return Plan::Never };
        if due > now {
            return Plan::Later(due);
        }
        let own = self.state.failure.as_ref().filter(|failure| !failure.is_of_endpoint());
        let until = match own.map(|failure| (failure.kind, failure.gate(self.refresh_hash, None, now))) {
            None | Some((_, Gate::Open)) => None,
            Some((FailureKind::Configuration, _)) => return Plan::Recheck,
            Some((_, Gate::Closed)) => return Plan::Blocked,
            Some((_, Gate::Until(until))) => Some(until),
        };
        let last_chance = || self.state.last_chance(self.life.expires_at, now);
        let open = self.outage.map(|outage| outage.open_at(last_chance())).filter(|open| *open > now);
        until.max(open).map_or(Plan::Due, Plan::Waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LastFailure;

    fn print(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn failed(kind: FailureKind, next_attempt: Option<i64>) -> CredentialState {
        let failure = LastFailure {
            refresh_hash: Some(print("r")),
            next_attempt: next_attempt.map(Timestamp::from_millis),
            ..LastFailure::new(kind, "", Timestamp::from_seconds(9990))
        };
        CredentialState { failure: Some(Box::new(failure)), ..CredentialState::default() }
    }

    #[test]
    fn a_due_token_waits_for_what_stands_against_it() {
        let now = Timestamp::from_seconds(10_000);
        let life = Life { expires_at: Some(now + Duration::from_mins(1)), ..Life::default() };
        let hour = Duration::from_hours(1);
        let plan = |life: &Life, has_access, hash: &str, state: &CredentialState| {
            let refresh_hash = Some(print(hash));
            Schedule { life, has_access, refresh_hash, state, buffer: hour, outage: None }.plan(now)
        };
        for (state, hash, expected) in [
            (CredentialState::default(), "r", Plan::Due),
            (failed(FailureKind::ReauthRequired, None), "r", Plan::Blocked),
            (failed(FailureKind::ReauthRequired, None), "new", Plan::Due),
            (failed(FailureKind::Configuration, None), "r", Plan::Recheck),
            (
                failed(FailureKind::Transient, Some(10_005_000)),
                "r",
                Plan::Waiting(Timestamp::from_seconds(10_005)),
            ),
            (failed(FailureKind::Transient, Some(9_999_000)), "r", Plan::Due),
        ] {
            assert_eq!(plan(&life, true, hash, &state), expected);
        }
        let fresh = Life { expires_at: Some(now + 2 * hour), ..Life::default() };
        let calm = CredentialState::default();
        assert_eq!(plan(&fresh, true, "r", &calm), Plan::Later(now + hour));
        assert_eq!(plan(&fresh, false, "r", &calm), Plan::Due);
        assert_eq!(plan(&Life::default(), true, "r", &calm), Plan::Never);
    }

    /// The endpoint's outage decides where the failure is the endpoint's, and where there is none.
    #[test]
    fn a_due_token_waits_for_its_endpoint() {
        let now = Timestamp::from_seconds(10_000);
        let life = Life { expires_at: Some(now + Duration::from_mins(1)), ..Life::default() };
        let hour = Duration::from_hours(1);
        let at = |seconds| Timestamp::from_seconds(seconds);
        let of_endpoint = |next| {
            let mut state = failed(FailureKind::Transient, Some(next));
            let failure = state.failure.as_mut().unwrap();
            failure.endpoint = Some("e".to_owned());
            state
        };
        let outage = |next: i64| Outage { failures: 1, next_attempt: at(next), closed_until: at(next) };
        for (state, outage, expected) in [
            (of_endpoint(10_900_000), None, Plan::Due),
            (of_endpoint(10_900_000), Some(outage(10_020)), Plan::Waiting(at(10_020))),
            (of_endpoint(10_900_000), Some(outage(10_000)), Plan::Due),
            (CredentialState::default(), Some(outage(10_020)), Plan::Waiting(at(10_020))),
            (
                failed(FailureKind::Transient, Some(10_050_000)),
                Some(outage(10_020)),
                Plan::Waiting(at(10_050)),
            ),
            (failed(FailureKind::ReauthRequired, None), Some(outage(10_020)), Plan::Blocked),
            (failed(FailureKind::Local, Some(10_050_000)), Some(outage(10_020)), Plan::Waiting(at(10_020))),
        ] {
            let schedule = Schedule {
                life: &life,
                has_access: true,
                refresh_hash: Some(print("r")),
                state: &state,
                buffer: hour,
                outage: outage.as_ref(),
            };
            assert_eq!(schedule.plan(now), expected);
        }
    }
}
