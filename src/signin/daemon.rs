//! Tells a running daemon to look for changed files at once. The daemon is found by the lock that it holds, and gets
//! SIGUSR1.
//!
//! A signal could end a wrong process. So the process in the lock file must hold the lock, by the kernel's list of
//! locks. The process must also catch the signal.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::files::{FileAt, Holder, MAX_SIZE, holder, read_own};
use crate::state::daemon_lock;

/// The result of [`tell`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DaemonSignal {
    /// The daemon with this process id got the signal.
    Sent(u32),
    /// A daemon runs without the signal, and finds the file within a minute.
    NotSent,
    /// No daemon runs for this directory.
    NoDaemon,
}

/// Sends SIGUSR1 to the daemon of this tokens directory.
pub(super) fn tell(tokens: &Path) -> DaemonSignal {
    let held = |lock: &FileAt| holder(lock).is_ok_and(Holder::is_held);
    let Some(lock) = daemon_lock(tokens).ok().flatten().filter(held) else { return DaemonSignal::NoDaemon };
    let pid = read_own(&lock, MAX_SIZE).ok().and_then(|(note, _)| note.trim().parse::<u32>().ok());
    let Some(pid) = pid.filter(|pid| holds(*pid, &lock) && catches_usr1(*pid)) else {
        return DaemonSignal::NotSent;
    };
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match target.map(|target| kill_process(target, Signal::USR1)) {
        Some(Ok(())) => DaemonSignal::Sent(pid),
        _ => DaemonSignal::NotSent,
    }
}

/// Whether this process holds the lock on that file, by the kernel's list (`proc_locks(5)`).
fn holds(pid: u32, lock: &FileAt) -> bool {
    let (Ok(table), Ok(file)) = (std::fs::read_to_string("/proc/locks"), lock.inode()) else {
        return false;
    };
    table.lines().any(|line| names(line, pid, file.stamp.identity().1))
}

/// Whether a line of the list is an exclusive `flock` of this process on the file with this inode.
fn names(line: &str, pid: u32, inode: u64) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", owner, file, ..] = words[..] else { return false };
    // The device is not compared: some file systems show another one here than in stat(2).
    owner == pid.to_string() && file.rsplit(':').next() == Some(inode.to_string().as_str())
}

/// Whether the process has a handler for SIGUSR1. The signal ends a process without one.
fn catches_usr1(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal_hook::consts::SIGUSR1 - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holders_own_line_counts() {
        let line = "12: FLOCK  ADVISORY  WRITE 4711 08:01:987654 0 EOF";
        assert!(names(line, 4711, 987_654));
        assert!(!names(line, 471, 987_654) && !names(line, 4711, 98_765));
        assert!(!names("1: POSIX  ADVISORY  WRITE 4711 08:01:987654 0 EOF", 4711, 987_654));
        assert!(!names("1: FLOCK  ADVISORY  READ 4711 08:01:987654 0 EOF", 4711, 987_654));
        assert!(!names("1: -> FLOCK  ADVISORY  WRITE 4711 08:01:987654 0 EOF", 4711, 987_654));
        assert!(!names("", 4711, 987_654));
    }
}
