//! What a sign-in finds around it: settings, the client of token endpoints, providers, other files.

use std::path::Path;

use crate::files::Directory;
use crate::oauth::{ClientFile, Providers, Surroundings, TokenClient};
use crate::sealing::Keyring;
use crate::settings::Settings;
use crate::tokens::Document;
use crate::tokens::directory::{list, read};

/// What a sign-in finds around it.
pub(crate) struct Around<'a> {
    pub settings: &'a Settings,
    pub client: TokenClient,
    pub providers: Providers,
    /// The keys of what is sealed.
    pub keys: Keyring,
}

impl Around<'_> {
    /// Does something with what decides about endpoints and clients.
    pub(super) fn surrounded<T>(
        &self,
        clients: &[ClientFile],
        act: impl FnOnce(&Surroundings<'_>) -> T,
    ) -> T {
        let variable = |name: &str| self.settings.environment.get(name);
        act(&Surroundings { variable: &variable, clients, providers: &self.providers })
    }
}

/// The JSON documents of the tokens directory that can be read, with their names.
pub(super) fn documents(directory: &Path) -> Vec<(String, Document)> {
    let Ok(directory) = Directory::open(directory) else { return Vec::new() };
    let names = list(&directory, &[]).map(|listing| listing.names).unwrap_or_default();
    let read = |name: String| {
        let file = read(&directory, &name).ok().flatten()?;
        Some((name, file.document))
    };
    names.into_iter().filter_map(read).collect()
}
