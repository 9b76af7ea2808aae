//! The MCP client configurations of a cycle: from the present tokens to files.

use std::time::Duration;

use log::Level;

use super::client_files;
use super::configured::{Configured, digest};
use super::cycle_log::{CycleLog, Subject, Topic};
use super::default_files;
use super::scan::TokenScan;
use crate::clients::sign_in_advice;
use crate::clock::Timestamp;
use crate::files::{Directory, Lock, LockError, reason};
use crate::servers::{self, Registry};
use crate::services::{GATEWAY, Gathered, KEYCLOAK_GATEWAY, gather, is_keycloak};
use crate::settings::Settings;
use crate::state::Store;
use crate::tokens::name::{Role, role};

/// The longest wait for another process that writes the configurations.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait of a single run, which has no later cycle for the configurations. A busy lock is no failure.
const ONCE_PATIENCE: Duration = Duration::from_secs(45);

/// Inputs that could not be read in this cycle.
enum Unreadable {
    /// The gateway's token, in this file: every entry needs it.
    Gateway(&'static str),
    /// This token file, and perhaps others: entries without a service are kept.
    Services(String),
}

/// Updates all configurations, and logs the results. `exe` is the path of this program.
pub(crate) fn generate(
    settings: &Settings,
    tokens: &Directory,
    seen: &mut TokenScan,
    exe: &Result<String, String>,
    memory: &Store,
    configured: &mut Configured,
    log: &mut CycleLog,
) {
    let begun = Timestamp::now();
    let registry = servers::read_registry(&settings.servers_dir);
    let from = digest(settings, seen, &registry, memory);
    if configured.holds(from, begun, settings.interval) {
        return configured.say_again(log);
    }
    log.record();
    bring_up_to_date(settings, tokens, seen, exe, memory, &registry, log);
    let said = log.recorded();
    // Another process may have changed a token file since the scan.
    let from = digest(settings, seen, &registry, memory);
    configured.remember(from, settings, memory, said, begun);
}

fn bring_up_to_date(
    settings: &Settings,
    tokens: &Directory,
    seen: &mut TokenScan,
    exe: &Result<String, String>,
    memory: &Store,
    registry: &Registry,
    log: &mut CycleLog,
) {
    log.say(Subject::Config, "Scanning for no-auth services...");
    // A project without a gateway has neither its address nor `registry/`, and lacks nothing.
    let registry_dir = settings.servers_dir.parent().filter(|_| settings.registry_url.is_none());
    let without_gateway = registry_dir.is_some_and(|dir| !dir.exists());
    for (about, message) in registry.problems.iter().filter(|_| !without_gateway) {
        log.problem(about, Topic::Entries, Level::Warn, message, "");
    }
    let no_auth: Vec<&str> =
        registry.servers.iter().filter(|server| server.is_open()).map(|server| &*server.name).collect();
    log.say(Subject::Config, counted(no_auth.len(), "no-auth service", &no_auth));
    log.say(Subject::Config, "Generating MCP configurations...");
    let written = locked(tokens, settings.once).and_then(|lock| {
        // Another process may have refreshed a token since the scan.
        seen.tokens.iter_mut().for_each(|token| token.source.read_entry());
        let gathered = collect(settings, seen, registry, log);
        let services = &gathered.services.list;
        let unread = match missing(settings, seen, registry, gathered.gateway) {
            Some(Unreadable::Gateway(file)) => {
                let message = format!("stay as they are until {file} can be read");
                log.problem("the configurations", Topic::Entries, Level::Warn, &message, "");
                return Ok(());
            }
            Some(Unreadable::Services(file)) => Some(file),
            None => None,
        };
        let dir = settings.dir.to_string_lossy();
        let signed_out = sign_in_advice(&gathered.services.signed_out, &dir);
        // A token file that cannot be read now may be the missing one.
        let may_lack = seen.problems.iter().all(|(file, _)| role(file) != Role::Service);
        if let Some(advice) = signed_out.filter(|_| may_lack) {
            log.problem("the registry's servers", Topic::Entries, Level::Warn, &advice, "");
        }
        let written = default_files::keep(settings, tokens, exe, services, unread.is_none(), log);
        client_files::keep(
            &client_files::ClientFiles { settings, tokens, exe, services, unread, memory },
            log,
        );
        drop(lock);
        written
    });
    if let Err(message) = written {
        log.problem("the MCP configurations", Topic::Writing, Level::Error, &message, "");
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

fn locked(tokens: &Directory, once: bool) -> Result<Lock, String> {
    let patience = if once { ONCE_PATIENCE } else { PATIENCE };
    let own = tokens.own().map_err(|error| format!("cannot be locked: {}", reason(&error)))?;
    Lock::exclusive(&own.file_at("configurations.lock"), patience).map_err(|error| match error {
        LockError::Busy => "cannot be locked: another process is writing them".to_owned(),
        LockError::Io(error) => format!("cannot be locked: {}", reason(&error)),
    })
}

fn collect<'a>(
    settings: &Settings,
    seen: &'a TokenScan,
    registry: &Registry,
    log: &mut CycleLog,
) -> Gathered<'a> {
    let files = seen.tokens.iter().map(|token| &token.source);
    let keycloak = is_keycloak(&settings.environment);
    let gathered = gather(files, &registry.servers, settings.registry_url.as_deref(), keycloak);
    for (file, why) in &gathered.renamed {
        log.problem(file, Topic::Entries, Level::Warn, why, "");
    }
    let warnings = &gathered.services.warnings;
    if !warnings.is_empty() {
        let all = warnings.join("; ");
        log.problem("the MCP configurations", Topic::Entries, Level::Warn, &all, "");
    }
    gathered
}

/// The inputs that could not be read in this cycle, so that their entries must be kept.
fn missing(
    settings: &Settings,
    seen: &TokenScan,
    registry: &Registry,
    gateway: Option<&str>,
) -> Option<Unreadable> {
    let unread = |name: &str| seen.problems.iter().any(|(file, _)| file == name);
    if is_keycloak(&settings.environment) && unread(KEYCLOAK_GATEWAY) {
        return Some(Unreadable::Gateway(KEYCLOAK_GATEWAY));
    }
    if unread(GATEWAY) && gateway != Some(KEYCLOAK_GATEWAY) {
        return Some(Unreadable::Gateway(GATEWAY));
    }
    let service = seen.problems.iter().map(|(file, _)| file).find(|file| role(file) == Role::Service);
    service.or(registry.unread.as_ref()).map(|file| Unreadable::Services(file.clone()))
}
