//! The MCP client configurations of this cycle: from the tokens as they are now to files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use log::Level;

use super::story::{Story, Subject, Topic};
use super::survey::{Entry, Seen};
use crate::clients::{Egress, Ingress, Service, seed, services};
use crate::files::{Lock, LockError, Replaced, Stamp, own_directory, reason, replace_text};
use crate::servers::{self, Server};
use crate::settings::Settings;
use crate::tokens::directory::read_document;
use crate::tokens::name::{Role, stem};

/// The names of the two configurations that the specification documents.
pub const GENERATED: [&str; 2] = ["mcp.json", "vscode_mcp.json"];

/// With `AUTH_PROVIDER=keycloak` this file's token is the gateway's, where it exists.
pub const KEYCLOAK_GATEWAY: &str = "agent-ai-coding-assistant-m2m-token.json";

/// How long another process that writes the configurations is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Brings both configurations up to date, and says so.
pub fn generate(settings: &Settings, tokens: &mut [Seen], story: &mut Story) {
    story.say(Subject::Config, "Scanning for no-auth services...");
    let scan = servers::scan(&settings.servers_dir);
    for (about, message) in &scan.problems {
        story.problem(about, Topic::Entries, Level::Warn, message, "");
    }
    let no_auth: Vec<&str> =
        scan.servers.iter().filter(|server| server.no_auth).map(|server| &*server.name).collect();
    story.say(Subject::Config, counted(no_auth.len(), "no-auth service", &no_auth));
    story.say(Subject::Config, "Generating MCP configurations...");
    let written = locked(&settings.tokens_dir).and_then(|lock| {
        let services = collect(settings, tokens, &scan.servers, story);
        let written = write(settings, &services, story);
        drop(lock);
        written
    });
    if let Err(message) = written {
        story.problem("the MCP configurations", Topic::Writing, Level::Error, &message, "");
    }
}

fn counted(count: usize, what: &str, names: &[&str]) -> String {
    let plural = if count == 1 { "" } else { "s" };
    if names.is_empty() {
        format!("Found 0 {what}s")
    } else {
        format!("Found {count} {what}{plural}: {}", names.join(", "))
    }
}

fn locked(tokens: &Path) -> Result<Lock, String> {
    let own = own_directory(tokens).map_err(|error| format!("cannot be locked: {}", reason(&error)))?;
    Lock::exclusive(&own.join("configurations.lock"), PATIENCE).map_err(|error| match error {
        LockError::Busy => "cannot be locked: another process is writing them".to_owned(),
        LockError::Io(error) => format!("cannot be locked: {}", reason(&error)),
    })
}

/// The services, from tokens that are read after the lock is held: another process may have refreshed
/// one since this cycle looked.
fn collect(settings: &Settings, tokens: &mut [Seen], servers: &[Server], story: &mut Story) -> Vec<Service> {
    for seen in tokens.iter_mut().filter(|seen| seen.entry.is_some()) {
        refresh_entry(seen);
    }
    let mut egress = Vec::new();
    for (seen, name) in named(tokens, story) {
        let Some(entry) = &seen.entry else { continue };
        egress.push(Egress {
            name,
            provider: entry.members.get("provider").cloned(),
            access_token: entry.access_token.clone(),
            cloud_id: entry.members.get("cloud_id").cloned(),
        });
    }
    let gateway = gateway(settings, tokens).map(ingress);
    let services = services(&egress, gateway.as_ref(), servers, settings.registry_url.as_deref());
    if !services.warnings.is_empty() {
        story.problem(
            "the MCP configurations",
            Topic::Entries,
            Level::Warn,
            &services.warnings.join("; "),
            "",
        );
    }
    services.list
}

/// The services with the names of their entries. Of two for one server, the file that is called just
/// like the server has the name (it has no other), else the first; the second keeps its whole stem.
fn named<'a>(tokens: &'a [Seen], story: &mut Story) -> Vec<(&'a Seen, String)> {
    let services = || tokens.iter().filter(|seen| seen.role == Role::Service && seen.entry.is_some());
    let mut owners: BTreeMap<&str, &str> = services()
        .filter(|seen| seen.server == stem(&seen.name))
        .map(|seen| (&*seen.server, &*seen.name))
        .collect();
    let mut named = Vec::new();
    for seen in services() {
        let owner = *owners.entry(&seen.server).or_insert(&seen.name);
        if owner == seen.name {
            named.push((seen, seen.server.clone()));
            continue;
        }
        let name = stem(&seen.name).to_owned();
        let message =
            format!("is for {} like {owner}; its entry in the configurations is called {name}", seen.server);
        story.problem(&seen.name, Topic::Entries, Level::Warn, &message, "");
        named.push((seen, name));
    }
    named
}

fn refresh_entry(seen: &mut Seen) {
    let unchanged = std::fs::metadata(&seen.real).is_ok_and(|metadata| Stamp::of(&metadata) == seen.stamp);
    if unchanged {
        return;
    }
    // What cannot be read now keeps the token that was read a moment ago.
    if let Ok((document, stamp)) = read_document(&seen.real) {
        seen.stamp = stamp;
        seen.life = crate::tokens::due::life(&document, stamp.modified());
        seen.refresh_hash = document.refresh_token().map(|token| token.fingerprint());
        seen.has_access = document.has_access_token();
        seen.entry = document
            .access_token()
            .map(|access_token| Entry { access_token, members: document.plain_texts().collect() });
    }
}

fn gateway<'a>(settings: &Settings, tokens: &'a [Seen]) -> Option<&'a Entry> {
    let keycloak = settings
        .environment
        .get("AUTH_PROVIDER")
        .is_some_and(|provider| provider.eq_ignore_ascii_case("keycloak"));
    let called = |name: &str| tokens.iter().find(|seen| seen.name == name)?.entry.as_ref();
    keycloak.then(|| called(KEYCLOAK_GATEWAY)).flatten().or_else(|| called("ingress.json"))
}

fn ingress(entry: &Entry) -> Ingress {
    let member = |names: &[&str]| names.iter().find_map(|name| entry.members.get(*name)).cloned();
    Ingress {
        provider: member(&["provider"]),
        access_token: entry.access_token.clone(),
        client_id: member(&["client_id"]),
        user_pool_id: member(&["user_pool_id"]),
        region: member(&["region"]),
        realm: member(&["realm", "keycloak_realm"]),
        keycloak_url: member(&["keycloak_url"]),
    }
}

fn write(settings: &Settings, services: &[Service], story: &mut Story) -> Result<(), String> {
    let root = settings.dir.to_string_lossy();
    let count = services.len();
    let plural = if count == 1 { "" } else { "s" };
    for (name, client, text) in [
        (GENERATED[0], "Roocode", seed::roocode(services, &root)),
        (GENERATED[1], "VSCode", seed::vscode(services)),
    ] {
        let path = settings.tokens_dir.join(name);
        match replace_text(&path, text.expose()) {
            Ok(Replaced::Same) => {}
            Ok(Replaced::Written) => story.something_happened(),
            Err(error) => return Err(format!("{} cannot be written: {}", path.display(), reason(&error))),
        }
        story.say(Subject::Config, format!("Generated {client} config with {count} server{plural}"));
    }
    Ok(())
}
