//! Runs a command of the user's with a time limit that holds for everything the command starts.
//!
//! The command gets a process group and an environment of its own, and no input. Its output goes unread
//! to this program's standard error, since the output may hold what no log may show. When the time is
//! over, or when the command has ended and left a process in its group, the whole group is killed. The
//! command's own process is reaped last: until then no other process can get its number.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::clock::Words;
use crate::files::reason;

/// How often a run looks whether its command has ended. A `SIGCHLD` handler would be one for the whole
/// process, and a blocking wait knows no time limit.
const POLL: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The program and its arguments; not empty.
    pub words: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(&'static str, OsString)>,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// How long it may take.
    pub limit: Duration,
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) enum CommandError {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended with this status.
    Status(ExitStatus),
    /// It took longer than this and was killed with everything it had started.
    TooLong(Duration),
}

impl fmt::Display for CommandError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(out, "cannot be started: {}", reason(error)),
            Self::Status(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(out, "ended with exit status {code}"),
                (None, signal) => write!(out, "was ended by signal {}", signal.unwrap_or_default()),
            },
            Self::TooLong(limit) => write!(out, "took longer than {} and was killed", Words(*limit)),
        }
    }
}

/// Runs `task` to its end.
pub(super) fn run(task: &Task) -> Result<(), CommandError> {
    let output = || Ok(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
    let mut command = Command::new(&task.words[0]);
    command
        .args(&task.words[1..])
        .env_clear()
        .envs(task.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&task.directory)
        .stdin(Stdio::null())
        .stdout(output().map_err(CommandError::NotStarted)?)
        .stderr(Stdio::inherit())
        .process_group(0);
    let mut child = command.spawn().map_err(CommandError::NotStarted)?;
    let ended = wait_until(&child, Instant::now() + task.limit);
    kill_group(&child);
    let status = child.wait().map_err(CommandError::NotStarted)?;
    if !ended {
        return Err(CommandError::TooLong(task.limit));
    }
    if status.success() { Ok(()) } else { Err(CommandError::Status(status)) }
}

/// Waits until `child` has ended, without reaping it; whether it has ended by the deadline.
fn wait_until(child: &Child, deadline: Instant) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            // Where the starter of this process has it ignore SIGCHLD, the system reaps at once.
            Ok(Some(_)) | Err(Errno::CHILD) => return true,
            Ok(None) | Err(_) if Instant::now() < deadline => std::thread::sleep(POLL),
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Kills every process of the group that `child` leads. Where nothing but an ended child is left in it,
/// the signal changes nothing.
fn kill_group(child: &Child) {
    // The group exists until the child is reaped, and its processes belong to this user. One that has
    // become another user's can only be left alone.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scratch::Scratch;

    fn task(scratch: &Scratch, script: &str) -> Task {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (environment, directory) =
            (vec![("PATH", path), ("GIVEN", "value".into())], scratch.to_path_buf());
        Task { words, environment, directory, limit: Duration::from_secs(20) }
    }

    fn message(result: Result<(), CommandError>) -> String {
        result.map_or_else(|failed| failed.to_string(), |()| "well".to_owned())
    }

    /// Whether the process whose number a script has written to this file ends: one that was killed
    /// takes its moment.
    fn is_gone(path: &Path) -> bool {
        let pid = std::fs::read_to_string(path).unwrap();
        let path = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        let deadline = Instant::now() + Duration::from_secs(10);
        let runs = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    #[test]
    fn how_it_ended_is_told() {
        let scratch = Scratch::new();
        for (script, expected) in [
            ("true", "well"),
            ("exit 3", "ended with exit status 3"),
            ("kill -9 $$", "was ended by signal 9"),
        ] {
            assert_eq!(message(run(&task(&scratch, script))), expected, "{script}");
        }
        let words = vec!["/no/such/program".to_owned()];
        let missing = Task { words, ..task(&scratch, "") };
        assert_eq!(message(run(&missing)), "cannot be started: no such file or directory");
    }

    #[test]
    fn it_has_its_own_environment_and_no_input() {
        let scratch = Scratch::new();
        run(&task(&scratch, "read line; env > environment; pwd -P > directory")).unwrap();
        let environment = std::fs::read_to_string(scratch.join("environment")).unwrap();
        // The shell adds variables of its own; none of this process is among them.
        let names: Vec<&str> =
            environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.contains(&"GIVEN") && names.contains(&"PATH"), "{environment}");
        assert!(
            names.iter().all(|name| ["GIVEN", "PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
            "{environment}"
        );
        let directory = std::fs::read_to_string(scratch.join("directory")).unwrap();
        assert_eq!(Path::new(directory.trim()), &*scratch);
    }

    #[test]
    fn the_limit_holds_for_everything_it_started() {
        let scratch = Scratch::new();
        let long = "sleep 1000 & echo $! > child; echo $$ > leader; wait";
        let begun = Instant::now();
        let failed = run(&Task { limit: Duration::from_secs(1), ..task(&scratch, long) });
        assert_eq!(message(failed), "took longer than 1 second and was killed");
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert!(is_gone(&scratch.join("leader")) && is_gone(&scratch.join("child")));
    }

    #[test]
    fn what_it_leaves_running_in_its_group_ends_with_it() {
        let scratch = Scratch::new();
        let leaves = "sleep 1000 > /dev/null 2>&1 & echo $! > child";
        assert_eq!(message(run(&task(&scratch, leaves))), "well");
        assert!(is_gone(&scratch.join("child")));
    }
}
