//! The one window in which a kill loses a refresh token: from the last byte of the answer to the return
//! of the fsync that stores it. How wide it is, and that nothing is done in it that could wait.

use std::fs;

use super::support::trace::{Windows, calls, window};
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
    let mut measured: [Windows; 2] = Default::default();
    for _ in 0..25 {
        for ((_, bench), measured) in benches.iter().zip(&mut measured) {
            // Only these stop the program, so that the trace does not widen what it measures.
            let text = trace(bench, &["--seccomp-bpf", "-e", "trace=recvfrom,pwrite64,fsync"]);
            measured.take(&calls(&text));
        }
    }
    for ((what, _), measured) in benches.iter().zip(&measured) {
        print(measured, what);
    }
    let [plain, sealed] = measured.map(|measured| median(measured.writing));
    println!("sealing makes the window of a kill wider by {}", micros(sealed.saturating_sub(plain)));
}

fn print(measured: &Windows, what: &str) {
    let [widest_write, widest] =
        [&measured.writing, &measured.whole].map(|times| *times.iter().max().unwrap());
    println!(
        "window after the answer's last byte, {} runs with {what} files: until it is written (what a kill can lose) \
         median {}, widest {}; until the fsync returns (what a power loss can lose) median {}, widest {}; an fsync \
         alone: median {}",
        measured.whole.len(),
        micros(median(measured.writing.clone())),
        micros(widest_write),
        micros(median(measured.whole.clone())),
        micros(widest),
        micros(median(measured.syncing.clone())),
    );
}
