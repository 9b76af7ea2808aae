//! What is known of every token beyond its file, and what is said of it to people and machines.
//!
//! `store` keeps `.token-refresher/status.json`, which is shared with other processes and holds no
//! secret. `judge` and `plan` turn a file's facts into a state with its reason, `need` says when a
//! person will have to act, `report` sorts all of it by urgency; `table`, `json`, `check` and
//! `metrics` are the forms in which it leaves the program.

pub mod check;
mod file;
mod json;
pub mod judge;
pub mod metrics;
mod need;
mod plan;
mod report;
mod store;
mod table;

pub use file::{ClientRecord, CycleRecord, DaemonRecord, HookRecord};
pub use json::json;
pub use judge::Facts;
pub use need::{AHEAD, What};
pub use plan::{Plan, plan};
pub use report::{Daemon, Report, Token};
pub use store::Store;
pub use table::table;
