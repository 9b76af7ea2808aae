//! Signals, turned into reasons to wake up: one thread receives them, a condition variable passes
//! them on.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::refresh::Stop;
use crate::text::Count;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Why the loop wakes up. Of several signals the first in this list wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wake {
    /// SIGTERM or SIGINT: finish and end.
    Stop,
    /// SIGHUP: settings, `.env` and log file again, and a cycle.
    Reload,
    /// SIGUSR1: a cycle now.
    Check,
    /// Time has passed.
    Nothing,
}

impl Wake {
    /// The one of two that counts.
    pub(super) fn or(self, other: Self) -> Self {
        [Self::Stop, Self::Reload, Self::Check]
            .into_iter()
            .find(|wake| [self, other].contains(wake))
            .unwrap_or(Self::Nothing)
    }
}

#[derive(Default)]
struct Pending {
    stop: bool,
    reload: bool,
    check: bool,
    /// How many commands and watches have reported since the loop last looked.
    nudges: u32,
}

/// Signals that have arrived and were not acted on.
pub(super) struct Signals {
    shared: Arc<(Mutex<Pending>, Condvar)>,
}

impl Signals {
    /// Begins to receive. A second SIGTERM or SIGINT during the same stop ends the process at once,
    /// with the status that a shell gives to a program that the signal ended.
    pub(super) fn listen(stop: Arc<Stop>) -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(Pending::default()), Condvar::new()));
        let mut arriving = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let passed_on = Arc::clone(&shared);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in arriving.forever() {
                let (pending, changed) = &*passed_on;
                let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                match signal {
                    SIGHUP => pending.reload = true,
                    SIGUSR1 => pending.check = true,
                    _ if pending.stop => {
                        log::warn!(target: "REFRESH", "told to stop twice; ending at once");
                        std::process::exit(128 + signal);
                    }
                    _ => {
                        pending.stop = true;
                        let waiting = stop.ask();
                        if waiting > 0 {
                            let waiting = Count(waiting, "refresh");
                            log::info!(target: "REFRESH", "told to stop; waiting for {waiting} in flight");
                        }
                    }
                }
                changed.notify_all();
            }
        })?;
        Ok(Self { shared })
    }

    /// Returns what wakes the loop from another thread.
    pub(super) fn nudge(&self) -> impl Fn() + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let (pending, changed) = &*shared;
            pending.lock().unwrap_or_else(PoisonError::into_inner).nudges += 1;
            changed.notify_all();
        }
    }

    /// Waits up to `longest` for a signal, and takes it. A stop is not taken: it stays.
    pub(super) fn wait(&self, longest: Duration) -> Wake {
        let (pending, changed) = &*self.shared;
        let pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
        let idle =
            |pending: &mut Pending| !(pending.stop || pending.reload || pending.check || pending.nudges > 0);
        let (mut pending, _) =
            changed.wait_timeout_while(pending, longest, idle).unwrap_or_else(PoisonError::into_inner);
        pending.nudges = 0;
        if pending.stop {
            Wake::Stop
        } else if std::mem::take(&mut pending.reload) {
            pending.check = false;
            Wake::Reload
        } else if std::mem::take(&mut pending.check) {
            Wake::Check
        } else {
            Wake::Nothing
        }
    }
}
