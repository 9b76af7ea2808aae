//! Builds the services of the configurations from token files: the server of each file, and the gateway's file. A
//! cycle and `token-refresher headers` both use this.

use std::collections::{BTreeMap, HashMap};

use super::names::{GATEWAY, KEYCLOAK_GATEWAY};
use super::source::{Entry, TokenSource};
use crate::clients::{Egress, Ingress, Services, services};
use crate::clock::Timestamp;
use crate::ordered;
use crate::servers::Server;
use crate::settings::{Environment, Settings};
use crate::state::DaemonRecord;
use crate::tokens::name::{Role, stem};

/// A token file that holds an access token.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a TokenSource,
    entry: &'a Entry,
}

/// A file whose entry has another name than its server, with the reason.
type Renamed<'a> = (&'a str, String);

/// The services, and the files of their tokens.
pub(crate) struct Gathered<'a> {
    pub services: Services,
    /// The file of each service that has a token of its own.
    pub files: BTreeMap<&'a str, &'a str>,
    /// The file of the gateway's token.
    pub gateway: Option<&'a str>,
    pub renamed: Vec<Renamed<'a>>,
}

/// Whether the environment says that the gateway takes tokens of Keycloak.
pub(crate) fn is_keycloak(environment: &Environment) -> bool {
    environment.get("AUTH_PROVIDER").is_some_and(|provider| provider.eq_ignore_ascii_case("keycloak"))
}

/// The record of a daemon's settings. The caller adds the process.
pub(crate) fn record_of(settings: &Settings) -> DaemonRecord {
    DaemonRecord {
        pid: 0,
        started: Timestamp::from_millis(0),
        interval: settings.interval.as_secs(),
        buffer: settings.buffer.as_secs(),
        registry_url: settings.registry_url.clone(),
        servers_dir: settings.servers_dir.display().to_string(),
        providers: settings.providers.is_file().then(|| settings.providers.display().to_string()),
        keycloak: is_keycloak(&settings.environment),
        sealing_key: None,
        once: false,
    }
}

/// Builds the services from the token files (sorted by name) and the registry's servers. A file without an access
/// token is no service.
pub(crate) fn gather<'a>(
    files: impl Iterator<Item = &'a TokenSource>,
    servers: &[Server],
    registry_url: Option<&str>,
    keycloak: bool,
) -> Gathered<'a> {
    let sources: Vec<Source> =
        files.filter_map(|file| Some(Source { file, entry: file.entry.as_deref()? })).collect();
    let (named, renamed) = named(&sources);
    let egress: Vec<Egress> = named
        .iter()
        .map(|&(name, source)| Egress {
            name,
            provider: source.entry.member("provider"),
            access_token: source.entry.access_token.clone(),
            cloud_id: source.entry.member("cloud_id"),
            server_url: source.entry.member("server_url"),
        })
        .collect();
    let called = |name: &str| sources.iter().find(|source| source.file.name == name);
    let gateway = keycloak.then(|| called(KEYCLOAK_GATEWAY)).flatten().or_else(|| called(GATEWAY));
    let ingress = gateway.map(|source| ingress(source.entry));
    Gathered {
        services: services(&egress, ingress.as_ref(), servers, registry_url),
        files: ordered::map(named.into_iter().map(|(name, source)| (name, &*source.file.name))),
        gateway: gateway.map(|source| &*source.file.name),
        renamed,
    }
}

/// The services with the names of their entries. Of two files for one server, the file with exactly the server's name
/// has that entry: it has no other name. Otherwise the first file does. The second entry is named by the file's whole
/// stem.
fn named<'a>(sources: &[Source<'a>]) -> (Vec<(&'a str, Source<'a>)>, Vec<Renamed<'a>>) {
    let services = || sources.iter().filter(|source| source.file.role == Role::Service);
    let mut owners: HashMap<&str, &str> = services()
        .filter(|source| source.file.server_at == 0)
        .map(|source| (source.file.server(), &*source.file.name))
        .collect();
    let (mut named, mut renamed) = (Vec::new(), Vec::new());
    for source in services() {
        let (file, server) = (&*source.file.name, source.file.server());
        let owner = *owners.entry(server).or_insert(file);
        if owner == file {
            named.push((server, *source));
            continue;
        }
        let name = stem(file);
        let why = format!("is for {server} like {owner}; its entry in the configurations is called {name}");
        renamed.push((file, why));
        named.push((name, *source));
    }
    (named, renamed)
}

fn ingress(entry: &Entry) -> Ingress {
    let member = |name: &str| entry.member(name).map(str::to_owned);
    Ingress {
        provider: member("provider"),
        access_token: entry.access_token.clone(),
        client_id: member("client_id"),
        user_pool_id: member("user_pool_id"),
        region: member("region"),
        realm: member("realm").or_else(|| member("keycloak_realm")),
        keycloak_url: member("keycloak_url"),
    }
}
