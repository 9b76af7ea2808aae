//! The jobs that no thread has begun yet, and the requests in flight.
//!
//! An endpoint that does not answer holds a thread for half a minute. So the next job is for the endpoint with the
//! fewest busy threads. Tokens of other endpoints do not wait for the slow one. An endpoint that has not ended a job
//! yet gets a second thread only when no other endpoint has a waiting job.
//!
//! A job that has waited long does not count any more, and the next one begins beside it. The number of threads is the
//! limit for all of them. No endpoint gets more requests at once for it: those that waited long count there.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::ordered;

/// How long a request counts. A token endpoint answers within a second, also over a slow link with a new TLS
/// connection. Where one is slower, the only effect is that the next request begins beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Jobs in their order, each with the endpoint for its request.
pub(super) struct JobQueue<T> {
    /// How many requests are in flight at once, beside those that have waited long. No endpoint gets more.
    most: usize,
    lanes: HashMap<String, Lane<T>>,
    /// The lanes with a job to begin, in the order of their turns. A lane with jobs under way of which none has ended
    /// comes last. Of the others, the lane with the fewest jobs under way has its turn, then the one that waited
    /// longest.
    order: BTreeSet<Turn>,
    /// The places of the first and of the last job so far.
    ends: (i64, i64),
    /// The jobs without a written answer.
    asking: Vec<Asking>,
    /// The number of the next job.
    next: u64,
}

/// When a lane has its turn, and the lane.
type Turn = (bool, usize, i64, String);

/// The jobs of one endpoint.
struct Lane<T> {
    waiting: VecDeque<(i64, T)>,
    under_way: usize,
    /// How many of those have no written answer.
    asking: usize,
    has_ended_one: bool,
}

impl<T> Lane<T> {
    /// The lane's turn, where a job may begin: where fewer than `most` of its jobs wait for an answer.
    fn turn(&self, name: &str, most: usize) -> Option<Turn> {
        let is_silent = self.under_way > 0 && !self.has_ended_one;
        let first = self.waiting.front().filter(|_| self.asking < most)?;
        Some((is_silent, self.under_way, first.0, name.to_owned()))
    }
}

/// A job without a written answer.
struct Asking {
    number: u64,
    lane: String,
    begun: Instant,
    /// Whether it has waited long.
    is_late: bool,
}

/// The next step of a thread.
pub(super) enum NextJob<T> {
    /// This job.
    Job(Begun<T>),
    /// The thread waits for an answer, and at most so long.
    Wait(Option<Duration>),
    /// The thread ends: no job waits.
    End,
}

/// A job that was begun. [`JobQueue::answered`] and [`JobQueue::end`] must be called for it.
pub(super) struct Begun<T> {
    pub job: T,
    pub lane: String,
    pub number: u64,
}

impl<T> JobQueue<T> {
    pub(super) fn new(most: usize) -> Self {
        let (lanes, order, asking) = (HashMap::new(), BTreeSet::new(), Vec::new());
        Self { most, lanes, order, ends: (0, 0), asking, next: 0 }
    }

    /// Adds a job behind all others, for this endpoint where it is known.
    pub(super) fn add(&mut self, job: T, endpoint: Option<&str>) {
        self.ends.1 += 1;
        let place = self.ends.1;
        self.change(&lane(endpoint, place), |lane| lane.waiting.push_back((place, job)));
    }

    /// Adds a job before all others.
    pub(super) fn add_first(&mut self, job: T, endpoint: Option<&str>) {
        self.ends.0 -= 1;
        let place = self.ends.0;
        self.change(&lane(endpoint, place), |lane| lane.waiting.push_front((place, job)));
    }

    /// Begins the next job, where one may begin at `now`.
    pub(super) fn begin(&mut self, now: Instant) -> NextJob<T> {
        let Some((_, _, _, name)) = self.order.first().cloned() else {
            // Where jobs wait for their own endpoint, one of its answers comes first.
            let waits = self.lanes.values().any(|lane| !lane.waiting.is_empty());
            return if waits { NextJob::Wait(None) } else { NextJob::End };
        };
        if self.asking.iter().filter(|asking| !asking.is_late).count() >= self.most {
            let in_time = self.asking.iter_mut().filter(|asking| !asking.is_late);
            let Some(oldest) = in_time.min_by_key(|asking| asking.begun) else { return NextJob::Wait(None) };
            let wait = PATIENCE.saturating_sub(now.saturating_duration_since(oldest.begun));
            if !wait.is_zero() {
                return NextJob::Wait(Some(wait));
            }
            oldest.is_late = true;
        }
        let number = self.next;
        self.next += 1;
        let first = self.change(&name, |lane| {
            lane.under_way += 1;
            lane.asking += 1;
            lane.waiting.pop_front()
        });
        let Some((_, job)) = first else { return NextJob::End };
        self.asking.push(Asking { number, lane: name.clone(), begun: now, is_late: false });
        NextJob::Job(Begun { job, lane: name, number })
    }

    /// The answer of this job is written, or there is none.
    pub(super) fn answered(&mut self, number: u64) {
        if let Some(index) = self.asking.iter().position(|asking| asking.number == number) {
            let asking = self.asking.remove(index);
            self.change(&asking.lane, |lane| lane.asking = lane.asking.saturating_sub(1));
        }
    }

    /// Ends a job of this lane.
    pub(super) fn end(&mut self, lane: &str) {
        self.change(lane, |lane| {
            lane.under_way = lane.under_way.saturating_sub(1);
            lane.has_ended_one = true;
        });
    }

