//! Token files: find them, read them, judge when they are due, change what a refresh changed.
//!
//! Knows files and JSON, and nothing of OAuth requests: what an endpoint said arrives as a
//! [`change::Change`].

pub mod chain;
pub mod change;
pub mod directory;
pub mod document;
pub mod due;
mod jwt;
pub mod name;
mod written_time;

pub use document::{Document, Kind};
pub use due::{Life, Past};
pub use jwt::expiry as jwt_expiry;
