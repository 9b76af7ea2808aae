//! Seals the secrets of one file, or opens them for good: under the file's lock, with the steps of a refresh, and
//! without a request. The file keeps its time, from which the life of a token may count.

use super::config;
use super::context::Context;
use super::locked::{Locked, lock_and_read};
use super::member::{Member, Obstacle};
use super::precautions::reserve_all;
use crate::files::{Reserve, reason};
use crate::oauth::{Resolution, TokenRequest};
use crate::sealing::{Binding, Seal, SecretMember, StoredSecret, opened, opened_anywhere};
use crate::secret::Secret;
use crate::services::list_token_files;
use crate::tokens::at_rest::{AtRest, plain_secrets, second_copy, with_secrets};
use crate::tokens::{Document, FileKind, directory};

/// The wanted form of the secrets of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SealOrder {
    /// All secrets are sealed with the first key.
    Seal,
    /// All secrets are sealed anew, for the endpoint and client to which the file leads now.
    Rebind,
    /// All secrets are plain text.
    Unseal,
}

/// The result for the secrets.
#[derive(Debug)]
pub(crate) enum Sealed {
    /// The secrets have the ordered form now.
    Done {
        /// The secrets that were plain text before.
        plain: Vec<SecretMember>,
        /// The secrets that were sealed before.
        sealed: Vec<SecretMember>,
        /// Whether the provider never replaces the refresh token, so that the token in an old copy stays good.
        lasting: bool,
    },
    /// The secrets had the ordered form already.
    Already,
    /// The file has no secrets.
    NoSecret,
    /// Another process has locked the file, or has written it meanwhile.
    Busy,
    /// The secrets stay as they are, for this reason.
    Refused(String),
}

/// Brings the secrets of the file `name` into the ordered form.
pub(crate) fn seal_file(name: &str, order: SealOrder, context: &Context<'_>) -> Sealed {
    let locked = context.patiently(|patience| lock_and_read(context.directory, &[name.to_owned()], patience));
    let member = match locked {
        Ok(Locked { mut members, .. }) if members.len() == 1 => members.remove(0),
        Ok(_) => return Sealed::Refused("it cannot be read any more".to_owned()),
        Err(Obstacle::Busy) => return Sealed::Busy,
        Err(Obstacle::Local(why) | Obstacle::Unreadable { why, .. }) => return Sealed::Refused(why),
    };
    match sealed(&member, order, context) {
        Ok(done) => done,
        Err(why) => Sealed::Refused(why),
    }
}

fn sealed(member: &Member, order: SealOrder, context: &Context<'_>) -> Result<Sealed, String> {
    let document = &member.document;
    let current = context.keys.first().map(|key| key.kid());
    match (AtRest::of(document), order) {
        (AtRest::NoSecret, _) => return Ok(Sealed::NoSecret),
        (AtRest::Plain, SealOrder::Unseal) if !document.is_sealed() => return Ok(Sealed::Already),
        (AtRest::Sealed(kids), SealOrder::Seal) if current.is_some_and(|current| kids == [current]) => {
            return Ok(Sealed::Already);
        }
        _ => {}
    }
    if member.doubt.is_some() {
        // After a crash a file that lies beside this one would be taken for the missing answer.
        return Err("its last refresh was interrupted, and its outcome is unknown".to_owned());
    }
    let request = leads_to(member.name(), document, context);
    let binding = match (&request, order) {
        (Ok(found), _) => Some(found.binding.clone()),
        (Err(_), SealOrder::Unseal) => None,
        (Err(why), _) => return Err(why.clone()),
    };
    let opening = SecretOpener { order, binding: binding.as_ref(), context };
    let secrets = opening.secrets(document)?;
    let seal = match (order, binding, context.keys.first()) {
        (SealOrder::Unseal, ..) => None,
        (_, Some(binding), Some(key)) => Some(Seal::new(key, binding)),
        _ => return Err("there is no key; give one with --key-file or --key-command".to_owned()),
    };
    if let Some(copy) = second_copy(document, &plain_secrets(document)).filter(|_| seal.is_some()) {
        return Err(format!("its {copy} stands in it more than once; remove the other copy"));
    }
    let changed = with_secrets(document.clone(), &secrets, seal.as_ref()).map_err(|why| why.to_string())?;
    if !replace(member, &changed)? {
        return Ok(Sealed::Busy);
    }
    let (plain, sealed) = document.seals().partition::<Vec<_>, _>(|(_, form)| *form == StoredSecret::Plain);
    let names =
        |found: Vec<(SecretMember, StoredSecret)>| found.into_iter().map(|(member, _)| member).collect();
    let lasting = request.is_ok_and(|found| found.lasting);
    Ok(Sealed::Done { plain: names(plain), sealed: names(sealed), lasting })
}

