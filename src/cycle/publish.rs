//! The metrics file, written at the end of each cycle and once more when the daemon ends.

use std::path::Path;

use log::Level;

use super::cycle_log::{CycleLog, Topic};
use super::scan::{Credential, TokenScan};
use crate::files::{Holder, ReadError, read_bytes, reason, replace_public};
use crate::settings::Settings;
use crate::state::daemon_holder;
use crate::status::metrics::{self, MetricsSnapshot};

/// The beginning of every metrics file of this program.
const OURS: &[u8] = b"# HELP token_refresher_";

/// The largest metrics file, in bytes: several times the size for 100,000 tokens.
const LARGEST: u64 = 256 << 20;

/// Writes the metrics of the last cycle, where the settings name a file. `--once` leaves the metrics of a running
/// daemon alone, since its counters go on.
pub(super) fn publish(
    settings: &Settings,
    seen: &TokenScan,
    moment: &MetricsSnapshot<'_>,
    log: &mut CycleLog,
) {
    let Some(path) = &settings.metrics_file else { return };
    if settings.once && daemon_holder(&settings.tokens_dir).is_ok_and(Holder::is_held) {
        return;
    }
    if !is_ours(path) {
        let message = "is left alone: it holds something else than metrics";
        log.problem(&path.display().to_string(), Topic::Writing, Level::Error, message, "");
        return;
    }
    let tokens = || seen.tokens.iter().map(Credential::facts);
    if let Err(error) = replace_public(path, |out| metrics::write(out, moment, tokens)) {
        let message = format!("the metrics cannot be written: {}", reason(&error));
        log.problem(&path.display().to_string(), Topic::Writing, Level::Error, &message, "");
    }
}

/// Whether metrics may be written to `path`: a wrong path in the option must not destroy a token file.
fn is_ours(path: &Path) -> bool {
    match read_bytes(path, LARGEST) {
        Ok(present) => present.is_empty() || present.starts_with(OURS),
        Err(why) => matches!(why, ReadError::Gone),
    }
}

/// Writes the daemon's end into the metrics file at `path`.
pub(crate) fn farewell(path: &Path) {
    let present = read_bytes(path, LARGEST).ok().filter(|present| present.starts_with(OURS));
    let text = present.as_deref().and_then(|present| std::str::from_utf8(present).ok());
    let Some(text) = text.and_then(metrics::ended) else { return };
    if let Err(error) = replace_public(path, |out| out.write_all(text.as_bytes())) {
        log::warn!(target: "CONFIG", "{}: the metrics cannot be written: {}", path.display(), reason(&error));
    }
}
