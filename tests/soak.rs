//! A long run: tokens that live for half a minute, refreshed over and over. If something here fails, the daemon grows
//! until a person restarts it. A run of seconds is in `tests/suite/a_minute.rs`.
//!
//! `make soak` runs it (20 minutes) and prints its figures.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use support::daemon::built_program;
use support::soak::soak;

#[test]
#[ignore = "takes SOAK_MINUTES (20); run it by make soak"]
fn nothing_grows_in_the_long_run() {
    let minutes = std::env::var("SOAK_MINUTES").map_or(20, |minutes| minutes.parse().expect("SOAK_MINUTES"));
    let program = std::env::var_os("SOAK_PROGRAM").map_or_else(built_program, PathBuf::from);
    soak(&program, 20, Duration::from_secs(30), Duration::from_mins(minutes));
}
