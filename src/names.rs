//! `token-refresher names KIND...`: the names that a person may type, for the completions of shells and for scripts.
//!
//! A shell runs the command at each press of a key, so the command reads no token. The sources are the names of files,
//! the registry's server files, and the status file without secrets.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::clients;
use crate::files::Directory;
use crate::oauth::Providers;
use crate::servers;
use crate::services::{list_token_files, recorded_providers};
use crate::settings::Places;
use crate::state::{CredentialState, Store};
use crate::tokens::name::{Role, role, server, stem};

/// The names of these kinds, sorted, one a line. The error lists the kinds.
pub(crate) fn names(kinds: &[OsString], places: &Places) -> Result<String, String> {
    let store = Store::open(&places.tokens_dir);
    let record = store.daemon();
    let providers = || record.as_ref().and_then(recorded_providers).unwrap_or_else(Providers::builtin);
    let files = files(places, &store);
    let mut found = BTreeSet::new();
    for kind in kinds {
        match kind.to_str() {
            Some("tokens") => found.extend(files.iter().map(|file| stem(file).to_owned())),
            Some("servers") => {
                let providers = providers();
                let services = files.iter().filter(|file| role(file) == Role::Service);
                let of_file = |file: &String| {
                    server(file, None, || providers.longest_name_prefix(stem(file))).to_owned()
                };
                found.extend(services.map(of_file));
                let directory = places.servers_dir(record.as_ref().map(|record| &*record.servers_dir));
                found
                    .extend(servers::read_registry(&directory).servers.into_iter().map(|server| server.name));
            }
            Some("providers") => found.extend(providers().names().map(str::to_owned)),
            Some("clients") => found.extend(clients::names().map(str::to_owned)),
            _ => {
                return Err(format!(
                    "names: {:?} is not one of tokens, servers, providers, clients",
                    kind.to_string_lossy()
                ));
            }
        }
    }
    // A name with a line break would be two names, so it is left out.
    let lines = found.into_iter().filter(|name| !name.contains(char::is_control));
    Ok(lines.map(|name| name + "\n").collect())
}

/// The token files, as far as their names and the status file tell them from other files.
fn files(places: &Places, store: &Store) -> Vec<String> {
    let listing = Directory::open(&places.tokens_dir).and_then(|tokens| list_token_files(&tokens));
    let names = listing.map(|listing| listing.names).unwrap_or_default();
    let is_token =
        |file: &String| role(file) != Role::Other || *store.known_state(file) != CredentialState::default();
    names.into_iter().filter(is_token).collect()
}
