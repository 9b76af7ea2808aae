//! The cost of a refresh beyond the provider's answer, and whether many refreshes wait for one another.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{REPETITIONS, Samples, Unit, row, seconds, timed, title};
use crate::programs::{Programs, run};
use crate::projects::due;
use crate::support::{Endpoint, Project};

pub(crate) fn one(programs: &Programs) {
    const TOKENS: usize = 200;
    title("one refresh at latency 0, one at a time (beside a keep-alive request and a durable replacement)");
    let endpoint = Endpoint::start();
    let project = due(&[&endpoint], TOKENS);
    let (few, bare) = (due(&[&endpoint], 1), due(&[&endpoint], TOKENS));
    let options = ["--jobs", "1", "--force"];
    // The first refresh of each token makes a lock file, and later ones do not.
    run(programs.once(&project, &options));
    run(programs.once(&few, &options));
    let start = Samples::of(Unit::Time, || timed(|| run(programs.once(&few, &options)))).median();
    let each = |whole: f64| (whole - start).max(0.0) / (TOKENS - 1) as f64;
    let (ours, floor) = Samples::both(
        Unit::Time,
        || each(timed(|| run(programs.once(&project, &options)))),
        || timed(|| run(refresh(programs, &endpoint, &bare, TOKENS))) / TOKENS as f64,
    );
    row("wall", &ours, Some(("bare", &floor)), "1.6x");
    let start = Programs::processor(&programs.once(&few, &options));
    let (ours, floor) = Samples::both(
        Unit::Time,
        || (Programs::processor(&programs.once(&project, &options)) - start) / (TOKENS - 1) as f64,
        || Programs::processor(&refresh(programs, &endpoint, &bare, TOKENS)) / TOKENS as f64,
    );
    row("processor, user and system", &ours, Some(("bare", &floor)), "1.6x");
    if programs.counts_instructions {
        let own = Programs::instructions(&programs.once(&few, &options));
        let all = Programs::instructions(&programs.once(&project, &options));
        let ours = Samples::new(Unit::Instructions, vec![(all - own) / (TOKENS - 1) as f64]);
        let own = Programs::instructions(&refresh(programs, &endpoint, &bare, 0));
        let all = Programs::instructions(&refresh(programs, &endpoint, &bare, TOKENS));
        let floor = Samples::new(Unit::Instructions, vec![(all - own) / TOKENS as f64]);
        row("instructions in user space (once)", &ours, Some(("bare", &floor)), "-");
    }
    if programs.counts_calls {
        let own = Programs::calls(&programs.once(&few, &options), &project);
        let all = Programs::calls(&programs.once(&project, &options), &project);
        let none = Programs::calls(&refresh(programs, &endpoint, &bare, 0), &project);
        let floor = Programs::calls(&refresh(programs, &endpoint, &bare, TOKENS), &project);
        let each = |all: f64, own: f64, of: usize| Samples::new(Unit::Count, vec![(all - own) / of as f64]);
        let bare = each(floor.all, none.all, TOKENS);
        row("system calls (once)", &each(all.all, own.all, TOKENS - 1), Some(("bare", &bare)), "60");
        let bare = each(floor.syncs, none.syncs, TOKENS);
        row("syncs (once)", &each(all.syncs, own.syncs, TOKENS - 1), Some(("bare", &bare)), "3");
    }
}

fn refresh(programs: &Programs, endpoint: &Endpoint, project: &Project, count: usize) -> Command {
    let directory = project.path(".oauth-tokens");
    programs.floor(&[
        "refresh",
        &endpoint.address().to_string(),
        directory.to_str().unwrap(),
        &count.to_string(),
    ])
}

pub(crate) fn many(programs: &Programs) {
    const JOBS: usize = 8;
    const TOKENS: usize = 1_000;
    title("1000 due at once, 8 in flight (beside latency x tokens / jobs)");
    let jobs = ["--jobs", "8", "--force"];
    let endpoint = Endpoint::start();
    let project = due(&[&endpoint], TOKENS);
    run(programs.once(&project, &jobs));
    let ours = Samples::of(Unit::Time, || timed(|| run(programs.once(&project, &jobs))));
    row("latency 0", &ours.less(0.0, TOKENS as f64), None, "a refresh; the less the better");
    let latency = Duration::from_millis(100);
    endpoint.set_latency(latency);
    let ideal = Samples::new(Unit::Time, vec![seconds(latency) * TOKENS as f64 / JOBS as f64]);
    let ours = Samples::of(Unit::Time, || timed(|| run(programs.once(&project, &jobs))));
    row("latency 100 ms", &ours, Some(("ideal", &ideal)), "1.05x");

    let endpoints: Vec<Endpoint> = (0..100).map(|_| Endpoint::start()).collect();
    let (silent, others) = endpoints.split_first().expect("endpoints");
    let _silence = silent.hold();
    let project = due(&endpoints.iter().collect::<Vec<_>>(), TOKENS);
    for endpoint in others {
        endpoint.set_latency(latency);
    }
    let mut times = Vec::new();
    for round in 1..=REPETITIONS {
        let began = Instant::now();
        let mut child = programs.once(&project, &jobs).spawn().expect("it starts");
        // All others are answered; what never answers is given up much later.
        for endpoint in others {
            endpoint.wait_for_answers(round * TOKENS / 100);
        }
        times.push(began.elapsed().as_secs_f64());
        // A kill between the last answer and its write would lose a token, which the next round then waits for.
        thread::sleep(Duration::from_secs(1));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let share = others.len() as f64 / endpoints.len() as f64;
    let ideal = Samples::new(Unit::Time, vec![seconds(latency) * TOKENS as f64 * share / JOBS as f64]);
    row(
        "100 endpoints of which one never answers",
        &Samples::new(Unit::Time, times),
        Some(("ideal", &ideal)),
        "1.05x",
    );
}
