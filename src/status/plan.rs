//! When a token is to be refreshed, all things considered: its life, and what stands against asking.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::refresh::{Gate, Kind as TroubleKind, Standing};
use crate::tokens::{Life, due};

/// When a token is to be refreshed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// Now.
    Due,
    /// At this time.
    Later(Timestamp),
    /// It is due, but must not be asked for before this time.
    Waiting(Timestamp),
    /// It is due, and a person must sign in first.
    Blocked,
    /// It is due, and was refused for a setting: looked at again in case the setting has changed.
    Recheck,
    /// Never: it does not expire.
    Never,
}

/// When a token is to be refreshed, from its life and from what stands against it. The fingerprint of
/// its request is not known here: whether a changed setting ends a trouble is found out by asking.
pub(crate) fn plan(
    life: &Life,
    has_access: bool,
    refresh_hash: Option<&str>,
    standing: &Standing,
    buffer: Duration,
    now: Timestamp,
) -> Plan {
    let past = standing.past(refresh_hash);
    let due = if has_access { due::due_at(life, &past, buffer, now) } else { Some(now) };
    let Some(due) = due else { return Plan::Never };
    if due > now {
        return Plan::Later(due);
    }
    let Some(trouble) = &standing.trouble else { return Plan::Due };
    match trouble.gate(refresh_hash, None, now) {
        Gate::Ask => Plan::Due,
        Gate::Wait(until) => Plan::Waiting(until),
        Gate::Person if trouble.kind == TroubleKind::Configuration => Plan::Recheck,
        Gate::Person => Plan::Blocked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::Trouble;

    #[test]
    fn a_due_token_waits_for_what_stands_against_it() {
        let now = Timestamp::from_seconds(10_000);
        let life = Life { expires_at: Some(now + Duration::from_mins(1)), ..Life::default() };
        let trouble = |kind, next_attempt| Standing {
            trouble: Some(Trouble {
                endpoint: None,
                kind,
                message: String::new(),
                refresh_hash: Some("r".to_owned()),
                request: None,
                failures: 1,
                since: 9_990_000,
                last_attempt: 9_990_000,
                next_attempt,
            }),
            ..Standing::default()
        };
        let hour = Duration::from_hours(1);
        for (standing, hash, expected) in [
            (Standing::default(), "r", Plan::Due),
            (trouble(TroubleKind::SignInAgain, None), "r", Plan::Blocked),
            (trouble(TroubleKind::SignInAgain, None), "new", Plan::Due),
            (trouble(TroubleKind::Configuration, None), "r", Plan::Recheck),
            (
                trouble(TroubleKind::Passing, Some(10_005_000)),
                "r",
                Plan::Waiting(Timestamp::from_seconds(10_005)),
            ),
            (trouble(TroubleKind::Passing, Some(9_999_000)), "r", Plan::Due),
        ] {
            assert_eq!(plan(&life, true, Some(hash), &standing, hour, now), expected);
        }
        let fresh = Life { expires_at: Some(now + 2 * hour), ..Life::default() };
        assert_eq!(plan(&fresh, true, Some("r"), &Standing::default(), hour, now), Plan::Later(now + hour));
        assert_eq!(plan(&fresh, false, Some("r"), &Standing::default(), hour, now), Plan::Due);
        assert_eq!(plan(&Life::default(), true, None, &Standing::default(), hour, now), Plan::Never);
    }
}
