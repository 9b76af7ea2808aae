//! README.md and docs/ as a reader uses them: each command is run and its output compared in form, each option and
//! variable exists, and each link leads somewhere. If something here fails, the documentation is not true any more.
//!
//! A block of commands is marked with what this test cannot offer: ` ```console needs=account `. All others are run,
//! in the scene that they name (` ```console scene=ended `).

mod commands;
mod page;
mod references;
