//! What stands in the tokens directory, judged: which credential is due, which is not, and why.
//!
//! Reads every file once and keeps of it only what the rest of the cycle needs; ten thousand documents
//! are not held in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::files::{Stamp, leftover};
use crate::oauth::{ClientFile, CredentialConfig, Providers, Resolution, resolve};
use crate::refresh::{Memory, Standing, hints, written_by_us};
use crate::secret::Secret;
pub(crate) use crate::status::{Plan, plan};
use crate::tokens::directory::{self, Listing, Problem, TokenFile};
use crate::tokens::name::{Role, role, server, stem};
use crate::tokens::{FileKind, Life, due};

/// One token file, judged.
pub(crate) struct Seen {
    /// Its name in the directory.
    pub name: String,
    /// The file itself, links resolved.
    pub real: PathBuf,
    /// Its state when it was read.
    pub stamp: Stamp,
    /// What its name says it is.
    pub role: Role,
    /// The service it is for, of a service's file.
    pub server: String,
    /// Its life.
    pub life: Life,
    /// Whether it holds an access token.
    pub has_access: bool,
    /// Fingerprint of its access token, where a forced refresh must know whether it has changed.
    pub access_hash: Option<String>,
    /// Fingerprint of its refresh token.
    pub refresh_hash: Option<String>,
    /// What the configurations need of it; only of services and the gateway's token.
    pub entry: Option<Entry>,
    /// Why it is only watched, where nothing in it can be refreshed or it says so.
    pub monitored: Option<String>,
    /// What is remembered of it.
    pub standing: Standing,
    /// Where an answer of ours replaced its refresh token: the fingerprint of the youngest successor.
    pub newest: Option<String>,
    /// When it is to be refreshed.
    pub plan: Plan,
    /// What is strange about it.
    pub oddities: Vec<String>,
}

/// What a configuration needs of a token file.
pub(crate) struct Entry {
    /// The access token.
    pub access_token: Secret,
    /// Its plain members (`provider`, `client_id`, `realm`, ...).
    pub members: BTreeMap<String, String>,
}

/// The directory, judged.
pub(crate) struct Survey {
    /// The token files, by name.
    pub tokens: Vec<Seen>,
    /// The client-credential files beside them.
    pub clients: Vec<ClientFile>,
    /// Names that cannot be used, and why.
    pub problems: Vec<(String, Problem)>,
    /// Every name that was listed, sorted.
    pub names: Vec<String>,
    /// Names beside which a crash left something, and that are not refreshed.
    pub leftovers: Vec<String>,
}

/// The circumstances that a judgement needs.
pub(crate) struct Circumstances<'a> {
    /// The providers that are known, for the names of services.
    pub providers: &'a Providers,
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// What is remembered of each file.
    pub known: &'a dyn Fn(&str) -> Standing,
    /// The youngest successor of a refresh token that an answer of ours replaced, by fingerprint.
    pub newest: &'a dyn Fn(&str) -> Option<String>,
    /// How long before its expiry a token is due.
    pub buffer: Duration,
    /// Whether every token is to be refreshed, due or not.
    pub forced: bool,
    /// The time.
    pub now: Timestamp,
}

/// Looks through `directory`, leaving out the files called `generated`.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn survey(
    directory: &Path,
    generated: &[String],
    circumstances: &Circumstances<'_>,
) -> io::Result<Survey> {
    let listing = directory::list(directory, generated)?;
    // Without a refresh token it depends on the client credentials whether anybody can refresh it, and
    // those are known when all files have been read.
    let mut unclear = BTreeMap::new();
    let mut survey = Survey {
        tokens: Vec::new(),
        clients: Vec::new(),
        problems: Vec::new(),
        names: Vec::new(),
        leftovers: Vec::new(),
    };
    let mut second_look = Vec::new();
    for name in &listing.names {
        // Resolving and looking first take system calls that ten thousand files feel.
        let found = if listing.special.contains(name) {
            directory::read(directory, name)
        } else {
            directory::read_listed(directory, name)
        };
        match found {
            Err(problem) if problem.may_pass() => second_look.push(name),
            found => take(name, found, &listing, &mut survey, &mut unclear, circumstances),
        }
    }
    if !second_look.is_empty() {
        std::thread::sleep(directory::SECOND_LOOK);
        for name in second_look {
            take(name, directory::read(directory, name), &listing, &mut survey, &mut unclear, circumstances);
        }
        survey.tokens.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    }
    for seen in &mut survey.tokens {
        let Some(hints) = unclear.get(&seen.name) else { continue };
        let variable = |name: &str| (circumstances.variable)(name);
        if let (Resolution::Monitored(why), _) =
            resolve(hints, &variable, &survey.clients, circumstances.providers)
        {
            seen.monitored = Some(why);
        }
    }
    survey.names = listing.names;
    let refreshed = |name: &String| {
        let found = survey.tokens.binary_search_by(|token| token.name.cmp(name));
        found.is_ok_and(|index| survey.tokens[index].monitored.is_none())
    };
    survey.leftovers = listing.leftovers.into_iter().filter(|name| !refreshed(name)).collect();
    Ok(survey)
}

