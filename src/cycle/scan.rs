//! The tokens directory, judged: which credential is due, which is not, and why.
//!
//! Reads every file once and keeps of it only what the rest of the cycle needs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::files::{Directory, FileAt, Stamp, leftover};
use crate::oauth::{ClientFile, CredentialConfig, Providers, Resolution, TokenRequest, resolve};
use crate::refresh::{client_file, config_of, written_by_us};
use crate::secret::Fingerprint;
use crate::services::{TokenSource, generated, in_configurations};
use crate::settings::{Environment, Settings};
use crate::state::schedule::Schedule;
use crate::state::{CredentialState, Outage, Plan, Store};
use crate::status::Facts;
use crate::tokens::FileKind;
use crate::tokens::at_rest::AtRest;
use crate::tokens::directory::{self, Listing, Problem, TokenFile};
use crate::tokens::name::{Role, role, stem};
use crate::tokens::spelled::name_of;

/// One token file, and what is done about it.
pub(crate) struct Credential {
    pub source: TokenSource,
    /// Fingerprint of its access token, where a forced refresh or the file beside it must follow a change.
    pub access_hash: Option<Fingerprint>,
    /// The file for a shell beside it, which holds its access token too.
    pub twin: Option<String>,
    /// Why it is monitored only: nothing in it can be refreshed, or it says so.
    pub monitored: Option<String>,
    /// Why no request can be made for it: what its file, its provider or the environment lacks.
    pub unresolved: Option<String>,
    /// What is remembered of it.
    pub state: CredentialState,
    /// Where a refresh replaced its refresh token: the youngest successor.
    pub newest: Option<Fingerprint>,
    /// The origin of its endpoint, where it is due.
    pub endpoint: Option<String>,
    /// Its endpoint, where that is in trouble.
    pub in_trouble: Option<String>,
    /// When it is to be refreshed.
    pub plan: Plan,
    /// What is strange about it.
    pub oddities: Vec<String>,
}

/// The directory, judged.
#[derive(Default)]
pub(crate) struct TokenScan {
    /// The token files, by name.
    pub tokens: Vec<Credential>,
    /// The client-credential files beside them.
    pub clients: Vec<ClientFile>,
    /// How the secrets of those stand on the disk.
    pub clients_at_rest: BTreeMap<String, AtRest>,
    /// Names that cannot be used, and why.
    pub problems: Vec<(String, Problem)>,
    /// Files of services and of the gateway that hold no token.
    pub empty: Vec<String>,
    /// Files with secrets that other users may read, and where each is.
    pub open: Vec<(String, FileAt)>,
    /// Every name that was listed, sorted.
    pub names: Vec<String>,
    /// Copies of token files, by their names: never read.
    pub copies: Vec<String>,
    /// Names beside which a crash left something, and that are not refreshed.
    pub leftovers: Vec<String>,
}

/// What a judgement needs beside the files.
pub(crate) struct ScanContext<'a> {
    pub providers: &'a Providers,
    pub environment: &'a Environment,
    pub state: &'a Store,
    /// The endpoints in trouble: a wait for one that is well again is over.
    pub outages: &'a BTreeMap<String, Outage>,
    /// How long before its expiry a token is due.
    pub buffer: Duration,
    /// Whether every token is to be refreshed, due or not.
    pub forced: bool,
    pub now: Timestamp,
}

impl ScanContext<'_> {
    /// What can be done for a token file with these client credentials beside it.
    fn resolution(&self, config: &CredentialConfig, clients: &[ClientFile]) -> Resolution {
        resolve(config, self.environment, clients, self.providers).0
    }
}

/// Looks through `directory`.
pub(crate) fn scan(directory: &Directory, context: &ScanContext<'_>) -> io::Result<TokenScan> {
    let listing = directory::list(directory, &generated())?;
    let mut found = Scanning::default();
    let mut second_look = Vec::new();
    for name in &listing.names {
        // Resolving and looking first take system calls that ten thousand files feel.
        let file = if listing.special.contains(name) {
            directory::read(directory, name)
        } else {
            directory::read_listed(directory, name)
        };
        match file {
            Err(problem) if problem.may_pass() => second_look.push(name),
            file => found.add(name, file, &listing, context),
        }
    }
    if !second_look.is_empty() {
        std::thread::sleep(directory::SECOND_LOOK);
        for name in second_look {
            found.add(name, directory::read(directory, name), &listing, context);
        }
        found.scan.tokens.sort_unstable_by(|one, other| one.source.name.cmp(&other.source.name));
    }
    let mut scan = found.resolved(context);
    mark_old_copies(&mut scan.tokens, context.state);
    let refreshed = |name: &String| scan.find(name).is_some_and(|token| token.monitored.is_none());
    let leftovers = listing.leftovers.into_iter().filter(|name| !refreshed(name)).collect();
    (scan.leftovers, scan.names, scan.copies) = (leftovers, listing.names, listing.copies);
    Ok(scan)
}

