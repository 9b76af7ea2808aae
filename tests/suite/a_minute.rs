//! The tests that take up to a minute, and wait for nearly all of it. The test harness starts tests in the order of
//! their names: so these start first, and all others run meanwhile.

use std::time::Duration;

use crate::endpoint_answers;
use crate::support::daemon::built_program;
use crate::support::soak::soak;

#[test]
fn of_silence_takes_the_programs_own_timeouts() {
    endpoint_answers::what_takes_the_programs_own_timeouts();
}

#[test]
fn of_refreshes_lets_nothing_grow() {
    soak(&built_program(), 3, Duration::from_secs(1), Duration::from_secs(4));
}
