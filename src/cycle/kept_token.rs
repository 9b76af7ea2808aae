//! A token file between two cycles: what was read of it, and nothing that the next cycle finds out anyway.

use std::sync::Arc;

use super::credential::{Credential, ScanContext};
use crate::secret::Fingerprint;
use crate::services::TokenSource;
use crate::state::Plan;

/// The contents of a token file, without the access token that the configurations need.
pub(crate) struct KeptToken {
    pub source: TokenSource,
    pub access_hash: Option<Fingerprint>,
    pub(super) endpoint: Option<Arc<String>>,
    pub(super) needs_clients: bool,
    /// The facts that only few files have.
    pub(super) rare: Option<RareFacts>,
}

/// The texts of a credential that cannot be refreshed, or is odd.
pub(super) struct RareFacts {
    monitored: Option<String>,
    unresolved: Option<String>,
    oddities: Vec<String>,
}

impl KeptToken {
    /// Drops the rest of `token`, the access token first.
    pub(super) fn of(token: Credential) -> Self {
        let Credential { mut source, access_hash, endpoint, needs_clients, .. } = token;
        let Credential { monitored, unresolved, oddities, .. } = token;
        // The digest is all that is kept of the facts for the configurations.
        source.entry_digest();
        source.entry = None;
        let is_rare = monitored.is_some() || unresolved.is_some() || !oddities.is_empty();
        let rare = is_rare.then_some(RareFacts { monitored, unresolved, oddities });
        Self { source, access_hash, endpoint, needs_clients, rare }
    }

    /// The credential of a file that holds what it held.
    pub(super) fn renewed(self, context: &ScanContext<'_>) -> Credential {
        let Self { source, access_hash, endpoint, needs_clients, rare } = self;
        let (monitored, unresolved, oddities) =
            rare.map_or_else(Default::default, |rare| (rare.monitored, rare.unresolved, rare.oddities));
        let mut token = Credential {
            state: context.state.known_state(&source.name),
            source,
            access_hash,
            twin: None,
            monitored,
            unresolved,
            endpoint,
            needs_clients,
            newest: None,
            in_trouble: None,
            plan: Plan::Never,
            oddities,
        };
        token.renew(context);
        token
    }
}