/// What was found so far.
#[derive(Default)]
struct Scanning {
    scan: TokenScan,
    /// Files for which no request can be made so far. The client credentials of other files may help, and those are
    /// known when all files have been read.
    unclear: BTreeMap<String, CredentialConfig>,
}

impl Scanning {
    fn add(
        &mut self,
        name: &str,
        file: Result<Option<TokenFile>, Problem>,
        listing: &Listing,
        context: &ScanContext<'_>,
    ) {
        let file = match file {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(problem) => return self.scan.problems.push((name.to_owned(), problem)),
        };
        let kind = file.document.kind();
        if file.is_open && kind != FileKind::Other {
            self.scan.open.push((name.to_owned(), file.real.clone()));
        }
        match kind {
            FileKind::Token => {
                // What a crash left beside a link's target is not in the listing.
                let interrupted = listing.leftovers.contains(name)
                    || listing.special.contains(name) && leftover(&file.real).inode().is_ok();
                let mut token = judge(&file, interrupted, context);
                if let Some(twin) = twin(name, listing) {
                    token.twin = Some(twin.clone());
                    token.access_hash = file.document.access_token().map(|token| token.fingerprint());
                }
                if token.monitored.is_none() {
                    let built_in = context.providers.longest_name_prefix(stem(name));
                    let config = config_of(name, &file.document, built_in);
                    match context.resolution(&config, &[]) {
                        Resolution::Refresh(request) => token.meet_outage(&request, context),
                        _ => drop(self.unclear.insert(name.to_owned(), config)),
                    }
                }
                if token.source.role == Role::Other && file.document.text("server_url").is_some() {
                    token.oddities.push(
                        "it has a server_url and is in no configuration: only files called *-egress.json are"
                            .to_owned(),
                    );
                }
                self.scan.tokens.push(token);
            }
            FileKind::ClientCredentials => {
                self.scan.clients.extend(client_file(name, &file.document));
                self.scan.clients_at_rest.insert(name.to_owned(), AtRest::of(&file.document));
            }
            FileKind::Other if role(name) != Role::Other => self.scan.empty.push(name.to_owned()),
            FileKind::Other => log::debug!(target: "REFRESH", "{name}: holds no token; passed over"),
        }
    }

    /// The scan, with every file that is unclear resolved.
    fn resolved(self, context: &ScanContext<'_>) -> TokenScan {
        let Self { mut scan, unclear } = self;
        for token in &mut scan.tokens {
            let Some(config) = unclear.get(&token.source.name) else { continue };
            match context.resolution(config, &scan.clients) {
                Resolution::Refresh(request) => token.meet_outage(&request, context),
                Resolution::Monitored(why) => token.monitored = Some(why),
                Resolution::Misconfigured(why) => token.unresolved = Some(why),
            }
        }
        scan
    }
}

/// The file for a shell beside the token file `name`: `NAME.env` beside `NAME.json` or `NAME-token.json`.
fn twin<'a>(name: &str, listing: &'a Listing) -> Option<&'a String> {
    let stem = name.strip_suffix(".json")?;
    let names = [stem.strip_suffix("-token"), Some(stem)];
    names.into_iter().flatten().find_map(|stem| listing.twins.get(&format!("{stem}.env")))
}

/// Finds the old copies. They are brought up to date before anything uses them.
fn mark_old_copies(tokens: &mut [Credential], state: &Store) {
    state.look_up(&mut tokens.iter().filter_map(|token| token.source.refresh_hash));
    for token in tokens {
        token.newest = token.source.refresh_hash.and_then(|hash| state.known_newest(hash));
        if token.newest.is_some() && token.plan != Plan::Blocked {
            token.plan = Plan::Due;
        }
    }
}

fn judge(file: &TokenFile, interrupted: bool, context: &ScanContext<'_>) -> Credential {
    let document = &file.document;
    let source = TokenSource::of(file, context.providers);
    let monitored = if document.is_monitored_only() {
        Some("\"refresh\": false stands in it".to_owned())
    } else if document.raw("access_token").is_none()
        && source.refresh_hash.is_none()
        && document.has_access_token()
    {
        Some("it holds a bare token and nothing to refresh it with".to_owned())
    } else {
        None
    };
    let state = context.state.known_state(&source.name);
    let plan = match schedule(&source, &state, context.buffer).plan(context.now) {
        _ if interrupted && monitored.is_none() => Plan::Due,
        plan => plan,
    };
    let access_hash = context.forced.then(|| document.access_token()).flatten();
    Credential {
        access_hash: access_hash.map(|token| token.fingerprint()),
        oddities: document.oddities(),
        source,
        twin: None,
        monitored,
        unresolved: None,
        state,
        newest: None,
        endpoint: None,
        in_trouble: None,
        plan,
    }
}

