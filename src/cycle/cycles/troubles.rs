//! The tokens that need a person after a cycle.

use std::collections::BTreeMap;

use super::Cycles;
use crate::clock::Timestamp;
use crate::cycle::scan::TokenScan;
use crate::ordered;
use crate::services::in_configurations;
use crate::settings::Settings;
use crate::state::{LASTING_RUN, Outage};
use crate::status::Trouble;

impl Cycles {
    pub(super) fn troubles(
        &self,
        settings: &Settings,
        seen: &TokenScan,
        now: Timestamp,
    ) -> BTreeMap<String, Trouble> {
        if settings.on_trouble.is_empty() {
            return BTreeMap::new();
        }
        let outages = self.endpoints.snapshot();
        let lasting = |outage: &Outage| outage.failures >= LASTING_RUN;
        let any = outages.values().any(lasting);
        let broken = seen.problems.iter().filter(|(name, _)| in_configurations(name));
        let broken = broken
            .map(|(name, why)| (name.clone(), Trouble::unusable(name, &why.to_string(), &settings.dir)));
        let tokens = seen.tokens.iter().filter_map(|token| {
            let own = token.in_trouble.as_ref().and_then(|endpoint| outages.get(endpoint));
            let waits = own.is_some_and(lasting) || any && self.waiting.contains(token.name());
            let trouble = Trouble::of(&token.facts(), waits, &settings.dir, now)?;
            Some((token.name().to_owned(), trouble))
        });
        ordered::map(broken.chain(tokens))
    }
}
