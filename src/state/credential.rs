//! What is remembered of a token file between attempts, and whether it may be refreshed now.
//!
//! Kept in the status file, so that a dead refresh token is not sent again after every restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::replaced::ReplacedTokens;
use crate::clock::Timestamp;
use crate::oauth::backoff;
use crate::secret::Fingerprint;
use crate::tokens::Past;

/// What is known of one token file beside its contents. No secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CredentialState {
    /// When this record was changed, as the store notes it: of two records of one file the newer one counts.
    pub updated: Timestamp,
    /// The refresh token that the file held when it was last read or written.
    pub refresh_hash: Option<Fingerprint>,
    /// The origin (scheme, host and port) of the endpoint, or of the issuer, at which this sign-in was last refreshed.
    pub origin: Option<String>,
    /// The built-in row that made this origin, and what it was made from; `None`: a file named the origin itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_row: Option<String>,
    /// Whether another program was seen to write the file too. Its secrets are not sealed without a person's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// When a refresh last succeeded, whichever sign-in the file held then.
    pub last_success: Option<Timestamp>,
    /// Whether the last refresh moved the end of the refresh token.
    pub moved_refresh_end: bool,
    /// What went wrong at the last attempt; `None` after a success.
    #[serde(rename = "trouble")]
    pub failure: Option<LastFailure>,
    /// Refresh tokens that a refresh replaced.
    #[serde(rename = "spent")]
    pub replaced: ReplacedTokens,
}

/// Why a credential is not fresh.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LastFailure {
    pub kind: FailureKind,
    /// The line that the log said, without the file's name.
    pub message: String,
    /// The refresh token that failed.
    pub refresh_hash: Option<Fingerprint>,
    /// The request that failed.
    pub request: Option<Fingerprint>,
    /// The endpoint that failed, where the failure says nothing about this credential: when the endpoint answers
    /// another credential again, the wait of this one is over too.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether it is a warning: nothing is wrong yet, and a person should look before a secret is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    /// The run of refusals without a reason that this failure belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<UnexplainedRun>,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// When the first of them was made.
    pub since: Timestamp,
    /// When the last of them was made.
    pub last_attempt: Timestamp,
    /// When the next one may be made; `None`: when something changes.
    pub next_attempt: Option<Timestamp>,
}

/// Refusals in a row that gave no reason: a 400, 401 or 403 in no form that OAuth knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct UnexplainedRun {
    pub count: u32,
    /// When the first of them came.
    pub since: Timestamp,
}

/// The kinds of failures: the classes of an endpoint's answer, and local ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    /// Only a new sign-in helps; over when the file holds another refresh token.
    #[serde(rename = "sign_in_again")]
    ReauthRequired,
    /// The request is wrong; over when it would be another one. Where the endpoint said so, it is retried rarely.
    #[serde(rename = "configuration")]
    Configuration,
    /// Nothing was sent, for a reason on this machine.
    #[serde(rename = "local")]
    Local,
    /// Nothing is wrong with the credential; retried after a delay.
    #[serde(rename = "passing")]
    Transient,
    /// The refresh token may have been spent by a request whose answer was lost.
    #[serde(rename = "in_doubt")]
    OutcomeUnknown,
}

/// Whether a due credential may be refreshed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gate {
    /// Yes, now.
    Open,
    /// Not before this time.
    Until(Timestamp),
    /// Not before a person has changed something.
    Closed,
}

