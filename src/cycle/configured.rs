//! What the configurations were made from and what they were then. Where both are the same, nothing is built.

use std::path::PathBuf;
use std::time::Duration;

use super::cycle_log::{CycleLog, Recorded};
use super::token_scan::TokenScan;
use crate::clients::{DefaultFile, Launcher};
use crate::clock::Timestamp;
use crate::files::{Inode, LastRead};
use crate::secret::{Digest, Fingerprint};
use crate::servers::Registry;
use crate::services::in_configurations;
use crate::settings::Settings;
use crate::state::Store;

/// The configurations as the last cycle left them. It holds for one reading of the settings.
#[derive(Default)]
pub(crate) struct Configured(Option<Made>);

struct Made {
    from: Fingerprint,
    /// Every file that was written or found as it should be.
    files: Vec<(PathBuf, LastRead)>,
    /// What was said of them, to be said again.
    said: Vec<Recorded>,
}

impl Configured {
    /// Whether configurations that are made `from` the same are as they were left. Nothing looks at them for as long
    /// as `next`.
    pub(super) fn holds(&self, from: Fingerprint, now: Timestamp, next: Duration) -> bool {
        self.0.as_ref().is_some_and(|made| {
            let holds = |(path, read): &(PathBuf, LastRead)| {
                Inode::at(path).is_some_and(|found| read.holds(&found, now, next))
            };
            made.from == from && made.files.iter().all(holds)
        })
    }

    /// Says again what was said when they were made.
    pub(super) fn say_again(&self, log: &mut CycleLog) {
        if let Some(made) = &self.0 {
            log.repeat(&made.said);
        }
    }

    /// Remembers configurations that were brought up to date after `begun`. Where one could not be written, or is
    /// not there, they are made again in the next cycle.
    pub(super) fn remember(
        &mut self,
        from: Fingerprint,
        settings: &Settings,
        memory: &Store,
        said: Vec<Recorded>,
        begun: Timestamp,
    ) {
        let found = files(settings, memory)
            .into_iter()
            .map(|path| Inode::at(&path).map(|found| (path, LastRead::new(found, begun))));
        let files = found.collect::<Option<Vec<_>>>().filter(|_| !said.iter().any(Recorded::is_unwritten));
        self.0 = files.map(|files| Made { from, files, said });
    }

    /// Has them made in the next cycle.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// The files that hold configurations.
fn files(settings: &Settings, memory: &Store) -> Vec<PathBuf> {
    let beside = |name: &str| settings.tokens_dir.join(name);
    let defaults = DefaultFile::ALL.iter().filter(|_| settings.launcher != Launcher::None);
    let mut files: Vec<PathBuf> = defaults.map(|file| beside(file.file_name())).collect();
    if !settings.clients.is_empty() {
        files.extend(settings.clients.iter().map(|kept| kept.file(&settings.tokens_dir)));
        let records = memory.known_clients();
        files.extend(records.values().flat_map(|record| &record.side_files).map(|name| beside(name)));
    }
    files
}

/// A digest of all that configurations are made from, beside the settings and the path of this program.
pub(super) fn digest(
    settings: &Settings,
    seen: &TokenScan,
    registry: &Registry,
    memory: &Store,
) -> Fingerprint {
    let mut digest = Digest::default();
    for token in seen.tokens.iter().filter(|token| in_configurations(token.name())) {
        digest.add(token.name().as_bytes());
        digest.add(token.source.server.as_bytes());
        digest.add(&token.source.entry_digest.map_or([0; 8], Fingerprint::bytes));
    }
    for (name, _) in &seen.problems {
        digest.add(name.as_bytes());
    }
    digest.add(format!("{registry:?}").as_bytes());
    if !settings.clients.is_empty() {
        for (name, record) in memory.clients() {
            digest.add(name.as_bytes());
            digest.add(&record.updated.as_millis().to_be_bytes());
        }
    }
    digest.finish()
}
