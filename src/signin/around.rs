//! The surroundings of a sign-in: settings, the client of token endpoints, providers, other files.

use std::path::Path;

use crate::files::Directory;
use crate::oauth::{ClientFile, CredentialConfig, Providers, Surroundings, TokenClient};
use crate::refresh::config_of;
use crate::sealing::Keyring;
use crate::services::list_token_files;
use crate::settings::Settings;
use crate::tokens::Document;
use crate::tokens::directory::read;

pub(crate) struct SignInContext<'a> {
    pub settings: &'a Settings,
    pub client: TokenClient,
    pub providers: Providers,
    /// The keys for sealed secrets.
    pub keys: Keyring,
}

impl SignInContext<'_> {
    /// The facts that decide about endpoints and clients.
    pub(super) fn surroundings<'a>(&'a self, clients: &'a [ClientFile]) -> Surroundings<'a> {
        Surroundings { environment: &self.settings.environment, clients, providers: &self.providers }
    }

    /// The facts that the token file called `file` holds about its endpoint and client.
    pub(super) fn config(&self, file: &str, document: &Document) -> CredentialConfig {
        config_of(file, document, &self.providers)
    }
}

/// The readable JSON documents of the tokens directory, with their names.
pub(super) fn documents(directory: &Path) -> Vec<(String, Document)> {
    let Ok(directory) = Directory::open(directory) else { return Vec::new() };
    let names = list_token_files(&directory).map(|listing| listing.names).unwrap_or_default();
    let read = |name: String| {
        let file = read(&directory, &name).ok().flatten()?;
        Some((name, file.document))
    };
    names.into_iter().filter_map(read).collect()
}
