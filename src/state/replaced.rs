//! Refresh tokens that a refresh replaced. Such a token must never be sent again: a strict provider would revoke the
//! sign-in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

/// The number of replaced refresh tokens per file in the status file, which is rewritten whole. The history has all of
/// them.
pub(super) const REMEMBERED: usize = 8;

/// A refresh token that must never be sent again, and its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Replacement {
    pub token: Fingerprint,
    pub successor: Fingerprint,
}

/// The replaced refresh tokens of one file, newest last.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ReplacedTokens(Vec<Replacement>);

impl ReplacedTokens {
    /// Records that `token` was replaced by `successor`.
    pub(super) fn add(&mut self, token: Fingerprint, successor: Fingerprint) {
        if token == successor {
            return;
        }
        self.0.retain(|known| known.token != token && known.token != successor);
        self.0.push(Replacement { token, successor });
        self.shorten();
    }

    /// Takes over the replaced tokens of an older record of the same file. `present` is in use and counts as no
    /// replaced token.
    pub(super) fn inherit(&mut self, older: &Self, present: Option<Fingerprint>) {
        let mut all = older.0.clone();
        all.retain(|one| present != Some(one.token) && self.0.iter().all(|known| known.token != one.token));
        all.append(&mut self.0);
        self.0 = all;
        self.shorten();
    }

    fn shorten(&mut self) {
        let surplus = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..surplus);
    }

    pub(super) fn latest(&self) -> Option<Replacement> {
        self.0.last().copied()
    }

    /// The fingerprints of the replaced tokens.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        self.0.iter().map(|replaced| replaced.token)
    }
}

/// The successors of all replaced refresh tokens of all files.
#[derive(Default)]
pub(super) struct Successors(HashMap<Fingerprint, Fingerprint>);

impl Successors {
    /// Adds the replacements of one file's record.
    pub(super) fn learn(&mut self, replaced: &ReplacedTokens) {
        self.0.extend(replaced.0.iter().map(|replaced| (replaced.token, replaced.successor)));
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds one token's successor from the history.
    pub(super) fn learn_old(&mut self, token: Fingerprint, newest: Fingerprint) {
        self.0.entry(token).or_insert(newest);
    }

    /// Adds the latest replacement of one file. The successor is in use, even where it was replaced before.
    pub(super) fn learn_latest(&mut self, replaced: &ReplacedTokens) {
        if let Some(latest) = replaced.0.last() {
            self.0.remove(&latest.successor);
            self.0.insert(latest.token, latest.successor);
        }
    }

    /// The youngest successor of `token`; `None` where the token was not replaced.
    pub(super) fn newest(&self, token: Fingerprint) -> Option<Fingerprint> {
        let mut newest = *self.0.get(&token)?;
        // Each step leads to a younger token. A token that leads back to itself is in use again: a provider may issue
        // an old token anew, and no successor of it is known.
        for _ in 0..self.0.len() {
            match self.0.get(&newest) {
                Some(next) if *next == token => return None,
                Some(next) => newest = *next,
                None => break,
            }
        }
        Some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn of(pairs: &[(&str, &str)]) -> ReplacedTokens {
        let mut replaced = ReplacedTokens::default();
        for (token, successor) in pairs {
            replaced.add(print(token), print(successor));
        }
        replaced
    }

    #[test]
    fn eight_replaced_tokens_are_remembered() {
        let names: Vec<String> = (0..=10).map(|index| format!("t{index}")).collect();
        let pairs: Vec<(&str, &str)> = names.windows(2).map(|pair| (&*pair[0], &*pair[1])).collect();
        let mut replaced = of(&pairs);
        assert!(replaced.tokens().eq((2..10).map(|index| print(&format!("t{index}")))));
        replaced.add(print("same"), print("same"));
        assert!(replaced.tokens().all(|token| token != print("same")));
    }

    #[test]
    fn what_two_processes_added_to_one_record_is_kept() {
        let mut newer = of(&[("b", "c"), ("d", "e")]);
        newer.inherit(&of(&[("a", "b"), ("b", "c"), ("e", "f")]), Some(print("e")));
        assert!(newer.tokens().eq(["a", "b", "d"].map(print)), "the present token is not a replaced one");
    }

    #[test]
    fn the_newest_successor_is_found_and_a_token_in_use_again_has_none() {
        let mut successors = Successors::default();
        successors.learn(&of(&[("a", "b"), ("b", "c")]));
        assert_eq!(successors.newest(print("a")), Some(print("c")));
        assert_eq!(successors.newest(print("c")), None);
        successors.learn_latest(&of(&[("c", "a")]));
        assert_eq!(successors.newest(print("a")), None);
    }
}
