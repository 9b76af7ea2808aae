//! The state of a credential in one word, and the reason for it in one line.

use std::time::Duration;

use crate::clock::{Timestamp, Words};
use crate::secret::Fingerprint;
use crate::state::{CredentialState, FailureKind, LastFailure, Plan};
use crate::tokens::Life;
use crate::tokens::name::stem;

/// The facts about one token file. Borrowed, since a cycle has up to ten thousand files.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub file: &'a str,
    /// Whether the configurations have an entry for the token.
    pub in_configurations: bool,
    pub life: &'a Life,
    /// Whether the file holds an access token.
    pub has_access: bool,
    /// The fingerprint of the refresh token.
    pub refresh_hash: Option<Fingerprint>,
    /// Why the token is monitored and not refreshed, where it is.
    pub monitored: Option<&'a str>,
    /// Why no request can be made: the fact that the file, its provider or the environment lacks.
    pub unresolved: Option<&'a str>,
    /// The record of earlier attempts.
    pub remembered: &'a CredentialState,
    /// The time of the next refresh.
    pub plan: Plan,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenState {
    /// The next refresh is planned.
    Fresh,
    /// The token does not expire.
    Lasting,
    /// The refresh is due.
    Due,
    /// The last attempt failed; another one is planned.
    Retrying,
    /// The answer to the last request was lost, so the refresh token may be spent.
    InDoubt,
    /// A fault of this machine prevents the refresh.
    Local,
    /// The endpoint refused the request for a setting that must be changed.
    Misconfigured,
    /// A new sign-in is needed.
    SignInAgain,
    /// The token is monitored and not refreshed.
    Monitored,
    /// The file cannot be read or used.
    Unusable,
}

impl TokenState {
    /// All states, in the order of the metrics.
    pub(crate) const ALL: [Self; 10] = [
        Self::Fresh,
        Self::Lasting,
        Self::Due,
        Self::Retrying,
        Self::InDoubt,
        Self::Local,
        Self::Misconfigured,
        Self::SignInAgain,
        Self::Monitored,
        Self::Unusable,
    ];

    /// The name in JSON and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Lasting => "lasting",
            Self::Due => "due",
            Self::Retrying => "retrying",
            Self::InDoubt => "in_doubt",
            Self::Local => "local",
            Self::Misconfigured => "misconfigured",
            Self::SignInAgain => "sign_in_again",
            Self::Monitored => "monitored",
            Self::Unusable => "unusable",
        }
    }

    /// The name for people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Lasting => "does not expire",
            Self::Due => "due",
            Self::Retrying => "retrying",
            Self::InDoubt => "in doubt",
            Self::Local => "held up here",
            Self::Misconfigured => "refused",
            Self::SignInAgain => "sign in again",
            Self::Monitored => "monitored",
            Self::Unusable => "not usable",
        }
    }
}

