//! The record of a token file between attempts, and whether the token may be refreshed now.
//!
//! The status file holds the record. So a dead refresh token is not sent again after every restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::replaced::ReplacedTokens;
use crate::clock::Timestamp;
use crate::oauth::backoff;
use crate::secret::Fingerprint;
use crate::tokens::Past;

/// The record of one token file, beside the file's contents. The record holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CredentialState {
    /// The time of the last change, as the store notes it. Of two records of one file the newer one counts.
    pub updated: Timestamp,
    /// The refresh token that the file held when it was last read or written.
    pub refresh_hash: Option<Fingerprint>,
    /// The origin (scheme, host and port) of the endpoint, or of the issuer, that last refreshed this sign-in.
    pub origin: Option<Box<str>>,
    /// The built-in row that made this origin, with the values that it was made from; `None`: the file named the
    /// origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_row: Option<Box<str>>,
    /// Whether another program was seen to write the file. Its secrets are then sealed only when a person says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The time of the last successful refresh, of any sign-in in the file.
    pub last_success: Option<Timestamp>,
    /// Whether the last refresh moved the end of the refresh token.
    pub moved_refresh_end: bool,
    /// The failure of the last attempt; `None` after a success.
    #[serde(rename = "trouble")]
    pub failure: Option<Box<LastFailure>>,
    /// Refresh tokens that a refresh replaced.
    #[serde(rename = "spent")]
    pub replaced: ReplacedTokens,
}

/// Why a credential is not fresh.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LastFailure {
    pub kind: FailureKind,
    /// The message in the log, without the file's name.
    pub message: String,
    /// The refresh token that failed.
    pub refresh_hash: Option<Fingerprint>,
    /// The request that failed.
    pub request: Option<Fingerprint>,
    /// The endpoint that failed, where the failure tells nothing about this credential. The wait of this credential
    /// ends when the endpoint answers another one.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether this is a warning: nothing has failed yet, but a person should look before a secret is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    /// The run of refusals without a reason that this failure belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<UnexplainedRun>,
    /// Failed attempts in a row.
    pub failures: u32,
    /// The time of the first of them.
    pub since: Timestamp,
    /// The time of the last of them.
    pub last_attempt: Timestamp,
    /// The earliest time of the next attempt; `None`: after a change.
    pub next_attempt: Option<Timestamp>,
}

/// Refusals in a row without a reason: a 400, 401 or 403 in no form that OAuth knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct UnexplainedRun {
    pub count: u32,
    /// The time of the first of them.
    pub since: Timestamp,
}

/// The kinds of failures: the classes of an endpoint's answer, and local ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    /// Only a new sign-in helps. The failure ends when the file holds another refresh token.
    #[serde(rename = "sign_in_again")]
    ReauthRequired,
    /// The request is wrong. The failure ends when the request would be another one. Where the endpoint refused it,
    /// the request is retried rarely.
    #[serde(rename = "configuration")]
    Configuration,
    /// Nothing was sent, for a reason on this machine.
    #[serde(rename = "local")]
    Local,
    /// The credential is not at fault; the request is retried after a delay.
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
    /// Not before a person has changed a file or a setting.
    Closed,
}

impl CredentialState {
    /// The order of due credentials, least first. The earliest expiry comes first, but failed credentials come after
    /// all others. Otherwise one bad credential would take every attempt at an endpoint that serves all others.
    pub(crate) fn rank(&self, expires_at: Option<Timestamp>) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.failure.as_ref().map(|failure| failure.last_attempt), expires_at)
    }

    /// The time of the last chance of a token that expires at `expires_at`. From then on, shortly before the expiry,
    /// it may be refreshed once although its endpoint is in trouble. `None`: the attempt was made, or it is too late.
    pub(crate) fn last_chance(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let end = expires_at.filter(|end| *end > now)?;
        let chance = backoff::last_chance(end);
        let tried = self.failure.as_ref().map(|failure| failure.last_attempt);
        tried.is_none_or(|tried| tried < chance).then_some(chance)
    }

    /// Leaves the time of the next attempt to the endpoint, where the failure was the endpoint's. One of the
    /// endpoint's credentials sends a request for all. The wait of the others ends with the outage.
    pub(crate) fn leave_to_endpoint(&mut self) {
        if let Some(failure) = self.failure.as_mut().filter(|failure| failure.is_of_endpoint()) {
            failure.next_attempt = None;
        }
    }

    /// The facts from earlier refreshes of a file that now holds this refresh token. A new sign-in has none.
    pub(crate) fn past(&self, refresh_hash: Option<Fingerprint>) -> Past {
        if self.refresh_hash != refresh_hash {
            return Past::default();
        }
        Past { last_success: self.last_success, moved_refresh_end: self.moved_refresh_end }
    }

    /// Records that a refresh replaced `token` by `successor`, which the file holds now.
    pub(crate) fn replace(&mut self, token: Option<Fingerprint>, successor: Option<Fingerprint>) {
        if let (Some(token), Some(successor)) = (token, successor) {
            self.replaced.add(token, successor);
        }
        self.refresh_hash = successor;
        self.failure = None;
    }

    /// Records that a refresh replaced `token` by `successor`, which did not reach the file.
    pub(crate) fn replaced_elsewhere(&mut self, token: Fingerprint, successor: Fingerprint) {
        // An earlier record of the token already names the successor in use.
        if self.replaced.tokens().all(|known| known != token) {
            self.replaced.add(token, successor);
        }
    }

    /// Takes over the replaced tokens and the last success of an older record of the same file. Two processes may each
    /// have added to a record that neither had written yet.
    pub(super) fn inherit(&mut self, older: &Self) {
        self.replaced.inherit(&older.replaced, self.refresh_hash);
        if self.last_success < older.last_success {
            self.last_success = older.last_success;
            self.moved_refresh_end = older.moved_refresh_end;
        }
    }
}

impl LastFailure {
    /// A first failure at `now`, without a time for another attempt.
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

    /// Whether the message tells a person to sign in again. Views of the message add the command.
    pub(crate) fn says_to_sign_in(&self) -> bool {
        self.kind == FailureKind::ReauthRequired || self.message.ends_with("sign in again")
    }

    /// Whether the failure tells about the endpoint and nothing about this credential.
    pub(crate) fn is_of_endpoint(&self) -> bool {
        self.kind == FailureKind::Transient && self.endpoint.is_some()
    }

    /// Whether a credential with this failure and these present fingerprints may be refreshed at `now`.
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
            // The program itself refused the request. The same check comes again before anything is sent.
            FailureKind::Configuration if self.next_attempt.is_none() => Gate::Closed,
            // A new attempt costs nothing.
            FailureKind::Local => Gate::Open,
            FailureKind::Configuration | FailureKind::Transient | FailureKind::OutcomeUnknown => {
                match self.next_attempt(now) {
                    Some(next) if next > now => Gate::Until(next),
                    _ => Gate::Open,
                }
            }
        }
    }

    /// The earliest time of the next attempt. A stored time further ahead than its own delay was written under a wrong
    /// clock. The delay then counts from now.
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
            failure: Some(Box::new(LastFailure {
                last_attempt: Timestamp::from_millis(at),
                ..failure(FailureKind::Transient, Some(9000))
            })),
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
            failure: Some(Box::new(LastFailure {
                last_attempt: at(seconds),
                ..failure(FailureKind::Transient, None)
            })),
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
