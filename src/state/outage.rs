//! An endpoint's failures in a row, for the status file.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The number of failures in a row from which a failure counts as lasting. The four delays between five failures take
/// 4 to 8 minutes, longer than a restart. The delays are 30 s doubling, half of each at random.
pub(crate) const LASTING_RUN: u32 = 5;

/// One endpoint in trouble.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// Failures in a row.
    pub failures: u32,
    /// The time from which one of the endpoint's credentials may send a request again.
    pub next_attempt: Timestamp,
    /// The time before which no request is sent, even for a token that is about to expire.
    #[serde(default)]
    pub closed_until: Timestamp,
}

impl Outage {
    /// The time from which a credential may send a request: its turn, or its `last_chance` where that is sooner. See
    /// [`CredentialState::last_chance`](super::CredentialState::last_chance).
    pub(crate) fn open_at(&self, last_chance: Option<Timestamp>) -> Timestamp {
        let early = last_chance.map(|at| at.max(self.closed_until));
        early.map_or(self.next_attempt, |early| early.min(self.next_attempt))
    }
}