fn schedule<'a>(source: &'a TokenSource, state: &'a CredentialState, buffer: Duration) -> Schedule<'a> {
    let TokenSource { life, has_access, refresh_hash, .. } = source;
    Schedule { life, has_access: *has_access, refresh_hash: *refresh_hash, state, buffer, outage: None }
}

impl Credential {
    /// The file's name.
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }

    /// Whether a request is made for it in this cycle.
    pub(super) fn is_about_to_ask(&self) -> bool {
        self.plan == Plan::Due && self.monitored.is_none() && self.newest.is_none()
    }

    /// Its place among the credentials that are due.
    pub(super) fn rank(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        self.state.rank(self.source.life.expires_at)
    }

    /// Plans anew where the endpoint of its request is in trouble.
    fn meet_outage(&mut self, request: &TokenRequest, context: &ScanContext<'_>) {
        self.endpoint = matches!(self.plan, Plan::Due | Plan::Recheck).then(|| request.endpoint_key());
        if context.outages.is_empty() {
            return;
        }
        let endpoint = request.endpoint_key();
        if let Some(outage) = context.outages.get(&endpoint) {
            let schedule = schedule(&self.source, &self.state, context.buffer);
            if schedule.plan(context.now) == self.plan {
                self.plan = Schedule { outage: Some(outage), ..schedule }.plan(context.now);
            }
            self.in_trouble = Some(endpoint);
        }
    }

    /// Plans anew where its endpoint is well again.
    pub(super) fn forget_outage(&mut self, buffer: Duration, now: Timestamp) {
        self.in_trouble = None;
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether it is due and must not be refreshed now.
    pub(crate) fn is_stuck(&self) -> bool {
        self.monitored.is_none() && matches!(self.plan, Plan::Waiting(_) | Plan::Blocked)
    }

    /// Reads the file again and plans anew, after it was refreshed. What cannot be read now stays as it was: the next
    /// look finds the change.
    pub(crate) fn look_again(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.source.read_again();
        self.state = state.get(&self.source.name);
        self.newest = self.source.refresh_hash.and_then(|hash| state.known_newest(hash));
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Plans anew after an attempt that has failed.
    pub(crate) fn failed(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.state = state.known_state(&self.source.name);
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether another program refreshes this credential too: its refresh token has changed while nothing was wrong
    /// with it, and this program did not change it.
    pub(crate) fn has_foreign_writer(&self) -> bool {
        let (Some(known), Some(present)) = (self.state.refresh_hash, self.source.refresh_hash) else {
            return false;
        };
        known != present
            && self.state.failure.is_none()
            && self.newest.is_none()
            && !written_by_us(&self.source.real, &self.source.stamp)
    }

    /// What is known of it, for the status views.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            file: &self.source.name,
            in_configurations: in_configurations(&self.source.name),
            life: &self.source.life,
            has_access: self.source.has_access,
            refresh_hash: self.source.refresh_hash,
            monitored: self.monitored.as_deref(),
            unresolved: self.unresolved.as_deref(),
            remembered: &self.state,
            plan: self.plan,
        }
    }
}

impl TokenScan {
    /// The token file of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Credential> {
        let index = self.tokens.binary_search_by(|token| token.name().cmp(name)).ok()?;
        self.tokens.get(index)
    }

    /// Whether `about` is the name of a file that is not in the directory any more.
    pub(crate) fn lacks(&self, about: &str) -> bool {
        let known = self.names.iter().chain(&self.copies).any(|name| name == about);
        !known && !about.contains('/')
    }

    /// The files for which no request can be made, and what lacks.
    pub(crate) fn unresolved(&self) -> BTreeMap<String, String> {
        let lacking = |token: &Credential| Some((token.name().to_owned(), token.unresolved.clone()?));
        self.tokens.iter().filter_map(lacking).collect()
    }

    /// Every file that was looked at, with the state in which it was read.
    pub(crate) fn files(&self, directory: &Path) -> BTreeMap<PathBuf, Option<Stamp>> {
        let read =
            self.tokens.iter().map(|token| (directory.join(name_of(token.name())), Some(token.source.stamp)));
        let broken = self.problems.iter().map(|(name, _)| directory.join(name_of(name))).map(|path| {
            let state = Stamp::at(&path);
            (path, state)
        });
        read.chain(broken).collect()
    }
}

/// The names of possible token files in the tokens directory now; none when it cannot be read.
pub(crate) fn listed_names(settings: &Settings) -> Vec<String> {
    Directory::open(&settings.tokens_dir)
        .and_then(|tokens| directory::list(&tokens, &generated()))
        .unwrap_or_default()
        .names
}
