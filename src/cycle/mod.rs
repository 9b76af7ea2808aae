//! One cycle: scan the tokens directory, plan, refresh, write the configurations, log the results.
//!
//! `scan` goes through the directory and reads the files that `memory` does not have from the last cycle. `scanning`
//! takes the files one by one, `credential` judges a token file, and `token_scan` is the result. `plan` makes the jobs
//! and `outcome` sums up their reports, both pure; `work` runs the jobs. `narrate` has all lines of the log about
//! tokens, and `cycle_log` writes each problem once. `configurations`, `default_files`, `client_files` and `publish`
//! write files for other programs, and `hand_on` has them do it. `open_files` closes token files to other users, and
//! `twins` keeps the files for shells beside them in step. `inspect` scans as a cycle does and changes nothing, and
//! `entries` finds the users of a token. `keys` reads the keys that seal, and `sealing` chooses the files to seal.

mod client_files;
mod configurations;
mod configured;
mod credential;
mod cycle_log;
mod cycles;
mod default_files;
mod entries;
mod hand_on;
mod inspect;
mod kept_token;
mod kept_tokens;
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
