//! What is remembered between cycles and processes: `.token-refresher/status.json`, which holds no secret.
//!
//! `credential` is the record of one token file, `replaced` knows the refresh tokens that must not be sent again,
//! `outage` the endpoints in trouble, `file` is the whole document, `store` reads, merges and writes it. `schedule`
//! says from a token's life and its record when it is to be refreshed.

mod credential;
mod file;
mod outage;
mod presence;
mod replaced;
pub(crate) mod schedule;
mod store;

pub(crate) use credential::{CredentialState, FailureKind, Gate, LastFailure, UnexplainedRun};
pub(crate) use file::{ClientRecord, CycleRecord, DaemonRecord, HookKind, HookRecord, Urgency};
pub(crate) use outage::{LASTING_RUN, Outage};
pub(crate) use presence::{DAEMON_LOCK, UnknownHolder, daemon_holder, daemon_lock};
pub(crate) use schedule::Plan;
pub(crate) use store::Store;
