//! A token file, judged: the one reader for the scan, the configurations and the commands.

use std::cell::OnceCell;
use std::io;
use std::path::Path;

use super::names::{in_configurations, list_token_files};
use crate::clock::Timestamp;
use crate::files::{Directory, FileAt, LastRead, Stamp, read_order};
use crate::oauth::Providers;
use crate::secret::{Digest, Fingerprint, Secret};
use crate::state::DaemonRecord;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::{Problem, TokenFile, read_found, real};
use crate::tokens::name::{Role, role, server, stem};
use crate::tokens::spelled::file_in;
use crate::tokens::{Document, Life, due};

/// The facts of a token file without its document, since ten thousand documents would take too much memory.
pub(crate) struct TokenSource {
    /// The name in the directory.
    pub name: String,
    /// The file with links resolved.
    pub real: FileAt,
    /// The state of the file and the time, when it was read.
    pub read: LastRead,
    /// Whether the file has changed since the last cycle.
    pub has_changed: bool,
    pub role: Role,
    /// The place in a service's [`stem`] where the name of its server begins.
    pub server_at: usize,
    pub life: Life,
    pub has_access: bool,
    /// The fingerprint of the refresh token.
    pub refresh_hash: Option<Fingerprint>,
    /// Whether the secrets are sealed.
    pub at_rest: AtRest,
    /// The facts for the configurations, for a file that appears in them and holds an access token.
    pub entry: Option<Box<Entry>>,
    /// A digest of the facts for the configurations.
    pub entry_digest: OnceCell<Option<Fingerprint>>,
}

/// The facts of a token file for the configurations.
pub(crate) struct Entry {
    pub access_token: Secret,
    /// The members among [`MEMBERS`] that are plain text.
    members: Vec<(&'static str, String)>,
}

/// The members that matter to the configurations, beside the token: of a service, and of the gateway.
const MEMBERS: [&str; 9] = [
    "provider",
    "cloud_id",
    "server_url",
    "client_id",
    "user_pool_id",
    "region",
    "realm",
    "keycloak_realm",
    "keycloak_url",
];

impl Entry {
    fn of(document: &Document) -> Option<Self> {
        let access_token = document.access_token()?;
        let members = MEMBERS.into_iter().filter_map(|name| Some((name, document.text(name)?)));
        Some(Self { access_token, members: members.collect() })
    }

    /// A member of [`MEMBERS`].
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn digest(&self) -> Fingerprint {
        let mut digest = Digest::default();
        digest.add(self.access_token.expose().as_bytes());
        for (name, value) in &self.members {
            digest.add(name.as_bytes());
            digest.add(value.as_bytes());
        }
        digest.finish()
    }
}

/// The token files of a directory that appear in configurations, by name. The unusable ones have a reason.
pub(crate) type Readable = (Vec<TokenSource>, Vec<(String, Problem)>);

impl TokenSource {
    /// Judges a file that was read after `begun`, without the facts for the configurations.
    pub(crate) fn of(file: &TokenFile, providers: &Providers, begun: Timestamp) -> Self {
        let provider = file.document.text("provider");
        let role = role(&file.name);
        let built_in =
            || (role == Role::Service).then(|| providers.longest_name_prefix(stem(&file.name))).flatten();
        let server = server(&file.name, provider.as_deref(), built_in);
        let mut source = Self {
            server_at: stem(&file.name).len() - server.len(),
            name: file.name.clone(),
            real: file.real.clone(),
            read: LastRead::new(file.found, begun),
            has_changed: false,
            role,
            life: Life::default(),
            has_access: false,
            refresh_hash: None,
            at_rest: AtRest::NoSecret,
            entry: None,
            entry_digest: OnceCell::new(),
        };
        source.take_facts(&file.document);
        source
    }

    /// Adds the facts for the configurations, which hold the access token.
    pub(crate) fn with_entry(mut self, document: &Document) -> Self {
        self.take_entry(document);
        self
    }

    /// The server of a service's file; empty for any other.
    pub(crate) fn server(&self) -> &str {
        if self.role == Role::Service { &stem(&self.name)[self.server_at..] } else { "" }
    }

    /// The state when the file was read.
    pub(crate) fn stamp(&self) -> Stamp {
        self.read.found().stamp
    }

    /// Reads the file again where it has changed. The earlier facts are kept where it cannot be read now.
    pub(crate) fn read_again(&mut self) {
        let begun = Timestamp::now();
        if self.real.inode().is_ok_and(|found| found == *self.read.found()) {
            return;
        }
        self.read_anew(begun);
    }

    /// Reads the facts for the configurations again.
    pub(crate) fn read_entry(&mut self) {
        if self.entry.is_none() && self.entry_digest().is_some() {
            self.read_anew(Timestamp::now());
        } else if in_configurations(&self.name) {
            self.read_again();
        }
    }

    fn read_anew(&mut self, begun: Timestamp) {
        if let Ok((document, found)) = read_found(&self.real) {
            self.has_changed |= found.stamp != self.stamp();
            self.read = LastRead::new(found, begun);
            self.take_facts(&document);
            self.take_entry(&document);
        }
    }

    fn take_facts(&mut self, document: &Document) {
        self.life = due::life(document, self.stamp().modified());
        self.has_access = document.has_access_token();
        self.refresh_hash = document.refresh_fingerprint();
        self.at_rest = AtRest::of(document);
    }

    fn take_entry(&mut self, document: &Document) {
        self.entry = in_configurations(&self.name).then(|| Entry::of(document)).flatten().map(Box::new);
        self.entry_digest = OnceCell::new();
    }

    /// A digest of the facts for the configurations. Only a cycle needs it, and takes it before it lets go of them.
    pub(crate) fn entry_digest(&self) -> Option<Fingerprint> {
        *self.entry_digest.get_or_init(|| self.entry.as_deref().map(Entry::digest))
    }

    /// The expiry of the access token, where it has passed.
    pub(crate) fn expired_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.life.expires_at.filter(|end| *end <= now)
    }

    /// Reads the files of `directory` that appear in configurations and whose names are `wanted`.
    pub(crate) fn read_wanted(
        directory: &Directory,
        providers: &Providers,
        wanted: &dyn Fn(&str) -> bool,
    ) -> io::Result<Readable> {
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        let begun = Timestamp::now();
        let names = list_token_files(directory)?.names;
        let names = names.into_iter().filter(|name| in_configurations(name) && wanted(name));
        for name in names {
            let found = real(&file_in(directory, &name)).and_then(|real| {
                let Some(real) = real else { return Ok(None) };
                let (document, found) = read_found(&real)?;
                let stamp = found.stamp;
                Ok(Some(TokenFile { name: name.clone(), real, stamp, found, document }))
            });
            match found {
                Ok(file) => files
                    .extend(file.map(|file| Self::of(&file, providers, begun).with_entry(&file.document))),
                Err(problem) => unread.push((name, problem)),
            }
        }
        Ok((files, unread))
    }
}

/// The providers from the daemon's own file. `None` where the daemon has no such file, or the file is unusable. The
/// daemon warns of that.
pub(crate) fn recorded_providers(record: &DaemonRecord) -> Option<Providers> {
    let text = read_order(Path::new(record.providers.as_deref()?)).ok()?;
    Providers::with_user_rows(&text).ok()
}
