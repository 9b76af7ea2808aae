//! One sign-in before it begins: its server, its file, and the known facts of both.

use std::path::Path;

use super::aim::{self, Aim, SignInSource};
use super::around::{SignInContext, documents};
use super::client::{self, KnownClient};
use super::compose::{self, MemberValue, set};
use super::discover::{self, Discovered};
use super::names;
use super::options::{LoginOptions, Way};
use super::place::Place;
use super::server::AuthorizationServer;
use crate::oauth::{ClientFile, GrantType, ProviderRow};
use crate::tokens::{Document, Unusable};

/// A sign-in whose server and file are known.
pub(super) struct Target {
    pub server: AuthorizationServer,
    pub place: Place,
    /// The present contents of the file, with the additions of the command line.
    pub known: Document,
    /// The provider's name in the file.
    pub provider: String,
    /// The address of the MCP server, where the sign-in is for one.
    pub server_url: Option<String>,
    /// The `resource` parameter.
    pub resource: Option<String>,
    /// The scopes to request.
    pub scopes: Vec<String>,
    /// Clients in other files of the directory.
    pub clients: Vec<KnownClient>,
    /// The ones among `clients` with a secret.
    pub files: Vec<ClientFile>,
}

/// The server and the names from one source.
struct FoundServer {
    provider: String,
    /// The name of the server's entry.
    entry: String,
    server_url: Option<String>,
    discovered: Discovered,
}

impl Target {
    /// Finds the server and the file of the sign-in, and reads the file.
    ///
    /// # Errors
    /// One line for the person.
    pub(super) fn find(asked: &LoginOptions, around: &SignInContext<'_>) -> Result<Self, String> {
        let tokens = &around.settings.tokens_dir;
        let Aim { source, known, file, server: entry } = aim::find(asked, tokens, &around.providers)?;
        let beside = documents(tokens);
        let files = client::files(&beside);
        let found = match source {
            SignInSource::McpServer(address) => {
                let discovered = discover::of_mcp_server(&address, &around.client, &around.providers)?;
                let provider = provider_of(&discovered.server);
                let entry = entry.unwrap_or_else(|| names::of_host(&address.host));
                FoundServer { provider, entry, server_url: Some(address.url), discovered }
            }
            SignInSource::Issuer(issuer) => {
                let server = discover::of_issuer(&issuer, &around.client, &around.providers)?;
                let provider = provider_of(&server);
                let entry = entry.unwrap_or_else(|| provider.clone());
                FoundServer { provider, entry, server_url: None, discovered: alone(server) }
            }
            SignInSource::Row(row) => {
                let name = row.name().to_owned();
                let entry = entry.unwrap_or_else(|| name.clone());
                let place = Place::new(tokens, file.clone().unwrap_or_else(|| names::egress(&name, &entry)));
                let known = if known.is_some() { known.clone() } else { place.read()? };
                let known = with_members(known, asked).map_err(|why| why.to_string())?;
                let server = server_of_row(&row, &place, &known, asked, around, &files)?;
                FoundServer { provider: name, entry, server_url: None, discovered: alone(server) }
            }
        };
        let place = Place::new(tokens, file.unwrap_or_else(|| names::egress(&found.provider, &found.entry)));
        let known = if known.is_some() { known } else { place.read()? };
        if let Some(known) = &known {
            same_sign_in(&place.path(), known, found.server_url.as_deref(), &found.provider)?;
        }
        let known = with_members(known, asked).map_err(|why| why.to_string())?;
        let Discovered { server, resource, scope } = found.discovered;
        let wanted = asked.scope.clone().or_else(|| known.scope()).or(scope);
        Ok(Self {
            scopes: server.scopes(wanted.as_deref()),
            server,
            place,
            provider: known.text("provider").unwrap_or(found.provider),
            server_url: found.server_url,
            resource: resource.or_else(|| known.text("resource")),
            clients: beside.iter().filter_map(|(_, document)| KnownClient::read(document)).collect(),
            files,
            known,
        })
    }
}

/// The grant whose endpoint and client are used.
pub(super) fn grant(asked: &LoginOptions) -> GrantType {
    if asked.way == Way::ClientCredentials { GrantType::ClientCredentials } else { GrantType::RefreshToken }
}

fn server_of_row(
    row: &ProviderRow,
    place: &Place,
    known: &Document,
    asked: &LoginOptions,
    around: &SignInContext<'_>,
    files: &[ClientFile],
) -> Result<AuthorizationServer, String> {
    if let Some(instead) = &row.login().instead
        && asked.way != Way::ClientCredentials
    {
        return Err(format!("no person can sign in to {} here: {instead}", row.title()));
    }
    let config = around.config(&place.name, known);
    let endpoints = around.surroundings(files).endpoints(row, grant(asked), &config)?;
    Ok(AuthorizationServer::of_row(row.clone(), endpoints))
}

/// An authorization server without an MCP server in front of it.
fn alone(server: AuthorizationServer) -> Discovered {
    Discovered { server, resource: None, scope: None }
}

/// The name of the provider in file names: the table's, else the word in the endpoint's host.
fn provider_of(server: &AuthorizationServer) -> String {
    if server.row.name().is_empty() {
        names::of_host(&server.endpoints.token.host)
    } else {
        server.row.name().to_owned()
    }
}

/// Members that belong to one client. With another client all of them are removed.
const OF_A_CLIENT: [&str; 7] = [
    "client_secret",
    "client_secret_expires_at",
    "private_key",
    "token_endpoint_auth_method",
    "registration_client_uri",
    "registration_access_token",
    "redirect_uri",
];

/// The contents of the file, with the additions of the command line.
fn with_members(known: Option<Document>, asked: &LoginOptions) -> Result<Document, Unusable> {
    let mut known = known.map_or_else(compose::empty, Ok)?;
    for (name, value) in &asked.members {
        known = set(known, name, &MemberValue::Text(value))?;
    }
    if let Some(id) = asked.client_id.as_ref().filter(|id| known.text("client_id").as_ref() != Some(*id)) {
        for name in OF_A_CLIENT {
            known = set(known, name, &MemberValue::Nothing)?;
        }
        known = set(known, "client_id", &MemberValue::Text(id))?;
    }
    Ok(known)
}

/// Refuses a file that belongs to the sign-in at another server, so that it is not overwritten.
fn same_sign_in(
    path: &Path,
    known: &Document,
    server_url: Option<&str>,
    provider: &str,
) -> Result<(), String> {
    let theirs = known.text("server_url");
    let same = match (server_url, &theirs) {
        (Some(ours), Some(theirs)) => ours.trim_end_matches('/') == theirs.trim_end_matches('/'),
        (Some(_), None) => true,
        (None, _) => known.text("provider").is_none_or(|theirs| theirs == provider),
    };
    if same {
        return Ok(());
    }
    let what = theirs.or_else(|| known.text("provider")).unwrap_or_default();
    Err(format!("{} is there already, for {what}: choose another name with --name NAME", path.display()))
}
