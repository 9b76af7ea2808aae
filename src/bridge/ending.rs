//! The end of the bridge: the client closes its side or stops reading, a signal comes, or the parent dies.
//!
//! One thread waits for all of these at once and wakes up for nothing else.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Why the bridge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The client has closed its side: answers that are about to come are still wanted.
    InputClosed,
    /// A signal came, the parent is gone, or the client does not read any more.
    Stop,
}

/// What ends the bridge from inside.
#[derive(Clone)]
pub(super) struct Bell(Arc<Mutex<UnixStream>>);

impl Bell {
    /// Rings: the bridge ends.
    pub(super) fn ring(&self) {
        // Fails only where it has rung very often, which is heard.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&[0]);
    }
}

/// Waits for the end.
pub(super) struct Ending {
    signals: UnixStream,
    bell: UnixStream,
    input_over: UnixStream,
    parent: Option<OwnedFd>,
}

/// What is rung when the input is read to its end, and when the client does not read any more.
pub(super) struct Bells {
    pub input_over: Bell,
    pub stop: Bell,
}

impl Ending {
    /// Begins to watch.
    pub(super) fn watch() -> io::Result<(Self, Bells)> {
        let (signals, on_signal) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, on_signal.try_clone()?)?;
        }
        let (stopped, stop) = bell()?;
        let (input_over, input_bell) = bell()?;
        // Not every kernel and container lets a process look at its parent; its end then shows in the input.
        let parent = getppid().and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
        Ok((Self { signals, bell: stopped, input_over, parent }, Bells { input_over: input_bell, stop }))
    }

    /// Waits until there is a reason to end.
    pub(super) fn wait(&self) -> Reason {
        loop {
            let input = io::stdin();
            let input = input.as_fd();
            let mut watched = vec![
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.bell, PollFlags::IN),
                PollFd::new(&self.input_over, PollFlags::IN),
                // Data is not waited for, only that the last writer is gone.
                PollFd::from_borrowed_fd(input, PollFlags::RDHUP),
            ];
            watched.extend(self.parent.as_ref().map(|parent| PollFd::new(parent, PollFlags::IN)));
            match poll(&mut watched, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Reason::Stop,
            }
            let happened: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
            if happened[0] || happened[1] || happened.get(4) == Some(&true) {
                return Reason::Stop;
            }
            if happened[2] || happened[3] {
                return Reason::InputClosed;
            }
        }
    }

    /// Waits for `limit` that all input has been read; a signal ends that.
    pub(super) fn wait_for_input_over(&self, limit: Duration) {
        let timeout = Timespec::try_from(limit).unwrap_or_default();
        let mut watched = [
            PollFd::new(&self.input_over, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        // Whatever comes of it, the end goes on.
        let _ = poll(&mut watched, Some(&timeout));
    }
}

fn bell() -> io::Result<(UnixStream, Bell)> {
    let (waits, rings) = UnixStream::pair()?;
    rings.set_nonblocking(true)?;
    Ok((waits, Bell(Arc::new(Mutex::new(rings)))))
}
