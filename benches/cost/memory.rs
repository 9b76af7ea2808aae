//! The memory of the daemon: idle beside fresh files, and at most during many refreshes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::figures::{Samples, Unit, row, title};
use crate::programs::{Programs, anonymous, peak, proportional_set};
use crate::projects::{Kind, due, fresh};
use crate::support::Endpoint;

pub(crate) fn measure(programs: &Programs, most: usize) {
    title("memory (PSS when idle; beside an empty program with the same TLS configuration)");
    let bare = Samples::of(Unit::Memory, || {
        let mut idle = idle_floor(programs);
        let bytes = proportional_set(idle.id());
        drop(idle.stdin.take());
        idle.wait().expect("it ends");
        bytes
    });
    for (files, goal) in [(2, "2.2 MB"), (1_000, "-"), (10_000, "10 MB"), (100_000, "64 MB")] {
        if files > most {
            continue;
        }
        let project = fresh(files, Kind::Services);
        let mut own = Vec::new();
        let ours = Samples::of(Unit::Memory, || {
            let daemon = programs.daemon(&project, "--interval 600");
            // The record of a cycle is written before the cycle lets go of what it held.
            thread::sleep(Duration::from_secs(2));
            own.push(anonymous(daemon.pid()));
            let bytes = proportional_set(daemon.pid());
            daemon.stop();
            bytes
        });
        row(&format!("idle, {files} services"), &ours, Some(("empty", &bare)), goal);
        row(
            &format!("idle, {files} services, without the program's own pages"),
            &Samples::new(Unit::Memory, own),
            None,
            "-",
        );
    }
    let ours = Samples::of(Unit::Memory, || {
        let endpoint = Endpoint::start();
        let project = due(&[&endpoint], 1_000);
        let daemon = programs.daemon(&project, "--interval 600");
        let bytes = peak(daemon.pid());
        daemon.stop();
        bytes
    });
    row("most (RSS) during 1000 refreshes", &ours, Some(("empty", &bare)), "-");
}

fn idle_floor(programs: &Programs) -> Child {
    let mut command = programs.floor(&["idle"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}
