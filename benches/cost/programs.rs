//! Runs the program and the bare yardstick (`examples/floor.rs`), and counts what they do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::daemon::Daemon;
use crate::support::internals::own;
use crate::support::{Program, Project, Signal, Stamp};

/// The record of the last cycle, which every cycle replaces.
const CYCLE: &str = "cycle.json";

/// The two builds that are compared.
pub(crate) struct Programs {
    /// Ours.
    pub program: PathBuf,
    /// The bare work, built in the same way.
    pub floor: PathBuf,
    /// Whether there is a `valgrind` to count instructions with.
    pub counts_instructions: bool,
    /// Whether there is an `strace` to count system calls with.
    pub counts_calls: bool,
}

/// System calls, and those of them that wait for the disk.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    pub all: f64,
    pub syncs: f64,
}

impl Programs {
    /// From `PROGRAM` and `FLOOR`.
    pub(crate) fn from_environment() -> Self {
        let named = |name: &str| {
            let path =
                std::env::var_os(name).unwrap_or_else(|| panic!("{name} names no program: run make bench"));
            let path = PathBuf::from(path);
            assert!(path.is_file(), "{name}: there is no {}", path.display());
            path
        };
        Self { floor: named("FLOOR"), ..Self::of(named("PROGRAM")) }
    }

    /// One program, beside nothing.
    pub(crate) fn of(program: PathBuf) -> Self {
        let has = |tool: &str| {
            let version =
                Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        Self {
            program,
            floor: PathBuf::new(),
            counts_instructions: has("valgrind"),
            counts_calls: has("strace"),
        }
    }

    /// `--once` there, quietly.
    pub(crate) fn once(&self, project: &Project, options: &[&str]) -> Command {
        let mut command = self.quiet(project, &["--once", "--log-level", "ERROR"]);
        command.args(options);
        command
    }

    /// The program with these arguments, its output thrown away.
    pub(crate) fn quiet(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("TOKEN_REFRESHER_DIR", project.root());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn floor(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.floor);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// The system calls of a command and all its threads; the command may fail, as `check` does without a daemon.
    pub(crate) fn calls(command: &Command, project: &Project) -> Calls {
        let output = project.outside().join("calls");
        let trace = ["strace", "-f", "-c", "-U", "calls,name", "-o"].map(str::to_owned);
        below(trace.into_iter().chain([output.display().to_string()]), command)
            .status()
            .expect("strace starts");
        total(&fs::read_to_string(output).expect("a table of calls"))
    }

    /// The instructions of a command and all its threads in user space.
    pub(crate) fn instructions(command: &Command) -> f64 {
        let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(str::to_owned);
        let mut command = below(tool, command);
        let output = command.stderr(Stdio::piped()).output().expect("valgrind starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let count = said.lines().find_map(|line| line.split("Collected : ").nth(1));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count: {said}"))
    }

    /// How often the system had to find a page of memory or of the program for a command, without reading the disk.
    pub(crate) fn faults(mut command: Command) -> f64 {
        let before = faults_of_ended_children();
        _ = command.status().expect("it starts");
        faults_of_ended_children() - before
    }

    /// The processor time of a command and all its threads in user space and in the kernel, in seconds. The shell's
    /// `time` rounds to a millisecond.
    pub(crate) fn processor(command: &Command) -> f64 {
        let timed = ["bash", "-c", "TIMEFORMAT='%3U %3S'; time \"$0\" \"$@\" 2>/dev/null"].map(str::to_owned);
        let output = below(timed, command).stderr(Stdio::piped()).output().expect("bash starts");
        assert!(output.status.success(), "{command:?}: {}", output.status);
        let said = String::from_utf8_lossy(&output.stderr);
        said.split_whitespace().map(|time| time.parse::<f64>().expect("seconds")).sum()
    }

    /// A daemon there that has ended its first cycle. The daemon logs errors only: what it says of each file when a
    /// person has it look is no part of a cycle.
    pub(crate) fn daemon(&self, project: &Project, options: &str) -> Daemon {
        let record = own(project, CYCLE);
        let _ = fs::remove_file(&record);
        let mut daemon = Program::at(&self.program, project).args("--log-level ERROR").args(options).start();
        daemon.wait_until("the end of the first cycle", || record.exists());
        daemon
    }

    /// One more cycle of a daemon, to its end.
    pub(crate) fn cycle(daemon: &mut Daemon, project: &Project) {
        let record = own(project, CYCLE);
        let before = Stamp::of(&record);
        daemon.signal(Signal::Usr1);
        daemon.wait_until("the end of a cycle", || Stamp::of(&record) != before);
    }
}

/// The minor faults of this process's children that have ended (`cminflt` of proc(5)).
fn faults_of_ended_children() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("proc");
    // Behind the name, which may have blanks, `cminflt` is the ninth.
    let fields = text.rsplit(") ").next().expect("fields").split(' ');
    fields.skip(8).find_map(|field| field.parse().ok()).expect("a count")
}

/// The totals of a table of `strace -c -U calls,name`.
pub(crate) fn total(table: &str) -> Calls {
    let mut calls = Calls { all: 0.0, syncs: 0.0 };
    for line in table.lines() {
        let mut words = line.split_whitespace();
        let (Some(Ok(count)), Some(name)) = (words.next().map(str::parse::<f64>), words.next()) else {
            continue;
        };
        if name == "total" {
            calls.all = count;
        } else if ["fsync", "fdatasync", "syncfs", "sync_file_range"].contains(&name) {
            calls.syncs += count;
        }
    }
    assert!(calls.all > 0.0, "no system call was counted: {table}");
    calls
}

/// The same command below another.
fn below(tool: impl IntoIterator<Item = String>, command: &Command) -> Command {
    let mut words = tool.into_iter();
    let mut whole = Command::new(words.next().expect("a tool"));
    whole.args(words).arg(command.get_program()).args(command.get_args());
    // As the programs run without the tool: a set SSL_CERT_FILE alone would be ten million instructions. The tool is
    // found by PATH.
    whole.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    whole
}

/// Runs to a good end.
pub(crate) fn run(mut command: Command) {
    let status = command.status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// The memory of a process that no other process shares, plus its part of the shared memory, in bytes.
pub(crate) fn proportional_set(pid: u32) -> f64 {
    1024.0 * field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// The memory of a process beside the pages of its program, in bytes. The system maps as much of a program as its
/// page cache has in one piece, so the whole differs from day to day.
pub(crate) fn anonymous(pid: u32) -> f64 {
    1024.0 * field(&format!("/proc/{pid}/smaps_rollup"), "Pss_Anon:")
}

/// The most that a process ever held, in bytes.
pub(crate) fn peak(pid: u32) -> f64 {
    1024.0 * field(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// How often all threads of a process have waited and were woken.
pub(crate) fn wakes(pid: u32) -> f64 {
    threads(pid)
        .iter()
        .map(|thread| field(&thread.join("status").to_string_lossy(), "voluntary_ctxt_switches:"))
        .sum()
}

/// Processor time of all threads that live, in seconds.
pub(crate) fn processor_time(pid: u32) -> f64 {
    let of = |thread: &PathBuf| {
        let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
    };
    threads(pid).iter().map(of).sum()
}

fn threads(pid: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.map(|task| task.expect("a thread").path()).collect()
}

fn field(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(Path::new(path)).expect("a process");
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{path}: no {name}"));
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}
