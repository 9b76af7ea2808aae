//! Runs somebody's command with a time limit that holds for everything it starts.
//!
//! It gets a process group of its own, an environment of its own and no input; its output goes to our
//! standard error, unread, since it may hold what no log of ours must. When its time is over, or it
//! has ended and left something running in its group, the whole group is killed. The first process is
//! not waited for before: until then nobody else can get its number.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::clock::Words;
use crate::files::reason;

/// How often it is looked at whether a command has ended: nothing else tells without taking its number
/// out of use (`waitid` with `WNOWAIT` would need `unsafe`).
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
pub(super) enum Failed {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended with this status.
    Status(ExitStatus),
    /// It took longer than this and was killed with everything it had started.
    TooLong(Duration),
    /// As before, but there is no `sh` and no `kill` to reach what it had started.
    Escaped(Duration),
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(out, "cannot be started: {}", reason(error)),
            Self::Status(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(out, "ended with exit status {code}"),
                (None, signal) => write!(out, "was ended by signal {}", signal.unwrap_or_default()),
            },
            Self::TooLong(limit) => write!(out, "took longer than {} and was killed", Words(*limit)),
            Self::Escaped(limit) => write!(
                out,
                "took longer than {} and was killed; what it started may still run, since there is no sh to kill it",
                Words(*limit)
            ),
        }
    }
}

/// Runs `task` to its end.
///
/// # Errors
/// See [`Failed`].
pub(super) fn run(task: &Task) -> Result<(), Failed> {
    let output = || Ok(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
    let mut command = Command::new(&task.words[0]);
    command
        .args(&task.words[1..])
        .env_clear()
        .envs(task.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&task.directory)
        .stdin(Stdio::null())
        .stdout(output().map_err(Failed::NotStarted)?)
        .stderr(Stdio::inherit())
        .process_group(0);
    let mut child = command.spawn().map_err(Failed::NotStarted)?;
    let deadline = Instant::now() + task.limit;
    loop {
        match Progress::of(&mut child) {
            Progress::Running if Instant::now() < deadline => std::thread::sleep(POLL),
            Progress::Running => {
                let all = kill_group(child.id());
                // Also where the group could not be reached; after it, this changes nothing.
                let _ = child.kill();
                let _ = child.wait();
                return Err(if all { Failed::TooLong(task.limit) } else { Failed::Escaped(task.limit) });
            }
            Progress::Ended => {
                if has_company(child.id()) {
                    kill_group(child.id());
                }
                return child.wait().map_err(Failed::NotStarted).and_then(judge);
            }
            Progress::Gone(status) => return judge(status),
        }
    }
}

fn judge(status: ExitStatus) -> Result<(), Failed> {
    if status.success() { Ok(()) } else { Err(Failed::Status(status)) }
}

/// How far a child is.
enum Progress {
    Running,
    /// It has ended and still keeps its number.
    Ended,
    /// It has ended and been waited for, since there is no `/proc` to look at it in.
    Gone(ExitStatus),
}

impl Progress {
    fn of(child: &mut Child) -> Self {
        match stat(Path::new("/proc").join(child.id().to_string()).join("stat").as_path()) {
            Some(stat) if stat.state == "Z" => Self::Ended,
            Some(_) => Self::Running,
            None => match child.try_wait() {
                Ok(Some(status)) => Self::Gone(status),
                Ok(None) | Err(_) => Self::Running,
            },
        }
    }
}

/// The parts of `/proc/PID/stat` that matter here (`proc(5)`).
struct Stat {
    state: String,
    group: String,
}

fn stat(path: &Path) -> Option<Stat> {
    let text = std::fs::read_to_string(path).ok()?;
    // Behind the name in parentheses, which may hold anything.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.to_owned();
    Some(Stat { state, group: fields.nth(1)?.to_owned() })
}

/// Whether another process than its leader lives in a group.
fn has_company(group: u32) -> bool {
    let group = group.to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        process.file_name() != group.as_str()
            && stat(&process.path().join("stat")).is_some_and(|stat| stat.group == group && stat.state != "Z")
    })
}

/// Kills all processes of a group; whether that could be done. Signals to a group need `unsafe` or
/// another program, and the shell's own `kill` is nearly everywhere.
fn kill_group(group: u32) -> bool {
    let target = format!("-{group}");
    let killers = [vec!["sh", "-c", "kill -s KILL -- \"$0\"", &target], vec!["kill", "-KILL", "--", &target]];
    killers.iter().any(|words| {
        let mut command = Command::new(words[0]);
        // Nothing of ours is for it, least of all client secrets in the environment.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn task(scratch: &Scratch, script: &str) -> Task {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (environment, directory) =
            (vec![("PATH", path), ("GIVEN", "value".into())], scratch.to_path_buf());
        Task { words, environment, directory, limit: Duration::from_secs(20) }
    }

    fn message(result: Result<(), Failed>) -> String {
        result.map_or_else(|failed| failed.to_string(), |()| "well".to_owned())
    }

    /// Whether the process whose number a script has written to this file ends: one that was killed
    /// takes its moment.
    fn is_gone(path: &Path) -> bool {
        let pid = std::fs::read_to_string(path).unwrap();
        let path = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while stat(&path).is_some_and(|stat| stat.state != "Z") {
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
        // The shell adds what it likes to, and nothing of ours.
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