impl CredentialState {
    /// The order of credentials that are due: least first. The earliest expiry leads, but a credential that failed
    /// comes after those that did not: one bad credential must not take every chance at an endpoint that is well
    /// for all others.
    pub(crate) fn rank(&self, expires_at: Option<Timestamp>) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.failure.as_ref().map(|failure| failure.last_attempt), expires_at)
    }

    /// From when on a token that ends at `expires_at` may be refreshed although its endpoint is in trouble: once,
    /// shortly before that end. `None`: that attempt was made, or it is too late.
    pub(crate) fn last_chance(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let end = expires_at.filter(|end| *end > now)?;
        let chance = backoff::last_chance(end);
        let tried = self.failure.as_ref().map(|failure| failure.last_attempt);
        tried.is_none_or(|tried| tried < chance).then_some(chance)
    }

    /// Leaves the time of the next attempt to the endpoint, where the failure was the endpoint's: one of its
    /// credentials asks for all, and the wait of the others ends with its outage.
    pub(crate) fn leave_to_endpoint(&mut self) {
        if let Some(failure) = self.failure.as_mut().filter(|failure| failure.is_of_endpoint()) {
            failure.next_attempt = None;
        }
    }

    /// What earlier refreshes left to know of a file that holds this refresh token now. A new sign-in has no past.
    pub(crate) fn past(&self, refresh_hash: Option<Fingerprint>) -> Past {
        if self.refresh_hash != refresh_hash {
            return Past::default();
        }
        Past { last_success: self.last_success, moved_refresh_end: self.moved_refresh_end }
    }

    /// Remembers that a refresh replaced `token` by `successor`, which the file holds now.
    pub(crate) fn replace(&mut self, token: Option<Fingerprint>, successor: Option<Fingerprint>) {
        if let (Some(token), Some(successor)) = (token, successor) {
            self.replaced.add(token, successor);
        }
        self.refresh_hash = successor;
        self.failure = None;
    }

    /// Remembers that a refresh replaced `token` by `successor`, which did not reach the file.
    pub(crate) fn replaced_elsewhere(&mut self, token: Fingerprint, successor: Fingerprint) {
        // What is known of it already tells of the successor that is in use.
        if self.replaced.tokens().all(|known| known != token) {
            self.replaced.add(token, successor);
        }
    }

    /// Takes over what an older record of the same file knows: the replaced tokens and the last success. Two
    /// processes may each have added to a record that neither had written yet.
    pub(super) fn inherit(&mut self, older: &Self) {
        self.replaced.inherit(&older.replaced, self.refresh_hash);
        if self.last_success < older.last_success {
            self.last_success = older.last_success;
            self.moved_refresh_end = older.moved_refresh_end;
        }
    }
}

