//! The one window in which a kill loses a refresh token: from the last byte of the answer to the return
//! of the fsync that stores it. How wide it is, and that nothing is done in it that could wait.

use std::fs;
use std::time::Duration;

use super::{Bench, median, micros};

/// What may be called there: receiving, memory, locks between threads, and storing.
const ALLOWED: [&str; 16] = [
    "ioctl",
    "poll",
    "recvfrom",
    "read",
    "pwrite64",
    "ftruncate",
    "fsync",
    "mmap",
    "munmap",
    "mremap",
    "brk",
    "madvise",
    "futex",
    "getrandom",
    "clock_gettime",
    "mprotect",
];

/// One line of strace: `TID TIME CALL(ARGUMENTS) = RESULT <DURATION>`.
struct Call<'a> {
    thread: &'a str,
    at: Duration,
    name: &'a str,
    rest: &'a str,
}

fn calls(trace: &str) -> Vec<Call<'_>> {
    let parse = |line: &'_ str| -> Option<(usize, usize, usize)> {
        let first = line.find(' ')?;
        let second = line[first..].trim_start();
        let second_at = line.len() - second.len();
        let third = second.find(' ')?;
        Some((first, second_at, second_at + third))
    };
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((first, second, third)) = parse(line) else { continue };
        let Ok(seconds) = line[second..third].parse::<f64>() else { continue };
        let what = line[third..].trim_start();
        let name = match what.strip_prefix("<... ") {
            Some(resumed) => resumed.split(' ').next().unwrap_or_default(),
            None => what.split('(').next().unwrap_or_default(),
        };
        calls.push(Call { thread: &line[..first], at: Duration::from_secs_f64(seconds), name, rest: what });
    }
    calls
}

impl Call<'_> {
    /// How long it took: the last thing in its line.
    fn duration(&self) -> Duration {
        let text = self.rest.rsplit('<').next().and_then(|text| text.strip_suffix('>'));
        text.and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_secs_f64)
    }

    /// When it returned. The second half of a call that another thread's cut in two bears that time.
    fn ended(&self) -> Duration {
        if self.rest.starts_with("<...") { self.at } else { self.at + self.duration() }
    }
}

/// The calls of the refreshing thread from the last byte received to the fsync of the new token.
fn window<'a>(calls: &'a [Call<'a>]) -> Vec<&'a Call<'a>> {
    let stored = calls.iter().position(|call| call.name == "pwrite64" && call.rest.contains("\"{"));
    let stored = stored.expect("an answer is written");
    let thread = calls[stored].thread;
    let own = |range: &'a [Call<'a>]| range.iter().filter(move |call| call.thread == thread);
    let received = own(&calls[..stored]).rfind(|call| {
        let result = call.rest.rsplit(" = ").next().unwrap_or_default();
        call.name == "recvfrom" && result.chars().next().is_some_and(|digit| ('1'..='9').contains(&digit))
    });
    let received = received.expect("an answer is received");
    let mut within = Vec::new();
    for call in own(calls).skip_while(|call| !std::ptr::eq(*call, received)) {
        within.push(call);
        if call.name == "fsync" && !call.rest.contains("unfinished") {
            return within;
        }
    }
    panic!("the new token was never synced");
}

fn trace(bench: &Bench, options: &[&str]) -> String {
    let output = bench.project.outside().join("trace");
    let _ = fs::remove_file(&output);
    bench.sign_in();
    let mut command = vec!["strace", "-f", "-ttt", "-T", "-o", output.to_str().unwrap()];
    command.extend(options);
    bench.program().below(&command).once().expect_code(0);
    fs::read_to_string(output).unwrap()
}

#[test]
#[ignore = "make faults"]
fn nothing_but_understanding_and_storing_stands_between_the_answer_and_the_disk() {
    let bench = Bench::new();
    let text = trace(&bench, &[]);
    let calls = calls(&text);
    let names: Vec<&str> = window(&calls).iter().map(|call| call.name).collect();
    let others: Vec<_> = names.iter().filter(|name| !ALLOWED.contains(name)).collect();
    assert!(others.is_empty(), "{others:?} in {names:?}");
    println!("between the answer and the disk: {}", names.join(", "));
}

#[test]
#[ignore = "make faults"]
fn the_window_is_narrow() {
    // In turns, so that a busy machine is as busy for both.
    let benches = [("plain", Bench::with(false)), ("sealed", Bench::with(true))];
    let mut measured: [Measured; 2] = Default::default();
    for _ in 0..25 {
        for ((_, bench), measured) in benches.iter().zip(&mut measured) {
            // Only these stop the program, so that the trace does not widen what it measures.
            let text = trace(bench, &["--seccomp-bpf", "-e", "trace=recvfrom,pwrite64,fsync"]);
            measured.take(&calls(&text));
        }
    }
    for ((what, _), measured) in benches.iter().zip(&measured) {
        measured.print(what);
    }
    let [plain, sealed] = measured.map(|measured| median(measured.writing));
    println!("sealing makes the window of a kill wider by {}", micros(sealed.saturating_sub(plain)));
}

/// The windows of some runs.
#[derive(Default)]
struct Measured {
    writing: Vec<Duration>,
    whole: Vec<Duration>,
    syncing: Vec<Duration>,
}

impl Measured {
    fn take(&mut self, calls: &[Call<'_>]) {
        let within = window(calls);
        let received = within[0].ended();
        let written = within.iter().find(|call| call.name == "pwrite64").expect("the answer is written");
        self.writing.push(written.ended().saturating_sub(received));
        self.whole.push(within[within.len() - 1].ended().saturating_sub(received));
        self.syncing.push(within[within.len() - 1].duration());
    }

    fn print(&self, what: &str) {
        let [widest_write, widest] = [&self.writing, &self.whole].map(|times| *times.iter().max().unwrap());
        println!(
            "window after the answer's last byte, {} runs with {what} files: until it is written (what a kill can \
             lose) median {}, widest {}; until the fsync returns (what a power loss can lose) median {}, widest {}; \
             an fsync alone: median {}",
            self.whole.len(),
            micros(median(self.writing.clone())),
            micros(widest_write),
            micros(median(self.whole.clone())),
            micros(widest),
            micros(median(self.syncing.clone())),
        );
    }
}