/// Takes one file into the survey.
fn take(
    name: &str,
    found: Result<Option<TokenFile>, Problem>,
    listing: &Listing,
    survey: &mut Survey,
    unclear: &mut BTreeMap<String, CredentialConfig>,
    circumstances: &Circumstances<'_>,
) {
    let file = match found {
        Ok(Some(file)) => file,
        Ok(None) => return,
        Err(problem) => return survey.problems.push((name.to_owned(), problem)),
    };
    match file.document.kind() {
        FileKind::Token => {
            // What a crash left beside a link's target is not in the listing.
            let interrupted = listing.leftovers.contains(name)
                || listing.special.contains(name) && leftover(&file.real).symlink_metadata().is_ok();
            let seen = judge(&file, interrupted, circumstances);
            if seen.refresh_hash.is_none() && seen.monitored.is_none() {
                let built_in = circumstances.providers.longest_name_prefix(stem(name));
                unclear.insert(name.to_owned(), hints::of(name, &file.document, built_in));
            }
            survey.tokens.push(seen);
        }
        FileKind::ClientCredentials => survey.clients.extend(hints::client_file(name, &file.document)),
        FileKind::Other => log::debug!(target: "REFRESH", "{name}: holds no token; passed over"),
    }
}

fn judge(file: &TokenFile, interrupted: bool, circumstances: &Circumstances<'_>) -> Seen {
    let document = &file.document;
    let provider = document.text("provider");
    let role = role(&file.name);
    let refresh_hash = document.refresh_token().map(|token| token.fingerprint());
    let life = due::life(document, file.stamp.modified());
    let standing = (circumstances.known)(&file.name);
    let built_in = (role == Role::Service)
        .then(|| circumstances.providers.longest_name_prefix(stem(&file.name)))
        .flatten();
    let monitored = if document.is_monitored_only() {
        Some("\"refresh\": false stands in it".to_owned())
    } else if document.raw("access_token").is_none() && refresh_hash.is_none() {
        Some("it holds a bare token and nothing to refresh it with".to_owned())
    } else {
        None
    };
    let in_configurations = role != Role::Other || file.name == super::services::KEYCLOAK_GATEWAY;
    let newest = refresh_hash.as_deref().and_then(|hash| (circumstances.newest)(hash));
    let plan = match plan(
        &life,
        document.has_access_token(),
        refresh_hash.as_deref(),
        &standing,
        circumstances.buffer,
        circumstances.now,
    ) {
        _ if interrupted && monitored.is_none() => Plan::Due,
        // An old copy is brought up to date before anybody uses it.
        plan if newest.is_some() && plan != Plan::Blocked => Plan::Due,
        plan => plan,
    };
    Seen {
        server: server(&file.name, provider.as_deref(), built_in).to_owned(),
        name: file.name.clone(),
        real: file.real.clone(),
        stamp: file.stamp,
        has_access: document.has_access_token(),
        access_hash: circumstances
            .forced
            .then(|| document.access_token())
            .flatten()
            .map(|token| token.fingerprint()),
        entry: in_configurations
            .then(|| document.access_token())
            .flatten()
            .map(|access_token| Entry { access_token, members: document.plain_texts().collect() }),
        oddities: document.oddities(),
        role,
        life,
        refresh_hash,
        monitored,
        standing,
        newest,
        plan,
    }
}

impl Seen {
    /// Whether it is due and must not be asked for now.
    pub(crate) fn is_stuck(&self) -> bool {
        self.monitored.is_none() && matches!(self.plan, Plan::Waiting(_) | Plan::Blocked)
    }

    /// Reads the file again and plans anew, after it was refreshed. What cannot be read now keeps its plan:
    /// the next look finds the change.
    pub(crate) fn look_again(&mut self, memory: &dyn Memory, buffer: Duration, now: Timestamp) {
        let Ok((document, stamp)) = directory::read_document(&self.real) else { return };
        self.stamp = stamp;
        self.life = due::life(&document, stamp.modified());
        self.refresh_hash = document.refresh_token().map(|token| token.fingerprint());
        self.standing = memory.standing(&self.name);
        self.newest = self.refresh_hash.as_deref().and_then(|hash| memory.newest(hash));
        let has_access = document.has_access_token();
        self.plan = plan(&self.life, has_access, self.refresh_hash.as_deref(), &self.standing, buffer, now);
    }

    /// Whether another program refreshes this credential too: its refresh token has changed while
    /// nothing was wrong with it, and it was not us.
    pub(crate) fn has_foreign_writer(&self) -> bool {
        let (Some(known), Some(present)) = (&self.standing.refresh_hash, &self.refresh_hash) else {
            return false;
        };
        known != present
            && self.standing.trouble.is_none()
            && self.newest.is_none()
            && !written_by_us(&self.real, &self.stamp)
    }
}

impl Survey {
    /// Every file that was looked at, with the state in which it was read.
    pub(crate) fn files(&self, directory: &Path) -> BTreeMap<PathBuf, Option<Stamp>> {
        let read = self.tokens.iter().map(|token| (directory.join(&token.name), Some(token.stamp)));
        let broken = self.problems.iter().map(|(name, _)| directory.join(name)).map(|path| {
            let state = std::fs::metadata(&path).ok().map(|metadata| Stamp::of(&metadata));
            (path, state)
        });
        read.chain(broken).collect()
    }
}
