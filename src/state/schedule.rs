//! When a token is to be refreshed: its life, and the failure that holds an attempt back.

use std::time::Duration;

use super::credential::{CredentialState, FailureKind, Gate};
use crate::clock::Timestamp;
use crate::secret::Fingerprint;
use crate::tokens::{Life, due};

/// When a token is to be refreshed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// Now.
    Due,
    /// At this time.
    Later(Timestamp),
    /// It is due, but must not be refreshed before this time.
    Waiting(Timestamp),
    /// It is due, and a person must sign in first.
    Blocked,
    /// It is due, and was refused for a setting: looked at again in case the setting has changed.
    Recheck,
    /// Never: it does not expire.
    Never,
}

/// What decides when a token is to be refreshed.
#[derive(Clone, Copy)]
pub(crate) struct Schedule<'a> {
    pub life: &'a Life,
    pub has_access: bool,
    pub refresh_hash: Option<Fingerprint>,
    pub state: &'a CredentialState,
    /// How long before its expiry a token is due.
    pub buffer: Duration,
}

impl Schedule<'_> {
    /// From when on the token is due; `None`: never, it does not expire.
    pub(crate) fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.has_access {
            return Some(now);
        }
        due::due_at(self.life, &self.state.past(self.refresh_hash), self.buffer, now)
    }

    /// The same, with the failure that holds an attempt back. The fingerprint of the request is not known here: an
    /// attempt finds out whether a changed setting ends a failure.
    pub(crate) fn plan(&self, now: Timestamp) -> Plan {
        let Some(due) = self.due_at(now) else { return Plan::Never };
        if due > now {
            return Plan::Later(due);
        }
        let Some(failure) = &self.state.failure else { return Plan::Due };
        match failure.gate(self.refresh_hash, None, now) {
            Gate::Open => Plan::Due,
            Gate::Until(_) | Gate::Closed if failure.kind == FailureKind::Configuration => Plan::Recheck,
            Gate::Until(until) => Plan::Waiting(until),
            Gate::Closed => Plan::Blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LastFailure;

    #[test]
    fn a_due_token_waits_for_what_stands_against_it() {
        let now = Timestamp::from_seconds(10_000);
        let life = Life { expires_at: Some(now + Duration::from_mins(1)), ..Life::default() };
        let print = |name: &str| Some(Fingerprint::of(name.as_bytes()));
        let failed = |kind, next_attempt: Option<i64>| CredentialState {
            failure: Some(LastFailure {
                refresh_hash: print("r"),
                next_attempt: next_attempt.map(Timestamp::from_millis),
                ..LastFailure::new(kind, "", Timestamp::from_seconds(9990))
            }),
            ..CredentialState::default()
        };
        let hour = Duration::from_hours(1);
        let plan = |life: &Life, has_access, hash: &str, state: &CredentialState| {
            Schedule { life, has_access, refresh_hash: print(hash), state, buffer: hour }.plan(now)
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
}
