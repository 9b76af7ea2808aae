//! Runs a user's command with a time limit for everything that the command starts.
//!
//! The command gets a process group and an environment of its own, and no input. Its output goes unread to this
//! program's standard error, since no log may show secrets in it. Of the command that prints a key, the first line of
//! the output is read.
//!
//! The whole group is killed when the time is over. The group is also killed when the command has ended and left
//! processes behind. The command's own process is reaped last: until then no other process can get its number.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

use crate::clock::Words;
use crate::files::reason;
use crate::secret::Secret;

/// The most bytes that are read of an output. A key is a few hundred bytes long.
const LONGEST_OUTPUT: usize = 64 << 10;

/// The time between two looks at a running command. A short command is hardly delayed, and 50 looks a second cost next
/// to nothing. A `SIGCHLD` handler would serve the whole process, and a blocking wait has no time limit.
const POLL: Duration = Duration::from_millis(20);

/// A command and its limits.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The program and its arguments; not empty.
    pub words: Vec<String>,
    /// The whole environment of the command.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory of the command.
    pub directory: PathBuf,
    /// The time limit for the command and for all that it starts.
    pub limit: Duration,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The program could not be started.
    NotStarted(io::Error),
    /// The command ended with this status.
    Status(ExitStatus),
    /// The command took longer than this and was killed with everything that it had started.
    TooLong(Duration),
    /// The output could not be read.
    NoOutput(io::Error),
    /// The first line of the output is missing, is no text or has no end.
    NoLine,
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
            Self::NoOutput(error) => write!(out, "its output cannot be read: {}", reason(error)),
            Self::NoLine => out.write_str("printed no line of text"),
        }
    }
}

pub(crate) fn run(task: &Task) -> Result<(), CommandError> {
    let output = || Ok(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
    let child = start(task, output().map_err(CommandError::NotStarted)?)?;
    end(child, task, Instant::now() + task.limit)
}

/// Runs `task` to its end and returns the first line of its output, which may be a secret.
pub(crate) fn first_line(task: &Task) -> Result<Secret, CommandError> {
    let deadline = Instant::now() + task.limit;
    let mut child = start(task, Stdio::piped())?;
    let output = child.stdout.take().map(|output| read(output, &child, deadline));
    end(child, task, deadline)?;
    let bytes = output.ok_or(CommandError::NoLine)?.map_err(CommandError::NoOutput)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match str::from_utf8(line).map(str::trim) {
        Ok(line) if !line.is_empty() && bytes.len() < LONGEST_OUTPUT => Ok(Secret::new(line)),
        _ => Err(CommandError::NoLine),
    }
}

fn start(task: &Task, output: Stdio) -> Result<Child, CommandError> {
    Command::new(&task.words[0])
        .args(&task.words[1..])
        .env_clear()
        .envs(task.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&task.directory)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .map_err(CommandError::NotStarted)
}

/// Waits for the end of `child`, and kills the processes that it has left.
fn end(mut child: Child, task: &Task, deadline: Instant) -> Result<(), CommandError> {
    let ended = wait_until(&child, deadline);
    kill_group(&child);
    let status = child.wait().map_err(CommandError::NotStarted)?;
    if !ended {
        return Err(CommandError::TooLong(task.limit));
    }
    if status.success() { Ok(()) } else { Err(CommandError::Status(status)) }
}

/// Reads the output of `child`, until the child has ended or the time is over. The end of the output may never come: a
/// process of the child's may hold the pipe open.
fn read(mut output: ChildStdout, child: &Child, deadline: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    ioctl_fionbio(&output, true)?;
    // The buffer has room for all of the output: one that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(vec![0; LONGEST_OUTPUT]);
    let mut length = 0;
    while length < bytes.len() {
        // The child is looked at before the read: after its end, the read gets all of its output.
        let ended = wait_until(child, Instant::now());
        match output.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ended || Instant::now() >= deadline {
                    break;
                }
                std::thread::sleep(POLL);
            }
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Waits until `child` has ended, without reaping it. Returns whether it has ended by the deadline.
fn wait_until(child: &Child, deadline: Instant) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            // The system reaps the child at once where this process was started with SIGCHLD ignored.
            Ok(Some(_)) | Err(Errno::CHILD) => return true,
            Ok(None) | Err(_) if Instant::now() < deadline => std::thread::sleep(POLL),
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Kills every process of the group that `child` leads. The signal changes nothing where only an ended child is left
/// in the group.
fn kill_group(child: &Child) {
    // The group exists until the child is reaped. A process in it that has become another user's cannot be killed.
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
            (vec![("PATH".into(), path), ("GIVEN".into(), "value".into())], scratch.to_path_buf());
        Task { words, environment, directory, limit: Duration::from_secs(20) }
    }

    #[test]
    fn the_first_line_of_its_output_is_taken() {
        let scratch = Scratch::new();
        let line = |script: &str| {
            first_line(&task(&scratch, script))
                .map_or_else(|failed| failed.to_string(), |line| line.expose().to_owned())
        };
        for (script, expected) in [
            ("echo key; echo more", "key"),
            ("printf ' key\r\n'", "key"),
            ("printf key", "key"),
            ("printf ke; sleep 0.1; echo y", "key"),
            ("sleep 1000 & echo key", "key"),
            ("echo; echo key", "printed no line of text"),
            ("true", "printed no line of text"),
            ("head -c 100000 /dev/zero | tr '\\000' a; true", "printed no line of text"),
            ("printf '\\377\\n'", "printed no line of text"),
            ("echo key; exit 2", "ended with exit status 2"),
        ] {
            assert_eq!(line(script), expected, "{script}");
        }
        let limited = Task { limit: Duration::from_millis(300), ..task(&scratch, "echo key; sleep 1000") };
        assert_eq!(message(first_line(&limited).map(drop)), "took longer than 0 seconds and was killed");
    }

    fn message(result: Result<(), CommandError>) -> String {
        result.map_or_else(|failed| failed.to_string(), |()| "well".to_owned())
    }

    /// Whether the process whose id a script has written to this file ends soon. A killed process takes a moment.
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
        // The shell adds variables of its own. None of this process's variables are there.
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
