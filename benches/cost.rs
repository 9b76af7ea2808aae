//! `make bench`: what the program costs, as ratios to what the same machine needs for the bare work,
//! both measured in this run. Nothing here fails on a slow machine: it prints, a person judges.
//!
//! The budgets beside the figures are the project's own. `PROGRAM` names another build of the
//! program (a static one); `FILES` the largest number of token files (10,000).

#![allow(clippy::expect_used, reason = "a bench that cannot measure has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs2::FileExt;
use support::{Client, Endpoint, Program, Project, TokenFile};

fn main() {
    let program = std::env::var_os("PROGRAM")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_token-refresher")), PathBuf::from);
    let size = fs::metadata(&program).map_or(0, |metadata| metadata.len());
    println!("{}: {:.2} MB (budget for the static program: 2.5 MB)", program.display(), megabytes(size));
    start(&program);
    let most = std::env::var("FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    for files in [1_000, most] {
        fresh_cycle(&program, files);
    }
    one_refresh(&program);
    many_due(&program);
    memory(&program, 2, "2.0 MB for the static program");
    memory(&program, most, "16 MB");
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The median of `turns` measurements.
fn median(turns: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..turns).map(|_| measure()).collect();
    times.sort_unstable();
    times[turns / 2]
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A project with `files` tokens that are fresh for a day.
fn fresh_project(files: usize) -> Project {
    let project = Project::new();
    for index in 0..files {
        let token = TokenFile::named(&format!("token-{index:06}.json"))
            .field("provider", "atlassian")
            .field("access_token", "a".repeat(900))
            .field("refresh_token", format!("refresh-{index}"))
            .fresh_for(90_000);
        project.write_token(&token);
    }
    project
}

fn once(program: &Path, project: &Project, arguments: &[&str]) -> Duration {
    timed(|| {
        let status = Command::new(program)
            .args(["--once", "--log-level", "ERROR", "--dir"])
            .arg(project.root())
            .args(arguments)
            .stdin(Stdio::null())
            .status()
            .expect("the program starts");
        assert!(status.success(), "{status}");
    })
}

fn start(program: &Path) {
    let project = fresh_project(2);
    let bare =
        median(31, || timed(|| assert!(Command::new("true").status().expect("true starts").success())));
    let whole = median(31, || once(program, &project, &[]));
    println!(
        "start to the end of a cycle over 2 fresh tokens: {whole:.2?} (budget 5 ms; `true` takes {bare:.2?})"
    );
}

fn fresh_cycle(program: &Path, files: usize) {
    let (project, empty) = (fresh_project(files), Project::new());
    let directory = project.path(".oauth-tokens");
    let bare = median(5, || timed(|| read_all(&directory)));
    let nothing = median(5, || once(program, &empty, &[]));
    let cycle = median(5, || once(program, &project, &[])).saturating_sub(nothing);
    let ratio = cycle.as_secs_f64() / bare.as_secs_f64();
    println!(
        "a cycle over {files} fresh tokens: {cycle:.2?}, opening, locking, reading and closing them \
         {bare:.2?}: ratio {ratio:.2} (budget 3)"
    );
}

/// The bare work of a cycle: open, lock, read and close every file.
fn read_all(directory: &Path) {
    let mut text = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let mut file = File::open(path).expect("a file");
            FileExt::lock_shared(&file).expect("a lock");
            text.clear();
            file.read_to_end(&mut text).expect("text");
            black_box(&text);
        }
    }
}

/// A project with `files` tokens that are due, all of one client.
fn due_project(endpoint: &Endpoint, files: usize) -> Project {
    let client = Client::new("bench").lifetime(Duration::from_hours(24));
    endpoint.register(client.clone());
    let project = Project::new();
    for index in 0..files {
        let tokens = endpoint.sign_in("bench");
        let token = TokenFile::named(&format!("due-{index:04}.json")).tokens(&tokens).at(endpoint, &client);
        project.write_token(&token.expires_in(60));
    }
    project
}

fn one_refresh(program: &Path) {
    const TOKENS: u32 = 200;
    let endpoint = Endpoint::start();
    let project = due_project(&endpoint, TOKENS as usize);
    let idle = fresh_project(TOKENS as usize);
    let base = median(5, || once(program, &idle, &[]));
    // The first time each token gets a lock file of its own, which is not what a refresh costs for years.
    once(program, &project, &["--jobs", "1"]);
    let before = endpoint.requests().len();
    let whole = once(program, &project, &["--jobs", "1", "--force"]).saturating_sub(base) / TOKENS;
    let answered: Duration = endpoint.requests()[before..]
        .iter()
        .filter_map(|request| Some(request.answered? - request.arrived))
        .sum();
    let exchange = answered / TOKENS;
    let own = whole.saturating_sub(exchange);
    let replace = median(201, || durable_replace(project.root()));
    let ratio = own.as_secs_f64() / replace.as_secs_f64();
    println!(
        "one refresh: {whole:.2?}, of which the endpoint {exchange:.2?}; the rest is {ratio:.2} x one \
         durable replace of {replace:.2?} (budget 2)"
    );
}

/// Write, fsync, rename, fsync of the directory.
fn durable_replace(directory: &Path) -> Duration {
    let (new, name) = (directory.join("bench.new"), directory.join("bench"));
    timed(|| {
        let mut file = File::create(&new).expect("a file");
        file.write_all(&[b'x'; 1500]).expect("room");
        file.sync_all().expect("a sync");
        fs::rename(&new, &name).expect("a rename");
        File::open(directory).and_then(|directory| directory.sync_all()).expect("a sync");
    })
}

fn many_due(program: &Path) {
    const TOKENS: u32 = 160;
    let endpoint = Endpoint::start();
    let project = due_project(&endpoint, TOKENS as usize);
    let latency = Duration::from_millis(100);
    endpoint.set_latency(latency);
    let whole = once(program, &project, &["--jobs", "8"]);
    let ideal = latency * TOKENS / 8;
    let ratio = whole.as_secs_f64() / ideal.as_secs_f64();
    println!(
        "{TOKENS} due tokens, 8 at once, an endpoint that answers in 100 ms: {whole:.2?}, ideally \
         {ideal:.2?}: ratio {ratio:.2} (budget 1.15)"
    );
}

fn memory(program: &Path, files: usize, budget: &str) {
    let project = fresh_project(files);
    let mut daemon = Program::at(program, &project).start();
    daemon.wait_for_log("Token refresh cycle completed");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("a process");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or(" unknown").trim();
    println!("resident while idle with {files} token files: {resident} (budget {budget})");
    daemon.stop();
}
