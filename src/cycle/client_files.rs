//! The clients' own configurations (`--client`): updates this program's entries in each file to the present services.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::Level;

use super::cycle_log::{CycleLog, Subject, Topic};
use super::reader::{self, Reader};
use crate::clients::{Applied, Edit, Format, Owned, ReaderPaths, Secrets, Service, UserMembers, apply};
use crate::clock::Timestamp;
use crate::files::{Directory, NotReplaced, UserFile, reason, replace_text};
use crate::ordered;
use crate::settings::{KeptClient, Settings};
use crate::state::{ClientRecord, Store};
use crate::tokens::directory::SECOND_LOOK;

/// How often a file is read again after another program has written it in between.
const ATTEMPTS: usize = 5;

/// The clients' files, and the facts for their entries.
pub(super) struct ClientFiles<'a> {
    pub settings: &'a Settings,
    pub tokens: &'a Directory,
    /// The path of this program, or why the path cannot be written into a file.
    pub exe: &'a Result<String, String>,
    /// The present services.
    pub services: &'a [Service],
    /// A token file that could not be read, so that entries without a service are kept.
    pub unread: Option<String>,
    /// The record of the entries that earlier cycles wrote.
    pub memory: &'a Store,
}

/// The path of this program. An absolute path by which it was called is kept, since a link there survives an update.
/// Otherwise the system gives the path.
pub(super) fn own_path() -> Result<String, String> {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called);
    match std::env::current_exe() {
        Ok(here) if called.is_absolute() && called.canonicalize().is_ok_and(|path| path == here) => {
            utf8(called)
        }
        Ok(here) => utf8(&here),
        // `/proc` is not mounted.
        Err(error) => {
            let cannot = || format!("this program's own path cannot be found: {}", reason(&error));
            utf8(&found(called).ok_or_else(cannot)?)
        }
    }
}

/// The place at which the shell found a program of this name.
fn found(called: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").filter(|_| called.components().count() == 1);
    let here = std::env::current_dir().ok();
    let directories = path.iter().flat_map(std::env::split_paths).chain(here);
    directories.map(|directory| directory.join(called)).find(|path| path.is_file())
}

fn utf8(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}

/// Updates every client's file, and logs the results.
pub(super) fn keep(wanted: &ClientFiles, log: &mut CycleLog) {
    let settings = wanted.settings;
    if settings.clients.is_empty() {
        return;
    }
    let about = "the clients' configurations";
    let reader = match Reader::of(settings, wanted.exe) {
        Ok(reader) => reader,
        Err(why) => {
            log.problem(about, Topic::Writing, Level::Error, &format!("cannot be written: {why}"), "");
            return;
        }
    };
    let place = ReaderPaths { exe: &reader.exe, dir: &reader.dir, tokens_dir: &reader.tokens_dir };
    let secrets = secrets(settings, about, log);
    let before = wanted.memory.clients();
    let mut after = BTreeMap::new();
    for kept in &settings.clients {
        let file = kept.file(&settings.tokens_dir);
        let key = format!("{}={}", kept.client.name, file.display());
        let old = before.get(&key).cloned().unwrap_or_default();
        let new = keep_one(kept, &file, &old, (secrets, place), wanted, log).unwrap_or_else(|| old.clone());
        after.insert(key, (old, new));
    }
    remove_stale(wanted.tokens, &before, &mut after, log);
    for (key, (old, mut new)) in after {
        new.updated = old.updated;
        if new != old {
            new.updated = Timestamp::now().max(old.updated + Duration::from_millis(1));
            wanted.memory.record_client(key, new);
        }
    }
}

