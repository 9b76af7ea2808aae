//! Where a credential stands: what earlier attempts left to know, and whether it may be asked for now.
//!
//! Kept by the caller (in the status file), so that a dead token is not hammered again after every
//! restart. Times are milliseconds since 1970, fingerprints as in `secret`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::oauth::backoff;
use crate::tokens::Past;

/// How many replaced refresh tokens are remembered per file: enough for any backup that somebody
/// restores by hand, little enough to stay small.
const REMEMBERED: usize = 8;

/// What is known of one token file beside its contents. No secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// When this was written: of two records the newer one counts.
    pub updated: i64,
    /// Fingerprint of the refresh token that the file held when we last read or wrote it.
    pub refresh_hash: Option<String>,
    /// When a refresh last succeeded.
    pub last_success: Option<i64>,
    /// Whether the last refresh moved the end of the refresh token.
    pub moved_refresh_end: bool,
    /// What went wrong at the last attempt; `None` after a success.
    pub trouble: Option<Trouble>,
    /// Refresh tokens that answers of ours replaced, newest last.
    pub spent: Vec<Spent>,
}

/// A refresh token that must never be sent again, and the one that took its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Fingerprint of the replaced token.
    pub token: String,
    /// Fingerprint of its successor.
    pub successor: String,
}

/// Why a credential is not fresh.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// Which kind.
    pub kind: Kind,
    /// The line that the log said, without the file's name.
    pub message: String,
    /// Fingerprint of the refresh token that it is about.
    pub refresh_hash: Option<String>,
    /// Fingerprint of the request that it is about.
    pub request: Option<String>,
    /// The endpoint that was in trouble, where it was that and not this credential: when it answers
    /// others again, the wait of this one is over too.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// When the first of them was made.
    pub since: i64,
    /// When the last of them was made.
    pub last_attempt: i64,
    /// When the next one may be made; `None`: when something changes.
    pub next_attempt: Option<i64>,
}

/// The kinds of trouble (the classes of a failure, and the local one).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A person must sign in again; over when the file holds another refresh token.
    SignInAgain,
    /// The request is wrong; over when it would be another one.
    Configuration,
    /// Nothing was sent, for a reason on this machine.
    Local,
    /// Nothing is wrong with the credential; asked again after a delay.
    Passing,
    /// The refresh token may have been spent by a request whose answer was lost.
    InDoubt,
}

/// Whether a due credential may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gate {
    /// Yes, now.
    Ask,
    /// Not before this time.
    Wait(Timestamp),
    /// Not before a person has changed something.
    Person,
}

impl Standing {
    /// Whose turn it is among credentials that are due: least first. The earliest expiry, but who was
    /// asked for in vain comes after those who were not: one bad credential must not take every turn
    /// at an endpoint that is well for all others.
    pub(crate) fn turn(&self, expires_at: Option<Timestamp>) -> (i64, Option<Timestamp>) {
        (self.trouble.as_ref().map_or(0, |trouble| trouble.last_attempt), expires_at)
    }

    /// From when on a token that ends at `expires_at` may be asked for although its endpoint is in
    /// trouble: once, shortly before that. `None`: that was done, or it is too late.
    pub(crate) fn out_of_turn(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let end = expires_at.filter(|end| *end > now)?;
        let chance = backoff::last_chance(end);
        let asked = self.trouble.as_ref().map(|trouble| Timestamp::from_millis(trouble.last_attempt));
        asked.is_none_or(|asked| asked < chance).then_some(chance)
    }

    /// When a refresh of the file last succeeded, whichever sign-in it held then.
    pub(crate) fn last_success(&self) -> Option<Timestamp> {
        self.last_success.map(Timestamp::from_millis)
    }

    /// What earlier refreshes left to know of a file that holds this refresh token now. A new sign-in
    /// has no past.
    pub(crate) fn past(&self, refresh_hash: Option<&str>) -> Past {
        if self.refresh_hash.as_deref() != refresh_hash {
            return Past::default();
        }
        Past { last_success: self.last_success(), moved_refresh_end: self.moved_refresh_end }
    }

    /// The fingerprints of the refresh tokens that answers of ours replaced.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = String> + '_ {
        self.spent.iter().map(|spent| spent.token.clone())
    }

    /// Takes over what an older record of the same file knows: which tokens were replaced, and the
    /// last success. Two processes may each have added to a record that neither had written yet.
    pub(crate) fn inherit(&mut self, older: &Self) {
        let mut spent = older.spent.clone();
        spent.retain(|one| {
            self.spent.iter().all(|known| known.token != one.token)
                && self.refresh_hash.as_ref() != Some(&one.token)
        });
        spent.append(&mut self.spent);
        spent.drain(..spent.len().saturating_sub(REMEMBERED));
        self.spent = spent;
        if self.last_success < older.last_success {
            self.last_success = older.last_success;
            self.moved_refresh_end = older.moved_refresh_end;
        }
    }

    /// Remembers that `token` was replaced by `successor`.
    pub(crate) fn remember(&mut self, token: String, successor: String) {
        if token != successor {
            self.spent.retain(|spent| spent.token != token && spent.token != successor);
            self.spent.push(Spent { token, successor });
            let surplus = self.spent.len().saturating_sub(REMEMBERED);
            self.spent.drain(..surplus);
        }
    }
}

