//! What is known of every token beyond its file: kept in `.token-refresher/status.json`, shared with
//! other processes, without a secret in it.

mod file;
mod store;

pub use file::{ClientRecord, CycleRecord, DaemonRecord};
pub use store::Store;
