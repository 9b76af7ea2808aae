//! The scan of a cycle, and the look whether a scan would find a change.

use super::Cycles;
use crate::clock::Timestamp;
use crate::cycle::scan::{ScanContext, TokenScan, scan};
use crate::cycle::{narrate, open_files, recovery, writers};
use crate::files::{Directory, reason};
use crate::ordered;
use crate::settings::Settings;

impl Cycles {
    /// Whether a file of the tokens directory has changed since the last cycle.
    pub(crate) fn is_outdated(&self) -> bool {
        self.memory.is_outdated()
    }

    /// Makes the next cycle read every file: changes under a wrong clock, or while the machine slept, are unknown.
    pub(crate) fn distrust(&mut self) {
        self.memory.distrust();
        self.configured.forget();
    }

    /// Opens the tokens directory, through which the cycle reaches all files in it, and scans it.
    pub(super) fn look(
        &mut self,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(Directory, TokenScan), String> {
        let cannot = |error| format!("cannot be read: {}", reason(&error));
        let tokens = Directory::open(&settings.tokens_dir).map_err(cannot)?;
        self.store.enter(&tokens);
        let context = ScanContext {
            providers: &self.providers,
            environment: &settings.environment,
            state: &self.store,
            outages: &self.endpoints.snapshot(),
            buffer: settings.buffer,
            interval: settings.interval,
            forced: self.first_read.is_some(),
            writes_configurations: true,
            now,
        };
        let mut seen = scan(&tokens, &context, &mut self.memory).map_err(cannot)?;
        log::debug!(target: "REFRESH", "read {} of {} files", seen.read, seen.names.len());
        if self.first_read.is_none() {
            recovery::queue_at_endpoints(&mut seen.tokens, now);
        }
        narrate::found(&seen, &mut self.log);
        open_files::close(&tokens, &seen, &mut self.log);
        narrate::vanished(&settings.tokens_dir, &seen, &self.store, &mut self.log);
        writers::notice(&seen, &self.store, &mut self.shared);
        if let Some(first) = &mut self.first_read
            && first.is_empty()
        {
            *first =
                ordered::map(seen.tokens.iter().map(|token| (token.name().to_owned(), token.access_hash)));
        }
        Ok((tokens, seen))
    }
}
