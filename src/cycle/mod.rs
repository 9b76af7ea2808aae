//! One cycle, told in the order of its log: what is there, what is due, refresh it, write the
//! configurations, say when the next one is.

mod client_files;
pub(crate) mod configurations;
mod default_files;
mod inspect;
#[cfg(test)]
mod outage;
mod planning;
mod publish;
mod results;
pub(crate) mod services;
mod story;
pub(crate) mod survey;
mod work;
mod writers;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;

use crate::clock::{Timestamp, Words};
use crate::files::Stamp;
use crate::oauth::{HttpSettings, Providers, TokenClient};
use crate::refresh::{Context, Endpoints, Stop, Storing, settle_leftover};
use crate::settings::Settings;
use crate::status::metrics::{Counters, MetricsSnapshot};
use crate::status::{CycleRecord, Store};
use crate::tokens::directory;
use crate::tokens::name::Role;

pub(crate) use configurations::generated;
pub(crate) use inspect::{daemon_holder, inspect, recorded_providers};
pub(crate) use publish::farewell;
use publish::publish;
use results::Outcome;
use story::{Story, Subject, Topic};
use survey::{Circumstances, Plan, Survey, survey};
use work::Job;

/// Why a cycle runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Occasion {
    /// The first one of the process.
    First,
    /// A person or script asked for it by a signal.
    Signal,
    /// Something is due, something has changed, or the interval is over.
    Usual,
}

/// How a cycle ended.
pub(crate) struct Ended {
    /// When the next one is needed at the latest; `None`: when the interval is over.
    pub next: Option<Timestamp>,
    /// Credentials that were due and are not fresh now.
    pub failing: usize,
    /// Answers that are not in their files yet.
    pub held: Vec<Storing>,
    /// Files that hold other tokens now.
    pub changed: BTreeSet<String>,
    /// What stood in the tokens directory, or why it could not be read.
    pub seen: Result<Found, String>,
}

/// What a cycle found.
pub(crate) struct Found {
    /// The names in the tokens directory.
    pub names: Vec<String>,
    /// The token files and the state in which the cycle read or left each.
    pub files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What lives from cycle to cycle.
pub(crate) struct Keeper {
    client: TokenClient,
    providers: Providers,
    endpoints: Endpoints,
    store: Store,
    story: Story,
    stop: Arc<Stop>,
    /// Files that were said to have another writer.
    shared: BTreeSet<String>,
    /// Where this program is, for clients that run it.
    exe: Result<String, String>,
    started: Timestamp,
    counters: Cell<Counters>,
    /// Files that the last cycle did not ask for, since their endpoint is in trouble.
    waiting: BTreeSet<String>,
    /// Fingerprints of the access tokens that `--force` found first.
    first_read: Option<BTreeMap<String, Option<String>>>,
}

/// How long `--once` waits for another process that refreshes the same credential: one exchange and
/// what it takes to store it.
const ONCE_PATIENCE: Duration = Duration::from_secs(45);

/// The shortest time between two cycles: tokens that live for a second are refreshed once in it.
const SOONEST: Duration = Duration::from_millis(500);

/// How long the daemon does: it has other credentials, and comes back.
const DAEMON_PATIENCE: Duration = Duration::from_millis(200);

impl Keeper {
    /// Prepares for cycles with `settings`.
    ///
    /// # Errors
    /// Which setting cannot be used: a proxy, a file of certificates, a provider's row.
    pub(crate) fn new(settings: &Settings, stop: Arc<Stop>) -> Result<Self, String> {
        let store = Store::open(&settings.tokens_dir);
        Ok(Self {
            client: TokenClient::new(&http_settings(settings)?)?,
            providers: providers(settings)?,
            endpoints: Endpoints::new(store.endpoints()),
            store,
            story: Story::default(),
            stop,
            shared: BTreeSet::new(),
            exe: client_files::own_path(),
            started: Timestamp::now(),
            counters: Cell::default(),
            waiting: BTreeSet::new(),
            first_read: settings.force.then(BTreeMap::new),
        })
    }

