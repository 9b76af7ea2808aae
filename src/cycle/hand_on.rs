//! Hands the present tokens on to other programs: to the assistants' configurations, and to the files for shells.

use std::collections::BTreeSet;

use super::configurations;
use super::configured::Configured;
use super::cycle_log::CycleLog;
use super::scan::TokenScan;
use super::twins::{self, InStep};
use crate::clock::Timestamp;
use crate::files::Directory;
use crate::settings::Settings;
use crate::state::Store;

/// The facts of a cycle for it.
pub(super) struct HandOn<'a> {
    pub settings: &'a Settings,
    pub tokens: &'a Directory,
    /// The path of this program.
    pub exe: &'a Result<String, String>,
    pub store: &'a Store,
}

impl HandOn<'_> {
    /// Updates the files for other programs, with the new tokens of the `changed` files.
    pub(super) fn run(
        &self,
        seen: &mut TokenScan,
        changed: &BTreeSet<String>,
        configured: &mut Configured,
        log: &mut CycleLog,
    ) -> InStep {
        let Self { settings, tokens, exe, store } = *self;
        let now = Timestamp::now();
        // The scan was before the refreshes. Their tokens must count as a change of the configurations.
        for token in seen.tokens.iter_mut().filter(|token| changed.contains(token.name())) {
            token.look_again(store, settings.buffer, now);
        }
        let twins = twins::keep(tokens, seen, store, log);
        configurations::generate(settings, tokens, seen, exe, store, configured, log);
        twins
    }
}
