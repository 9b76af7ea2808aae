//! The loop: sleep until a refresh is due, run a cycle, obey signals, until told to stop.

mod hook;
mod notice;
mod notify;
mod presence;
mod signals;
mod start;
mod unstored;
mod watch;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::Options;
use crate::clock::Timestamp;
use crate::cycle::{Cycles, Ended, Trigger, farewell};
use crate::exit::ExitError;
use crate::files::{Directory, Holder};
use crate::logging;
use crate::refresh::Stop;
use crate::services::record_of;
use crate::settings::{Loaded, Settings};
use crate::state::{DaemonRecord, daemon_holder};
use hook::Hooks;
use notice::Notices;
use notify::ServiceManager;
use presence::{Presence, make_tokens_directory};
use signals::{Signals, Wake};
pub(crate) use start::no_project;
use unstored::Unstored;
use watch::Watch;

/// The longest sleep of the loop. Monotonic sleep notices neither a laptop that slept nor a clock that was set. The
/// loop notices both within this time.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The shortest time between a cycle and the next one that a written file causes.
const SHORTEST_SLEEP: Duration = Duration::from_millis(500);

/// The shortest time between two signs of life of a cycle in progress.
const BEAT: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop, or one cycle with `--once`.
pub(crate) fn run(settings: Settings, options: &Options) -> Result<(), ExitError> {
    let stop = Arc::new(Stop::default());
    let keeper = Cycles::new(&settings, Arc::clone(&stop)).map_err(ExitError::Wrong)?;
    start::say_overridden(&settings, keeper.providers());
    if let Some(why) = Directory::open(&settings.tokens_dir).ok().and_then(|tokens| tokens.open_to_others()) {
        log::warn!(target: "REFRESH", "no token is refreshed: {why}");
    }
    make_tokens_directory(&settings)
        .and_then(|()| {
            if settings.once {
                once(keeper, &settings, stop)
            } else {
                Daemon::start(settings, keeper, stop)?.run(options)
            }
        })
        .map_err(ExitError::Failed)
}

fn once(mut keeper: Cycles, settings: &Settings, stop: Arc<Stop>) -> Result<(), String> {
    // The handlers come first, so that a stop during the cycle lets the refreshes in flight end.
    let _signals = Signals::listen(stop).map_err(|error| format!("signals cannot be received: {error}"))?;
    // The record of a running daemon is kept, since its settings hold for most cycles.
    if !daemon_holder(&settings.tokens_dir).is_ok_and(Holder::is_held) {
        keeper.store().set_daemon(record(settings, Timestamp::now(), &keeper));
    }
    let mut ended = keeper.cycle(settings, Trigger::First, &BTreeSet::new(), &|| {});
    let mut changed = std::mem::take(&mut ended.changed);
    if !ended.held.is_empty() {
        let mut held = Unstored::default();
        held.extend(ended.held);
        changed.extend(held.names());
        held.last_tries(&mut keeper)?;
        // The configurations need the new tokens too. No token is refreshed a second time.
        keeper.no_longer_forced();
        ended = keeper.cycle(settings, Trigger::First, &BTreeSet::new(), &|| {});
        changed.append(&mut ended.changed);
    }
    let mut hooks = Hooks::new(settings, keeper.store());
    hooks.refresh.changed(changed, keeper.store());
    let seen = ended.seen.map(|found| hooks.trouble.needs_person(found.troubles, keeper.store()));
    hooks.retry_now();
    let told = hooks.finish(keeper.store());
    seen.map_err(|message| format!("nothing could be checked: {message}"))?;
    match ended.failing {
        0 if ended.unwritten == 1 => Err("1 file cannot be written; the log says why".to_owned()),
        0 if ended.unwritten > 1 => {
            Err(format!("{} files cannot be written; the log says why", ended.unwritten))
        }
        0 => told,
        1 => Err("1 token that was due is not fresh; the log says why".to_owned()),
        failing => Err(format!("{failing} tokens that were due are not fresh; the log says why")),
    }
}

