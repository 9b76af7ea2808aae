//! A token file, judged: the one reader for the scan, the configurations and the commands.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::names::{generated, in_configurations};
use crate::clock::Timestamp;
use crate::files::{Directory, FileAt, Stamp, read_order};
use crate::oauth::Providers;
use crate::secret::{Fingerprint, Secret};
use crate::state::DaemonRecord;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::{Problem, TokenFile, list, read_document, real};
use crate::tokens::name::{Role, role, server, stem};
use crate::tokens::spelled::file_in;
use crate::tokens::{Document, Life, due};

/// What a token file says, without its document: ten thousand documents are not held in memory.
pub(crate) struct TokenSource {
    /// Its name in the directory.
    pub name: String,
    /// The file itself, links resolved.
    pub real: FileAt,
    /// Its state when it was read.
    pub stamp: Stamp,
    pub role: Role,
    /// The service it is for, of a service's file.
    pub server: String,
    pub life: Life,
    pub has_access: bool,
    /// Fingerprint of its refresh token.
    pub refresh_hash: Option<Fingerprint>,
    /// How its secrets stand on the disk.
    pub at_rest: AtRest,
    /// What the configurations need of it; only of files that appear in them, and with an access token.
    pub entry: Option<Entry>,
}

/// What a configuration needs of a token file.
pub(crate) struct Entry {
    pub access_token: Secret,
    /// Its plain members (`provider`, `client_id`, `realm`, ...).
    pub members: BTreeMap<String, String>,
}

/// The token files of a directory that appear in configurations, by name, and why others of them cannot be used.
pub(crate) type Readable = (Vec<TokenSource>, Vec<(String, Problem)>);

impl TokenSource {
    /// Judges a file that was read.
    pub(crate) fn of(file: &TokenFile, providers: &Providers) -> Self {
        let provider = file.document.text("provider");
        let role = role(&file.name);
        let built_in =
            (role == Role::Service).then(|| providers.longest_name_prefix(stem(&file.name))).flatten();
        let mut source = Self {
            server: server(&file.name, provider.as_deref(), built_in).to_owned(),
            name: file.name.clone(),
            real: file.real.clone(),
            stamp: file.stamp,
            role,
            life: Life::default(),
            has_access: false,
            refresh_hash: None,
            at_rest: AtRest::NoSecret,
            entry: None,
        };
        source.take(&file.document, file.stamp);
        source
    }

    /// Reads the file again where it has changed since. What cannot be read now stays as it was read before.
    pub(crate) fn read_again(&mut self) {
        if self.real.inode().is_ok_and(|found| found.stamp == self.stamp) {
            return;
        }
        if let Ok((document, stamp)) = read_document(&self.real) {
            self.take(&document, stamp);
        }
    }

    fn take(&mut self, document: &Document, stamp: Stamp) {
        self.stamp = stamp;
        self.life = due::life(document, stamp.modified());
        self.has_access = document.has_access_token();
        self.refresh_hash = document.refresh_fingerprint();
        self.at_rest = AtRest::of(document);
        let access_token = in_configurations(&self.name).then(|| document.access_token()).flatten();
        self.entry = access_token
            .map(|access_token| Entry { access_token, members: document.plain_texts().collect() });
    }

    /// The end of its access token, where that has passed.
    pub(crate) fn expired_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.life.expires_at.filter(|end| *end <= now)
    }

    /// Reads all files of `directory` that appear in configurations.
    pub(crate) fn read_all(directory: &Directory, providers: &Providers) -> io::Result<Readable> {
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        for name in list(directory, &generated())?.names.into_iter().filter(|name| in_configurations(name)) {
            let found = real(&file_in(directory, &name)).and_then(|real| {
                let Some(real) = real else { return Ok(None) };
                let (document, stamp) = read_document(&real)?;
                Ok(Some(TokenFile { name: name.clone(), real, stamp, document, is_open: false }))
            });
            match found {
                Ok(file) => files.extend(file.map(|file| Self::of(&file, providers))),
                Err(problem) => unread.push((name, problem)),
            }
        }
        Ok((files, unread))
    }
}

/// The providers that the daemon knows by its own file; `None` where it has none, or one that cannot be used any more,
/// which is the daemon's to complain of.
pub(crate) fn recorded_providers(record: &DaemonRecord) -> Option<Providers> {
    let text = read_order(Path::new(record.providers.as_deref()?)).ok()?;
    Providers::with_user_rows(&text).ok()
}
