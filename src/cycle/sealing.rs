//! Sealing in a cycle and by command: the choice of files, and the lines about each.
//!
//! A cycle seals plain secrets, but not those that another program owns or shares: that program could no longer read
//! its token. The log names such files once, and `token-refresher seal` seals them.

use std::collections::HashMap;

use log::Level;

use super::cycle_log::{CycleLog, Topic};
use super::scan::{Credential, TokenScan};
use crate::files::{Directory, FileAt, Stamp};
use crate::refresh::{Context, SealOrder, Sealed, seal_file};
use crate::sealing::SecretMember;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::real;
use crate::tokens::spelled::file_in;

/// Files that a cycle could not seal. Each is tried again after a change.
#[derive(Default)]
pub(super) struct LeftPlain(HashMap<String, (Option<Stamp>, String)>);

/// Seals the plain secrets of `scan`. Returns the names of the files that were sealed.
pub(super) fn seal_plain(
    scan: &TokenScan,
    left: &mut LeftPlain,
    context: &Context<'_>,
    log: &mut CycleLog,
) -> Vec<String> {
    let directory = context.directory;
    let mut sealed = Vec::new();
    let tokens = scan.tokens.iter().filter(|token| token.source.at_rest == AtRest::Plain);
    let tokens =
        tokens.map(|token| (token.name(), Some(token.source.stamp()), owned_by_another(token, directory)));
    let clients = scan.clients_at_rest.iter().filter(|(_, at_rest)| **at_rest == AtRest::Plain);
    let clients = clients.map(|(name, _)| {
        let real = real(&file_in(directory, name)).ok().flatten();
        let stamp = real.as_ref().and_then(|real| real.inode().ok()).map(|found| found.stamp);
        (&**name, stamp, real.as_ref().and_then(|real| leads_out(real, directory)))
    });
    for (name, stamp, foreign) in tokens.chain(clients) {
        let known = left.0.get(name).filter(|(known, _)| *known == stamp && foreign.is_none());
        let why = match (foreign, known) {
            (Some(why), _) => why,
            (None, Some((_, why))) => why.clone(),
            (None, None) => match seal_file(name, SealOrder::Seal, context) {
                Sealed::Done { plain, .. } => {
                    log::info!(target: "REFRESH", "{name}: sealed: {}", members(&plain));
                    left.0.remove(name);
                    sealed.push(name.to_owned());
                    continue;
                }
                Sealed::Refused(why) => {
                    left.0.insert(name.to_owned(), (stamp, why.clone()));
                    why
                }
                // The next cycle looks again.
                Sealed::Already | Sealed::NoSecret | Sealed::Busy => {
                    log.keep_problem(name, Topic::AtRest);
                    continue;
                }
            },
        };
        log.problem(name, Topic::AtRest, Level::Warn, &format!("its secrets stay in plain text: {why}"), "");
    }
    sealed
}

/// Why a file is left to another program, which could not read sealed secrets.
fn owned_by_another(token: &Credential, directory: &Directory) -> Option<String> {
    let seals = "token-refresher seal seals it all the same";
    if let Some(why) = &token.monitored {
        return Some(format!("{why}; {seals}"));
    }
    if token.state.shared || token.has_foreign_writer() {
        return Some(format!("another program writes it too; {seals}"));
    }
    leads_out(&token.source.real, directory)
}

/// Why a link is left alone: its target is in a directory of another program.
fn leads_out(real: &FileAt, directory: &Directory) -> Option<String> {
    // The same name in both directories is the same file where the directories are the same.
    let inside = real.directory().file_at("") == directory.file_at("");
    (!inside).then(|| {
        "it is a link to a file of another directory, which another program may read; token-refresher seal seals it \
         all the same"
            .to_owned()
    })
}

/// The names of members, for a line.
fn members(members: &[SecretMember]) -> String {
    members.iter().map(|member| member.name()).collect::<Vec<_>>().join(", ")
}

/// The results of a command.
#[derive(Default)]
pub(crate) struct SealSummary {
    /// A line for each changed file, and the summary.
    pub lines: Vec<String>,
    /// Files that could not be changed, with the reasons.
    pub failed: Vec<String>,
}

/// Carries out a person's order for these files.
pub(super) fn seal_named(names: &[String], order: SealOrder, context: &Context<'_>) -> SealSummary {
    let mut summary = SealSummary::default();
    let (mut fresh, mut anew, mut already) = (0, 0, 0);
    for name in names {
        match seal_file(name, order, context) {
            Sealed::Done { plain, sealed, lasting } if order != SealOrder::Unseal => {
                fresh += usize::from(!plain.is_empty());
                anew += usize::from(plain.is_empty());
                if !plain.is_empty() {
                    summary.lines.push(format!("{name}: sealed {}", members(&plain)));
                }
                if !sealed.is_empty() {
                    summary.lines.push(format!("{name}: sealed anew: {}", members(&sealed)));
                }
                summary.lines.extend(old_copies(name, &plain, lasting));
            }
            Sealed::Done { sealed, .. } => {
                fresh += 1;
                summary.lines.push(format!("{name}: {} in plain text now", members(&sealed)));
            }
            Sealed::Already => already += 1,
            Sealed::NoSecret => {}
            Sealed::Busy => {
                summary.failed.push(format!("{name}: another process has it; run this again"));
            }
            Sealed::Refused(why) => summary.failed.push(format!("{name}: {why}; it stays as it is")),
        }
        if order == SealOrder::Rebind {
            // The origin of the last refresh forbids the new place too.
            context.state.update(name, |state| state.origin = None);
        }
    }
    let failed = summary.failed.len();
    summary.lines.push(if order == SealOrder::Unseal {
        format!("{fresh} opened, {already} in plain text already, {failed} not opened")
    } else {
        format!("{fresh} sealed, {anew} sealed anew, {already} sealed already, {failed} not sealed")
    });
    summary
}

/// The limits of sealing: earlier copies whose secrets remain valid.
fn old_copies(name: &str, plain: &[SecretMember], lasting: bool) -> Vec<String> {
    let mut said = Vec::new();
    if lasting && plain.contains(&SecretMember::RefreshToken) {
        said.push(format!(
            "{name}: the provider never replaces this refresh token: only a new sign-in (token-refresher login) makes \
             copies of the past worthless"
        ));
    }
    for member in [SecretMember::ClientSecret, SecretMember::PrivateKey] {
        if plain.contains(&member) {
            said.push(format!(
                "{name}: the {member} in copies of the past stays good until the provider has a new one"
            ));
        }
    }
    said
}