/// The place of tokens. An assistant outside of a container cannot run the program inside of it.
fn secrets(settings: &Settings, about: &str, log: &mut CycleLog) -> Secrets {
    let refers = settings.clients.iter().any(|kept| kept.client.refers_to_secrets());
    let unreachable = !reader::is_told(settings) && reader::looks_like_container();
    if settings.client_secrets == Secrets::Inline || !refers || !unreachable {
        return settings.client_secrets;
    }
    let message = "hold the tokens themselves, since this looks like a container and assistants outside cannot run \
                   its program; --client-program and --client-dir say where both are for them";
    log.problem(about, Topic::Entries, Level::Info, message, "");
    Secrets::Inline
}

/// Updates one file, and returns the record of its entries. `None`: the record is unchanged.
fn keep_one(
    kept: &KeptClient,
    file: &Path,
    old: &ClientRecord,
    place: (Secrets, ReaderPaths),
    wanted: &ClientFiles,
    log: &mut CycleLog,
) -> Option<ClientRecord> {
    let about = file.display().to_string();
    let mut remembered: Vec<Owned> =
        old.entries.iter().map(|(name, url)| Owned { name: name.clone(), url: url.clone() }).collect();
    // Entries of services that could not be read are neither changed nor removed in this cycle.
    let mut spared = Vec::new();
    if let Some(unread) = &wanted.unread {
        let there: HashSet<&str> = wanted.services.iter().map(|service| service.name.as_str()).collect();
        (remembered, spared) = remembered.into_iter().partition(|owned| there.contains(owned.name.as_str()));
        if !spared.is_empty() && !matches!(kept.client.format, Format::Json { .. }) {
            let message = format!("stays as it is until {unread} can be read");
            log.problem(&about, Topic::Entries, Level::Warn, &message, "");
            return None;
        }
    }
    let applied = match bring_up_to_date(kept, file, (&remembered, &old.users_own), place, wanted, log) {
        Ok(applied) => applied,
        Err(why) => {
            log.problem(&about, Topic::Writing, Level::Error, &why, "");
            return None;
        }
    };
    if !applied.warnings.is_empty() {
        log.problem(&about, Topic::Entries, Level::Warn, &applied.warnings.join("; "), "");
    }
    match &applied.edit {
        Edit::Refuse(why) => say_refusal(&about, why, applied.paste.as_deref(), log),
        Edit::Same | Edit::Write(_) => {
            let count = applied.ours.len();
            let plural = if count == 1 { "" } else { "s" };
            let name = kept.client.name;
            log.say(Subject::Config, format!("Generated {name} config with {count} server{plural}"));
        }
    }
    let side_files = applied.side_files.into_iter().map(|(name, _)| name);
    let spared_files = if spared.is_empty() { BTreeSet::new() } else { old.side_files.clone() };
    Some(ClientRecord {
        updated: Timestamp::default(),
        entries: ordered::map(applied.ours.into_iter().chain(spared).map(|owned| (owned.name, owned.url))),
        side_files: ordered::set(side_files.chain(spared_files)),
        users_own: applied.users_own,
    })
}

/// Logs that a file is left alone, and once the entries that its owner may paste.
fn say_refusal(about: &str, why: &str, paste: Option<&str>, log: &mut CycleLog) {
    let level = if paste.is_some() { Level::Warn } else { Level::Error };
    if log.problem(about, Topic::Writing, level, &format!("{why}; left as it is"), "") {
        for line in paste.unwrap_or_default().lines().filter(|line| !line.is_empty()) {
            log::info!(target: "CONFIG", "to paste: {line}");
        }
    }
}

