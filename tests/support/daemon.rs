//! Runs the real program in a project directory, as a user would: in its own process group, with a nearly empty
//! environment and output to files. Nothing of it remains after the test.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::time::Instant;

use super::project::Project;
use super::{DEADLINE, holds_in_time, holds_within};

/// The program's default log file, below the root.
pub(crate) const LOG: &str = "token_refresher.log";
/// The program's default pid file, below the root.
pub(crate) const PID_FILE: &str = "token_refresher.pid";
/// Tests of permissions run the program as the user `nobody`, who has this id: the system denies root nothing.
const NOBODY: u32 = 65_534;

/// The program that cargo built for this integration test; `PROGRAM` names another build.
pub(crate) fn built_program() -> PathBuf {
    if let Some(path) = std::env::var_os("PROGRAM") {
        return PathBuf::from(path);
    }
    // Cargo sets the variable for integration tests only. The demo, which shares this file, gets the path.
    let Some(path) = option_env!("CARGO_BIN_EXE_token-refresher") else { panic!("not an integration test") };
    PathBuf::from(path)
}

/// The command line, directory and environment of a run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    before: Vec<String>,
    root: PathBuf,
    outside: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<u32>,
    /// Whether the test types into the program.
    input: bool,
}

impl Program {
    /// The program under test, in the project's root, without arguments.
    pub(crate) fn new(project: &Project) -> Self {
        Self::at(&built_program(), project)
    }

    /// Another build of the program.
    pub(crate) fn at(path: &Path, project: &Project) -> Self {
        Self {
            path: path.to_owned(),
            before: Vec::new(),
            root: project.root().to_owned(),
            outside: project.outside().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            input: false,
        }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments, separated by blanks.
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// One more environment variable. Otherwise there are only PATH and TZ.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it below another command, such as `chroot ROOT`.
    pub(crate) fn below(mut self, command: &[&str]) -> Self {
        self.before = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Runs the program as `nobody` where root runs the tests, and gives the whole project to `nobody`. The system
    /// refuses root nothing, so a test of permissions needs another user.
    pub(crate) fn unprivileged(mut self) -> Self {
        let uid = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap());
        if uid(Path::new("/proc/self")) == 0 {
            // The build directory may be closed to that user.
            let copy = self.outside.join("token-refresher");
            if !copy.exists() && fs::hard_link(&self.path, &copy).is_err() {
                fs::copy(&self.path, &copy).unwrap();
            }
            self.path = copy;
            give_away(&self.root);
            self.user = Some(NOBODY);
        }
        self
    }

    /// With a standard input to type into ([`Daemon::type_line`]); without this call there is none.
    pub(crate) fn with_input(mut self) -> Self {
        self.input = true;
        self
    }

    /// Runs the program with `--once` to its end.
    pub(crate) fn once(self) -> Finished {
        self.arg("--once").run()
    }

    /// Runs the program without `--once` to its end: `--help`, a wrong flag, a second daemon.
    pub(crate) fn run(self) -> Finished {
        self.start().wait()
    }

    pub(crate) fn start(self) -> Daemon {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let output = |kind: &str| self.outside.join(format!("{kind}.{count}"));
        let (stdout, stderr) = (output("stdout"), output("stderr"));
        let mut words = self.before.clone();
        words.push(self.path.to_str().expect("a path in UTF-8").to_owned());
        words.extend(self.arguments.iter().cloned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(if self.input { Stdio::piped() } else { Stdio::null() })
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .process_group(0);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
        Daemon { child, ended: None, log: self.root.join(LOG), stdout, stderr }
    }
}

/// Gives a directory and everything in it to `nobody`.
fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// The signals that the program handles, and the one that no program survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Hup,
    Int,
    Kill,
    /// Pauses the process until [`Signal::Continue`].
    Pause,
    Continue,
    Term,
    Usr1,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Kill => "KILL",
            Self::Pause => "STOP",
            Self::Continue => "CONT",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
        }
    }
}

