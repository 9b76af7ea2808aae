//! What needs a person after a cycle.

use std::collections::BTreeMap;

use super::Cycles;
use crate::clock::Timestamp;
use crate::cycle::scan::TokenScan;
use crate::services::in_configurations;
use crate::settings::Settings;
use crate::state::LASTING_RUN;
use crate::status::Trouble;

impl Cycles {
    /// The files that need a person, after a cycle.
    pub(super) fn troubles(
        &self,
        settings: &Settings,
        seen: &TokenScan,
        now: Timestamp,
    ) -> BTreeMap<String, Trouble> {
        if settings.on_trouble.is_empty() {
            return BTreeMap::new();
        }
        let outage = self.endpoints.snapshot().values().any(|outage| outage.failures >= LASTING_RUN);
        let broken = seen.problems.iter().filter(|(name, _)| in_configurations(name));
        let broken = broken
            .map(|(name, why)| (name.clone(), Trouble::unusable(name, &why.to_string(), &settings.dir)));
        let tokens = seen.tokens.iter().filter_map(|token| {
            let waits = outage && self.waiting.contains(token.name());
            let trouble = Trouble::of(&token.facts(), waits, &settings.dir, now)?;
            Some((token.name().to_owned(), trouble))
        });
        broken.chain(tokens).collect()
    }
}
