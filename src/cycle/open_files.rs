//! Token files that other users may read: those in the tokens directory are closed to them.

use log::Level;

use super::cycle_log::{CycleLog, Topic};
use super::scan::TokenScan;
use crate::files::{Directory, close_to_others};

/// Closes the token files that other users may read, and logs the results.
pub(super) fn close(tokens: &Directory, scan: &TokenScan, log: &mut CycleLog) {
    for (name, file) in &scan.open {
        if file.directory().path() != tokens.path() {
            let path = file.path();
            let message = format!(
                "others may read {path}, to which it leads; run: chmod 600 {path}",
                path = path.display()
            );
            log.problem(name, Topic::Readers, Level::Warn, &message, "");
            continue;
        }
        match close_to_others(file) {
            Ok(mode) => {
                log.something_happened();
                log::warn!(
                    target: "REFRESH",
                    "{name}: others could read it (mode {mode:04o}); only its owner can now"
                );
            }
            Err(why) => {
                let message = format!("others may read it, and that cannot be changed: {why}");
                log.problem(name, Topic::Readers, Level::Warn, &message, "");
            }
        }
    }
}
