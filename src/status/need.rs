//! The early warning: by when a user must act, while there is still time.

use std::time::Duration;

use super::judge::{Facts, TokenState};
use crate::clock::{Timestamp, Words};
use crate::state::{LASTING_RUN, Plan};

/// The time between the warning and the need: a day includes office hours.
pub(crate) const AHEAD: Duration = Duration::from_hours(24);

/// The fact that a user will be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Need {
    pub by: Timestamp,
    pub what: NeededFor,
}

/// The reason for which a user will be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NeededFor {
    /// The refresh token expires, and a refresh does not prolong it: a new sign-in is needed.
    RefreshTokenEnds,
    /// The access token expires and cannot be refreshed: a new one must be put into the file.
    TokenEnds,
    /// Every attempt fails, and the access token expires soon: the cause must be found.
    KeepsFailing,
}

impl Need {
    /// The line in the log, without the time.
    pub(crate) const fn message(self) -> &'static str {
        match self.what {
            NeededFor::RefreshTokenEnds => {
                "its refresh token ends within a day and refreshing does not prolong it"
            }
            NeededFor::TokenEnds => {
                "expires within a day and cannot be refreshed; put a new token there before"
            }
            NeededFor::KeepsFailing => "cannot be refreshed for a while now; see to it before its token ends",
        }
    }

    /// The need and its time, for a list.
    pub(crate) fn words(self, now: Timestamp) -> String {
        let left = match self.by.since(now) {
            Duration::ZERO => "now".to_owned(),
            left => format!("within {}", Words(left)),
        };
        match self.what {
            NeededFor::RefreshTokenEnds => format!("needs a new sign-in {left}"),
            NeededFor::TokenEnds => format!("needs a new token {left}"),
            NeededFor::KeepsFailing => format!("keeps failing and ends {left}"),
        }
    }
}

