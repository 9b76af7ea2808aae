//! One cycle, in the order of its log: scan, plan, refresh, write the configurations, find the time of the next cycle.

mod look;
mod seals;
mod troubles;

pub(crate) use seals::seal;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;

use super::configured::Configured;
use super::cycle_log::{CycleLog, Subject, Topic};
use super::hand_on::HandOn;
use super::keys::LoadedKeys;
use super::memory::Memory;
use super::outcome::Outcome;
use super::publish::publish;
use super::scan::TokenScan;
use super::sealing::LeftPlain;
use super::setup::{http_settings, providers};
use super::twins::InStep;
use super::work::{self, WorkEvent};
use super::{client_files, narrate, plan, recovery};
use crate::clock::Timestamp;
use crate::files::Directory;
use crate::oauth::{Providers, TokenClient};
use crate::refresh::{Endpoints, Job, Stop, Storing, Written, recover_leftover};
use crate::secret::Fingerprint;
use crate::settings::Settings;
use crate::state::{CycleRecord, HookKind, Plan, Store};
use crate::status::Trouble;
use crate::status::metrics::{Counters, HookFigures, MetricsSnapshot};

/// Why a cycle runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trigger {
    /// The first cycle of the process.
    First,
    /// A signal.
    Signal,
    /// A refresh is due, a file has changed, or the interval is over.
    Usual,
}

/// The result of a cycle.
pub(crate) struct Ended {
    /// The latest time of the next cycle; `None`: the end of the interval.
    pub next: Option<Timestamp>,
    /// Credentials that were due and are not fresh.
    pub failing: usize,
    /// Answers that are not stored yet.
    pub held: Vec<Storing>,
    /// Files other than token files that could not be written.
    pub unwritten: usize,
    /// Files with new tokens.
    pub changed: BTreeSet<String>,
    /// Files with the same tokens that were sealed.
    pub sealed: BTreeSet<String>,
    /// The contents of the tokens directory, or why it could not be read.
    pub seen: Result<FoundFiles, String>,
}

/// The files that a cycle found.
pub(crate) struct FoundFiles {
    /// The names in the tokens directory.
    pub names: Vec<String>,
    /// The token files that have changed since the last cycle.
    pub changed: Vec<String>,
    /// The files that need a person.
    pub troubles: BTreeMap<String, Trouble>,
}

/// The state that lasts from cycle to cycle.
pub(crate) struct Cycles {
    client: TokenClient,
    providers: Providers,
    endpoints: Endpoints,
    store: Store,
    log: CycleLog,
    /// The files of the last cycle.
    memory: Memory,
    /// The configurations of the last cycle.
    configured: Configured,
    stop: Arc<Stop>,
    keys: LoadedKeys,
    left_plain: LeftPlain,
    /// Files that this cycle has sealed.
    sealed: BTreeSet<String>,
    /// Files whose other writer was logged.
    shared: BTreeSet<String>,
    /// The path of this program, for clients that run it.
    exe: Result<String, String>,
    started: Timestamp,
    counters: Cell<Counters>,
    /// Files for which the last cycle sent no request, since their endpoint is in trouble.
    waiting: BTreeSet<String>,
    /// Fingerprints of the access tokens that `--force` found first.
    first_read: Option<BTreeMap<String, Option<Fingerprint>>>,
}

/// The longest wait of `--once` for another process that refreshes the same credential: one exchange and its storing.
const ONCE_PATIENCE: Duration = Duration::from_secs(45);

/// The shortest time between two cycles: tokens that live for a second are refreshed once in it.
const SOONEST: Duration = Duration::from_millis(500);

/// The longest wait of a daemon for such a process. The daemon has other credentials and comes back.
const DAEMON_PATIENCE: Duration = Duration::from_millis(200);

