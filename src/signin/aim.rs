//! Finds the source of a sign-in from the words of the command line: an MCP server, a provider or a token file.

use std::path::Path;

use super::names;
use super::options::LoginOptions;
use super::place::Place;
use crate::files::Directory;
use crate::oauth::{EndpointUrl, ProviderRow, Providers};
use crate::services::{list_token_files, meant};
use crate::tokens::Document;
use crate::tokens::name::stem;

/// The source of the endpoints.
pub(super) enum SignInSource {
    /// The metadata that this MCP server names.
    McpServer(EndpointUrl),
    /// The metadata of this issuer.
    Issuer(EndpointUrl),
    /// The table of providers.
    Row(ProviderRow),
}

/// A sign-in as the command line names it.
pub(super) struct Aim {
    pub source: SignInSource,
    /// The present contents of the token file; `None` where the file is new.
    pub known: Option<Document>,
    /// The token file's name, where it does not depend on the server.
    pub file: Option<String>,
    /// The name of the server's entry, for a new file.
    pub server: Option<String>,
}

/// Finds out what the words name: an address, a token file, a provider, or a token file's server.
///
/// # Errors
/// The words name none of these; the message says what they could be.
pub(super) fn find(asked: &LoginOptions, tokens: &Path, providers: &Providers) -> Result<Aim, String> {
    let file = asked.name.as_deref().map(names::given).transpose()?;
    let server = asked.server.clone();
    if let Some(address) = names::server(&asked.what) {
        return Ok(Aim { source: SignInSource::McpServer(address?), known: None, file, server });
    }
    let row = providers.row_named(&asked.what);
    if server.is_none() {
        let found = files(&asked.what, tokens, providers, row.is_none());
        if let [name] = &found[..] {
            let known = Place::new(tokens, name.clone()).read()?.ok_or_else(|| format!("{name} is gone"))?;
            let source = source_of(name, &known, providers)?;
            return Ok(Aim { source, known: Some(known), file: file.or_else(|| Some(name.clone())), server });
        }
        if !found.is_empty() {
            return Err(format!("{}: these files are called so: {}; name one", asked.what, found.join(", ")));
        }
    }
    match row {
        Some(row) => Ok(Aim { source: SignInSource::Row(row), known: None, file, server }),
        None => Err(format!(
            "{:?} is no address of an MCP server (https://...), no provider in the table, and no token file in {}",
            asked.what,
            tokens.display()
        )),
    }
}

/// The token files that a word means, by file name. Where no provider has the name, also by the server's name.
fn files(word: &str, tokens: &Path, providers: &Providers, by_server: bool) -> Vec<String> {
    let names = Directory::open(tokens).and_then(|tokens| list_token_files(&tokens));
    let names = names.map(|listing| listing.names).unwrap_or_default();
    let files = names.iter().map(String::as_str);
    let found = meant(word, files, providers).into_iter().map(str::to_owned);
    found.filter(|name| by_server || name == word || stem(name) == word).collect()
}

/// The source of the sign-in that a token file names.
fn source_of(name: &str, known: &Document, providers: &Providers) -> Result<SignInSource, String> {
    let address = |member: &str| {
        let text = known.text(member)?;
        Some(EndpointUrl::parse(&text).map_err(|error| format!("{member} in {name}: {error}")))
    };
    if let Some(server) = address("server_url") {
        return server.map(SignInSource::McpServer);
    }
    if let Some(issuer) = address("issuer") {
        return issuer.map(SignInSource::Issuer);
    }
    let named = known.text("provider").and_then(|provider| providers.row_named(&provider));
    let by_name = || providers.longest_name_prefix(stem(name)).and_then(|prefix| providers.row_named(prefix));
    named.or_else(by_name).map(SignInSource::Row).ok_or_else(|| {
        format!("{name} does not say where to sign in: add server_url, issuer or provider to it, or name an address")
    })
}