impl Facts<'_> {
    /// The time by which a user will be needed, if within a day. A token that needs a user now, or that has expired,
    /// gets no early warning.
    pub(crate) fn need(&self, now: Timestamp) -> Option<Need> {
        let soon = |end: &Timestamp| end.since(now) <= AHEAD;
        let need = |what| move |by| Need { by, what };
        let token_end = self.life.expires_at.filter(|end| *end > now && soon(end));
        match self.state() {
            TokenState::Monitored => token_end.map(need(NeededFor::TokenEnds)),
            TokenState::SignInAgain | TokenState::Misconfigured | TokenState::Unusable => None,
            TokenState::Fresh | TokenState::Lasting | TokenState::Due => {
                self.refresh_end().filter(soon).map(need(NeededFor::RefreshTokenEnds))
            }
            TokenState::Retrying | TokenState::InDoubt | TokenState::Local => {
                let lasting = self.failure().is_some_and(|trouble| trouble.failures >= LASTING_RUN);
                let failing = token_end.filter(|_| lasting).map(need(NeededFor::KeepsFailing));
                let refresh_end = self.refresh_end().filter(soon).map(need(NeededFor::RefreshTokenEnds));
                [refresh_end, failing].into_iter().flatten().min_by_key(|need| need.by)
            }
        }
    }

    /// The end of the refresh token, where no refresh will move it. The last refresh did not move it, or no refresh
    /// will come before it. A passed end still counts, since the access token may last longer. A later success shows
    /// that the end was wrong.
    fn refresh_end(&self) -> Option<Timestamp> {
        let end = self.life.refresh_expires_at?;
        let too_late = match self.plan {
            Plan::Later(at) | Plan::Waiting(at) => at >= end,
            Plan::Never => true,
            Plan::Due | Plan::Blocked | Plan::Recheck => false,
        };
        // Only a refresh shows whether the end moves. The end of a new sign-in may still move.
        let refreshed =
            self.remembered.last_success.is_some() && self.remembered.refresh_hash == self.refresh_hash;
        let outlived = self.remembered.last_success.is_some_and(|success| success > end);
        (!outlived && (too_late || (refreshed && !self.remembered.moved_refresh_end))).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Fingerprint;
    use crate::state::{CredentialState, FailureKind, LastFailure};
    use crate::tokens::Life;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn failing(failures: u32) -> CredentialState {
        let failure = LastFailure {
            refresh_hash: Some(token("r")),
            failures,
            ..LastFailure::new(FailureKind::Transient, "", Timestamp::default())
        };
        CredentialState { failure: Some(Box::new(failure)), ..CredentialState::default() }
    }

    fn token(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn refreshed(moved: bool) -> CredentialState {
        CredentialState {
            last_success: Some(Timestamp::from_millis(1)),
            refresh_hash: Some(token("r")),
            moved_refresh_end: moved,
            ..CredentialState::default()
        }
    }

    /// A file whose access token expires in so many hours, and its refresh token in so many.
    fn need(
        hours: u32,
        refresh: Option<u32>,
        remembered: &CredentialState,
        plan: Plan,
        monitored: bool,
    ) -> Option<(NeededFor, u64)> {
        let life = Life {
            expires_at: Some(NOW + HOUR * hours),
            refresh_expires_at: refresh.map(|hours| NOW + HOUR * hours),
            ..Life::default()
        };
        let facts = Facts {
            file: "a-egress.json",
            in_configurations: true,
            life: &life,
            has_access: true,
            refresh_hash: Some(token("r")),
            monitored: monitored.then_some("why"),
            unresolved: None,
            remembered,
            plan,
        };
        facts.need(NOW).map(|need| (need.what, need.by.since(NOW).as_secs() / 3600))
    }

    #[test]
    fn a_person_is_warned_a_day_ahead() {
        let calm = CredentialState::default();
        let other = CredentialState { refresh_hash: Some(token("older")), ..refreshed(false) };
        let later = |hours| Plan::Later(NOW + HOUR * hours);
        for (case, found, expected) in [
            ("a vended token", need(23, None, &calm, later(1), true), Some((NeededFor::TokenEnds, 23))),
            ("a vended token with days left", need(25, None, &calm, later(1), true), None),
            ("a vended token that has ended", need(0, None, &calm, later(1), true), None),
            (
                "a fixed end of the session",
                need(1, Some(20), &refreshed(false), later(1), false),
                Some((NeededFor::RefreshTokenEnds, 20)),
            ),
            ("the same, days ahead", need(1, Some(30), &refreshed(false), later(1), false), None),
            ("an end that moves", need(1, Some(20), &refreshed(true), later(1), false), None),
            ("nobody knows whether it moves", need(1, Some(20), &calm, later(1), false), None),
            ("of another refresh token", need(1, Some(20), &other, later(1), false), None),
            (
                "it ends before the next refresh",
                need(40, Some(20), &calm, later(39), false),
                Some((NeededFor::RefreshTokenEnds, 20)),
            ),
            (
                "nothing is planned before it",
                need(40, Some(20), &calm, Plan::Never, false),
                Some((NeededFor::RefreshTokenEnds, 20)),
            ),
        ] {
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn a_person_is_warned_of_what_comes_first() {
        let later = |hours| Plan::Later(NOW + HOUR * hours);
        for (case, found, expected) in [
            ("a few failures", need(2, None, &failing(4), Plan::Due, false), None),
            (
                "a run of them",
                need(2, None, &failing(5), Plan::Due, false),
                Some((NeededFor::KeepsFailing, 2)),
            ),
            ("a run, days ahead", need(40, None, &failing(50), Plan::Due, false), None),
            (
                "whichever comes first",
                need(9, Some(3), &failing(5), Plan::Waiting(NOW + HOUR * 4), false),
                Some((NeededFor::RefreshTokenEnds, 3)),
            ),
            (
                "its end has passed",
                need(1, Some(0), &refreshed(false), later(1), false),
                Some((NeededFor::RefreshTokenEnds, 0)),
            ),
            (
                "its end was none",
                need(
                    1,
                    Some(0),
                    &CredentialState { last_success: Some(NOW + HOUR), ..refreshed(false) },
                    later(1),
                    false,
                ),
                None,
            ),
            (
                "somebody must sign in already",
                need(2, Some(2), &refreshed(false), Plan::Blocked, false),
                None,
            ),
        ] {
            assert_eq!(found, expected, "{case}");
        }
    }
}