impl Cycles {
    /// Prepares for cycles with `settings`.
    ///
    /// # Errors
    /// The setting that cannot be used: a proxy, a file of certificates, a provider's row.
    pub(crate) fn new(settings: &Settings, stop: Arc<Stop>) -> Result<Self, String> {
        let store = Store::open(&settings.tokens_dir);
        // The fault behind an earlier refusal may have been mended.
        store.end_refusals();
        let keys = LoadedKeys::load(settings, &LoadedKeys::default())?;
        keys.report();
        Ok(Self {
            client: TokenClient::new(&http_settings(settings)?)?,
            providers: providers(settings)?,
            keys,
            left_plain: LeftPlain::default(),
            sealed: BTreeSet::new(),
            endpoints: Endpoints::new(store.endpoints()),
            store,
            log: CycleLog::of(&settings.dir),
            memory: Memory::default(),
            configured: Configured::default(),
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
    /// As [`Self::new`]; the old settings are kept.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) -> Result<(), String> {
        let client = TokenClient::new(&http_settings(settings)?)?;
        let providers = providers(settings)?;
        let keys = LoadedKeys::load(settings, &self.keys)?;
        keys.report();
        (self.client, self.providers, self.keys) = (client, providers, keys);
        self.left_plain = LeftPlain::default();
        self.memory.distrust();
        self.configured.forget();
        self.store.end_refusals();
        Ok(())
    }

    pub(crate) fn providers(&self) -> &Providers {
        &self.providers
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Ends the waits for endpoints: a person tells that the network is back.
    pub(crate) fn forget_outages(&self) {
        self.endpoints.forget();
        self.store.end_waits();
        self.store.end_refusals();
    }

    /// The last cycle in one line, with the time of the next refresh.
    pub(crate) fn summary(&self, next: Option<Timestamp>) -> String {
        let (tokens, failing) = self.store.cycle().map_or((0, 0), |cycle| (cycle.tokens, cycle.failing));
        let next = next.map_or_else(|| "none due".to_owned(), |next| format!("next due {next}"));
        format!("{tokens} token{}, {failing} not refreshed, {next}", if tokens == 1 { "" } else { "s" })
    }

    /// Records an answer that was stored at last.
    pub(crate) fn stored(&mut self, storing: Storing) {
        let now = Timestamp::now();
        self.log.begin(true);
        let mut outcome = Outcome::default();
        for (name, report) in storing.conclude(&self.store, None) {
            narrate::report(&name, &report, None, false, now, &mut self.log);
            outcome.take(&name, &report, None, now);
        }
        self.store.flush();
        self.count(Counters { refreshed: outcome.changed.len() as u64, ..Counters::default() });
    }

    fn count(&self, more: Counters) {
        self.counters.set(self.counters.get() + more);
    }

    /// Ends the effect of `--force`, which holds for one cycle.
    pub(crate) fn no_longer_forced(&mut self) {
        self.first_read = None;
    }

    /// Runs one cycle. `busy` are files whose answers the caller holds; no job touches them. `beat` is called after
    /// each credential.
    pub(crate) fn cycle(
        &mut self,
        settings: &Settings,
        trigger: Trigger,
        busy: &BTreeSet<String>,
        beat: &dyn Fn(),
    ) -> Ended {
        let now = Timestamp::now();
        let begun = Instant::now();
        self.log.begin(trigger != Trigger::Usual);
        self.log.say(Subject::Refresh, "Token refresh check starting...");
        let (tokens, mut seen) = match self.look(settings, now) {
            Ok(found) => found,
            Err(message) => {
                let directory = settings.tokens_dir.display().to_string();
                self.log.problem(&directory, Topic::Contents, Level::Error, &message, "");
                // Other problems were not looked at, so they have not ended.
                return Ended {
                    next: None,
                    failing: 0,
                    unwritten: 0,
                    held: Vec::new(),
                    changed: BTreeSet::new(),
                    sealed: BTreeSet::new(),
                    seen: Err(format!("{directory}: {message}")),
                };
            }
        };
        self.seal_plain(settings, &tokens, &mut seen);
        let outages = self.endpoints.snapshot();
        let forced = self.first_read.is_some();
        let mut agenda = plan::plan(&seen, forced, busy, &self.waiting);
        narrate::agenda(&seen, &mut agenda, now, &mut self.log);
        let mut outcome = self.work(settings, &tokens, agenda.jobs, &mut seen, Some(beat));
        let reachable = recovery::reachable(&outages, &self.endpoints.snapshot());
        narrate::reachable(&reachable);
        if !reachable.is_empty() {
            let others = recovery::end_waits(&mut seen, &reachable, settings.buffer, now);
            let mut rest = plan::plan(&seen, false, &others, &self.waiting);
            narrate::leads(&seen, &mut rest, now, &mut self.log);
            outcome.add(self.work(settings, &tokens, rest.jobs, &mut seen, Some(beat)));
        }
        self.waiting = std::mem::take(&mut outcome.waiting);
        let Self { exe, store, configured, log, .. } = self;
        let hand_on = HandOn { settings, tokens: &tokens, exe, store };
        let twins = hand_on.run(&mut seen, &outcome.changed, configured, log);
        self.finish(settings, tokens, seen, outcome, twins, begun)
    }

    /// Refreshes the due tokens of these files, and writes no configuration. For a process that needs their tokens
    /// where no daemon runs. Returns the answers that are not stored yet.
    pub(crate) fn refresh_only(
        &mut self,
        settings: &Settings,
        files: &BTreeSet<String>,
    ) -> Result<Vec<Storing>, String> {
        self.log.begin(false);
        let (tokens, mut scan) = self.look(settings, Timestamp::now())?;
        let mut agenda = plan::plan(&scan, false, &BTreeSet::new(), &self.waiting);
        agenda.jobs.retain(|job| job.names().iter().any(|name| files.contains(name)));
        let outcome = self.work(settings, &tokens, agenda.jobs, &mut scan, None);
        self.store.set_endpoints(self.endpoints.snapshot());
        self.store.flush();
        self.log.end(&|_| false);
        Ok(outcome.held)
    }

    /// Runs the jobs. With `beat`, which is called after each, the results so far are handed on while the last jobs
    /// wait for silent endpoints.
    fn work(
        &mut self,
        settings: &Settings,
        tokens: &Directory,
        jobs: Vec<Job>,
        found: &mut TokenScan,
        beat: Option<&dyn Fn()>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let written = Written::default();
        let clients = std::mem::take(&mut found.clients);
        let mut own = (std::mem::take(&mut self.log), std::mem::take(&mut self.configured));
        let context = self.context(settings, tokens, &clients, &written);
        // Recovery comes before any request: the file of a stored answer may have another name now.
        found.leftovers.iter().for_each(|name| recover_leftover(name, &context));
        let hand_on = HandOn { settings, tokens, exe: &self.exe, store: &self.store };
        let mut handed_on = 0;
        work::run(jobs, settings.jobs, &context, |event| {
            let now = Timestamp::now();
            let (log, configured) = (&mut own.0, &mut own.1);
            match event {
                WorkEvent::Ended(reports, held) => {
                    for (name, report) in reports {
                        let token = found.find(&name);
                        narrate::report(&name, &report, token, outcome.changed.contains(&name), now, log);
                        outcome.take(&name, &report, token, now);
                    }
                    for storing in held {
                        outcome.hold(storing);
                    }
                }
                WorkEvent::Quiet if beat.is_some() && outcome.changed.len() > handed_on => {
                    handed_on = outcome.changed.len();
                    hand_on.run(found, &outcome.changed, configured, log);
                }
                WorkEvent::Quiet => {}
            }
            if let Some(beat) = beat {
                beat();
            }
        });
        (self.log, self.configured) = own;
        found.clients = clients;
        self.client.end_cycle();
        outcome
    }

    /// The end of a cycle: its records, its lines in the log, and the time of the next one.
    fn finish(
        &mut self,
        settings: &Settings,
        directory: Directory,
        mut seen: TokenScan,
        mut outcome: Outcome,
        twins: InStep,
        begun: Instant,
    ) -> Ended {
        let now = Timestamp::now();
        for token in seen.tokens.iter_mut().filter(|token| outcome.failing.contains(token.name())) {
            token.failed(&self.store, settings.buffer, now);
        }
        // Tokens that are due and were not refreshed are not fresh either.
        let stuck = seen.tokens.iter().filter(|token| token.is_stuck()).map(|token| token.name().to_owned());
        outcome.failing.extend(stuck);
        let failing = outcome.failing.len();
        self.count(Counters { cycles: 1, ..outcome.counters });
        let moment = MetricsSnapshot {
            up: !settings.once,
            started: self.started,
            ended: now,
            took: begun.elapsed(),
            project: &settings.dir,
            counters: self.counters.get(),
            unusable: seen.problems.len(),
            refresh_hook: HookFigures::of(&self.store.hook(HookKind::Refresh)),
            trouble_hook: HookFigures::of(&self.store.hook(HookKind::Trouble)),
            unwritten: self.log.unwritten().len(),
        };
        publish(settings, &seen, &moment, &mut self.log);
        let (tokens, unwritten, unresolved) = (seen.tokens.len(), self.log.unwritten(), seen.unresolved());
        let cycle = CycleRecord { ended: now, tokens, failing, unwritten, unresolved, twins, vanished: 0 };
        self.store.end_cycle(cycle, self.endpoints.snapshot(), &seen.names, now);
        if let Some(message) = self.store.failure() {
            self.log.problem("the status file", Topic::Writing, Level::Error, &message, "");
        }
        let next = Self::next_attempt(&seen, &outcome, now);
        let idle = !self.log.is_eventful();
        narrate::ended(failing, &mut self.log);
        if idle {
            narrate::idle(seen.tokens.len(), failing, next, now);
        }
        self.log.end(&|about| seen.lacks(about));
        let Outcome { held, changed, .. } = outcome;
        let sealed = std::mem::take(&mut self.sealed);
        let found = FoundFiles {
            changed: seen.changed().map(str::to_owned).collect(),
            troubles: self.troubles(settings, &seen, now),
            names: std::mem::take(&mut seen.names),
        };
        self.memory = seen.into_memory(directory);
        let unwritten = self.log.write_errors();
        Ended { next, failing, held, unwritten, changed, sealed, seen: Ok(found) }
    }

    /// The earliest time at which a credential is due or may be refreshed again.
    fn next_attempt(seen: &TokenScan, outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
        let planned = seen.tokens.iter().filter(|token| token.monitored.is_none()).filter_map(|token| {
            match token.plan {
                Plan::Later(at) | Plan::Waiting(at) => Some(at),
                // A token with a lifetime of a second is due again at once, but must not keep the loop busy.
                Plan::Due if outcome.changed.contains(token.name()) => Some(now + SOONEST),
                Plan::Due | Plan::Blocked | Plan::Recheck | Plan::Never => None,
            }
        });
        planned.chain(outcome.next.iter().copied()).min()
    }
}
