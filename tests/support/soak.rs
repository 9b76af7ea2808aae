//! A daemon whose tokens live for seconds, refreshed over and over, with everything switched on that a daemon of
//! years has. What grows here grows until a person restarts it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Client, DEADLINE, Daemon, Endpoint, Program, Project, TokenFile, holds_in_time, internals};

/// The status file remembers eight replaced refresh tokens of each file; until then it grows.
const REMEMBERED: usize = 8;

/// What must not grow.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Resident memory, KiB.
    resident: u64,
    /// The part of it that is no file's: pages of the program itself come and go with the machine's load.
    anonymous: u64,
    /// Open files.
    descriptors: usize,
    threads: u64,
    /// Bytes of the status file.
    status: u64,
    /// Bytes of the log.
    log: u64,
}

impl Figures {
    fn of(daemon: &Daemon, project: &Project) -> Self {
        let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).expect(name);
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        Self {
            resident: number("VmRSS:"),
            anonymous: number("RssAnon:"),
            descriptors: fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count(),
            threads: number("Threads:"),
            status: internals::status_size(project),
            log: size(project.path("token_refresher.log")),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, anonymous, descriptors, threads, status, log } = self;
        write!(
            out,
            "resident {resident} KiB ({anonymous} anonymous), {descriptors} descriptors, {threads} threads, \
             status file {status} bytes, log {log} bytes"
        )
    }
}

/// Runs `count` tokens of this lifetime, first until the status file is full, then for `time`. Fails where anything
/// grows, and prints the figures.
pub(crate) fn soak(program: &Path, count: usize, lifetime: Duration, time: Duration) {
    let endpoint = Endpoint::start();
    let project = Project::new();
    for index in 0..count {
        let client = Client::new(&format!("app-{index}")).lifetime(lifetime);
        endpoint.register(client.clone());
        let seconds = i64::try_from(lifetime.as_secs()).unwrap();
        project.write_token(
            &TokenFile::signed_in("github", &format!("repos-{index}"), &endpoint, &client).fresh_for(seconds),
        );
    }
    project.no_auth_server("currenttime");
    let mut daemon = Program::at(program, &project)
        .args("--metrics-file metrics.prom --interval 10 --on-refresh true")
        .env("REGISTRY_URL", "http://gateway")
        .start();
    let full = (REMEMBERED + 2) * count;
    let begun = Instant::now();
    while endpoint.requests().len() < full {
        let patience = lifetime * 2 * u32::try_from(REMEMBERED + 2).unwrap() + DEADLINE;
        assert!(begun.elapsed() < patience, "it does not refresh: {}", daemon.log());
        assert!(!daemon.has_ended(), "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Between two refreshes: one in flight has a connection and threads of its own.
    let looks = (0..40).map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Figures::of(&daemon, &project)
    });
    let first = looks.min_by_key(|figures| (figures.descriptors, figures.threads)).unwrap();
    println!(
        "after {:4} s and {:5} refreshes: {first}",
        begun.elapsed().as_secs(),
        endpoint.requests().len()
    );
    let (before, measured) = (endpoint.requests().len(), Instant::now());
    let (mut highest, mut middle, mut told) = (first, None, Instant::now());
    while measured.elapsed() < time {
        std::thread::sleep(Duration::from_millis(100));
        assert!(!daemon.has_ended(), "{}", daemon.log());
        let now = Figures::of(&daemon, &project);
        highest.resident = highest.resident.max(now.resident);
        if measured.elapsed() > time / 2 {
            middle.get_or_insert(now.anonymous);
        }
        if told.elapsed() > time / 10 {
            println!(
                "after {:4} s and {:5} refreshes: {now}",
                begun.elapsed().as_secs(),
                endpoint.requests().len()
            );
            told = Instant::now();
        }
    }
    // Between two refreshes: a request in flight has a connection and a thread more.
    let mut last = Figures::of(&daemon, &project);
    let settled = holds_in_time(|| {
        last = Figures::of(&daemon, &project);
        last.descriptors <= first.descriptors && last.threads <= first.threads
    });
    assert!(settled, "descriptors or threads accumulate: {first} -> {last}");
    let refreshes = endpoint.requests().len();
    println!("after {:4} s and {refreshes:5} refreshes: {last}", begun.elapsed().as_secs());
    println!("highest resident: {} KiB", highest.resident);
    assert!(refreshes > before + count, "hardly anything happened");
    assert_eq!(endpoint.reuses(), 0, "a spent refresh token was sent again");
    // What leaks grows in both halves. A buffer or an allocator's arena that is first needed late grows in one.
    let middle = middle.unwrap_or(last.anonymous);
    let halves = [middle.saturating_sub(first.anonymous), last.anonymous.saturating_sub(middle)];
    assert!(halves.iter().any(|grown| *grown <= 64), "memory grows by {halves:?} KiB: {first} -> {last}");
    assert!(last.status <= first.status + 64 * count as u64, "the status file grows: {first} -> {last}");
    daemon.stop().expect_code(0);
    assert_eq!(project.leftovers(), Vec::<String>::new());
}
