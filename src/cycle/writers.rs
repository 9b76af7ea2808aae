//! Other programs that refresh the same credentials. Two owners of one rotating token end in a lost sign-in
//! sooner or later, so a person is told.

use std::collections::BTreeSet;

use super::survey::Survey;
use crate::clock::Timestamp;
use crate::refresh::Memory;

/// Remembers what each file holds, and says once where another program changes it too; `said` are those
/// of which it was said.
pub(super) fn notice(seen: &Survey, memory: &dyn Memory, said: &mut BTreeSet<String>, now: Timestamp) {
    for token in &seen.tokens {
        if token.refresh_hash.is_none() || token.standing.trouble.is_some() || token.newest.is_some() {
            continue;
        }
        if token.has_foreign_writer() && said.insert(token.name.clone()) {
            log::warn!(
                target: "REFRESH",
                "{}: another program also refreshes this credential: its refresh token has changed while nothing \
                 was wrong with it; unless that was a new sign-in, let only one of them do it",
                token.name
            );
        }
        if token.standing.refresh_hash != token.refresh_hash {
            let mut standing = token.standing.clone();
            standing.refresh_hash.clone_from(&token.refresh_hash);
            // A new sign-in has no past.
            (standing.last_success, standing.moved_refresh_end) = (None, false);
            standing.updated = now.as_millis().max(standing.updated + 1);
            memory.record(&token.name, standing);
        }
    }
}
