//! An endpoint's run of failures, as the status file keeps it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// From how many failures in a row on a passing trouble is taken for a lasting one: the four delays
/// between five are 4 to 8 minutes (30 s doubling, half of each at random), longer than a restart.
pub(crate) const LASTING_RUN: u32 = 5;

/// One endpoint in trouble.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// Failures in a row.
    pub failures: u32,
    /// When one of its credentials may send a request again.
    pub next_attempt: Timestamp,
    /// Before this time not even a token that is about to expire is a reason to send one.
    #[serde(default)]
    pub closed_until: Timestamp,
}

impl Outage {
    /// From when on a credential may send a request: in turn, or from its `last_chance` on
    /// ([`CredentialState::last_chance`](super::CredentialState::last_chance)) where that is sooner.
    pub(crate) fn open_at(&self, last_chance: Option<Timestamp>) -> Timestamp {
        let early = last_chance.map(|at| at.max(self.closed_until));
        early.map_or(self.next_attempt, |early| early.min(self.next_attempt))
    }
}
