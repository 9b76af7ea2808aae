//! Other programs that refresh the same credentials. Two owners of one rotating token lead to a lost sign-in sooner or
//! later, so a person is told.

use std::collections::BTreeSet;

use super::narrate::foreign_writer;
use super::scan::TokenScan;
use crate::state::Store;

/// Records the contents of each file, and logs once where another program changes it too. `said` are the files whose
/// line was written.
pub(super) fn notice(scan: &TokenScan, store: &Store, said: &mut BTreeSet<String>) {
    for token in &scan.tokens {
        let present = token.source.refresh_hash;
        if present.is_none() || token.state.failure.is_some() || token.newest.is_some() {
            continue;
        }
        let shared = token.has_foreign_writer();
        if shared && said.insert(token.name().to_owned()) {
            foreign_writer(token.name());
        }
        if token.state.refresh_hash != present {
            store.update(token.name(), |state| {
                state.refresh_hash = present;
                state.shared |= shared;
                // A new sign-in has no past.
                (state.last_success, state.moved_refresh_end) = (None, false);
                (state.origin, state.origin_row) = (None, None);
            });
        }
    }
}
