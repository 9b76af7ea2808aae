//! The loop: sleep until something is due, run a cycle, listen to signals, until told to stop.

mod command;
mod hook;
mod notify;
mod presence;
mod signals;
mod watch;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::Options;
use crate::clock::{Timestamp, Words};
use crate::cycle::services::is_keycloak;
use crate::cycle::{Ended, Keeper, Occasion, daemon_holder, farewell};
use crate::files::{Holder, make_private_directory, reason};
use crate::logging;
use crate::refresh::{Stop, Storing};
use crate::settings::{Loaded, Settings};
use crate::status::DaemonRecord;
use hook::Hook;
use notify::ServiceManager;
use presence::Presence;
use signals::{Signals, Wake};
use watch::Watch;

/// The longest time without a look at the clock and the directories: a laptop that slept or a clock
/// that was set is noticed within it (monotonic sleep does not notice either).
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// How often a cycle in progress shows that it is alive, at most.
const BEAT: Duration = Duration::from_secs(1);

/// How long a stop waits for an answer that cannot be written.
const LAST_TRIES: Duration = Duration::from_mins(1);

/// Runs the daemon until it is told to stop, or one cycle with `--once`.
///
/// # Errors
/// Why it could not start, or what was not done when it ended.
pub(crate) fn run(settings: Settings, options: &Options) -> Result<(), DaemonError> {
    let stop = Arc::new(Stop::default());
    let keeper = Keeper::new(&settings, Arc::clone(&stop)).map_err(DaemonError::Setting)?;
    make_tokens_directory(&settings)
        .and_then(|()| {
            if settings.once {
                once(keeper, &settings, stop)
            } else {
                Daemon::start(settings, keeper, stop)?.run(options)
            }
        })
        .map_err(DaemonError::Running)
}

/// Why the daemon ended otherwise than by being told to. Each is one line.
pub(crate) enum DaemonError {
    /// A setting turned out to be wrong before anything happened.
    Setting(String),
    /// Something was not done.
    Running(String),
}

fn make_tokens_directory(settings: &Settings) -> Result<(), String> {
    let directory = &settings.tokens_dir;
    if directory.is_dir() {
        return Ok(());
    }
    make_private_directory(directory).map_err(|error| {
        format!("the tokens directory {} cannot be made: {}", directory.display(), reason(&error))
    })?;
    log::info!(target: "REFRESH", "made the tokens directory {}; waiting for token files", directory.display());
    Ok(())
}

fn once(mut keeper: Keeper, settings: &Settings, stop: Arc<Stop>) -> Result<(), String> {
    // Registered first, so that a stop during the cycle lets the refreshes in flight end.
    let _signals = Signals::listen(stop).map_err(|error| format!("signals cannot be received: {error}"))?;
    // A daemon's settings stay: they hold for most of the cycles.
    if !matches!(daemon_holder(&settings.tokens_dir), Ok(Holder::Somebody { .. })) {
        keeper.store().set_daemon(record(settings, Timestamp::now()));
    }
    let mut ended = keeper.cycle(settings, Occasion::First, &BTreeSet::new(), &|| {});
    let mut changed = std::mem::take(&mut ended.changed);
    if !ended.held.is_empty() {
        let mut held = Held(ended.held.into_iter().map(Waiting::new).collect());
        changed.extend(held.names());
        held.last_tries(&mut keeper)?;
        // The configurations want the new tokens too; nothing is asked for a second time.
        keeper.no_longer_forced();
        ended = keeper.cycle(settings, Occasion::First, &BTreeSet::new(), &|| {});
        changed.append(&mut ended.changed);
    }
    let mut hook = Hook::new(settings, keeper.store());
    hook.changed(changed, keeper.store());
    hook.hurry();
    let told = hook.finish(keeper.store());
    ended.seen.map_err(|message| format!("nothing could be checked: {message}"))?;
    match ended.failing {
        0 => told,
        1 => Err("1 token that was due is not fresh; the log says why".to_owned()),
        failing => Err(format!("{failing} tokens that were due are not fresh; the log says why")),
    }
}

struct Daemon {
    settings: Settings,
    keeper: Keeper,
    presence: Presence,
    manager: ServiceManager,
    signals: Signals,
    watch: Watch,
    held: Held,
    hook: Hook,
}