impl<'a> Facts<'a> {
    /// The failure of the last attempt with the file's present refresh token.
    pub(crate) fn failure(&self) -> Option<&'a LastFailure> {
        self.remembered.failure.as_deref().filter(|trouble| trouble.refresh_hash == self.refresh_hash)
    }

    /// Whether the access token has expired.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.has_access && self.life.expires_at.is_some_and(|end| end <= now)
    }

    /// The name in the log.
    pub(crate) fn name(&self) -> &'a str {
        stem(self.file)
    }

    pub(crate) fn state(&self) -> TokenState {
        if self.monitored.is_some() {
            return TokenState::Monitored;
        }
        match (self.plan, self.failure().map(|trouble| trouble.kind)) {
            (Plan::Later(_) | Plan::Due | Plan::Recheck, None | Some(FailureKind::Configuration))
                if self.unresolved.is_some() =>
            {
                TokenState::Misconfigured
            }
            (Plan::Never, _) => TokenState::Lasting,
            // `--force` may find out before the refresh is due.
            (Plan::Blocked, _) | (Plan::Later(_), Some(FailureKind::ReauthRequired)) => {
                TokenState::SignInAgain
            }
            (Plan::Recheck, _) | (Plan::Later(_), Some(FailureKind::Configuration)) => {
                TokenState::Misconfigured
            }
            (Plan::Later(_), _) => TokenState::Fresh,
            (Plan::Due, Some(FailureKind::Configuration)) => TokenState::Misconfigured,
            (Plan::Due | Plan::Waiting(_), Some(FailureKind::Transient)) => TokenState::Retrying,
            (Plan::Due | Plan::Waiting(_), Some(FailureKind::OutcomeUnknown)) => TokenState::InDoubt,
            (Plan::Due | Plan::Waiting(_), Some(FailureKind::Local)) => TokenState::Local,
            (Plan::Due | Plan::Waiting(_), _) => TokenState::Due,
        }
    }

    /// The fact that a request lacks, where a request will be needed.
    pub(crate) fn lacks(&self) -> Option<&'a str> {
        self.unresolved.filter(|_| self.state() == TokenState::Misconfigured)
    }

    /// The time of the next request; `None`: not before the file or a setting changes, or never.
    pub(crate) fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        match self.state() {
            TokenState::Monitored | TokenState::SignInAgain => return None,
            // The endpoint refused the request. A request that this side cannot make has no time.
            TokenState::Misconfigured if self.unresolved.is_some() => return None,
            TokenState::Misconfigured => return self.failure().and_then(|failure| failure.next_attempt(now)),
            _ => {}
        }
        match self.plan {
            Plan::Later(at) | Plan::Waiting(at) => Some(at),
            Plan::Due => Some(now),
            Plan::Blocked | Plan::Recheck | Plan::Never => None,
        }
    }

    /// The reason for the state, in one line.
    pub(crate) fn why(&self, buffer: Duration, now: Timestamp) -> String {
        if let Some(why) = self.monitored {
            return format!("not refreshed: {why}");
        }
        if let Some(why) = self.lacks() {
            return format!("cannot be refreshed: {why}");
        }
        match self.state() {
            TokenState::Lasting => "neither the file nor the token says when it ends".to_owned(),
            TokenState::Fresh => self.pace(buffer, now),
            _ => match self.failure() {
                Some(trouble) => run(trouble, now),
                None if !self.has_access => "it holds a refresh token and no access token yet".to_owned(),
                None => format!("due now: {}", self.pace(buffer, now)),
            },
        }
    }

    /// The rule of `tokens::due` that set the time of the refresh.
    fn pace(&self, buffer: Duration, now: Timestamp) -> String {
        let life = self.life;
        let prolonged = self.remembered.moved_refresh_end;
        if let (Some(refresh_end), Some(end)) = (life.refresh_expires_at, life.expires_at)
            && prolonged
            && refresh_end < end
        {
            let left = Words(refresh_end.since(now));
            return format!("its refresh token ends first, in {left}, and refreshing prolongs it");
        }
        match life.length {
            Some(length) if length / 2 < buffer => {
                format!(
                    "refreshed at half of its life of {}, less than the buffer before its end",
                    Words(length)
                )
            }
            _ => format!("refreshed {} before its end (the buffer)", Words(buffer)),
        }
    }
}