/// The running program; killed with its whole process group on drop.
pub(crate) struct Daemon {
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The program after its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The default log file; empty if it does not exist.
    pub log: String,
}

impl Daemon {
    /// The process id, which is also the id of the process group.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The default log file so far; empty if it does not exist.
    pub(crate) fn log(&self) -> String {
        read_lossy(&self.log)
    }

    /// The standard error so far.
    pub(crate) fn said(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// Types a line into its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        use std::io::Write as _;
        let input = self.child.stdin.as_mut().expect("started with an input");
        input.write_all(format!("{line}\n").as_bytes()).expect("it reads its input");
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal to the program alone.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.ended.is_none(), "it has ended already");
        kill(signal, &self.pid().to_string());
    }

    /// Sends SIGKILL at this moment, without a shell, and waits for the end. The program has no children.
    pub(crate) fn kill_now(mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().unwrap();
        self.ended = Some(self.child.wait().unwrap());
        at
    }

    /// Waits for a text in the log; returns the log.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        self.wait_for_log_times(text, 1)
    }

    /// Waits until the log holds a text so many times; returns the log.
    pub(crate) fn wait_for_log_times(&mut self, text: &str, times: usize) -> String {
        let log = self.log.clone();
        self.wait_until(&format!("{times} times {text:?} in the log"), || {
            read_lossy(&log).matches(text).count() >= times
        });
        self.log()
    }

    /// Waits until a condition holds; fails at once if the program ends before.
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let mut holds = false;
        let in_time = holds_in_time(|| {
            // In this order, because a change just before the end counts.
            let ended = self.has_ended();
            holds = condition();
            holds || ended
        });
        let why = if in_time { "the program ended first" } else { "not in time" };
        assert!(holds, "waited for {what}: {why}\n{}", self.report());
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended.is_some()
    }

    /// Waits for the end of the program.
    pub(crate) fn wait(self) -> Finished {
        self.wait_within(DEADLINE)
    }

    /// Waits so long for the end of the program.
    pub(crate) fn wait_within(mut self, limit: Duration) -> Finished {
        let in_time = holds_within(limit, || self.has_ended());
        assert!(in_time, "it has not ended within {limit:?}\n{}", self.report());
        Finished {
            status: self.ended.expect("it has ended"),
            stdout: read_lossy(&self.stdout),
            stderr: read_lossy(&self.stderr),
            log: self.log(),
        }
    }

    /// SIGTERM, then its end.
    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::Term);
        self.wait()
    }

    fn report(&self) -> String {
        let (out, err) = (read_lossy(&self.stdout), read_lossy(&self.stderr));
        format!("--- log\n{}--- stdout\n{out}--- stderr\n{err}", self.log())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.is_none() {
            kill(Signal::Kill, &format!("-{}", self.child.id()));
            let _ = self.child.wait();
        }
    }
}

impl Finished {
    /// The exit status as a number; `None` after a signal.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the program, if one did.
    pub(crate) fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Fails, showing everything, unless the exit status is this.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{self:#?}");
        self
    }

    /// The log's messages: each line after its time and level, `SUBJECT: message`.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.log.lines().filter_map(|line| line.split_once("] ")).map(|(_, message)| message).collect()
    }

    /// Fails where the log or the output holds one of these.
    #[track_caller]
    pub(crate) fn expect_none_of(&self, secrets: &[String]) {
        for secret in secrets {
            for text in [&self.log, &self.stdout, &self.stderr] {
                assert!(!text.contains(secret.as_str()), "{secret:?} is shown in {text}");
            }
        }
    }
}

/// Sends a signal to a process that this one did not start.
pub(crate) fn signal_process(signal: Signal, pid: u32) {
    kill(signal, &pid.to_string());
}

/// Sends a signal by the shell's `kill`, which exists on every system, signals process groups and needs no `unsafe`.
fn kill(signal: Signal, target: &str) {
    // Fails if the process is gone already, which the caller finds out by waiting.
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", signal.name(), target])
        .stderr(Stdio::null())
        .status();
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
