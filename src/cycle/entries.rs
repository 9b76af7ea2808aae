//! Finds the configurations with an entry for a token: a person who looks at one token wants to know its users.

use serde_json::Value;

use crate::clients::DefaultFile;
use crate::files::{Directory, reason};
use crate::oauth::Providers;
use crate::services::{TokenSource, gather, meant, recorded_providers};
use crate::settings::Settings;
use crate::state::Store;
use crate::status::Overview;

/// Adds to each token of `report` the files with an entry for it.
pub(crate) fn find_entries(settings: &Settings, report: &mut Overview) -> Result<(), String> {
    let path = &settings.tokens_dir;
    let cannot = |error| format!("{} cannot be read: {}", path.display(), reason(&error));
    let directory = Directory::open(path).map_err(cannot)?;
    let store = Store::open(path);
    let record = store.daemon();
    let providers = record.as_ref().and_then(recorded_providers).unwrap_or_else(Providers::builtin);
    let (sources, _) = TokenSource::read_wanted(&directory, &providers, &|_| true).map_err(cannot)?;
    let keycloak = record.as_ref().is_some_and(|record| record.keycloak);
    let gathered = gather(sources.iter(), &[], None, keycloak);
    let defaults: Vec<(String, Value)> =
        DefaultFile::ALL.iter().filter_map(|file| default(*file, settings)).collect();
    let clients = store.clients();
    for token in &mut report.tokens {
        let Some((&entry, _)) = gathered.files.iter().find(|(_, file)| ***file == *token.file) else {
            continue;
        };
        let of_defaults =
            defaults.iter().filter(|(_, servers)| servers.get(entry).is_some()).map(|(path, _)| path.clone());
        let of_clients = clients.iter().filter(|(_, record)| record.entries.contains_key(entry));
        token.used_by =
            of_defaults.chain(of_clients.map(|(client, _)| client.replacen('=', ": ", 1))).collect();
    }
    Ok(())
}

/// The path of a default file and its servers, where the file can be read.
fn default(file: DefaultFile, settings: &Settings) -> Option<(String, Value)> {
    let path = settings.tokens_dir.join(file.file_name());
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok()?;
    // The second place is that of `--launcher http`.
    let servers = document.get("mcpServers").or_else(|| document.pointer("/mcp/servers"))?;
    Some((path.display().to_string(), servers.clone()))
}

/// The names of the files for these words, which may name servers. An unknown word is kept as it is.
pub(crate) fn files_meant(words: &[String], report: &Overview) -> Vec<String> {
    let files = report.tokens.iter().map(|token| token.file.as_str());
    let found = |word: &String| meant(word, files.clone(), &Providers::builtin());
    let names = |word: &String| match found(word) {
        found if found.is_empty() => vec![word.clone()],
        found => found.into_iter().map(str::to_owned).collect(),
    };
    words.iter().flat_map(names).collect()
}
