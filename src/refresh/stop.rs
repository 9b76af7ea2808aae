//! The order to stop, and the refreshes that a stop must wait for.
//!
//! Between the mark and the stored answer a refresh must not be interrupted; all earlier steps may be left for the next
//! start. So no refresh begins after the order, and the refreshes under way are counted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How soon a stop ends a wait. A person does not notice the delay, and a wait of a second costs twenty looks.
const POLL: Duration = Duration::from_millis(50);

/// Shared by the thread that receives signals and the threads that refresh.
#[derive(Default, Debug)]
pub(crate) struct Stop {
    asked: AtomicBool,
    in_flight: AtomicUsize,
}

/// A refresh that a stop waits for, until the value is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a Stop);

impl Stop {
    /// Orders a stop; returns how many refreshes it has to wait for.
    pub(crate) fn ask(&self) -> usize {
        self.asked.store(true, Ordering::SeqCst);
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether a stop was ordered.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until `time`, or until a stop is ordered.
    pub(crate) fn wait_until(&self, time: Instant) {
        while !self.is_asked() {
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(POLL));
        }
    }

    /// Begins a refresh, unless a stop was ordered. The refresh is counted first, so that a stop never misses one.
    pub(crate) fn begin(&self) -> Option<InFlight<'_>> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let flight = InFlight(self);
        (!self.is_asked()).then_some(flight)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_counts_what_has_begun_and_lets_nothing_begin() {
        let stop = Stop::default();
        let (first, second) = (stop.begin(), stop.begin());
        drop(second);
        assert_eq!(stop.ask(), 1);
        assert!(stop.begin().is_none());
        drop(first);
        assert_eq!(stop.ask(), 0);
    }
}