    /// Takes over new settings.
    ///
    /// # Errors
    /// As [`Self::new`]; the old ones stay.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) -> Result<(), String> {
        let client = TokenClient::new(&http_settings(settings)?)?;
        self.providers = providers(settings)?;
        self.client = client;
        Ok(())
    }

    /// The status file.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A person says that the network is back: waits for endpoints end.
    pub(crate) fn forget_outages(&self) {
        self.endpoints.forget();
        self.store.end_waits();
    }

    /// The last cycle in one line, with the time at which the next credential is due.
    pub(crate) fn summary(&self, next: Option<Timestamp>) -> String {
        let (tokens, failing) = self.store.cycle().map_or((0, 0), |cycle| (cycle.tokens, cycle.failing));
        let next = next.map_or_else(|| "none due".to_owned(), |next| format!("next due {next}"));
        format!("{tokens} token{}, {failing} not refreshed, {next}", if tokens == 1 { "" } else { "s" })
    }

    /// Remembers an answer that could be stored at last.
    pub(crate) fn stored(&mut self, storing: Storing) {
        let (reports, _) = storing.conclude(&self.store);
        self.story.begin(true);
        let mut outcome = Outcome::default();
        outcome.take(reports, &[], Timestamp::now(), &mut self.story);
        self.count(Counters { refreshed: outcome.changed.len() as u64, ..Counters::default() });
    }

    fn count(&self, more: Counters) {
        self.counters.set(self.counters.get() + more);
    }

    /// A person's word (`--force`) holds for one cycle.
    pub(crate) fn no_longer_forced(&mut self) {
        self.first_read = None;
    }

    /// Runs one cycle. `busy` are files whose answers are held by the caller; they are left alone. `beat`
    /// is called whenever a credential is done.
    pub(crate) fn cycle(
        &mut self,
        settings: &Settings,
        occasion: Occasion,
        busy: &BTreeSet<String>,
        beat: &dyn Fn(),
    ) -> Ended {
        let now = Timestamp::now();
        let begun = Instant::now();
        self.story.begin(occasion != Occasion::Usual);
        self.story.say(Subject::Refresh, "Token refresh check starting...");
        let mut seen = match self.look(settings, now) {
            Ok(seen) => seen,
            Err(message) => {
                let directory = settings.tokens_dir.display().to_string();
                self.story.problem(&directory, Topic::Contents, Level::Error, &message, "");
                // What else was wrong was not looked at, so it is not over either.
                return Ended {
                    next: None,
                    failing: 0,
                    held: Vec::new(),
                    changed: BTreeSet::new(),
                    seen: Err(format!("{directory}: {message}")),
                };
            }
        };
        let forced = self.first_read.is_some();
        let jobs = planning::plan(&seen, forced, busy, &self.waiting, now, &mut self.story);
        let mut outcome = self.work(settings, &jobs, &seen, beat);
        self.waiting = std::mem::take(&mut outcome.waiting);
        configurations::generate(settings, &mut seen, &self.exe, &self.store, &mut self.story);
        self.finish(settings, seen, outcome, begun)
    }

    fn work(&mut self, settings: &Settings, jobs: &[Job], seen: &Survey, beat: &dyn Fn()) -> Outcome {
        let mut outcome = Outcome::default();
        let chain_of = |hash: &str| chain_of(settings, hash);
        let context = Context {
            directory: &settings.tokens_dir,
            client: &self.client,
            providers: &self.providers,
            clients: &seen.clients,
            variable: &|name| settings.environment.get(name),
            endpoints: &self.endpoints,
            memory: &self.store,
            buffer: settings.buffer,
            interval: settings.interval,
            patience: if settings.once { ONCE_PATIENCE } else { DAEMON_PATIENCE },
            stop: &self.stop,
            force: self.first_read.as_ref(),
            chain_of: &chain_of,
        };
        let story = &mut self.story;
        work::run(jobs, settings.jobs, &context, |reports| {
            outcome.take(reports, &seen.tokens, Timestamp::now(), story);
            beat();
        });
        for name in &seen.leftovers {
            settle_leftover(name, &context);
        }
        self.client.end_cycle();
        outcome
    }

