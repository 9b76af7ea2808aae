//! The end of the bridge: the client closes its side or stops reading, a signal comes, or the parent dies.
//!
//! One thread waits for all these events at once and wakes up for no other.

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
    /// The client has closed its side, and still wants the answers that are about to come.
    InputClosed,
    /// A signal came, the parent is gone, or the client does not read any more.
    Stop,
}

/// Ends the bridge from inside.
#[derive(Clone)]
pub(super) struct EndNotifier(Arc<Mutex<UnixStream>>);

impl EndNotifier {
    pub(super) fn notify(&self) {
        // Fails only where earlier notices fill the buffer, which suffice.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&[0]);
    }
}

/// Waits for the end.
pub(super) struct Ending {
    signals: UnixStream,
    stopped: UnixStream,
    input_over: UnixStream,
    parent: Option<OwnedFd>,
}

/// The notifiers for the end of the input, and for a client that does not read any more.
pub(super) struct EndNotifiers {
    pub input_over: EndNotifier,
    pub stop: EndNotifier,
}

impl Ending {
    /// Begins to watch.
    pub(super) fn watch() -> io::Result<(Self, EndNotifiers)> {
        let (signals, on_signal) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, on_signal.try_clone()?)?;
        }
        let (stopped, stop) = notifier()?;
        let (input_over, input_notifier) = notifier()?;
        // Some kernels and containers do not let a process watch its parent. There the end of the input shows the
        // parent's end.
        let parent = getppid().and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
        Ok((Self { signals, stopped, input_over, parent }, EndNotifiers { input_over: input_notifier, stop }))
    }

    /// Waits until there is a reason to end.
    pub(super) fn wait(&self) -> Reason {
        loop {
            let input = io::stdin();
            let input = input.as_fd();
            let mut watched = vec![
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.stopped, PollFlags::IN),
                PollFd::new(&self.input_over, PollFlags::IN),
                // Only the end of the last writer is awaited, and no data.
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

    /// Waits up to `limit` until all input has been read. A signal ends the wait.
    pub(super) fn wait_for_input_over(&self, limit: Duration) {
        let timeout = Timespec::try_from(limit).unwrap_or_default();
        let mut watched = [
            PollFd::new(&self.input_over, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.stopped, PollFlags::IN),
        ];
        // The end goes on, whatever the result.
        let _ = poll(&mut watched, Some(&timeout));
    }
}

fn notifier() -> io::Result<(UnixStream, EndNotifier)> {
    let (waits, rings) = UnixStream::pair()?;
    rings.set_nonblocking(true)?;
    Ok((waits, EndNotifier(Arc::new(Mutex::new(rings)))))
}
