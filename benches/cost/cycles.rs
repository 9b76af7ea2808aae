//! What a cycle costs in which nothing is due: the first, which reads all, and each later one.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::figures::{REPETITIONS, Samples, Unit, row, timed, title};
use crate::programs::{Programs, processor_time, run, wakes};
use crate::projects::{Kind, fresh};
use crate::support::daemon::Daemon;
use crate::support::{Project, Signal};

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
        // Else the second run finds them right.
        for name in ["mcp.json", "vscode_mcp.json"] {
            let _ = fs::remove_file(project.path(".oauth-tokens").join(name));
        }
        (timed(|| run(programs.once(project, &[]))) - nothing).max(0.0)
    };
    let (ours, bare) = Samples::both(Unit::Time, once, || floor(programs, project));
    row(&format!("first, {files} {}", kind.name()), &ours, Some(("bare", &bare)), "2.5x");
    if programs.counts_calls && files == 1_000 {
        let own = Programs::calls(&programs.once(&empty, &[]), &empty).all;
        let all = Programs::calls(&programs.once(project, &[]), project).all;
        let each = Samples::new(Unit::Count, vec![(all - own) / files as f64]);
        row(&format!("first, {files} {}, system calls a file (once)", kind.name()), &each, None, "-");
    }
}

/// Processor time: a cycle is too short for a clock.
fn steady(programs: &Programs, project: &Project, files: usize, kind: Kind) {
    let mut daemon = programs.daemon(project, "--interval 600");
    // A file that was written a moment ago is not trusted yet.
    thread::sleep(Duration::from_secs(3));
    cycle(&mut daemon);
    let ours = || {
        let before = processor_time(daemon.pid());
        cycle(&mut daemon);
        processor_time(daemon.pid()) - before
    };
    let (ours, bare) = Samples::both(Unit::Time, ours, || floor(programs, project));
    row(&format!("steady, {files} {}, CPU", kind.name()), &ours, Some(("bare", &bare)), "1x");
    daemon.stop();
}

/// One more cycle, to its end.
fn cycle(daemon: &mut Daemon) {
    let end = "Token refresh cycle completed";
    let times = daemon.log().matches(end).count();
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times(end, times + 1);
}

/// Processor seconds of the same opens, locks and reads.
fn floor(programs: &Programs, project: &Project) -> f64 {
    let directory = project.path(".oauth-tokens");
    let mut command = programs.floor(&["read", directory.to_str().unwrap(), "1"]);
    let output = command.stdout(std::process::Stdio::piped()).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().expect("nanoseconds") / 1e9
}

pub(crate) fn configurations(programs: &Programs) {
    title("configurations (beside serializing and comparing the larger of the two once)");
    for services in [10, 100, 1_000, 10_000] {
        let project = fresh(services, Kind::Services);
        run(programs.once(&project, &[]));
        let file = project.path(".oauth-tokens/vscode_mcp.json");
        let comparing = || programs.floor(&["compare", file.to_str().unwrap()]);
        let unchanged = || programs.once(&project, &[]);
        let without = || programs.once(&project, &["--launcher", "none"]);
        let nothing = Samples::of(Unit::Time, || timed(|| run(programs.floor(&["nothing"])))).median();
        let start = Samples::of(Unit::Time, || timed(|| run(without()))).median();
        let (ours, bare) = Samples::both(
            Unit::Time,
            || (timed(|| run(unchanged())) - start).max(0.0),
            || (timed(|| run(comparing())) - nothing).max(0.0),
        );
        row(&format!("unchanged, {services} services"), &ours, Some(("bare", &bare)), "2x");
        let written = || {
            fs::remove_file(&file).expect("a configuration");
            fs::remove_file(project.path(".oauth-tokens/mcp.json")).expect("a configuration");
            (timed(|| run(unchanged())) - start).max(0.0)
        };
        let ours = Samples::of(Unit::Time, written);
        row(&format!("written anew, {services} services"), &ours, Some(("bare", &bare)), "-");
        if programs.counts_instructions && services <= 1_000 {
            let start = Programs::instructions(&without());
            let ours = Samples::new(Unit::Instructions, vec![Programs::instructions(&unchanged()) - start]);
            let floor =
                Programs::instructions(&comparing()) - Programs::instructions(&programs.floor(&["nothing"]));
            let floor = Samples::new(Unit::Instructions, vec![floor]);
            row(
                &format!("unchanged, {services} services, instructions (once)"),
                &ours,
                Some(("bare", &floor)),
                "2x",
            );
        }
    }
}

/// What an hour costs in which nothing happens.
pub(crate) fn idle(programs: &Programs) {
    const MINUTES: f64 = 3.0;
    title("idle with 2 tokens, from 3 minutes at the default interval, some daemons at once");
    let projects: Vec<Project> = (0..REPETITIONS).map(|_| fresh(2, Kind::Services)).collect();
    let daemons: Vec<Daemon> = projects.iter().map(|project| programs.daemon(project, "")).collect();
    // What the start itself still does.
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