    /// Takes all jobs that have not begun.
    pub(super) fn take_rest(&mut self) -> Vec<T> {
        self.order.clear();
        let waiting = self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..));
        let mut by_place: Vec<(i64, T)> = waiting.collect();
        ordered::sort(&mut by_place, |(one, _), (other, _)| one.cmp(other));
        by_place.into_iter().map(|(_, job)| job).collect()
    }

    /// Changes one lane, and with it the lane's place among the others.
    fn change<R>(&mut self, name: &str, change: impl FnOnce(&mut Lane<T>) -> R) -> R {
        let result = change(self.leave_order(name));
        self.enter_order(name);
        result
    }

    fn leave_order(&mut self, name: &str) -> &mut Lane<T> {
        let new = || Lane { waiting: VecDeque::new(), under_way: 0, asking: 0, has_ended_one: false };
        let lane = self.lanes.entry(name.to_owned()).or_insert_with(new);
        if let Some(before) = lane.turn(name, self.most) {
            self.order.remove(&before);
        }
        lane
    }

    fn enter_order(&mut self, name: &str) {
        let Some(lane) = self.lanes.get(name) else { return };
        match lane.turn(name, self.most) {
            Some(now) => drop(self.order.insert(now)),
            None if lane.under_way == 0 && lane.waiting.is_empty() => drop(self.lanes.remove(name)),
            None => {}
        }
    }
}

/// The lane of an endpoint. A job with an unknown endpoint has a lane of its own.
fn lane(endpoint: Option<&str>, place: i64) -> String {
    endpoint.map_or_else(|| place.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins so many jobs at once.
    fn begin(queue: &mut JobQueue<&'static str>, count: usize) -> String {
        let now = Instant::now();
        let begun = (0..count).map_while(|_| match queue.begin(now) {
            NextJob::Job(begun) => Some(begun.job),
            NextJob::Wait(_) | NextJob::End => None,
        });
        begun.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn jobs_of_one_endpoint_and_of_unknown_ones_keep_their_order() {
        for endpoint in [Some("a"), None] {
            let mut queue = JobQueue::new(9);
            for job in ["1", "2", "3"] {
                queue.add(job, endpoint);
            }
            assert_eq!(begin(&mut queue, 1), "1");
            queue.add_first("next", endpoint);
            queue.add("last", endpoint);
            assert_eq!(begin(&mut queue, 9), "next 2 3 last");
        }
    }

    #[test]
    fn the_endpoint_that_the_fewest_are_busy_with_comes_next() {
        let mut queue = JobQueue::new(9);
        for (job, endpoint) in [("s1", "s"), ("s2", "s"), ("s3", "s"), ("a1", "a"), ("b1", "b"), ("a2", "a")]
        {
            queue.add(job, Some(endpoint));
        }
        assert_eq!(begin(&mut queue, 3), "s1 a1 b1");
        // The slow endpoint keeps its thread, and the others' threads go to the others.
        queue.answered(1);
        queue.end("a");
        assert_eq!(begin(&mut queue, 1), "a2");
        queue.add("a3", Some("a"));
        queue.add("a4", Some("a"));
        assert_eq!(begin(&mut queue, 9), "a3 a4 s2 s3", "s has one thread already, and has ended no job");
        (0..8).for_each(|number| queue.answered(number));
        for lane in ["a", "a", "a", "b", "s", "s", "s"] {
            queue.end(lane);
        }
        assert!(queue.lanes.is_empty() && queue.order.is_empty() && queue.asking.is_empty());
    }

    /// The events, with two requests at once and jobs `JOB@ENDPOINT`: `TIME=JOB`: a thread begins this job.
    /// `TIME=wait`: a thread waits, for so many milliseconds. `TIME=end`: a thread ends. `TIME-NUMBER`: the answer of
    /// the job that was begun so many jobs after the first one.
    #[test]
    fn a_request_that_has_waited_long_does_not_keep_the_others_waiting() {
        for (what, jobs, events) in [
            (
                "a silent one gives its place to another endpoint",
                "s1@s a1@a a2@a b1@b",
                "0=s1 10=a1 20=wait980 100-1 100=b1 999=wait1 1000=a2 1001=end",
            ),
            (
                "each gives its place once, and the one that has waited longest first",
                "s1@s t1@t a1@a b1@b c1@c",
                "0=s1 500=t1 1100=a1 1200=wait300 1500=b1 1500=wait600",
            ),
            (
                "no endpoint gets more at once for it",
                "s1@s s2@s s3@s",
                "0=s1 0=s2 5000=wait 6000-0 6000=s3 6000=end",
            ),
            (
                "an answer that comes late frees no second place",
                "s1@s a1@a b1@b c1@c d1@d",
                "0=s1 900=a1 1000=b1 1100-0 1100=wait800 1200-1 1200=c1 1200=wait800",
            ),
            ("jobs without a known endpoint too", "u1 u2 u3", "0=u1 0=u2 1000=u3 1000=end"),
            ("nothing is left", "", "0=end"),
        ] {
            let mut queue = JobQueue::new(2);
            for job in jobs.split_whitespace() {
                let (job, endpoint) = job.split_once('@').map_or((job, None), |(job, at)| (job, Some(at)));
                queue.add(job, endpoint);
            }
            let start = Instant::now();
            for event in events.split_whitespace() {
                if let Some((_, number)) = event.split_once('-') {
                    queue.answered(number.parse().unwrap());
                    continue;
                }
                let (at, expected) = event.split_once('=').unwrap();
                let next = match queue.begin(start + Duration::from_millis(at.parse().unwrap())) {
                    NextJob::Job(begun) => begun.job.to_owned(),
                    NextJob::Wait(None) => "wait".to_owned(),
                    NextJob::Wait(Some(wait)) => format!("wait{}", wait.as_millis()),
                    NextJob::End => "end".to_owned(),
                };
                assert_eq!(next, expected, "{what}: {event}");
            }
        }
    }
}
