//! Scans the tokens directory: the credentials that are due, those that are not, and the reasons.
//!
//! Each changed file is read once. Only the facts that the cycle needs are kept of it.

use std::io;

#[cfg(test)]
mod tests;

pub(crate) use super::credential::{Credential, ScanContext};
use super::memory::Memory;
use super::scanning::{LeftAs, Scanning, TakenOver};
pub(crate) use super::token_scan::TokenScan;
use crate::files::Directory;
use crate::services::list_token_files;
use crate::settings::Settings;
use crate::state::{Plan, Store};
use crate::tokens::directory;

/// Scans `directory`. Reads files that `memory` does not know, and files that have changed.
pub(crate) fn scan(
    directory: &Directory,
    context: &ScanContext<'_>,
    memory: &mut Memory,
) -> io::Result<TokenScan> {
    let listing = list_token_files(directory)?;
    let mut found = Scanning::new(directory, &listing, context);
    let mut recall = memory.recall();
    let (mut second_look, mut if_clients_stay) = (Vec::new(), Vec::new());
    for name in &listing.names {
        let is_link = listing.special.contains(name);
        let remembered = recall.next(name, directory);
        let before = LeftAs::of(&remembered);
        if recall.is_of_use(name, is_link) {
            match found.again(name, remembered, is_link) {
                TakenOver::Same => continue,
                TakenOver::IfClientsStay(token) => {
                    if_clients_stay.push((token, before));
                    continue;
                }
                TakenOver::Read => {}
            }
        }
        found.scan.read += 1;
        // To resolve and look at every name first would take more system calls for each of ten thousand files.
        let file =
            if is_link { directory::read(directory, name) } else { directory::read_listed(directory, name) };
        match file {
            Err(problem) if problem.may_pass() => second_look.push((name, before)),
            file => found.add(name, file, before),
        }
    }
    if !second_look.is_empty() {
        // Another program may be writing these files in place.
        std::thread::sleep(directory::SECOND_LOOK);
        for (name, before) in second_look {
            found.add(name, directory::read(directory, name), before);
        }
    }
    let clients_stay = recall.has_clients(&found.scan.clients_read, |known, now| context.trusts(known, now));
    for (token, before) in if_clients_stay {
        if clients_stay {
            found.scan.tokens.push(token);
        } else {
            found.scan.read += 1;
            found.add(token.name(), directory::read(directory, token.name()), before);
        }
    }
    let mut scan = found.resolved();
    mark_old_copies(&mut scan.tokens, context.state);
    let refreshed = |name: &String| scan.find(name).is_some_and(|token| token.monitored.is_none());
    let leftovers = listing.leftovers.into_iter().filter(|name| !refreshed(name)).collect();
    (scan.leftovers, scan.names, scan.copies) = (leftovers, listing.names, listing.copies);
    scan.links = listing.special;
    Ok(scan)
}

/// Finds the old copies. An old copy is updated before it is used.
fn mark_old_copies(tokens: &mut [Credential], state: &Store) {
    state.look_up(&mut tokens.iter().filter_map(|token| token.source.refresh_hash));
    for token in tokens {
        token.newest = token.source.refresh_hash.and_then(|hash| state.known_newest(hash));
        if token.newest.is_some() && token.plan != Plan::Blocked {
            token.plan = Plan::Due;
        }
    }
}

/// The names of possible token files in the tokens directory; none where it cannot be read.
pub(crate) fn listed_names(settings: &Settings) -> Vec<String> {
    Directory::open(&settings.tokens_dir)
        .and_then(|tokens| list_token_files(&tokens))
        .unwrap_or_default()
        .names
}
