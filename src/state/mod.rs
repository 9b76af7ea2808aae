//! The records between cycles and processes: `.token-refresher/status.json`, which holds no secret.
//!
//! `credential` is the record of one token file, `outage` that of an endpoint in trouble. `file` is the whole document,
//! `known` reads, merges and writes it, and `store` shares it between threads. `replaced` has the latest refresh tokens
//! of a file that must not be sent again. `history` has all of them. `lineage` searches both. `schedule` finds the time
//! of the next refresh from a token's life and its record.

mod credential;
mod file;
mod history;
mod known;
mod lineage;
mod outage;
mod presence;
mod replaced;
pub(crate) mod schedule;
mod store;

pub(crate) use credential::{CredentialState, FailureKind, Gate, LastFailure, UnexplainedRun};
pub(crate) use file::{ClientRecord, CycleRecord, DaemonRecord, HookKind, HookRecord, Urgency};
pub(crate) use history::is_replaced;
pub(crate) use outage::{LASTING_RUN, Outage};
pub(crate) use presence::{DAEMON_LOCK, UnknownHolder, daemon_holder, daemon_holder_in, daemon_lock};
pub(crate) use schedule::Plan;
pub(crate) use store::Store;
