//! The views of the tokens' state: table, JSON, check line, metrics.
//!
//! `judge` turns a file's facts into a state with its reason, `need` says when a user will be needed, `token` how bad
//! that is, `trouble` what they are told and `remedy` what to type, `report` sorts all of it by urgency, `seals` counts
//! what is sealed; `human` (with `screenful`), `json`, `check` and `metrics` are the forms in which it leaves the
//! program.

pub(crate) mod check;
mod human;
mod json;
pub(crate) mod judge;
pub(crate) mod metrics;
mod need;
mod remedy;
mod report;
mod screenful;
mod seals;
mod token;
mod trouble;

pub(crate) use human::{story, table};
pub(crate) use json::json;
pub(crate) use judge::Facts;
pub(crate) use need::{AHEAD, NeededFor};
pub(crate) use remedy::login_command;
pub(crate) use report::{DaemonSeen, Overview};
pub(crate) use screenful::Screen;
pub(crate) use seals::SealCounts;
pub(crate) use token::Token;
pub(crate) use trouble::Trouble;
