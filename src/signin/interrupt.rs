//! SIGINT, SIGTERM and SIGHUP. A signal ends the program at once, except while an answer is received and stored. Then
//! the program ends afterwards.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::threads;

#[derive(Default)]
struct State {
    /// Whether an action is under way that must be finished.
    busy: bool,
    /// The signal that came during the action.
    asked: Option<i32>,
}

pub(super) struct Interrupt {
    state: Arc<Mutex<State>>,
}

impl Interrupt {
    /// Begins to receive signals. A second signal ends the program at any time.
    ///
    /// # Errors
    /// The handlers or the thread cannot be made.
    pub(super) fn listen() -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let mut arriving = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let shared = Arc::clone(&state);
        threads::start("signals", move || {
            for signal in arriving.forever() {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.busy {
                    end(signal, "nothing was changed");
                }
                if state.asked.replace(signal).is_some() {
                    end(signal, "an answer may be lost");
                }
                // An endpoint may take half a minute, in which the program would seem to have heard nothing.
                super::words::say("\nending when the answer is stored; a second time ends at once");
            }
        })?;
        Ok(Self { state })
    }

    /// Runs `act` without interruption by a first signal.
    pub(super) fn uninterrupted<T>(&self, act: impl FnOnce() -> T) -> T {
        self.lock().busy = true;
        let done = act();
        self.lock().busy = false;
        done
    }

    /// Ends the program where a signal has come meanwhile. `what` is the state of the sign-in, for the message.
    pub(super) fn obey(&self, what: &str) {
        if let Some(signal) = self.lock().asked {
            end(signal, what);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the program with the exit status of a shell for a program that a signal ended.
fn end(signal: i32, what: &str) -> ! {
    super::words::say(&format!("\ninterrupted; {what}"));
    std::process::exit(128 + signal);
}