/// A failure with the time since the first of its kind.
fn run(trouble: &LastFailure, now: Timestamp) -> String {
    let since = Words(now.since(trouble.since));
    match trouble.failures {
        0 | 1 => format!("{} ({since} ago)", trouble.message),
        failures => format!("{} ({failures} attempts in {since})", trouble.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(100_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn trouble(kind: FailureKind, failures: u32) -> CredentialState {
        let failure = LastFailure {
            refresh_hash: Some(token("r")),
            failures,
            since: NOW - 2 * HOUR,
            ..LastFailure::new(kind, "HTTP 503", NOW)
        };
        CredentialState { failure: Some(Box::new(failure)), ..CredentialState::default() }
    }

    fn token(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    /// A life of unknown length.
    fn unknown() -> Life {
        Life { expires_at: Some(NOW + 3 * HOUR), ..Life::default() }
    }

    /// A life of one hour.
    fn hour() -> Life {
        let expires_at = Some(NOW + HOUR);
        Life { length: Some(HOUR), issued_at: Some(NOW), expires_at, ..Life::default() }
    }

    fn facts<'a>(life: &'a Life, remembered: &'a CredentialState, plan: Plan) -> Facts<'a> {
        Facts {
            file: "github-repos-egress.json",
            in_configurations: true,
            life,
            has_access: true,
            refresh_hash: Some(token("r")),
            monitored: None,
            unresolved: None,
            remembered,
            plan,
        }
    }

    #[test]
    fn states_without_trouble_and_their_reasons() {
        let (unknown, hour) = (unknown(), hour());
        let short_refresh = Life { refresh_expires_at: Some(NOW + HOUR), ..unknown };
        let calm = CredentialState::default();
        let moved = CredentialState { moved_refresh_end: true, ..CredentialState::default() };
        let later = Plan::Later(NOW + HOUR);
        for (facts, state, why) in [
            (
                facts(&unknown, &calm, later),
                TokenState::Fresh,
                "refreshed 1 hour before its end (the buffer)",
            ),
            (
                facts(&hour, &calm, later),
                TokenState::Fresh,
                "refreshed at half of its life of 1 hour, less than the buffer before its end",
            ),
            (
                facts(&short_refresh, &moved, later),
                TokenState::Fresh,
                "its refresh token ends first, in 1 hour, and refreshing prolongs it",
            ),
            (
                facts(&unknown, &calm, Plan::Never),
                TokenState::Lasting,
                "neither the file nor the token says when it ends",
            ),
            (
                facts(&unknown, &calm, Plan::Due),
                TokenState::Due,
                "due now: refreshed 1 hour before its end (the buffer)",
            ),
            (
                Facts { has_access: false, ..facts(&unknown, &calm, Plan::Due) },
                TokenState::Due,
                "it holds a refresh token and no access token yet",
            ),
            (
                Facts { monitored: Some("no refresh token"), ..facts(&hour, &calm, Plan::Due) },
                TokenState::Monitored,
                "not refreshed: no refresh token",
            ),
        ] {
            assert_eq!((facts.state(), facts.why(HOUR, NOW).as_str()), (state, why));
        }
    }

    #[test]
    fn states_of_trouble_and_their_reasons() {
        let (unknown, hour) = (unknown(), hour());
        let (passing, doubt, local) = (
            trouble(FailureKind::Transient, 4),
            trouble(FailureKind::OutcomeUnknown, 1),
            trouble(FailureKind::Local, 1),
        );
        let (dead, wrong) = (trouble(FailureKind::ReauthRequired, 1), trouble(FailureKind::Configuration, 1));
        let later = Plan::Later(NOW + HOUR);
        for (facts, state, why) in [
            (facts(&hour, &dead, later), TokenState::SignInAgain, "HTTP 503 (2 hours ago)"),
            (facts(&hour, &wrong, later), TokenState::Misconfigured, "HTTP 503 (2 hours ago)"),
            // The failure of an earlier plan is past.
            (
                facts(&unknown, &passing, later),
                TokenState::Fresh,
                "refreshed 1 hour before its end (the buffer)",
            ),
            (facts(&hour, &passing, Plan::Due), TokenState::Retrying, "HTTP 503 (4 attempts in 2 hours)"),
            (
                facts(&hour, &passing, Plan::Waiting(NOW + HOUR)),
                TokenState::Retrying,
                "HTTP 503 (4 attempts in 2 hours)",
            ),
            (facts(&hour, &doubt, Plan::Waiting(NOW + HOUR)), TokenState::InDoubt, "HTTP 503 (2 hours ago)"),
            (facts(&hour, &local, Plan::Waiting(NOW + HOUR)), TokenState::Local, "HTTP 503 (2 hours ago)"),
            (facts(&hour, &dead, Plan::Blocked), TokenState::SignInAgain, "HTTP 503 (2 hours ago)"),
            (facts(&hour, &wrong, Plan::Recheck), TokenState::Misconfigured, "HTTP 503 (2 hours ago)"),
            // After a new sign-in the failure belongs to another refresh token.
            (
                Facts { refresh_hash: Some(token("new")), ..facts(&hour, &dead, Plan::Due) },
                TokenState::Due,
                "due now: refreshed at half of its life of 1 hour, less than the buffer before its end",
            ),
        ] {
            assert_eq!((facts.state(), facts.why(HOUR, NOW).as_str()), (state, why));
        }
    }

    #[test]
    fn the_next_attempt_is_told_where_there_will_be_one() {
        let (life, calm) = (Life::default(), CredentialState::default());
        let at = NOW + HOUR;
        for (plan, next) in [
            (Plan::Due, Some(NOW)),
            (Plan::Later(at), Some(at)),
            (Plan::Waiting(at), Some(at)),
            (Plan::Blocked, None),
            (Plan::Recheck, None),
            (Plan::Never, None),
        ] {
            assert_eq!(facts(&life, &calm, plan).next_attempt(NOW), next, "{plan:?}");
        }
        let monitored = Facts { monitored: Some(""), ..facts(&life, &calm, Plan::Due) };
        assert_eq!(monitored.next_attempt(NOW), None);
    }

    #[test]
    fn names_are_what_scripts_compare() {
        let names = TokenState::ALL.map(TokenState::name);
        let letters = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.iter().all(letters));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), TokenState::ALL.len());
    }
}
