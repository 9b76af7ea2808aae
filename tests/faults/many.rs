//! Many processes over one directory.

use std::time::{Duration, Instant};

use super::support::{Daemon, TokenFile, holds_in_time};
use super::{Bench, FILE, Random};

/// As many processes as the issue asks for: all but one with `--once`.
const PROCESSES: usize = 64;

fn crowd(bench: &Bench, size: usize) -> Vec<Daemon> {
    let once = (1..size).map(|_| bench.program().arg("--once").start());
    let once = once.collect::<Vec<_>>();
    std::iter::once(bench.program().start()).chain(once).collect()
}

/// Waits for all but the daemon, which is stopped; how many ended with 0.
fn disperse(bench: &Bench, mut crowd: Vec<Daemon>) -> usize {
    let daemon = crowd.remove(0);
    let well = crowd.into_iter().map(Daemon::wait).filter(|finished| finished.code() == Some(0)).count();
    assert!(holds_in_time(|| bench.project.token("mcp.json").exists()));
    daemon.stop().expect_code(0);
    well
}

fn all_at_once(chain: bool, latency: Duration) {
    let bench = Bench::new();
    bench.sign_in();
    let copy = "oauth-github-app.json";
    if chain {
        std::fs::copy(bench.project.token(FILE), bench.project.token(copy)).unwrap();
    }
    bench.endpoint.set_latency(latency);
    let began = Instant::now();
    let well = disperse(&bench, crowd(&bench, PROCESSES));
    let (newest, _) = bench.last_answer().unwrap();
    assert_eq!((bench.endpoint.requests().len(), bench.endpoint.reuses()), (1, 0));
    assert_eq!(well, PROCESSES - 1, "each of them judges by what it then reads");
    for name in [FILE, copy].into_iter().take(1 + usize::from(chain)) {
        assert_eq!(bench.refresh_token(name), newest);
    }
    bench.expect_tidy("a crowd");
    println!(
        "{PROCESSES} processes at once on one due credential{}, endpoint answering in {} ms: 1 request, all \
         content after {} ms",
        if chain { " in a chain of 2 files" } else { "" },
        latency.as_millis(),
        began.elapsed().as_millis()
    );
}

#[test]
#[ignore = "make faults"]
fn one_request_of_64_processes() {
    all_at_once(false, Duration::from_millis(100));
}

#[test]
#[ignore = "make faults"]
fn one_request_of_64_processes_for_a_chain() {
    all_at_once(true, Duration::from_millis(100));
}

#[test]
#[ignore = "make faults"]
fn one_request_of_64_processes_to_a_slow_endpoint() {
    all_at_once(true, Duration::from_secs(3));
}

#[test]
#[ignore = "make faults"]
fn no_second_request_though_half_of_them_are_killed() {
    let mut random = Random::new();
    let (mut fresh, mut doubtful) = (0, 0);
    for _ in 0..6 {
        let bench = Bench::new();
        bench.sign_in();
        bench.endpoint.set_latency(Duration::from_millis(700));
        let crowd = crowd(&bench, PROCESSES);
        bench.endpoint.wait_for_requests(1);
        let mut left = Vec::new();
        for (number, process) in crowd.into_iter().enumerate() {
            if number % 2 == 1 {
                std::thread::sleep(random.part_of(Duration::from_millis(40)));
                process.kill_now();
            } else {
                left.push(process);
            }
        }
        disperse(&bench, left);
        assert_eq!((bench.endpoint.requests().len(), bench.endpoint.reuses()), (1, 0));
        bench.expect_tidy("a crowd of which half was killed");
        let (newest, _) = bench.last_answer().unwrap();
        if bench.refresh_token(FILE) == newest { fresh += 1 } else { doubtful += 1 }
    }
    println!(
        "{PROCESSES} processes, half of them killed during the request, 6 times: never a second request while the \
         access token lived; {fresh} times stored, {doubtful} times the asking one was killed and nobody asked again"
    );
}

#[test]
#[ignore = "make faults"]
fn a_sign_in_of_another_tool_stays() {
    for by_rename in [false, true] {
        for _ in 0..4 {
            let bench = Bench::new();
            bench.sign_in();
            let hold = bench.endpoint.hold();
            let crowd = crowd(&bench, 16);
            bench.endpoint.wait_for_requests(1);
            let new =
                TokenFile::signed_in("github", "repos", &bench.endpoint, &bench.client).expires_in(7200);
            if by_rename {
                bench.put(&new);
            } else {
                bench.project.write_token(&new);
            }
            drop(hold);
            disperse(&bench, crowd);
            if bench.key.is_some() {
                // Sealed by then, and the same sign-in.
                assert!(new.text().contains(&bench.refresh_token(FILE)));
            } else {
                assert_eq!(std::fs::read_to_string(bench.project.token(FILE)).unwrap(), new.text());
            }
            assert_eq!((bench.endpoint.requests().len(), bench.endpoint.reuses()), (1, 0));
            bench.expect_tidy("a sign-in meanwhile");
        }
    }
    println!(
        "a sign-in by another tool during the request of 16 processes, 4 times in place, 4 times by rename: it stayed"
    );
}
