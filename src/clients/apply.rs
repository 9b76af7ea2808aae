//! What should become of one client's file.

use super::entry::{Entry, Place, Secrets, entry};
use super::service::{Header, Service, Value};
use super::table::{Client, Format};
use super::{json, whole};
use crate::secret::Secret;

/// An entry of ours in somebody's file, remembered from one cycle to the next: what makes it ours
/// is that it still has the address that we wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owned {
    /// The entry's name.
    pub name: String,
    /// The address that we wrote into it.
    pub url: String,
}

/// What to do with the file.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Edit {
    /// Nothing: it says all that it should (or there is none and nothing to say).
    Same,
    /// This should be its text.
    Write(Secret),
    /// Nothing, because it cannot be edited: one line of why, beginning with `LINE:COLUMN` where
    /// a place in the file is at fault.
    Refuse(String),
}

/// The outcome of [`apply`].
#[derive(Debug)]
pub(crate) struct Applied {
    /// What to do with the file.
    pub edit: Edit,
    /// The entries that are ours once that is done: to be remembered in place of what was.
    pub ours: Vec<Owned>,
    /// Services that are not kept in the file, one line each.
    pub warnings: Vec<String>,
    /// Files in the tokens directory that entries refer to, name and text: to be written first.
    pub side_files: Vec<(String, Secret)>,
    /// Tokens stand in the text itself, so nobody but the owner may read the file.
    pub holds_secret: bool,
    /// With a refusal: the entries to paste by hand, tokens masked.
    pub paste: Option<String>,
}

/// Decides what should become of a client's file: `existing` is its text (none: there is no such
/// file), `remembered` what the last cycle left in it.
pub(crate) fn apply(
    client: &Client,
    existing: Option<&str>,
    services: &[Service],
    remembered: &[Owned],
    secrets: Secrets,
    place: Place,
) -> Applied {
    let (entries, refused, warnings) = entries(client, services, secrets, place);
    let mut applied = Applied {
        edit: Edit::Same,
        ours: Vec::new(),
        warnings,
        side_files: Vec::new(),
        holds_secret: false,
        paste: None,
    };
    match client.format {
        Format::Json { servers, new } => {
            let wanted =
                json::Wanted { client, servers, new, entries: &entries, refused: &refused, remembered };
            match json::edit(&wanted, existing) {
                Ok(done) => {
                    applied.edit = done.text.map_or(Edit::Same, Edit::Write);
                    applied.ours = done.ours;
                    applied.warnings.extend(done.warnings);
                }
                Err(why) => applied.edit = Edit::Refuse(why),
            }
        }
        Format::Toml | Format::Yaml => {
            applied.edit = whole::write(client.format, &entries, existing);
            applied.ours = entries.iter().map(owned).collect();
        }
    }
    if matches!(applied.edit, Edit::Refuse(_)) {
        applied.ours = remembered.to_vec();
        applied.paste = Some(paste(client, services, secrets, place)).filter(|text| !text.is_empty());
    }
    // Also of a file that is refused today: its client still reads the files that it refers to.
    for entry in entries.iter().filter(|entry| applied.ours.iter().any(|ours| ours.name == entry.name)) {
        applied.holds_secret |= entry.holds_secret;
        applied.side_files.extend(entry.side_files.iter().cloned());
    }
    applied
}

/// The entries to paste by hand into a file that is never edited in place, tokens masked.
fn paste(client: &Client, services: &[Service], secrets: Secrets, place: Place) -> String {
    let mut text = String::new();
    if client.format.extension() != "json" {
        let masked: Vec<Service> = services.iter().map(mask).collect();
        whole::push_entries(&mut text, client.format, &entries(client, &masked, secrets, place).0);
    }
    text
}

/// What the entry is remembered by.
pub(super) fn owned(entry: &Entry) -> Owned {
    Owned { name: entry.name.clone(), url: entry.url.clone() }
}

/// The entries of all services that can have one, the names of the others, and why.
fn entries(
    client: &Client,
    services: &[Service],
    secrets: Secrets,
    place: Place,
) -> (Vec<Entry>, Vec<String>, Vec<String>) {
    let (mut entries, mut refused, mut warnings) = (Vec::<Entry>::new(), Vec::new(), Vec::new());
    for service in services {
        let made = entry(client, service, secrets, place).and_then(|made| {
            // `a` with a gateway header and a service `a.X-Authorization` would share a file.
            let mut taken = entries.iter().flat_map(|entry| &entry.side_files);
            if taken.any(|(file, _)| made.side_files.iter().any(|(mine, _)| mine == file)) {
                return Err("its token file would be another service's".to_owned());
            }
            Ok(made)
        });
        match made {
            Ok(made) => entries.push(made),
            Err(why) => {
                warnings.push(format!(
                    "{} is not written for {}: {why}",
                    service.name.escape_debug(),
                    client.name
                ));
                refused.push(service.name.clone());
            }
        }
    }
    (entries, refused, warnings)
}

/// The service with its tokens replaced by words, for a text that people see.
fn mask(service: &Service) -> Service {
    let mut masked = service.clone();
    masked.authorization = masked.authorization.map(|_| Secret::new("<access token>"));
    for Header { value, .. } in &mut masked.extra {
        if matches!(value, Value::Bearer(_)) {
            *value = Value::Bearer(Secret::new("<gateway token>"));
        }
    }
    masked
}