impl Trouble {
    /// Whether a credential in this trouble, now with these fingerprints, may be asked for at `now`.
    pub(crate) fn gate(&self, refresh_hash: Option<&str>, request: Option<&str>, now: Timestamp) -> Gate {
        let same_token = self.refresh_hash.as_deref() == refresh_hash;
        let same_request = request.is_none() || self.request.as_deref() == request;
        match self.kind {
            _ if !same_token => Gate::Ask,
            Kind::SignInAgain => Gate::Person,
            Kind::Configuration if same_request => Gate::Person,
            Kind::Passing if !same_request => Gate::Ask,
            // Trying costs nothing: the same check comes before anything is sent.
            Kind::Configuration | Kind::Local => Gate::Ask,
            Kind::Passing | Kind::InDoubt => match self.next_attempt(now) {
                Some(next) if next > now => Gate::Wait(next),
                _ => Gate::Ask,
            },
        }
    }

    /// When the next attempt may be made. A stored time that lies further ahead than its own delay was
    /// written under a wrong clock: then the delay counts from now.
    pub(crate) fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        let next = Timestamp::from_millis(self.next_attempt?);
        let delay = next.since(Timestamp::from_millis(self.last_attempt));
        Some(if next.since(now) > delay + Duration::from_mins(1) { now + delay } else { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: Kind, next: Option<i64>) -> Trouble {
        Trouble {
            endpoint: None,
            kind,
            message: String::new(),
            refresh_hash: Some("r".to_owned()),
            request: Some("q".to_owned()),
            failures: 1,
            since: 1000,
            last_attempt: 1000,
            next_attempt: next,
        }
    }

    #[test]
    fn each_kind_has_its_own_end() {
        let now = Timestamp::from_millis(5000);
        let later = Some(9000);
        for (what, trouble, refresh, request, gate) in [
            ("dead token", trouble(Kind::SignInAgain, None), "r", "q", Gate::Person),
            ("dead token, request changed", trouble(Kind::SignInAgain, None), "r", "p", Gate::Person),
            ("signed in", trouble(Kind::SignInAgain, None), "s", "q", Gate::Ask),
            ("wrong secret", trouble(Kind::Configuration, None), "r", "q", Gate::Person),
            ("secret changed", trouble(Kind::Configuration, None), "r", "p", Gate::Ask),
            ("outage", trouble(Kind::Passing, later), "r", "q", Gate::Wait(Timestamp::from_millis(9000))),
            ("outage over", trouble(Kind::Passing, Some(5000)), "r", "q", Gate::Ask),
            ("outage, endpoint changed", trouble(Kind::Passing, later), "r", "p", Gate::Ask),
            (
                "doubt does not end with the request",
                trouble(Kind::InDoubt, later),
                "r",
                "p",
                Gate::Wait(Timestamp::from_millis(9000)),
            ),
            ("a disk may be better now", trouble(Kind::Local, later), "r", "q", Gate::Ask),
            ("doubt ends with the token", trouble(Kind::InDoubt, later), "s", "q", Gate::Ask),
        ] {
            assert_eq!(trouble.gate(Some(refresh), Some(request), now), gate, "{what}");
        }
    }

    #[test]
    fn who_failed_last_comes_last() {
        let failed = |at| Standing {
            trouble: Some(Trouble { last_attempt: at, ..trouble(Kind::Passing, Some(9000)) }),
            ..Standing::default()
        };
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let in_order = [
            (Standing::default(), at(5)),
            (Standing::default(), at(9)),
            (failed(7), at(6)),
            (failed(8), at(1)),
        ];
        assert!(in_order.is_sorted_by_key(|(standing, end)| standing.turn(*end)));
    }

    #[test]
    fn the_attempt_out_of_turn_is_one() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let asked = |seconds: i64| Standing {
            trouble: Some(Trouble { last_attempt: seconds * 1000, ..trouble(Kind::Passing, None) }),
            ..Standing::default()
        };
        for (standing, now, chance) in [
            (Standing::default(), 10, Some(at(940))),
            (Standing::default(), 970, Some(at(940))),
            (Standing::default(), 1000, None),
            (asked(939), 970, Some(at(940))),
            (asked(940), 970, None),
        ] {
            assert_eq!(standing.out_of_turn(Some(at(1000)), at(now)), chance);
        }
        assert_eq!(Standing::default().out_of_turn(None, at(10)), None);
    }

    #[test]
    fn a_delay_under_a_wrong_clock_does_not_last_for_years() {
        let mut stored = trouble(Kind::Passing, Some(1_000_000_030_000));
        stored.last_attempt = 1_000_000_000_000;
        let now = Timestamp::from_millis(5000);
        assert_eq!(stored.next_attempt(now), Some(Timestamp::from_millis(35_000)));
    }

    #[test]
    fn eight_spent_tokens_are_remembered() {
        let mut standing = Standing::default();
        for index in 0..10 {
            standing.remember(format!("t{index}"), format!("t{}", index + 1));
        }
        let replaced: Vec<String> = standing.replaced().collect();
        assert_eq!(replaced, ["t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"]);
        standing.remember("same".to_owned(), "same".to_owned());
        assert!(standing.replaced().all(|token| token != "same"));
    }

    #[test]
    fn what_two_processes_added_to_one_record_is_kept() {
        let of = |pairs: &[(&str, &str)], success| {
            let mut standing = Standing { last_success: Some(success), ..Standing::default() };
            for (token, successor) in pairs {
                standing.remember((*token).to_owned(), (*successor).to_owned());
                standing.refresh_hash = Some((*successor).to_owned());
            }
            standing
        };
        let mut newer = of(&[("b", "c"), ("d", "e")], 5);
        newer.inherit(&of(&[("a", "b"), ("b", "c"), ("e", "f")], 9));
        assert_eq!(
            newer.replaced().collect::<Vec<_>>(),
            ["a", "b", "d"],
            "the present token is not a spent one"
        );
        assert_eq!(newer.last_success, Some(9));
    }
}
