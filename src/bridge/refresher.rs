//! Refreshes the server's tokens if no daemon runs, with the code and the locks of a cycle.
//!
//! The refresher has a thread of its own, and requests send a valid token meanwhile. The end of the bridge waits until
//! the answer of a token endpoint is stored.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cycle::Cycles;
use crate::files::Holder;
use crate::refresh::{Stop, Storing};
use crate::settings::Settings;
use crate::state::daemon_holder;
use crate::threads;

/// The shortest time between two refreshes of a due token, because its endpoint may be in trouble.
const SOONEST: Duration = Duration::from_secs(10);

/// How long the end waits for an answer of a token endpoint: one exchange, and the time to store it.
const LONGEST_END: Duration = Duration::from_secs(40);

/// How often storing an answer is tried once the bridge is to end.
const LAST_TRIES: u32 = 5;

/// Refreshes tokens on request.
pub(super) struct Refresher {
    settings: Settings,
    stop: Arc<Stop>,
    state: Mutex<RefresherState>,
    changed: Condvar,
}

#[derive(Default)]
struct RefresherState {
    running: bool,
    last: Option<Instant>,
}

/// Marks the end of the thread, also after a panic.
struct AtWork<'a>(&'a Refresher);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.state().running = false;
        self.0.changed.notify_all();
    }
}

impl Refresher {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        // A lock of another process is awaited, as with `--once`.
        let settings = Settings { once: true, ..settings.clone() };
        Arc::new(Self { settings, stop: Arc::default(), state: Mutex::default(), changed: Condvar::new() })
    }

    /// Has these files refreshed, if they are due and no daemon runs. Returns at once.
    pub(super) fn request_refresh(self: &Arc<Self>, files: BTreeSet<String>) {
        let mut state = self.state();
        let rests = state.last.is_some_and(|last| last.elapsed() < SOONEST);
        if state.running || rests || self.stop.is_asked() {
            return;
        }
        state.last = Some(Instant::now());
        if !matches!(daemon_holder(&self.settings.tokens_dir), Ok(Holder::Free | Holder::NoFile)) {
            return;
        }
        state.running = true;
        drop(state);
        let own = Arc::clone(self);
        if let Err(error) = threads::start("refresh", move || own.refresh(&files)) {
            self.state().running = false;
            log::warn!(target: "BRIDGE", "a token is not refreshed: no thread can be started ({error})");
        }
    }

    /// Whether a refresh may be under way.
    pub(super) fn is_running(&self) -> bool {
        self.state().running
    }

    /// Begins no more refreshes, and waits for one that has begun.
    pub(super) fn end(&self) {
        if self.stop.ask() > 0 {
            log::info!(target: "BRIDGE", "ending when the token that is being refreshed is stored");
        }
        let waited = self.changed.wait_timeout_while(self.state(), LONGEST_END, |state| state.running);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn refresh(&self, files: &BTreeSet<String>) {
        let _running = AtWork(self);
        let outcome = Cycles::new(&self.settings, Arc::clone(&self.stop)).and_then(|mut cycles| {
            let held = cycles.refresh_only(&self.settings, files)?;
            for storing in held {
                self.store(&mut cycles, storing);
            }
            Ok(())
        });
        if let Err(why) = outcome {
            log::warn!(target: "BRIDGE", "a token is not refreshed: {why}");
        }
    }

    /// Stores an answer that could not be stored at once. Without it the sign-in may be lost.
    fn store(&self, cycles: &mut Cycles, mut storing: Storing) {
        let mut last_tries = 0;
        while let Err(why) = storing.attempt() {
            log::error!(target: "BRIDGE", "{why}; trying again");
            last_tries += u32::from(self.stop.is_asked());
            if last_tries >= LAST_TRIES {
                return;
            }
            // The cause is a full disk or a mount, which a person mends.
            std::thread::sleep(Duration::from_secs(1));
        }
        cycles.stored(storing);
    }

    fn state(&self) -> MutexGuard<'_, RefresherState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
