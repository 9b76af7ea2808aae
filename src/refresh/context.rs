//! The steps' input beside the files: the same for every credential of a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::config;
use super::endpoints::Endpoints;
use super::member::{Member, Patience};
use super::report::{Report, Reports};
use super::stop::Stop;
use crate::clock::Timestamp;
use crate::files::Directory;
use crate::oauth::{ClientFile, CredentialConfig, Providers, Resolution, TokenClient, resolve_with_trail};
use crate::sealing::Keyring;
use crate::secret::Fingerprint;
use crate::services::list_token_files;
use crate::settings::Environment;
use crate::state::schedule::Schedule;
use crate::state::{LastFailure, Store};
use crate::tokens::{Document, directory, due};

/// The steps' input beside the files.
pub(crate) struct Context<'a> {
    /// The tokens directory.
    pub directory: &'a Directory,
    pub client: &'a TokenClient,
    pub providers: &'a Providers,
    /// The client-credential files beside the tokens.
    pub clients: &'a [ClientFile],
    pub environment: &'a Environment,
    /// The keys that open and seal secrets.
    pub keys: &'a Keyring,
    pub endpoints: &'a Endpoints,
    pub state: &'a Store,
    pub limits: Limits,
    /// Whether the process has been told to stop.
    pub stop: &'a Stop,
    /// `--force`: refresh every token, due or not. Holds the fingerprints of the access tokens that the process read
    /// first, by file name.
    pub force: Option<&'a BTreeMap<String, Option<Fingerprint>>>,
    pub written: &'a Written,
}

/// The lengths of time that the settings choose.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// How long before its expiry a token is due.
    pub buffer: Duration,
    /// The delay before a local problem is tried again.
    pub interval: Duration,
    /// How long to wait for a busy lock.
    pub patience: Duration,
}

/// The names of the files that this cycle has written, to tell this cycle's changes from another process's.
#[derive(Default)]
pub(crate) struct Written(Mutex<BTreeSet<String>>);

impl Written {
    /// Remembers that this cycle has written the file.
    pub(super) fn add(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Whether this cycle has written the file.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

impl Context<'_> {
    /// Runs `act` with the patience that this process has for busy locks.
    pub(super) fn patiently<T>(&self, act: impl FnOnce(&Patience<'_>) -> T) -> T {
        let give_up = || self.stop.is_asked();
        act(&Patience { longest: self.limits.patience, give_up: &give_up })
    }

    /// How `document` can be refreshed. Logs at DEBUG which rule found which value.
    pub(super) fn resolve(&self, file: &str, document: &Document) -> Resolution {
        self.resolve_config(&config::of(file, document, self.providers))
    }

    /// Like [`Self::resolve`], for members that have been read already.
    pub(super) fn resolve_config(&self, config: &CredentialConfig) -> Resolution {
        let say = |line: fmt::Arguments| log::debug!(target: "REFRESH", "{}: {line}", config.file);
        resolve_with_trail(config, self.environment, self.clients, self.providers, &say)
    }

    /// The names of all files of the directory that hold this refresh token now.
    pub(super) fn chain_of(&self, token: Fingerprint) -> Vec<String> {
        let Ok(listing) = list_token_files(self.directory) else { return Vec::new() };
        let holds = |name: &String| {
            let file = directory::read(self.directory, name).ok().flatten();
            file.and_then(|file| file.document.refresh_fingerprint()) == Some(token)
        };
        listing.names.into_iter().filter(holds).collect()
    }

    /// Whether the file `name` with this content, last written at `modified`, is due. With `--force` every file is due
    /// until its access token is a new one.
    pub(super) fn is_due(
        &self,
        name: &str,
        document: &Document,
        modified: Timestamp,
        now: Timestamp,
    ) -> bool {
        if let Some(first_read) = self.force {
            let present = document.access_token().map(|token| token.fingerprint());
            return first_read.get(name).is_none_or(|first| *first == present);
        }
        let schedule = Schedule {
            life: &due::life(document, modified),
            has_access: document.has_access_token(),
            refresh_hash: document.refresh_fingerprint(),
            state: &self.state.known_state(name),
            buffer: self.limits.buffer,
            outage: None,
        };
        schedule.due_at(now).is_some_and(|due| due <= now)
    }

    /// Gives the same report about every file of the chain. A failure is remembered with each file.
    pub(super) fn tell(&self, members: &[Member], report: &Report) -> Reports {
        let names = members.iter().flat_map(|member| &member.names);
        names.map(|name| (name.clone(), self.remembered(name, report.clone()))).collect()
    }

    /// Remembers a failure that is reported about a file.
    pub(super) fn remembered(&self, name: &str, report: Report) -> Report {
        if let Report::Failed(failure) = &report {
            self.remember(name, failure);
        }
        report
    }

    fn remember(&self, name: &str, failure: &LastFailure) {
        self.state.update(name, |state| {
            if state.failure.as_deref() != Some(failure) {
                state.refresh_hash = failure.refresh_hash;
                state.failure = Some(Box::new(failure.clone()));
            }
        });
    }
}