/// Where the secrets of a file may be sent.
struct LeadsTo {
    binding: Binding,
    lasting: bool,
}

impl LeadsTo {
    fn of(request: &TokenRequest) -> Self {
        Self { binding: request.binding(), lasting: request.keeps_refresh_token() }
    }
}

/// Finds out where the secrets of a file may be sent. A file with client credentials alone leads to the same place as
/// the token files with its client id.
fn leads_to(name: &str, document: &Document, context: &Context<'_>) -> Result<LeadsTo, String> {
    if document.kind() == FileKind::ClientCredentials {
        return client_leads_to(name, document, context);
    }
    match context.resolve(name, document) {
        Resolution::Refresh(request) => Ok(LeadsTo::of(&request)),
        Resolution::Monitored(why) | Resolution::Misconfigured(why) => {
            Err(format!("nothing says where its secrets may be sent: {why}"))
        }
    }
}

fn client_leads_to(name: &str, document: &Document, context: &Context<'_>) -> Result<LeadsTo, String> {
    let client = document.text("client_id");
    let mut found: Vec<Binding> = Vec::new();
    for file in list_token_files(context.directory).unwrap_or_default().names {
        let read = directory::read(context.directory, &file).ok().flatten();
        let Some(token) = read.filter(|read| read.document.kind() == FileKind::Token) else { continue };
        let is_ours = token.document.text("client_id") == client && !token.document.has("client_secret");
        if let Some(Resolution::Refresh(request)) = is_ours.then(|| context.resolve(&file, &token.document))
            && !found.contains(&request.binding())
        {
            found.push(request.binding());
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(binding), true) => return Ok(LeadsTo { binding, lasting: false }),
        (Some(_), false) => {
            return Err("the token files with its client_id lead to different endpoints".to_owned());
        }
        (None, _) => {}
    }
    let config = crate::oauth::CredentialConfig {
        has_refresh_token: true,
        ..config::of(name, document, context.providers)
    };
    match context.resolve_config(&config) {
        Resolution::Refresh(request) => Ok(LeadsTo::of(&request)),
        Resolution::Monitored(_) | Resolution::Misconfigured(_) => Err(
            "no token file with its client_id is here, and it does not say itself where its secret may be sent: add \
             token_endpoint, issuer or provider to it"
                .to_owned(),
        ),
    }
}

/// How sealed members are opened.
struct SecretOpener<'a> {
    order: SealOrder,
    binding: Option<&'a Binding>,
    context: &'a Context<'a>,
}

impl SecretOpener<'_> {
    /// All secrets of the document, opened.
    fn secrets(&self, document: &Document) -> Result<Vec<(SecretMember, Secret)>, String> {
        let secret = |(member, form): (SecretMember, StoredSecret)| {
            let text = document.stored(member)?;
            let secret = if form == StoredSecret::Plain { Ok(text) } else { self.open(member, &text) };
            Some(secret.map(|secret| (member, secret)))
        };
        document.seals().filter_map(secret).collect()
    }

    fn open(&self, member: SecretMember, text: &Secret) -> Result<Secret, String> {
        let keys = self.context.keys;
        let secret = match self.binding.filter(|_| self.order != SealOrder::Rebind) {
            Some(binding) => opened(text, member, binding, keys),
            None => opened_anywhere(text, member, keys).map(|(secret, _)| secret),
        };
        secret.map_err(|why| {
            let helps =
                if why.is_elsewhere() { "; if this is meant: token-refresher seal --rebind" } else { "" };
            format!("the {member}: {why}{helps}")
        })
    }
}

/// Puts `document` in the place of the member's file; `false` where another program has written the file meanwhile.
fn replace(member: &Member, document: &Document) -> Result<bool, String> {
    let failed = |error: std::io::Error| reason(&error);
    let mut reserve =
        reserve_all(std::slice::from_ref(member)).map_err(|held| held.why)?.pop().ok_or("it is gone")?;
    let stored = reserve.store(document.file_text()).and_then(|()| {
        // A token without a time of its own lives from the time of its file.
        reserve.set_modified(&member.stamp)?;
        Ok(member.real.inode()?.stamp == member.stamp)
    });
    let placed = match stored {
        Ok(true) => reserve.take_place().map(|()| true),
        other => other.and_then(|same| Reserve::remove_leftover(&member.real).map(|_| same)),
    };
    if placed.is_err() {
        // The reserve holds nothing that the file does not hold. The next refresh removes a leftover.
        let _ = Reserve::remove_leftover(&member.real);
    }
    let placed = placed.map_err(failed)?;
    // Shows that this program wrote the file last. After a failure the change looks like another program's work.
    let _ = member.lock.touch_note(" ");
    Ok(placed)
}