impl Daemon {
    fn start(settings: Settings, keeper: Keeper, stop: Arc<Stop>) -> Result<Self, String> {
        let presence = Presence::claim(&settings)?;
        let signals =
            Signals::listen(stop).map_err(|error| format!("signals cannot be received: {error}"))?;
        keeper.store().set_daemon(record(&settings, presence.since()));
        log::debug!(target: "REFRESH", "running as process {}", std::process::id());
        let manager = ServiceManager::of_process();
        let (watch, held) = (Watch::default(), Held(Vec::new()));
        let hook = Hook::new(&settings, keeper.store());
        Ok(Self { settings, keeper, presence, manager, signals, watch, held, hook })
    }

    fn run(mut self, options: &Options) -> Result<(), String> {
        let mut occasion = Occasion::First;
        let mut displaced = Ok(());
        // Before the first request: whoever waits for this service waits for no endpoint.
        self.manager.ready();
        loop {
            // Looked at before the cycle: what changes during it runs another one.
            let before = Watch::before(&self.settings);
            let ended = self.cycle(occasion);
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
                    self.reload(options);
                    self.manager.ready();
                    occasion = Occasion::Signal;
                }
                Wake::Check => {
                    self.keeper.forget_outages();
                    self.hook.hurry();
                    occasion = Occasion::Signal;
                }
                Wake::Nothing => occasion = Occasion::Usual,
            }
        }
        self.manager.stopping();
        log::info!(target: "REFRESH", "stopping");
        let stored = self.held.last_tries(&mut self.keeper);
        // Said in the log and remembered for the next start; a stop is a stop all the same.
        let _ = self.hook.finish(self.keeper.store());
        if let Some(path) = &self.settings.metrics_file {
            farewell(path);
        }
        self.presence.leave();
        stored.and(displaced)
    }

    /// Runs a cycle. A long one shows at each credential that is done that the daemon is alive; nothing
    /// that it waits for takes longer than a request's limits, so silence means that it hangs.
    fn cycle(&mut self, occasion: Occasion) -> Ended {
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

    /// Takes over what a cycle left, and says when the next one is due at the latest.
    fn take(&mut self, ended: Ended, before: Watch) -> Instant {
        if let Ok(found) = &ended.seen {
            let changed = self.watch.changed_names(&found.files).into_iter().chain(ended.changed);
            self.hook.changed(changed, self.keeper.store());
        }
        self.held.0.extend(ended.held.into_iter().map(Waiting::new));
        if let Ok(found) = ended.seen {
            self.watch = before.after(&self.settings, &found.names, found.files);
        }
        self.manager.status(self.keeper.summary(ended.next));
        let wait = ended.next.map_or(self.settings.interval, |next| next.since(Timestamp::now()));
        Instant::now() + wait.min(self.settings.interval)
    }

    /// Sleeps until `next`, a change in the directories, or a signal.
    fn sleep(&mut self, next: Instant) -> Result<Wake, String> {
        let mut wall = Timestamp::now();
        let mut monotonic = Instant::now();
        let longest = self.manager.patience().map_or(LONGEST_SLEEP, |patience| patience.min(LONGEST_SLEEP));
        loop {
            self.presence.keep(&self.settings)?;
            self.manager.alive();
            self.hook.turn(self.keeper.store(), self.signals.nudge());
            let stored = self.held.retry(&mut self.keeper);
            let now = Instant::now();
            if now >= next || stored {
                return Ok(Wake::Nothing);
            }
            let hook = self.hook.next().map(|wait| now + wait);
            let until = [self.held.next(), hook].into_iter().flatten().fold(next, Instant::min);
            let wake = self.signals.wait(until.saturating_duration_since(now).min(longest));
            if wake != Wake::Nothing {
                return Ok(wake);
            }
            let jumped = clock_jumped(wall, monotonic);
            (wall, monotonic) = (Timestamp::now(), Instant::now());
            if jumped {
                log::info!(target: "REFRESH", "the clock was set, or the machine slept; checking now");
                return Ok(Wake::Nothing);
            }
            match self.watch.changed(&self.settings) {
                watch::Changed::Nothing => {}
                watch::Changed::Tokens => return Ok(Wake::Nothing),
                watch::Changed::EnvFile => return Ok(Wake::Reload),
            }
        }
    }

    fn reload(&mut self, options: &Options) {
        match self.settings.reload(options) {
            Ok(Loaded { settings, warnings }) => {
                if let Err(message) = self.keeper.reconfigure(&settings) {
                    // The log may have been moved away all the same.
                    logging::reopen(&self.settings.log_file, self.settings.log_level);
                    log::error!(target: "CONFIG", "{message}; the settings stay as they were");
                    return;
                }
                logging::reopen(&settings.log_file, settings.log_level);
                for warning in warnings {
                    log::warn!(target: "CONFIG", "{warning}");
                }
                self.settings = settings;
                self.keeper.store().set_daemon(record(&self.settings, self.presence.since()));
                log::info!(target: "CONFIG", "settings read again");
            }
            Err(invalid) => {
                logging::reopen(&self.settings.log_file, self.settings.log_level);
                log::error!(target: "CONFIG", "{invalid}; the settings stay as they were");
            }
        }
    }
}