impl LastFailure {
    /// A first failure at `now`, with no time for another attempt.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>, now: Timestamp) -> Self {
        Self {
            kind,
            message: message.into(),
            refresh_hash: None,
            request: None,
            endpoint: None,
            warning: false,
            unexplained: None,
            failures: 1,
            since: now,
            last_attempt: now,
            next_attempt: None,
        }
    }

    /// Whether its message tells a person to sign in again: the command for that follows where it is shown.
    pub(crate) fn says_to_sign_in(&self) -> bool {
        self.kind == FailureKind::ReauthRequired || self.message.ends_with("sign in again")
    }

    /// Whether it says something about the endpoint and nothing about this credential.
    pub(crate) fn is_of_endpoint(&self) -> bool {
        self.kind == FailureKind::Transient && self.endpoint.is_some()
    }

    /// Whether a credential with this failure, now with these fingerprints, may be refreshed at `now`.
    pub(crate) fn gate(
        &self,
        refresh_hash: Option<Fingerprint>,
        request: Option<Fingerprint>,
        now: Timestamp,
    ) -> Gate {
        let same_request = request.is_none() || self.request == request;
        match self.kind {
            _ if self.refresh_hash != refresh_hash => Gate::Open,
            FailureKind::ReauthRequired => Gate::Closed,
            FailureKind::Configuration | FailureKind::Transient if !same_request => Gate::Open,
            // Said by this side: the same check comes before anything is sent.
            FailureKind::Configuration if self.next_attempt.is_none() => Gate::Closed,
            // Trying costs nothing.
            FailureKind::Local => Gate::Open,
            FailureKind::Configuration | FailureKind::Transient | FailureKind::OutcomeUnknown => {
                match self.next_attempt(now) {
                    Some(next) if next > now => Gate::Until(next),
                    _ => Gate::Open,
                }
            }
        }
    }

    /// When the next attempt may be made. A stored time that lies further ahead than its own delay was written
    /// under a wrong clock: then the delay counts from now.
    pub(crate) fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.next_attempt?;
        let delay = next.since(self.last_attempt);
        Some(if next.since(now) > delay + Duration::from_mins(1) { now + delay } else { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn failure(kind: FailureKind, next: Option<i64>) -> LastFailure {
        LastFailure {
            refresh_hash: Some(print("r")),
            request: Some(print("q")),
            next_attempt: next.map(Timestamp::from_millis),
            ..LastFailure::new(kind, "", Timestamp::from_seconds(1))
        }
    }

    #[test]
    fn each_kind_has_its_own_end() {
        let now = Timestamp::from_millis(5000);
        let later = Some(9000);
        for (what, failure, refresh, request, gate) in [
            ("dead token", failure(FailureKind::ReauthRequired, None), "r", "q", Gate::Closed),
            (
                "dead token, request changed",
                failure(FailureKind::ReauthRequired, None),
                "r",
                "p",
                Gate::Closed,
            ),
            ("signed in", failure(FailureKind::ReauthRequired, None), "s", "q", Gate::Open),
            ("wrong secret", failure(FailureKind::Configuration, None), "r", "q", Gate::Closed),
            ("secret changed", failure(FailureKind::Configuration, None), "r", "p", Gate::Open),
            (
                "refused by the endpoint",
                failure(FailureKind::Configuration, later),
                "r",
                "q",
                Gate::Until(Timestamp::from_millis(9000)),
            ),
            ("refused long ago", failure(FailureKind::Configuration, Some(5000)), "r", "q", Gate::Open),
            ("refused, secret changed", failure(FailureKind::Configuration, later), "r", "p", Gate::Open),
            (
                "outage",
                failure(FailureKind::Transient, later),
                "r",
                "q",
                Gate::Until(Timestamp::from_millis(9000)),
            ),
            ("outage over", failure(FailureKind::Transient, Some(5000)), "r", "q", Gate::Open),
            ("outage, endpoint changed", failure(FailureKind::Transient, later), "r", "p", Gate::Open),
            (
                "doubt does not end with the request",
                failure(FailureKind::OutcomeUnknown, later),
                "r",
                "p",
                Gate::Until(Timestamp::from_millis(9000)),
            ),
            ("a disk may be better now", failure(FailureKind::Local, later), "r", "q", Gate::Open),
            ("doubt ends with the token", failure(FailureKind::OutcomeUnknown, later), "s", "q", Gate::Open),
        ] {
            assert_eq!(failure.gate(Some(print(refresh)), Some(print(request)), now), gate, "{what}");
        }
    }

    #[test]
    fn who_failed_last_comes_last() {
        let failed = |at| CredentialState {
            failure: Some(LastFailure {
                last_attempt: Timestamp::from_millis(at),
                ..failure(FailureKind::Transient, Some(9000))
            }),
            ..CredentialState::default()
        };
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let in_order = [
            (CredentialState::default(), at(5)),
            (CredentialState::default(), at(9)),
            (failed(7), at(6)),
            (failed(8), at(1)),
        ];
        assert!(in_order.is_sorted_by_key(|(state, end)| state.rank(*end)));
    }

    #[test]
    fn the_last_chance_is_one() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let asked = |seconds: i64| CredentialState {
            failure: Some(LastFailure { last_attempt: at(seconds), ..failure(FailureKind::Transient, None) }),
            ..CredentialState::default()
        };
        for (state, now, chance) in [
            (CredentialState::default(), 10, Some(at(940))),
            (CredentialState::default(), 970, Some(at(940))),
            (CredentialState::default(), 1000, None),
            (asked(939), 970, Some(at(940))),
            (asked(940), 970, None),
        ] {
            assert_eq!(state.last_chance(Some(at(1000)), at(now)), chance);
        }
        assert_eq!(CredentialState::default().last_chance(None, at(10)), None);
    }

    #[test]
    fn a_delay_under_a_wrong_clock_does_not_last_for_years() {
        let mut stored = failure(FailureKind::Transient, Some(1_000_000_030_000));
        stored.last_attempt = Timestamp::from_millis(1_000_000_000_000);
        let now = Timestamp::from_millis(5000);
        assert_eq!(stored.next_attempt(now), Some(Timestamp::from_millis(35_000)));
    }

    #[test]
    fn the_later_success_is_kept() {
        let at = |seconds| CredentialState {
            last_success: Some(Timestamp::from_seconds(seconds)),
            ..CredentialState::default()
        };
        let mut newer = at(5);
        newer.inherit(&at(9));
        assert_eq!(newer, at(9));
    }

    #[test]
    fn the_file_of_an_earlier_version_is_understood() {
        let text = r#"{"updated":5,"refresh_hash":"ba7816bf8f01cfea","last_success":7,"moved_refresh_end":true,
            "trouble":{"kind":"in_doubt","message":"m","refresh_hash":"ba7816bf8f01cfea","request":null,
            "failures":2,"since":1,"last_attempt":2,"next_attempt":null},
            "spent":[{"token":"0000000000000000","successor":"ba7816bf8f01cfea"}]}"#;
        let state: CredentialState = serde_json::from_str(text).unwrap();
        assert_eq!(state.refresh_hash, Fingerprint::parse("ba7816bf8f01cfea"));
        assert_eq!(state.last_success, Some(Timestamp::from_millis(7)));
        assert_eq!(state.failure.as_ref().map(|failure| failure.kind), Some(FailureKind::OutcomeUnknown));
        assert!(state.replaced.tokens().eq(Fingerprint::parse("0000000000000000")));
    }
}