    /// The end of a cycle: what is remembered, what is said of it, and when the next one is needed.
    fn finish(
        &mut self,
        settings: &Settings,
        mut seen: Survey,
        mut outcome: Outcome,
        begun: Instant,
    ) -> Ended {
        let now = Timestamp::now();
        for token in seen.tokens.iter_mut().filter(|token| outcome.changed.contains(&token.name)) {
            token.look_again(&self.store, settings.buffer, now);
        }
        // Due, and not asked for in this cycle: not fresh either.
        let stuck = seen.tokens.iter().filter(|token| token.is_stuck()).map(|token| token.name.clone());
        outcome.failing.extend(stuck);
        let failing = outcome.failing.len();
        let cycle = CycleRecord { ended: now.as_millis(), tokens: seen.tokens.len(), failing };
        self.store.end_cycle(cycle, self.endpoints.snapshot(), &seen.names, now);
        if let Some(message) = self.store.failure() {
            self.story.problem("the status file", Topic::Writing, Level::Error, &message, "");
        }
        self.count(Counters { cycles: 1, ..outcome.counters });
        let hook = self.store.hook();
        let moment = MetricsSnapshot {
            up: !settings.once,
            started: self.started,
            ended: now,
            took: begun.elapsed(),
            counters: self.counters.get(),
            unusable: seen.problems.len(),
            hook_failures: hook.failures,
            hook_waiting: hook.waiting.len(),
        };
        publish(settings, &seen, &moment, &mut self.story);
        let next = Self::next_attempt(&seen, &outcome, now);
        let held_back = !self.story.is_eventful();
        if failing == 0 {
            self.story.say(Subject::Refresh, "Token refresh cycle completed successfully");
        } else {
            self.story
                .say(Subject::Refresh, format!("Token refresh cycle completed, {failing} not refreshed"));
        }
        if held_back {
            let due = next.map_or_else(
                || "none is due".to_owned(),
                |next| format!("the next is due in {}", Words(next.since(now))),
            );
            let count = seen.tokens.len();
            let done = if failing == 0 {
                "nothing to do".to_owned()
            } else {
                format!("{failing} not fresh (`token-refresher status` says why)")
            };
            log::info!(target: "REFRESH", "Checked {count} token{}, {done}; {due}", if count == 1 { "" } else { "s" });
        }
        self.story.end();
        let files = seen.files(&settings.tokens_dir);
        let seen = Ok(Found { names: seen.names, files });
        Ended { next, failing, held: outcome.held, changed: outcome.changed, seen }
    }

    /// The earliest time at which a credential is due or may be asked for again.
    fn next_attempt(seen: &Survey, outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
        let planned = seen.tokens.iter().filter(|token| token.monitored.is_none()).filter_map(|token| {
            match token.plan {
                Plan::Later(at) | Plan::Waiting(at) => Some(at),
                // Refreshed and due again already (a lifetime of a second): soon, but not in a spin.
                Plan::Due if outcome.changed.contains(&token.name) => Some(now + SOONEST),
                Plan::Due | Plan::Blocked | Plan::Recheck | Plan::Never => None,
            }
        });
        planned.chain(outcome.next.iter().copied()).min()
    }

