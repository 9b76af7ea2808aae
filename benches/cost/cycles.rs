//! The cost of a cycle without a due token: the first cycle, which reads all files, and each later one.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::figures::{REPETITIONS, Samples, Unit, row, timed, title};
use crate::programs::{Programs, processor_time, run, wakes};
use crate::projects::{Kind, fresh};
use crate::support::daemon::Daemon;
use crate::support::{Project, TokenFile};

pub(crate) fn measure(programs: &Programs, most: usize) {
    title("cycles over fresh files (beside the same opens, locks and reads)");
    for kind in [Kind::Others, Kind::Services] {
        for files in [100, 1_000, 10_000, 100_000].into_iter().filter(|files| *files <= most) {
            let project = fresh(files, kind);
            first(programs, &project, files, kind);
            steady(programs, &project, files, kind);
        }
    }
}

fn first(programs: &Programs, project: &Project, files: usize, kind: Kind) {
    let empty = Project::new();
    let nothing = Samples::of(Unit::Time, || timed(|| run(programs.once(&empty, &[])))).median();
    let once = || {
        // Otherwise the second run finds the files right.
        for name in ["mcp.json", "vscode_mcp.json"] {
            let _ = fs::remove_file(project.path(".oauth-tokens").join(name));
        }
        (timed(|| run(programs.once(project, &[]))) - nothing).max(0.0)
    };
    let (ours, bare) = Samples::both(Unit::Time, once, || floor(programs, project, files));
    row(&format!("first, {files} {}", kind.name()), &ours, Some(("bare", &bare)), "2.5x");
    if matches!(kind, Kind::Services) {
        let directory = project.path(".oauth-tokens");
        let turns = (5_000 / files).max(1).to_string();
        let arguments = ["configure", directory.to_str().unwrap(), &turns];
        let bare = Samples::of(Unit::Time, || floor_time(programs, &arguments));
        row(
            &format!("first, {files} {}, with both configurations replaced", kind.name()),
            &ours,
            Some(("bare", &bare)),
            "-",
        );
    }
    if programs.counts_calls && files == 1_000 {
        let own = Programs::calls(&programs.once(&empty, &[]), &empty).all;
        let all = Programs::calls(&programs.once(project, &[]), project).all;
        let each = Samples::new(Unit::Count, vec![(all - own) / files as f64]);
        row(&format!("first, {files} {}, system calls a file (once)", kind.name()), &each, None, "-");
    }
}

/// Processor time: a cycle is too short for a clock.
fn steady(programs: &Programs, project: &Project, files: usize, kind: Kind) {
    let mut daemon = settled(programs, project, "");
    let (ours, bare) = Samples::both(
        Unit::Time,
        || spent_in_cycle(&mut daemon, project),
        || floor(programs, project, files),
    );
    row(&format!("steady, {files} {}, CPU", kind.name()), &ours, Some(("bare", &bare)), "1x");
    daemon.stop();
}

/// A daemon for which nothing is new.
fn settled(programs: &Programs, project: &Project, options: &str) -> Daemon {
    let mut daemon = programs.daemon(project, &format!("--interval 600 {options}"));
    // A file that was written less than two seconds before it was read is not trusted yet.
    thread::sleep(Duration::from_secs(3));
    Programs::cycle(&mut daemon, project);
    daemon
}

fn spent_in_cycle(daemon: &mut Daemon, project: &Project) -> f64 {
    let before = processor_time(daemon.pid());
    Programs::cycle(daemon, project);
    processor_time(daemon.pid()) - before
}

/// Processor seconds of the same opens, locks and reads.
fn floor(programs: &Programs, project: &Project, files: usize) -> f64 {
    let directory = project.path(".oauth-tokens");
    // The clock of processor time ticks each millisecond or four.
    let turns = (20_000 / files).max(1).to_string();
    floor_time(programs, &["read", directory.to_str().unwrap(), &turns])
}

/// The seconds that the yardstick says it used.
fn floor_time(programs: &Programs, arguments: &[&str]) -> f64 {
    let mut command = programs.floor(arguments);
    let output = command.stdout(std::process::Stdio::piped()).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().expect("nanoseconds") / 1e9
}

/// Processor time beyond a cycle that writes no configuration.
pub(crate) fn configurations(programs: &Programs) {
    title(
        "configurations in a daemon's cycle, CPU (beside serializing and comparing the larger of the two once)",
    );
    for services in [10, 100, 1_000, 10_000] {
        let (project, plain) = (fresh(services, Kind::Services), fresh(services, Kind::Services));
        let mut daemon = settled(programs, &project, "");
        let mut without = settled(programs, &plain, "--launcher none");
        let file = project.path(".oauth-tokens/vscode_mcp.json");
        let turns = (20_000 / services).to_string();
        let bare = || floor_time(programs, &["compare", file.to_str().unwrap(), &turns]);
        let beyond = |daemon: &mut Daemon, without: &mut Daemon| {
            (spent_in_cycle(daemon, &project) - spent_in_cycle(without, &plain)).max(0.0)
        };
        let (ours, floor) = Samples::both(Unit::Time, || beyond(&mut daemon, &mut without), bare);
        row(&format!("unchanged, {services} services"), &ours, Some(("bare", &floor)), "2x");
        let token = TokenFile::egress("atlassian", "server-000001").field("refresh_token", "refresh-1");
        let token = token.field("client_id", "bench").field("client_secret", "secret");
        let mut turn = 0;
        let ours = Samples::of(Unit::Time, || {
            turn += 1;
            for project in [&project, &plain] {
                let access_token = format!("{turn}{}", "a".repeat(900));
                project.write_token(&token.clone().field("access_token", access_token).fresh_for(90_000));
            }
            beyond(&mut daemon, &mut without)
        });
        row(&format!("one token changed, {services} services"), &ours, Some(("bare", &floor)), "2x");
        daemon.stop();
        without.stop();
    }
}

/// The cost of an hour without any event.
pub(crate) fn idle(programs: &Programs) {
    const MINUTES: f64 = 3.0;
    title("idle with 2 tokens, from 3 minutes at the default interval, some daemons at once");
    let projects: Vec<Project> = (0..REPETITIONS).map(|_| fresh(2, Kind::Services)).collect();
    let daemons: Vec<Daemon> = projects.iter().map(|project| programs.daemon(project, "")).collect();
    // The rest of the start.
    thread::sleep(Duration::from_secs(5));
    let now = || {
        daemons.iter().map(|daemon| (processor_time(daemon.pid()), wakes(daemon.pid()))).collect::<Vec<_>>()
    };
    let before = now();
    thread::sleep(Duration::from_secs_f64(MINUTES * 60.0));
    let after = now();
    let hourly = |part: fn(&(f64, f64)) -> f64| {
        before
            .iter()
            .zip(&after)
            .map(|(before, after)| (part(after) - part(before)) * 60.0 / MINUTES)
            .collect()
    };
    row("CPU an hour", &Samples::new(Unit::Time, hourly(|(cpu, _)| *cpu)), None, "8 ms");
    row("wake-ups an hour", &Samples::new(Unit::Count, hourly(|(_, wakes)| *wakes)), None, "60");
    for daemon in daemons {
        daemon.stop();
    }
}
