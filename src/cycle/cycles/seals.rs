//! Sealing in the cycles, and the context for the steps of a refresh.

use std::path::Path;
use std::sync::Arc;

use super::{Cycles, DAEMON_PATIENCE, ONCE_PATIENCE};
use crate::clock::Timestamp;
use crate::cycle::scan::{Credential, TokenScan};
use crate::cycle::sealing::{SealSummary, seal_named, seal_plain};
use crate::files::Directory;
use crate::oauth::ClientFile;
use crate::ordered;
use crate::refresh::{Context, Limits, SealOrder, Written};
use crate::secret::Fingerprint;
use crate::settings::Settings;
use crate::tokens::name::stem;

/// Seals or opens these files of the tokens directory, or all where none is named.
pub(crate) fn seal(settings: &Settings, names: &[String], order: SealOrder) -> Result<SealSummary, String> {
    Cycles::new(settings, Arc::default())?.seal(settings, names, order)
}

/// The name of a file in `directory`, where `word` is a path to it; else the word.
fn in_directory<'a>(word: &'a str, directory: &Path) -> &'a str {
    let path = Path::new(word);
    let leads_there = || {
        path.parent()?
            .canonicalize()
            .ok()
            .filter(|found| directory.canonicalize().ok().as_ref() == Some(found))
    };
    let name = path.file_name().and_then(|name| name.to_str());
    name.filter(|name| *name != word && leads_there().is_some()).unwrap_or(word)
}

impl Cycles {
    /// The key id of the key that seals.
    pub(crate) fn sealing_key(&self) -> Option<Fingerprint> {
        self.keys.ring().first().map(|key| key.kid())
    }

    fn seal(
        &mut self,
        settings: &Settings,
        names: &[String],
        order: SealOrder,
    ) -> Result<SealSummary, String> {
        if let Some(why) = self.keys.missing.first() {
            return Err(why.clone());
        }
        if order != SealOrder::Unseal && self.keys.ring().first().is_none() {
            return Err("there is no key; token-refresher keygen makes one, --key-file names it".to_owned());
        }
        let (tokens_dir, scan) = self.look(settings, Timestamp::now())?;
        let tokens = scan.tokens.iter().map(Credential::name);
        let known = ordered::set(tokens.chain(scan.clients_at_rest.keys().map(String::as_str)));
        let mut files = Vec::new();
        for name in names {
            let name = in_directory(name, &settings.tokens_dir);
            let called = |file: &&&str| **file == name || stem(file) == name;
            let file = known
                .iter()
                .find(called)
                .ok_or_else(|| format!("{name:?} is no token file in {}", settings.tokens_dir.display()))?;
            files.push((*file).to_owned());
        }
        if names.is_empty() {
            files = known.iter().map(|file| (*file).to_owned()).collect();
        }
        let written = Written::default();
        let context = self.context(settings, &tokens_dir, &scan.clients, &written);
        let summary = seal_named(&files, order, &context);
        self.store.flush();
        Ok(summary)
    }

    /// Seals plain secrets, where there is a key.
    pub(super) fn seal_plain(&mut self, settings: &Settings, tokens: &Directory, found: &mut TokenScan) {
        if self.keys.ring().first().is_none() {
            return;
        }
        let written = Written::default();
        let mut left = std::mem::take(&mut self.left_plain);
        let mut log = std::mem::take(&mut self.log);
        let context = self.context(settings, tokens, &found.clients, &written);
        let sealed = seal_plain(found, &mut left, &context, &mut log);
        (self.left_plain, self.log) = (left, log);
        for token in found.tokens.iter_mut().filter(|token| sealed.iter().any(|name| name == token.name())) {
            token.source.read_again();
        }
        self.sealed.extend(sealed);
    }

    /// The facts for the steps of a refresh, beside the files.
    pub(super) fn context<'a>(
        &'a self,
        settings: &'a Settings,
        tokens: &'a Directory,
        clients: &'a [ClientFile],
        written: &'a Written,
    ) -> Context<'a> {
        Context {
            directory: tokens,
            client: &self.client,
            providers: &self.providers,
            clients,
            environment: &settings.environment,
            keys: self.keys.ring(),
            endpoints: &self.endpoints,
            state: &self.store,
            limits: Limits {
                buffer: settings.buffer,
                interval: settings.interval,
                patience: if settings.once { ONCE_PATIENCE } else { DAEMON_PATIENCE },
            },
            stop: &self.stop,
            force: self.first_read.as_ref(),
            written,
        }
    }
}