struct Daemon {
    settings: Settings,
    keeper: Cycles,
    presence: Presence,
    manager: ServiceManager,
    signals: Signals,
    watch: Watch,
    notices: Option<Notices>,
    held: Unstored,
    hooks: Hooks,
}

impl Daemon {
    fn start(settings: Settings, keeper: Cycles, stop: Arc<Stop>) -> Result<Self, String> {
        let presence = Presence::claim(&settings)?;
        let signals =
            Signals::listen(stop).map_err(|error| format!("signals cannot be received: {error}"))?;
        keeper.store().set_daemon(record(&settings, presence.since(), &keeper));
        log::info!(target: "CONFIG", "{}", start::in_effect(&settings));
        log::debug!(target: "REFRESH", "running as process {}", std::process::id());
        let manager = ServiceManager::of_process();
        let (watch, held) = (Watch::new(&settings), Unstored::default());
        let hooks = Hooks::new(&settings, keeper.store());
        let notices = Notices::listen(signals.nudge());
        Ok(Self { settings, keeper, presence, manager, signals, watch, notices, held, hooks })
    }

    fn run(mut self, options: &Options) -> Result<(), String> {
        let mut occasion = Trigger::First;
        let mut displaced = Ok(());
        // The message comes before the first request: services that wait for this one must not wait for an endpoint.
        self.manager.ready();
        loop {
            // The state is taken before the cycle, so that a change during it causes another cycle.
            let before = self.watch.before(&self.settings);
            let ended = self.cycle(occasion);
            if occasion == Trigger::First && ended.seen.is_ok() {
                let tokens = self.keeper.store().cycle().map_or(0, |cycle| cycle.tokens);
                let outlook = start::outlook(&self.settings, tokens, ended.next, Timestamp::now());
                log::info!(target: "REFRESH", "{outlook}");
            }
            let next = self.take(ended, before);
            let wake = match self.sleep(next) {
                Ok(wake) => wake,
                Err(message) => {
                    displaced = Err(message);
                    break;
                }
            };
            match wake {
                Wake::Stop => break,
                Wake::Reload => {
                    self.manager.reloading();
                    // The state is taken before the file is read, so that a change meanwhile causes another reading.
                    self.watch.env_file_is_read(&self.settings);
                    self.reload(options);
                    self.manager.ready();
                    occasion = Trigger::Signal;
                }
                Wake::Check => {
                    self.keeper.forget_outages();
                    self.hooks.retry_now();
                    occasion = Trigger::Signal;
                }
                Wake::Nothing => occasion = Trigger::Usual,
            }
        }
        self.manager.stopping();
        log::info!(target: "REFRESH", "stopping");
        let stored = self.held.last_tries(&mut self.keeper);
        // The log has the failure, and the status file keeps it for the next start. A stop succeeds all the same.
        let _ = self.hooks.finish(self.keeper.store());
        if let Some(path) = &self.settings.metrics_file {
            farewell(path);
        }
        self.presence.leave();
        stored.and(displaced)
    }

    /// Runs a cycle. A long one gives a sign of life after each credential. No step takes longer than a request's
    /// limits, so silence means that the daemon hangs.
    fn cycle(&mut self, occasion: Trigger) -> Ended {
        let (presence, manager) = (&self.presence, &self.manager);
        let last = Cell::new(Instant::now());
        let beat = || {
            if last.get().elapsed() >= BEAT {
                last.set(Instant::now());
                presence.touch();
                manager.alive();
            }
        };
        self.keeper.cycle(&self.settings, occasion, &self.held.names(), &beat)
    }

    /// Takes over the results of a cycle, and returns the latest time of the next one.
    fn take(&mut self, ended: Ended, before: Watch) -> Instant {
        if let Ok(found) = &ended.seen {
            let changed = found.changed.iter().filter(|name| !ended.sealed.contains(*name)).cloned();
            let changed = changed.chain(ended.changed);
            self.hooks.refresh.changed(changed, self.keeper.store());
        }
        self.held.extend(ended.held);
        if let Ok(found) = ended.seen {
            self.hooks.trouble.needs_person(found.troubles, self.keeper.store());
            self.watch = before.after(&self.settings, &found.names);
        }
        let new_watch = self.notices.as_ref().is_some_and(|notices| notices.follow(&self.settings));
        if new_watch {
            self.signals.nudge()();
        }
        self.manager.status(self.keeper.summary(ended.next));
        let wait = ended.next.map_or(self.settings.interval, |next| next.since(Timestamp::now()));
        Instant::now() + wait.min(self.settings.interval)
    }

