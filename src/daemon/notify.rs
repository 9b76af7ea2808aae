//! Tells the service manager the state of the daemon (`sd_notify(3)`), where a manager listens.
//!
//! A message is a datagram of `NAME=VALUE` lines. The socket in `NOTIFY_SOCKET` is a path or, with a leading `@`, an
//! abstract name. A message that cannot be sent is dropped, as the manual says. The variables are the process's own,
//! never those of `.env`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service manager, if one listens.
#[derive(Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// The interval in which the manager needs a sign of life, where it watches.
    watchdog: Option<Duration>,
    /// The last status that was sent.
    status: String,
}

impl ServiceManager {
    /// The manager that started this process.
    pub(super) fn of_process() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let watched = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let number = |name| env::var(name).ok()?.parse().ok();
        let watchdog = number("WATCHDOG_USEC").filter(|_| watched && socket.is_some());
        Self { socket, watchdog: watchdog.map(Duration::from_micros), status: String::new() }
    }

    /// The longest sleep of the loop: half of the watchdog's time, as the manual says.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// Tells that the daemon works. The notice also ends [`Self::reloading`].
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Tells that settings are being read again.
    pub(super) fn reloading(&self) {
        let mut message = "RELOADING=1".to_owned();
        // `Type=notify-reload` needs the time too, to tell two reloads apart.
        // Writing to a String cannot fail.
        let _ = write!(message, "\nMONOTONIC_USEC={}", monotonic_micros());
        self.tell(&message);
    }

    /// Tells that the daemon ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping after the refreshes in flight");
    }

    /// Gives a sign of life, where the manager watches.
    pub(super) fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    /// Sends the present action in one line, for `systemctl status`.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            self.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // The socket does not block: a manager that does not read must not stop the daemon.
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        [b'/', ..] => socket.connect(name)?,
        // Another family (vsock) is for virtual machines.
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(socket)
}

/// `CLOCK_MONOTONIC` in microseconds.
fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_monotonic_clock_is_told_in_microseconds() {
        let (before, begun) = (monotonic_micros(), Instant::now());
        while begun.elapsed() < Duration::from_millis(3) {}
        let micros = u64::try_from(monotonic_micros()).unwrap();
        assert!(before > 0 && monotonic_micros() - before >= 3000, "{before}");
        // The time since boot, from another source, which may count suspended time.
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!(Duration::from_micros(micros).as_secs_f64() <= seconds + 1.0, "{micros} of {seconds}");
    }

    #[test]
    fn an_address_is_a_path_or_abstract() {
        let name = format!("token-refresher-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&abstract_name).unwrap();
        connect(OsStr::new(&format!("@{name}"))).unwrap().send(b"READY=1").unwrap();
        let mut told = [0; 16];
        assert_eq!(manager.recv(&mut told).unwrap(), 7);
        for wrong in ["", "vsock:2:1234", "relative", "/no/such/socket"] {
            assert!(connect(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }
}
