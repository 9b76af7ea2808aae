//! kill -9 at any moment.

use std::thread;
use std::time::{Duration, Instant};

use super::reader::Reader;
use super::support::{Daemon, Program, internals};
use super::{Bench, FILE, Random, median, micros, trials};

/// What became of the refresh tokens of many trials.
#[derive(Default)]
struct Count {
    trials: usize,
    /// Killed before the endpoint was asked.
    unsent: usize,
    /// Killed after the mark and before the request: in doubt, and refreshed later.
    doubted: usize,
    /// The new refresh token is in the file after the next cycle.
    kept: usize,
    /// The kill fell before the endpoint's answer had left it.
    lost_before_answer: usize,
    /// The kill fell after it, so long.
    lost_after_answer: Vec<Duration>,
}

impl Count {
    fn print(&self, what: &str, reads: usize) {
        let latest = self.lost_after_answer.iter().max();
        let latest =
            latest.map_or(String::new(), |latest| format!(" (at most {} after it)", micros(*latest)));
        println!(
            "kill -9 {what}: {} trials; {} before the request, {} between the mark and the request, {} \
             stored, {} lost while the endpoint had it, \
             {} lost after its answer left{latest}; 0 torn, 0 open to others in {reads} reads, 0 left over, \
             0 sent twice",
            self.trials,
            self.unsent,
            self.doubted,
            self.kept,
            self.lost_before_answer,
            self.lost_after_answer.len(),
        );
    }
}

/// One trial: a new sign-in, the program killed by `end`, and a cycle after it.
fn trial(bench: &Bench, program: Program, count: &mut Count, end: impl FnOnce(Daemon) -> Instant) {
    let asked_before = bench.endpoint.requests().len();
    bench.sign_in();
    let signed_in = bench.refresh_token(FILE);
    let killed = end(program.start());
    // Whole at every moment, also before anybody tidies up.
    bench.refresh_token(FILE);
    let written = internals::reserve_holds_an_answer(&bench.project, FILE);
    // In doubt (1) or fresh (0): the next cycle knows which.
    bench.program().once();
    bench.expect_tidy("a kill and the next cycle");
    let asked = bench.endpoint.requests().len() - asked_before;
    assert!(asked <= 1, "{asked} requests for one refresh token");
    assert_eq!(bench.endpoint.reuses(), 0);
    let present = bench.refresh_token(FILE);
    count.trials += 1;
    match bench.last_answer().filter(|_| asked == 1) {
        // Refreshed by the cycle after the kill, or by the killed one: it is there.
        Some((newest, answered)) if newest == present => {
            if answered.is_some_and(|answered| answered > killed) {
                count.unsent += 1;
            } else {
                count.kept += 1;
            }
        }
        Some((_, answered)) => {
            assert_eq!(present, signed_in);
            assert!(!written, "the answer was written before the kill, and is lost");
            match answered.and_then(|answered| killed.checked_duration_since(answered)) {
                Some(after) => count.lost_after_answer.push(after),
                None => count.lost_before_answer += 1,
            }
        }
        None => {
            assert!(internals::is_marked(&bench.project, FILE), "nobody asked, not even after the kill");
            count.doubted += 1;
        }
    }
}

#[test]
#[ignore = "make faults"]
fn at_random_moments() {
    let bench = Bench::new();
    let mut random = Random::new();
    let whole = median((0..5).map(|_| duration_of_a_refresh(&bench)).collect());
    many_trials(&format!("at random moments of {} ms", whole.as_millis()), |bench, count| {
        // Half of them the daemon, half of them --once; over a fifth more time than it takes.
        let program = bench.program();
        let program = if count.trials % 2 == 0 { program } else { program.arg("--once") };
        trial(bench, program, count, |running| {
            thread::sleep(random.part_of(whole.mul_f64(1.2)));
            running.kill_now()
        });
    });
}

/// All the trials, under the eyes of a reader; a fresh project and endpoint every now and then, since
/// the endpoint keeps all that it was ever asked.
fn many_trials(what: &str, mut one: impl FnMut(&Bench, &mut Count)) {
    let (mut count, mut reads) = (Count::default(), 0);
    while count.trials < trials() {
        let bench = Bench::new();
        let reader = Reader::start(bench.project.path(".oauth-tokens"), |_, _| {});
        for _ in 0..50.min(trials() - count.trials) {
            one(&bench, &mut count);
        }
        reads += reader.finish().reads;
    }
    count.print(what, reads);
}

fn duration_of_a_refresh(bench: &Bench) -> Duration {
    bench.sign_in();
    let began = Instant::now();
    bench.program().once().expect_code(0);
    began.elapsed()
}

#[test]
#[ignore = "make faults"]
fn just_after_the_endpoint_has_answered() {
    let mut random = Random::new();
    many_trials("within 10 ms after the answer", |bench, count| {
        let answers = bench.endpoint.requests().len() + 1;
        trial(bench, bench.program(), count, |running| {
            bench.endpoint.wait_for_answers(answers);
            // Most of them early: that is where it hurts.
            let end = Instant::now() + Duration::from_millis(10).mul_f64(random.unit().powi(3));
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            running.kill_now()
        });
    });
}
