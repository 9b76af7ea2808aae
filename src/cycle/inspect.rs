//! Scans as a cycle does and changes nothing, for `status` and `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::memory::Memory;
use super::scan::{Credential, ScanContext, TokenScan, scan};
use super::setup::providers;
use crate::clock::Timestamp;
use crate::files::{Directory, Holder, reason};
use crate::oauth::Providers;
use crate::services::{in_configurations, recorded_providers};
use crate::settings::Settings;
use crate::state::{
    CycleRecord, HookKind, Outage, Plan, Store, UnknownHolder, daemon_holder, daemon_holder_in,
};
use crate::status::{DaemonSeen, Facts, Overview, SealCounts, Token};

/// Why the tokens directory could not be inspected.
#[derive(Debug)]
pub(crate) enum NotInspected {
    /// The lock does not tell whether a daemon runs.
    Daemon(UnknownHolder),
    /// This directory cannot be read.
    Directory(PathBuf, io::Error),
}

impl fmt::Display for NotInspected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(why) => why.fmt(out),
            Self::Directory(path, error) => {
                write!(out, "{} cannot be read: {}", path.display(), reason(error))
            }
        }
    }
}

/// Opens the tokens directory, and looks whether a daemon runs for it. Where there is no directory, none does.
fn opened(directory: &Path) -> Result<(io::Result<Directory>, Holder), NotInspected> {
    let opened = Directory::open(directory);
    let holder = opened.as_ref().map_or_else(|_| daemon_holder(directory), daemon_holder_in);
    Ok((opened, holder.map_err(NotInspected::Daemon)?))
}

/// The overview of the tokens directory at `now`. Buffer and interval are those of the daemon that runs or last ran.
pub(crate) fn inspect(settings: &Settings, now: Timestamp) -> Result<Overview, NotInspected> {
    let directory = &settings.tokens_dir;
    let (tokens_dir, holder) = opened(directory)?;
    let store = Store::of(tokens_dir.as_ref().ok().cloned());
    let record = store.daemon();
    let buffer = record.as_ref().map_or(settings.buffer, |record| Duration::from_secs(record.buffer));
    let interval = record.as_ref().map_or(settings.interval, |record| Duration::from_secs(record.interval));
    let recorded = record.as_ref().and_then(recorded_providers);
    let context = ScanContext {
        // A broken file of providers stops the daemon, which logs it. Here the file costs only some names.
        providers: &recorded.unwrap_or_else(|| providers(settings).unwrap_or_else(|_| Providers::builtin())),
        environment: &settings.environment,
        state: &store,
        outages: &store.endpoints(),
        buffer,
        interval,
        forced: false,
        writes_configurations: false,
        now,
    };
    let cannot = |error| NotInspected::Directory(directory.clone(), error);
    let tokens_dir = tokens_dir.map_err(cannot)?;
    let seen = scan(&tokens_dir, &context, &mut Memory::default()).map_err(cannot)?;
    let runs = holder.is_held();
    let cycle = store.cycle();
    let known = cycle.as_ref().map(|cycle| Lacking { cycle, runs });
    let mut tokens: Vec<Token> = seen
        .tokens
        .iter()
        .map(|seen| {
            Token::of(&trusted(seen, known.as_ref()), buffer, now)
                .with_remedy(&settings.dir)
                .with_oddities(&seen.oddities)
        })
        .collect();
    tokens.extend(unusable(&seen, &settings.dir));
    let files = seen.tokens.iter().map(|token| &token.source.at_rest).chain(seen.clients_at_rest.values());
    let at_rest = SealCounts::of(files, record.as_ref().and_then(|record| record.sealing_key));
    let report = Overview {
        now,
        project: settings.dir.clone(),
        tokens_dir: directory.display().to_string(),
        open_to_others: tokens_dir.open_to_others().map(|why| why.to_string()),
        daemon: DaemonSeen { holder, record },
        interval,
        buffer,
        cycle,
        copies: seen.copies.clone(),
        endpoints: asked_again(store.endpoints(), &seen.tokens),
        hooks: [HookKind::Refresh, HookKind::Trouble].map(|kind| (kind, store.hook(kind))),
        at_rest,
        tokens,
    };
    Ok(report.sorted())
}

/// The files that hold no token, or cannot be used.
fn unusable<'a>(seen: &'a TokenScan, project: &'a Path) -> impl Iterator<Item = Token> {
    let empty = "it holds no token; remove it, or sign in";
    let signed_out = seen.empty.iter().map(|name| Token::unusable(name, true, empty.to_owned()));
    let broken = seen.problems.iter().map(|(name, why)| {
        let token = Token::unusable(name, in_configurations(name), why.to_string());
        if why.needs_sign_in() { token.needing_sign_in(project) } else { token }
    });
    signed_out.map(|token| token.needing_sign_in(project)).chain(broken)
}

/// The endpoints in trouble, each with the time of its first token's next request.
fn asked_again(mut outages: BTreeMap<String, Outage>, tokens: &[Credential]) -> BTreeMap<String, Outage> {
    for token in tokens {
        let outage = token.in_trouble.as_ref().and_then(|endpoint| outages.get_mut(endpoint));
        if let (Some(outage), Plan::Waiting(at)) = (outage, token.plan) {
            outage.next_attempt = outage.next_attempt.min(at);
        }
    }
    outages
}

/// The facts that the last cycle lacked for its requests.
struct Lacking<'a> {
    cycle: &'a CycleRecord,
    /// Whether the daemon of that cycle runs.
    runs: bool,
}

/// The facts about a token, as far as this process can know them. Client credentials may be in the daemon's
/// environment alone. So a token that was refreshed without a refresh token does not count as monitored. A running
/// daemon's lack for a request counts. Without a daemon, a lack counts where the last cycle and this process both have
/// it.
fn trusted<'a>(seen: &'a Credential, known: Option<&'a Lacking<'_>>) -> Facts<'a> {
    let facts = seen.facts();
    let machine = facts.refresh_hash.is_none() && facts.remembered.last_success.is_some();
    let unresolved = match known {
        None => facts.unresolved,
        Some(known) => {
            let lacked = known.cycle.unresolved.get(facts.file).map(String::as_str);
            let new = facts.remembered.last_success.is_none() && !known.runs;
            lacked.filter(|_| known.runs || facts.unresolved.is_some()).or(facts.unresolved.filter(|_| new))
        }
    };
    Facts { monitored: facts.monitored.filter(|_| !machine), unresolved, ..facts }
}
