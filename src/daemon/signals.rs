//! Signals as reasons to wake up. One thread receives them, and a condition variable passes them on.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::refresh::Stop;
use crate::text::Count;
use crate::threads;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Why the loop wakes up. Of several reasons the first in this list counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wake {
    /// SIGTERM or SIGINT: finish and end.
    Stop,
    /// SIGHUP: read settings and `.env` again, reopen the log, and run a cycle.
    Reload,
    /// SIGUSR1: run a cycle now.
    Check,
    /// The time has passed.
    Nothing,
}

/// The terminal of a foreground run.
struct Terminal {
    /// Whether the end of the terminal ends the process. A process under `nohup` ignores that end, and a service has
    /// no terminal.
    counts: bool,
}

impl Terminal {
    fn of_process() -> Self {
        // Bit 0 of the mask is signal 1, SIGHUP.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        Self { counts: ignored & 1 == 0 && Self::is_open() }
    }

    /// Whether this process still has a terminal.
    fn is_open() -> bool {
        std::fs::File::open("/dev/tty").is_ok()
    }

    /// Whether the terminal was closed since the start: its SIGHUP is no request to reload.
    fn is_gone(&self) -> bool {
        self.counts && !Self::is_open()
    }
}

impl Wake {
    /// The reason of two that counts.
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
    /// How many commands and watches have reported since the last look of the loop.
    nudges: u32,
}

/// Signals that have arrived, until the loop acts on them.
pub(super) struct Signals {
    shared: Arc<(Mutex<Pending>, Condvar)>,
}

impl Signals {
    /// Begins to receive signals. SIGHUP is a stop where the terminal was closed. A second SIGTERM or SIGINT during a
    /// stop ends the process at once. The exit status is a shell's for that signal.
    pub(super) fn listen(stop: Arc<Stop>) -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(Pending::default()), Condvar::new()));
        // The mask is read before the handlers replace the settings of the process's starter.
        let terminal = Terminal::of_process();
        let mut arriving = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let passed_on = Arc::clone(&shared);
        threads::start("signals", move || {
            for signal in arriving.forever() {
                let (pending, changed) = &*passed_on;
                let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                match signal {
                    SIGHUP if !terminal.is_gone() => pending.reload = true,
                    // The shell and the system may each send one.
                    SIGHUP if pending.stop => {}
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

    /// A function that wakes the loop from another thread.
    pub(super) fn nudge(&self) -> impl Fn() + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let (pending, changed) = &*shared;
            pending.lock().unwrap_or_else(PoisonError::into_inner).nudges += 1;
            changed.notify_all();
        }
    }

    /// Waits up to `longest` for a signal, and takes it. A stop is kept.
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
