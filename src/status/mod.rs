//! Token state (status.json) and its views: table, JSON, check line, metrics.
//!
//! `store` keeps `.token-refresher/status.json`, which is shared with other processes and holds no
//! secret. `judge` and `plan` turn a file's facts into a state with its reason, `need` says when a
//! user will be needed, `report` sorts all of it by urgency; `human`, `json`, `check` and
//! `metrics` are the forms in which it leaves the program.

pub(crate) mod check;
mod file;
mod human;
mod json;
pub(crate) mod judge;
pub(crate) mod metrics;
mod need;
mod plan;
mod report;
mod store;

pub(crate) use file::{ClientRecord, CycleRecord, DaemonRecord, HookRecord};
pub(crate) use human::table;
pub(crate) use json::json;
pub(crate) use judge::Facts;
pub(crate) use need::{AHEAD, NeededFor};
pub(crate) use plan::{Plan, plan};
pub(crate) use report::{DaemonSeen, Overview, Token};
pub(crate) use store::Store;
