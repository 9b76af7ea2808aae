//! The black-box tests: the real program, real files and a strict token endpoint, a file for each promise.
//!
//! They are one crate: its support compiles once, and while one test waits, others run. Tests that need more than
//! Rust (Node.js, strace, the static program, an hour) are crates of their own beside this one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod a_minute;
mod alarms;
mod bad_files;
mod beside_tokens;
mod bridge;
mod client_files;
mod client_files_reader;
mod client_files_servers;
mod client_files_shared;
mod client_files_users_own;
mod command_line;
mod configurations;
mod documentation;
mod endpoint_answers;
mod file_names;
mod generated;
mod headers;
mod hook;
mod limits;
mod login;
mod metrics;
mod moved;
mod no_secret_in_memory;
mod nothing_lost;
mod nothing_sent_twice;
mod on_trouble;
mod quiet;
mod refresh;
mod scripts;
mod sealed;
mod service_manager;
mod settings;
mod silent_endpoint;
mod status;
mod the_loop;
mod the_seed_example;
mod the_test_support;
mod told_once;
mod trust;
mod what_a_refresh_keeps;
mod words;
