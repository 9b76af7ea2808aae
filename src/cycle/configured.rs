//! The inputs of the configurations, and the files that were made from them. Where both are unchanged, no
//! configuration is built.

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

/// The configurations as the last cycle left them, for one reading of the settings.
#[derive(Default)]
pub(crate) struct Configured(Option<Made>);

struct Made {
    from: Fingerprint,
    /// Every file that was written, or found unchanged.
    files: Vec<(PathBuf, LastRead)>,
    /// The lines of the log about them, for a repetition.
    said: Vec<Recorded>,
}

impl Configured {
    /// Whether configurations `from` these inputs would be unchanged, and so are their files. No later look comes
    /// within `next`.
    pub(super) fn holds(&self, from: Fingerprint, now: Timestamp, next: Duration) -> bool {
        self.0.as_ref().is_some_and(|made| {
            let holds = |(path, read): &(PathBuf, LastRead)| {
                Inode::at(path).is_some_and(|found| read.holds(&found, now, next))
            };
            made.from == from && made.files.iter().all(holds)
        })
    }

    /// Repeats the lines of the cycle that made the configurations.
    pub(super) fn say_again(&self, log: &mut CycleLog) {
        if let Some(made) = &self.0 {
            log.repeat(&made.said);
        }
    }

    /// Records configurations that were updated after `begun`. Where a file is missing or could not be written, the
    /// next cycle makes all of them.
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

    /// Makes the next cycle build the configurations.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// The files of the configurations.
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

/// A digest of all inputs of the configurations, beside the settings and the path of this program.
pub(super) fn digest(
    settings: &Settings,
    seen: &TokenScan,
    registry: &Registry,
    memory: &Store,
) -> Fingerprint {
    let mut digest = Digest::default();
    let mut facts = Vec::new();
    for token in seen.tokens.iter().filter(|token| in_configurations(token.name())) {
        // As one part: each costs as much as forty bytes. No name holds a zero.
        facts.clear();
        facts.extend_from_slice(&token.source.entry_digest().map_or([0; 8], Fingerprint::bytes));
        facts.extend_from_slice(token.name().as_bytes());
        facts.push(0);
        facts.extend_from_slice(token.source.server().as_bytes());
        digest.add(&facts);
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