    fn look(&mut self, settings: &Settings, now: Timestamp) -> Result<Survey, String> {
        self.store.refresh();
        let circumstances = Circumstances {
            providers: &self.providers,
            variable: &|name| settings.environment.get(name),
            known: &|file| {
                let mut standing = self.store.standing_of_known(file);
                self.endpoints.end_wait(&mut standing);
                standing
            },
            newest: &|token| self.store.newest_of_known(token),
            buffer: settings.buffer,
            forced: self.first_read.is_some(),
            now,
        };
        let seen = survey(&settings.tokens_dir, &generated(), &circumstances)
            .map_err(|error| format!("cannot be read: {}", crate::files::reason(&error)))?;
        let services = seen.tokens.iter().filter(|token| token.role == Role::Service).count();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        self.story.say(
            Subject::Refresh,
            format!("Found {services} egress token file{} to check", plural(services)),
        );
        let others = seen.tokens.len() - services;
        if others > 0 {
            self.story.say(Subject::Refresh, format!("Found {others} other token file{}", plural(others)));
        }
        for (name, problem) in &seen.problems {
            self.story.problem(name, Topic::Contents, Level::Warn, &format!("not used: {problem}"), "");
        }
        for token in &seen.tokens {
            if !token.oddities.is_empty() {
                self.story.problem(&token.name, Topic::Contents, Level::Warn, &token.oddities.join("; "), "");
            }
        }
        writers::notice(&seen, &self.store, &mut self.shared, now);
        if let Some(first) = &mut self.first_read
            && first.is_empty()
        {
            *first =
                seen.tokens.iter().map(|token| (token.name.clone(), token.access_hash.clone())).collect();
        }
        Ok(seen)
    }
}

/// All files of the tokens directory that hold the refresh token with the fingerprint `hash` now.
fn chain_of(settings: &Settings, hash: &str) -> Vec<String> {
    let Ok(listing) = directory::list(&settings.tokens_dir, &generated()) else { return Vec::new() };
    let holds = |name: &String| {
        let file = directory::read(&settings.tokens_dir, name).ok().flatten();
        file.and_then(|file| file.document.refresh_token()).is_some_and(|token| token.fingerprint() == hash)
    };
    listing.names.into_iter().filter(holds).collect()
}

/// The names of possible token files in the tokens directory now; none when it cannot be read.
pub(crate) fn listed_names(settings: &Settings) -> Vec<String> {
    directory::list(&settings.tokens_dir, &generated()).unwrap_or_default().names
}

/// What speaks to token endpoints, and the providers that are known.
///
/// # Errors
/// Which setting is wrong.
pub(crate) fn connect(settings: &Settings) -> Result<(TokenClient, Providers), String> {
    Ok((TokenClient::new(&http_settings(settings)?)?, providers(settings)?))
}

/// The providers: the built-in ones and the user's rows.
///
/// # Errors
/// When the user's file cannot be read or used; names row and key.
fn providers(settings: &Settings) -> Result<Providers, String> {
    let path = &settings.providers;
    match crate::files::read_whole(path) {
        Ok((text, _)) => {
            Providers::with_user_rows(&text).map_err(|why| format!("--providers: {}: {why}", path.display()))
        }
        Err(crate::files::ReadError::Gone) if !settings.providers_named => Ok(Providers::builtin()),
        Err(error) => Err(format!("--providers: {} cannot be read: {error}", path.display())),
    }
}

/// How HTTP is to be spoken, from the environment's well-known variables, in the order in which curl
/// reads them.
///
/// # Errors
/// When the file of `SSL_CERT_FILE` cannot be read.
fn http_settings(settings: &Settings) -> Result<HttpSettings, String> {
    let variable = |names: &[&str]| names.iter().find_map(|name| settings.environment.get(name));
    let root_certificates = match variable(&["SSL_CERT_FILE"]) {
        None => None,
        Some(path) => Some(std::fs::read(&path).map_err(|error| {
            format!("SSL_CERT_FILE: {path} cannot be read: {}", crate::files::reason(&error))
        })?),
    };
    Ok(HttpSettings {
        proxy: variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        no_proxy: variable(&["no_proxy", "NO_PROXY"]),
        root_certificates,
        allow_http: settings.allow_http.clone(),
        ..HttpSettings::default()
    })
}
