//! Token files: finding, reading, judging when they are due, and changing what a refresh changed.
//!
//! Knows files and JSON, and nothing of OAuth requests: the contents of an answer arrive as a [`change::Change`].

pub(crate) mod at_rest;
pub(crate) mod chain;
pub(crate) mod change;
pub(crate) mod directory;
pub(crate) mod document;
pub(crate) mod due;
mod jwt;
pub(crate) mod name;
pub(crate) mod spelled;
mod written_time;

pub(crate) use document::{Document, FileKind, Unusable};
pub(crate) use due::{Life, Past};
pub(crate) use jwt::{expiry as jwt_expiry, origin as jwt_origin};
