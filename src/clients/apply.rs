//! The decision about one client's file.

use std::collections::{BTreeMap, HashSet};

use super::entry::{ClientEntry, NoEntry, Owned, ReaderPaths, client_entry};
use super::json::UserMembers;
use super::notation::{Format, McpClient, Secrets};
use super::service::{Header, HeaderValue, Service};
use super::{json, whole};
use crate::secret::{Secret, SecretText};

/// The action on the file.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Edit {
    /// No action: the file has every entry, or neither file nor entry is there.
    Same,
    /// Write this text.
    Write(Secret),
    /// No action, because the file cannot be edited. One line gives the reason, and begins with `LINE:COLUMN` of a
    /// fault in the file.
    Refuse(String),
}

/// The outcome of [`apply`].
#[derive(Debug)]
pub(crate) struct Applied {
    pub edit: Edit,
    /// This program's entries after the edit, for the record of the next cycle.
    pub ours: Vec<Owned>,
    /// The users' own members of entries that are gone, by the entry's name. For the record of the next cycle.
    pub users_own: BTreeMap<String, UserMembers>,
    /// Services that are left out of the file, one line each.
    pub warnings: Vec<String>,
    /// Files in the tokens directory that entries refer to, name and text. The caller writes them first.
    pub side_files: Vec<(String, Secret)>,
    /// Whether the text contains tokens, so that only the owner may read the file.
    pub holds_secret: bool,
    /// With a refusal: the entries to paste by hand, with words in place of tokens.
    pub paste: Option<String>,
}

/// The entries of one client's file.
#[derive(Default)]
struct Entries {
    list: Vec<ClientEntry>,
    /// Names of the services that cannot have an entry now.
    refused: HashSet<String>,
    /// The reasons, one line each.
    warnings: Vec<String>,
}

/// Decides about a client's file. `existing` is its text; none: the file is missing. `remembered` are the entries that
/// the last cycle left in the file. `users_own` are the users' members of entries that are gone.
pub(crate) fn apply(
    client: &McpClient,
    existing: Option<&str>,
    services: &[Service],
    remembered: &[Owned],
    users_own: &BTreeMap<String, UserMembers>,
    secrets: Secrets,
    paths: ReaderPaths,
) -> Applied {
    let Entries { list: entries, refused, warnings } = entries(client, services, secrets, paths);
    let mut applied = Applied {
        edit: Edit::Same,
        ours: Vec::new(),
        users_own: users_own.clone(),
        warnings,
        side_files: Vec::new(),
        holds_secret: false,
        paste: None,
    };
    match client.format {
        Format::Json { servers, new } => {
            let wanted = json::WantedEntries {
                client,
                servers,
                new,
                entries: &entries,
                refused: &refused,
                remembered,
                users_own,
            };
            match json::edit(&wanted, existing) {
                Ok(edited) => {
                    applied.edit = edited.text.map_or(Edit::Same, Edit::Write);
                    applied.ours = edited.ours;
                    applied.users_own = edited.users_own;
                    applied.warnings.extend(edited.warnings);
                }
                Err(why) => applied.edit = Edit::Refuse(why.to_string()),
            }
        }
        Format::Toml | Format::Yaml => {
            applied.edit = match whole::write(client.format, &entries, existing) {
                Ok(text) => text.map_or(Edit::Same, Edit::Write),
                Err(why) => Edit::Refuse(why.to_string()),
            };
            applied.ours = entries.iter().map(ClientEntry::owned).collect();
        }
    }
    if matches!(applied.edit, Edit::Refuse(_)) {
        applied.ours = remembered.to_vec();
        applied.paste = Some(paste(client, services, secrets, paths)).filter(|text| !text.is_empty());
    }
    // A file that is refused today counts too: its client still reads the files that the entries refer to.
    let ours: HashSet<&str> = applied.ours.iter().map(|owned| owned.name.as_str()).collect();
    for entry in entries.into_iter().filter(|entry| ours.contains(entry.name.as_str())) {
        applied.holds_secret |= entry.holds_secret;
        applied.side_files.extend(entry.side_files);
    }
    applied
}

/// The entries to paste by hand into a file that is never edited in place. Words replace the tokens.
fn paste(client: &McpClient, services: &[Service], secrets: Secrets, paths: ReaderPaths) -> String {
    let mut text = SecretText::default();
    if client.format.extension() != "json" {
        let masked: Vec<Service> = services.iter().map(with_placeholders).collect();
        whole::push_entries(&mut text, client.format, &entries(client, &masked, secrets, paths).list);
    }
    text.as_str().to_owned()
}

/// Builds the entries of all services that can have one.
fn entries(client: &McpClient, services: &[Service], secrets: Secrets, paths: ReaderPaths) -> Entries {
    let mut entries = Entries::default();
    let mut files = HashSet::new();
    for service in services {
        let made = client_entry(client, service, secrets, paths).and_then(|made| {
            // Service `a` with a gateway header, and a service `a.X-Authorization`, would share a file.
            let taken = made.side_files.iter().any(|(file, _)| files.contains(file));
            if taken { Err(NoEntry::SharedFile) } else { Ok(made) }
        });
        match made {
            Ok(made) => {
                files.extend(made.side_files.iter().map(|(file, _)| file.clone()));
                entries.list.push(made);
            }
            Err(why) => {
                let (name, why) = (service.name.escape_debug(), why.told_of(client.name));
                entries.warnings.push(format!("{name} is not written for {}: {why}", client.name));
                entries.refused.insert(service.name.clone());
            }
        }
    }
    entries
}

/// Replaces the tokens of a service by words, for a text that people see.
fn with_placeholders(service: &Service) -> Service {
    let mut masked = service.clone();
    masked.authorization = masked.authorization.map(|_| Secret::new("<access token>"));
    for Header { value, .. } in &mut masked.extra {
        if matches!(value, HeaderValue::Bearer(_)) {
            *value = HeaderValue::Bearer(Secret::new("<gateway token>"));
        }
    }
    masked
}