/// Whether the wall clock and the monotonic one disagree about how long it was since both were read.
fn clock_jumped(wall: Timestamp, monotonic: Instant) -> bool {
    let tolerance = Duration::from_secs(5);
    let expected = wall + monotonic.elapsed();
    let now = Timestamp::now();
    now.since(expected) > tolerance || expected.since(now) > tolerance
}

fn record(settings: &Settings, since: Timestamp) -> DaemonRecord {
    DaemonRecord {
        pid: std::process::id(),
        started: since.as_millis(),
        interval: settings.interval.as_secs(),
        buffer: settings.buffer.as_secs(),
        registry_url: settings.registry_url.clone(),
        servers_dir: settings.servers_dir.display().to_string(),
        providers: settings.providers.is_file().then(|| settings.providers.display().to_string()),
        keycloak: is_keycloak(&settings.environment),
    }
}

/// Answers that could not be written yet. They stay until they are, while other cycles go on.
struct Held(Vec<Waiting>);

struct Waiting {
    storing: Storing,
    next: Instant,
    delay: Duration,
    said: String,
}

impl Waiting {
    fn new(storing: Storing) -> Self {
        let delay = Duration::from_secs(1);
        Self { storing, next: Instant::now() + delay, delay, said: String::new() }
    }

    /// Tries once more; whether it is done. After a failure the delay doubles to 30 s.
    fn retry(&mut self) -> bool {
        match self.storing.attempt() {
            Ok(()) => true,
            Err(message) => {
                if message != self.said {
                    log::error!(target: "REFRESH", "{message}");
                    self.said = message;
                }
                self.delay = (self.delay * 2).min(Duration::from_secs(30));
                self.next = Instant::now() + self.delay;
                false
            }
        }
    }
}

impl Held {
    fn names(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|waiting| waiting.storing.names().cloned()).collect()
    }

    fn next(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.next).min()
    }

    /// Tries those whose time has come; whether one is done.
    fn retry(&mut self, keeper: &mut Keeper) -> bool {
        let before = self.0.len();
        let mut waiting = std::mem::take(&mut self.0);
        for mut one in waiting.drain(..) {
            if one.next > Instant::now() || !one.retry() {
                self.0.push(one);
            } else {
                keeper.stored(one.storing);
            }
        }
        self.0.len() < before
    }

    /// The end of the process: tries for a minute, then names the files. What could not be brought into
    /// place stays beside them for the next start. Who cannot wait stops the process a second time.
    fn last_tries(&mut self, keeper: &mut Keeper) -> Result<(), String> {
        let deadline = Instant::now() + LAST_TRIES;
        while !self.0.is_empty() {
            self.retry(keeper);
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            // The last try is at the very end of the minute, whatever the delays have grown to.
            for waiting in &mut self.0 {
                waiting.next = waiting.next.min(deadline);
            }
            let next = self.next().unwrap_or(now);
            std::thread::sleep(next.saturating_duration_since(now));
        }
        let files: Vec<String> = self
            .0
            .iter()
            .filter_map(|waiting| waiting.storing.waiting_file())
            .map(|file| file.display().to_string())
            .collect();
        if files.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "a new refresh token could not be stored in {} within {}; start token-refresher again when it can be written",
                files.join(", "),
                Words(LAST_TRIES)
            ))
        }
    }
}