/// Edits the file. Where another program has written it meanwhile, the edit begins again with reading.
fn bring_up_to_date(
    kept: &KeptClient,
    path: &Path,
    (remembered, users_own): (&[Owned], &BTreeMap<String, UserMembers>),
    (secrets, paths): (Secrets, ReaderPaths),
    wanted: &ClientFiles,
    log: &mut CycleLog,
) -> Result<Applied, String> {
    let read = || {
        let read = match &kept.path {
            Some(path) => UserFile::read(path),
            None => UserFile::read_own(wanted.tokens.file_at(kept.client.own_file())),
        };
        read.map_err(|why| why.to_string())
    };
    let decide = |file: &UserFile| {
        apply(kept.client, file.text(), wanted.services, remembered, users_own, secrets, paths)
    };
    for _ in 0..ATTEMPTS {
        let mut file = read()?;
        let mut applied = decide(&file);
        if may_be_half_written(kept, &file, &applied) {
            drop(file);
            // Another program may be writing the file in place.
            std::thread::sleep(SECOND_LOOK);
            file = read()?;
            applied = decide(&file);
        }
        for (name, token) in &applied.side_files {
            replace_text(&wanted.tokens.file_at(name), token.expose())
                .map_err(|error| format!("{name} cannot be written: {}", reason(&error)))?;
        }
        // A file in the tokens directory is private, with or without a secret.
        let private = applied.holds_secret || kept.path.is_none();
        let closes = private && file.is_open_to_others() && !matches!(applied.edit, Edit::Refuse(_));
        let replaced = match &applied.edit {
            Edit::Refuse(_) => return Ok(applied),
            Edit::Same if closes => file.close_to_others().map_err(NotReplaced::Failed),
            Edit::Same => Ok(()),
            Edit::Write(text) => {
                log.something_happened();
                file.replace(text.expose(), private)
            }
        };
        match replaced {
            Ok(()) if closes => {
                log::info!(target: "CONFIG", "{}: only its owner may read it now", path.display());
                return Ok(applied);
            }
            Ok(()) => return Ok(applied),
            Err(NotReplaced::Changed) => {}
            Err(NotReplaced::Failed(why)) => return Err(why.to_string()),
        }
    }
    Err(format!(
        "another program writes it all the time; tried {ATTEMPTS} times, and tries again in the next cycle"
    ))
}

/// Whether a JSON file is empty or does not parse. A user's TOML or YAML file is never edited.
fn may_be_half_written(kept: &KeptClient, file: &UserFile, applied: &Applied) -> bool {
    matches!(kept.client.format, Format::Json { .. })
        && file.text().is_some_and(|text| text.trim().is_empty() || matches!(applied.edit, Edit::Refuse(_)))
}

/// Removes the token files that were written for these clients and that no entry refers to any more.
fn remove_stale(
    tokens: &Directory,
    before: &BTreeMap<String, ClientRecord>,
    after: &mut BTreeMap<String, (ClientRecord, ClientRecord)>,
    log: &mut CycleLog,
) {
    // Another process may keep the files of other clients here.
    let foreign = before.iter().filter(|(key, _)| !after.contains_key(*key)).map(|(_, record)| record);
    let present = after.values().map(|(_, new)| new);
    let in_use = ordered::set(foreign.chain(present).flat_map(|record| record.side_files.iter().cloned()));
    for (old, new) in after.values_mut() {
        for name in old.side_files.difference(&in_use).filter(|name| is_side_file(name)) {
            match tokens.file_at(name).remove() {
                Err(error) => {
                    let message = format!("cannot be removed: {}", reason(&error));
                    log.problem(name, Topic::Writing, Level::Error, &message, "");
                    new.side_files.insert(name.clone());
                }
                Ok(_) => log.something_happened(),
            }
        }
    }
}

/// Whether a recorded name can be that of a client's token file. No other file is ever removed.
fn is_side_file(name: &str) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(name))
        && Path::new(name).extension() == Some(OsStr::new("token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_token_beside_the_tokens_is_ever_removed() {
        for (name, ours) in [
            ("a.token", true),
            ("a.X-Authorization.token", true),
            ("../a.token", false),
            ("/a.token", false),
            ("d/a.token", false),
            ("a-egress.json", false),
            ("", false),
            ("..", false),
        ] {
            assert_eq!(is_side_file(name), ours, "{name:?}");
        }
    }

    #[test]
    fn this_program_is_found() {
        assert_eq!(Path::new(&own_path().unwrap()), std::env::current_exe().unwrap());
    }
}
