//! The jobs that no thread has begun yet.
//!
//! An endpoint that does not answer holds a thread for half a minute. So the next job is for the endpoint with the
//! fewest busy threads. Tokens of other endpoints do not wait for the slow one. An endpoint that has not ended a job
//! yet gets a second thread only when no other endpoint has a waiting job.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Jobs in their order, each with the endpoint for its request.
pub(super) struct JobQueue<T> {
    lanes: BTreeMap<String, Lane<T>>,
    /// The lanes with a job to begin: whether all jobs that were begun are still under way, the number of jobs under
    /// way, and the place of the first waiting one.
    order: BTreeSet<(bool, usize, i64, String)>,
    /// The places of the first and of the last job so far.
    ends: (i64, i64),
}

/// The jobs of one endpoint.
struct Lane<T> {
    waiting: VecDeque<(i64, T)>,
    under_way: usize,
    has_ended_one: bool,
}

/// A job that was begun. [`JobQueue::end`] must be called at its end.
pub(super) struct Begun<T> {
    pub job: T,
    pub lane: String,
}

impl<T> JobQueue<T> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), order: BTreeSet::new(), ends: (0, 0) }
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

    /// Begins the next job.
    pub(super) fn begin(&mut self) -> Option<Begun<T>> {
        let (_, _, _, name) = self.order.first()?.clone();
        let first = self.change(&name, |lane| {
            lane.under_way += 1;
            lane.waiting.pop_front()
        });
        first.map(|(_, job)| Begun { job, lane: name })
    }

    /// Ends a job of this lane.
    pub(super) fn end(&mut self, lane: &str) {
        self.change(lane, |lane| {
            lane.under_way = lane.under_way.saturating_sub(1);
            lane.has_ended_one = true;
        });
    }

    /// Changes one lane, and with it the lane's place among the others.
    fn change<R>(&mut self, name: &str, change: impl FnOnce(&mut Lane<T>) -> R) -> R {
        let new = || Lane { waiting: VecDeque::new(), under_way: 0, has_ended_one: false };
        let lane = self.lanes.entry(name.to_owned()).or_insert_with(new);
        let place = |lane: &Lane<T>| {
            let is_silent = lane.under_way > 0 && !lane.has_ended_one;
            Some((is_silent, lane.under_way, lane.waiting.front()?.0, name.to_owned()))
        };
        if let Some(before) = place(lane) {
            self.order.remove(&before);
        }
        let result = change(lane);
        match place(lane) {
            Some(now) => drop(self.order.insert(now)),
            None if lane.under_way == 0 => drop(self.lanes.remove(name)),
            None => {}
        }
        result
    }
}

/// The lane of an endpoint. A job with an unknown endpoint has a lane of its own.
fn lane(endpoint: Option<&str>, place: i64) -> String {
    endpoint.map_or_else(|| place.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(queue: &mut JobQueue<&'static str>, count: usize) -> String {
        let begun = (0..count).map_while(|_| queue.begin());
        begun.map(|begun| begun.job).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn jobs_of_one_endpoint_and_of_unknown_ones_keep_their_order() {
        for endpoint in [Some("a"), None] {
            let mut queue = JobQueue::new();
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
        let mut queue = JobQueue::new();
        for (job, endpoint) in [("s1", "s"), ("s2", "s"), ("s3", "s"), ("a1", "a"), ("b1", "b"), ("a2", "a")]
        {
            queue.add(job, Some(endpoint));
        }
        assert_eq!(begin(&mut queue, 3), "s1 a1 b1");
        // The slow endpoint keeps its thread, and the others' threads go to the others.
        queue.end("a");
        assert_eq!(begin(&mut queue, 1), "a2");
        queue.add("a3", Some("a"));
        queue.add("a4", Some("a"));
        assert_eq!(begin(&mut queue, 9), "a3 a4 s2 s3", "s has one thread already, and has ended no job");
        queue.end("a");
        queue.end("a");
        for lane in ["a", "b", "s", "s", "s"] {
            queue.end(lane);
        }
        assert!(queue.lanes.is_empty() && queue.order.is_empty());
    }
}
