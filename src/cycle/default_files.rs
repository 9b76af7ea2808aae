//! Updates the two default configurations, `mcp.json` and `vscode_mcp.json`, to the present services.

use std::collections::BTreeMap;

use log::Level;

use super::cycle_log::{CycleLog, Subject, Topic};
use super::reader::Reader;
use crate::clients::{DefaultFile, Launcher, ReaderPaths, Service, other_entries, write_default};
use crate::files::{Directory, ReadError, Replaced, read_own, reason, replace_parts};
use crate::settings::Settings;

/// The largest default file that is read, in bytes: several times what 100,000 services take.
const LARGEST: u64 = 1 << 30;

/// Updates both files, and logs the results. Where a token file is unreadable, entries without a service are kept.
pub(super) fn keep(
    settings: &Settings,
    tokens: &Directory,
    exe: &Result<String, String>,
    services: &[Service],
    is_complete: bool,
    log: &mut CycleLog,
) -> Result<(), String> {
    let launcher = settings.launcher;
    if launcher == Launcher::None {
        return Ok(());
    }
    let here = settings.dir.to_string_lossy();
    let reader = Reader::of(settings, exe);
    let paths = match &reader {
        Ok(reader) => ReaderPaths { exe: &reader.exe, dir: &reader.dir, tokens_dir: &reader.tokens_dir },
        Err(why) if launcher == Launcher::Bridge => return Err(format!("cannot be written: {why}")),
        // The other launchers need only the project's path.
        Err(_) => ReaderPaths { exe: "", dir: &here, tokens_dir: "" },
    };
    for file in DefaultFile::ALL {
        let place = tokens.file_at(file.file_name());
        let about = place.path().display().to_string();
        let kept = if is_complete {
            BTreeMap::new()
        } else {
            match read_own(&place, LARGEST) {
                Ok((present, _)) => other_entries(file, launcher, &present, services),
                Err(ReadError::Gone) => BTreeMap::new(),
                Err(why) => return Err(format!("{about}: cannot be read: {why}")),
            }
        };
        let written =
            replace_parts(&place, |push| write_default(file, launcher, services, kept, paths, push));
        let (replaced, entries) =
            written.map_err(|error| format!("{about} cannot be written: {}", reason(&error)))?;
        if replaced == Replaced::Written {
            log.something_happened();
        }
        if !entries.warnings.is_empty() {
            log.problem(&about, Topic::Entries, Level::Warn, &entries.warnings.join("; "), "");
        }
        let plural = if entries.count == 1 { "" } else { "s" };
        let line = format!("Generated {} config with {} server{plural}", file.reader(), entries.count);
        log.say(Subject::Config, line);
    }
    Ok(())
}