    /// Sleeps until `next`, a change in the directories, or a signal.
    fn sleep(&mut self, next: Instant) -> Result<Wake, String> {
        let mut wall = Timestamp::now();
        let begun = Instant::now();
        let mut monotonic = begun;
        let longest = self.manager.patience().map_or(LONGEST_SLEEP, |patience| patience.min(LONGEST_SLEEP));
        loop {
            self.presence.keep(&self.settings)?;
            self.manager.alive();
            self.hooks.refresh.poll(self.keeper.store(), Box::new(self.signals.nudge()));
            self.hooks.trouble.poll(self.keeper.store(), Box::new(self.signals.nudge()));
            let stored = self.held.retry(&mut self.keeper);
            let now = Instant::now();
            if now >= next || stored {
                return Ok(Wake::Nothing);
            }
            let hooks = self.hooks.next().map(|wait| now + wait);
            let until = [self.held.next(), hooks].into_iter().flatten().fold(next, Instant::min);
            let wake = self.signals.wait(until.saturating_duration_since(now).min(longest));
            if wake != Wake::Nothing {
                return Ok(wake);
            }
            let jumped = clock_jumped(wall, monotonic);
            (wall, monotonic) = (Timestamp::now(), Instant::now());
            if jumped {
                log::info!(target: "REFRESH", "the clock was set, or the machine slept; checking now");
                self.keeper.distrust();
                return Ok(Wake::Nothing);
            }
            let because = match self.watch.changed(&self.settings, &self.keeper) {
                watch::Changed::Nothing => continue,
                watch::Changed::Tokens => Wake::Nothing,
                watch::Changed::EnvFile => Wake::Reload,
            };
            // A program that writes all the time must not keep the loop busy.
            let signal = self.signals.wait(SHORTEST_SLEEP.saturating_sub(begun.elapsed()));
            return Ok(because.or(signal));
        }
    }

    fn reload(&mut self, options: &Options) {
        match self.settings.reload(options) {
            Ok(Loaded { settings, warnings }) => {
                if let Err(message) = self.keeper.reconfigure(&settings) {
                    // The log is reopened all the same, since it may have been moved away.
                    logging::reopen(&self.settings.log_file, self.settings.log_level);
                    log::error!(target: "CONFIG", "{message}; the settings stay as they were");
                    return;
                }
                logging::reopen(&settings.log_file, settings.log_level);
                for warning in warnings {
                    log::warn!(target: "CONFIG", "{warning}");
                }
                self.settings = settings;
                start::say_overridden(&self.settings, self.keeper.providers());
                let record = record(&self.settings, self.presence.since(), &self.keeper);
                self.keeper.store().set_daemon(record);
                log::info!(target: "CONFIG", "settings read again");
            }
            Err(invalid) => {
                logging::reopen(&self.settings.log_file, self.settings.log_level);
                log::error!(target: "CONFIG", "{invalid}; the settings stay as they were");
            }
        }
    }
}

/// Whether wall clock and monotonic clock disagree about the time since both were read.
fn clock_jumped(wall: Timestamp, monotonic: Instant) -> bool {
    let tolerance = Duration::from_secs(5);
    let expected = wall + monotonic.elapsed();
    let now = Timestamp::now();
    now.since(expected) > tolerance || expected.since(now) > tolerance
}

fn record(settings: &Settings, since: Timestamp, cycles: &Cycles) -> DaemonRecord {
    DaemonRecord {
        pid: std::process::id(),
        started: since,
        once: settings.once,
        sealing_key: cycles.sealing_key(),
        ..record_of(settings)
    }
}
