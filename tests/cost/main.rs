//! `make limits`: system calls and machine instructions, which no other load on the machine changes, against generous
//! limits: about twice what the static program needs. So a cost that grows by a factor is seen when it comes; what a
//! thing costs in time is `make bench`'s to print.
//!
//! Needs strace, and valgrind for the instructions. `PROGRAM` names the static program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the bench measures more")]
#[path = "../../benches/cost/programs.rs"]
mod programs;
#[path = "../../benches/cost/projects.rs"]
mod projects;

mod link_order;

use std::fs;
use std::process::Command;
use std::time::Duration;

use programs::{Programs, run};
use projects::{Kind, due, fresh};
use support::daemon::built_program;
use support::{Endpoint, Program, Project, Signal, holds_in_time};

/// Compares one figure with its limit.
fn within(what: &str, figure: f64, limit: f64) {
    println!("{what}: {figure:.1} (limit {limit})");
    assert!(
        figure <= limit,
        "{what}: {figure:.1} is more than {limit}; if it must be, say why where the limit stands"
    );
}

fn programs() -> Programs {
    Programs::of(built_program())
}

fn calls_of_start(programs: &Programs, project: &Project) -> f64 {
    Programs::calls(&programs.once(project, &[]), project).all
}

#[test]
#[ignore = "make limits"]
fn a_cycle_makes_few_system_calls_for_each_file() {
    const FILES: usize = 500;
    let programs = programs();
    let start = calls_of_start(&programs, &Project::new());
    within("system calls of a start with nothing to do", start, 600.0);
    for kind in [Kind::Others, Kind::Services] {
        let project = fresh(FILES, kind);
        let each = (calls_of_start(&programs, &project) - start) / FILES as f64;
        within(&format!("system calls of a first cycle for each of {FILES} {}", kind.name()), each, 16.0);
    }
}

#[test]
#[ignore = "make limits"]
fn a_later_cycle_makes_fewer() {
    const FILES: usize = 500;
    const CYCLES: usize = 10;
    let programs = programs();
    let project = fresh(FILES, Kind::Services);
    run(programs.once(&project, &[]));
    // A token file or a configuration that was written less than two seconds before it is read is read again.
    wait_until_older(&project, Duration::from_secs(2));
    let of = |cycles: usize| {
        let output = project.outside().join(format!("calls-{cycles}"));
        // -D: the program keeps the process id that is waited for and sent signals to.
        let trace = ["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", output.to_str().unwrap()];
        let mut daemon =
            Program::at(&programs.program, &project).below(&trace).args("--interval 600").start();
        for cycle in 0..=cycles {
            if cycle > 0 {
                daemon.signal(Signal::Usr1);
            }
            daemon.wait_for_log_times("Token refresh cycle completed", cycle + 1);
        }
        daemon.stop();
        assert!(
            holds_in_time(|| fs::read_to_string(&output).is_ok_and(|text| text.contains(" total"))),
            "a table"
        );
        fs::remove_file(project.path("token_refresher.log")).unwrap();
        programs::total(&fs::read_to_string(&output).unwrap()).all
    };
    let each = (of(CYCLES) - of(0)) / (CYCLES * FILES) as f64;
    within(&format!("system calls of a later cycle for each of {FILES} services"), each, 6.0);
}

/// Waits until every file beside the tokens is older.
fn wait_until_older(project: &Project, age: Duration) {
    let directory = fs::read_dir(project.path(".oauth-tokens")).unwrap();
    let youngest =
        directory.map(|entry| entry.unwrap().metadata().unwrap().modified().unwrap()).max().unwrap();
    assert!(holds_in_time(|| youngest.elapsed().is_ok_and(|passed| passed > age)), "the clock stands still");
}

#[test]
#[ignore = "make limits"]
fn a_refresh_makes_few_system_calls_and_three_syncs() {
    const TOKENS: usize = 50;
    let programs = programs();
    let endpoint = Endpoint::start();
    let (few, many) = (due(&[&endpoint], 1), due(&[&endpoint], TOKENS));
    let options = ["--jobs", "1", "--force"];
    for project in [&few, &many] {
        // The first time each token gets a lock file of its own.
        run(programs.once(project, &options));
    }
    let [few_calls, many_calls] =
        [&few, &many].map(|project| Programs::calls(&programs.once(project, &options), project));
    let each = |many: f64, few: f64| (many - few) / (TOKENS - 1) as f64;
    within("system calls of a refresh", each(many_calls.all, few_calls.all), 120.0);
    within("syncs of a refresh", each(many_calls.syncs, few_calls.syncs), 3.5);
    if programs.counts_instructions {
        let [few, many] =
            [&few, &many].map(|project| Programs::instructions(&programs.once(project, &options)));
        within("thousand instructions of a refresh", each(many, few) / 1e3, 1_000.0);
    }
}

#[test]
#[ignore = "make limits"]
fn a_command_reads_what_it_needs() {
    let programs = programs();
    let projects = [2, 500].map(|files| fresh(files, Kind::Services));
    // Of each command: system calls, and thousands of instructions, with 2 tokens and with 500.
    for (words, calls, instructions) in [
        (["headers", "server-000001"].as_slice(), [180.0, 250.0], [700.0, 7_000.0]),
        (&["token", "server-000001"], [150.0, 220.0], [650.0, 13_000.0]),
        (&["status"], [220.0, 6_200.0], [1_600.0, 200_000.0]),
        (&["check"], [220.0, 6_200.0], [1_500.0, 180_000.0]),
        (&["--version"], [60.0, 60.0], [40.0, 40.0]),
    ] {
        for (project, (calls, instructions)) in projects.iter().zip(calls.into_iter().zip(instructions)) {
            let command: Command = programs.quiet(project, words);
            let name = words.join(" ");
            // Without a daemon `check` says that none runs. Any other failure would be cheaper than the answer.
            if words != ["check"] {
                run(programs.quiet(project, words));
            }
            within(&format!("system calls of `{name}`"), Programs::calls(&command, project).all, calls);
            if programs.counts_instructions {
                let thousands = Programs::instructions(&command) / 1e3;
                within(&format!("thousand instructions of `{name}`"), thousands, instructions);
            }
        }
    }
}
