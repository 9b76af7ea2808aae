//! One cycle: scan the tokens directory, plan, refresh, write the configurations, say what was done.
//!
//! `scan` looks through the directory: it reads the files that `memory` does not know from the last cycle, `scanning`
//! takes them one by one, `credential` judges a token file, and `token_scan` is what was found. `plan` makes the jobs
//! and `outcome` sums up their reports, both pure; `work` runs the jobs. `narrate` holds every sentence of the log
//! about a token, and `cycle_log` says each problem once. `configurations`, `default_files`, `client_files` and
//! `publish` write what others read. `open_files` closes token files to other users, and `twins` keeps the files for
//! a shell beside them in step. `inspect` looks as a cycle does and changes nothing; `entries` finds who uses a
//! token. `keys` reads the keys that seal, and `sealing` says which files they seal.

mod client_files;
mod configurations;
mod configured;
mod credential;
mod cycle_log;
mod cycles;
mod default_files;
mod entries;
mod inspect;
mod keys;
mod memory;
mod narrate;
mod open_files;
mod outcome;
mod plan;
mod publish;
mod queue;
mod reader;
mod recovery;
mod scan;
mod scanning;
mod sealing;
mod setup;
mod token_line;
mod token_scan;
mod twins;
mod work;
mod writers;

pub(crate) use cycles::{Cycles, Ended, Trigger, seal};
pub(crate) use entries::{files_meant, find_entries};
pub(crate) use inspect::inspect;
pub(crate) use keys::LoadedKeys;
pub(crate) use publish::farewell;
pub(crate) use scan::listed_names;
pub(crate) use setup::{connect, http_settings};
