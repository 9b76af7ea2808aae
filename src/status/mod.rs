//! The views of the tokens' state: table, JSON, check line, metrics.
//!
//! `judge` turns a file's facts into a state with its reason. `need` tells by when a user will be needed. `token`
//! weighs the state, `trouble` words it for people, and `remedy` names the command to type. `report` sorts all tokens
//! by urgency, and `seals` counts sealed files. `human` (with `screenful`), `json`, `check` and `metrics` print them.

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
