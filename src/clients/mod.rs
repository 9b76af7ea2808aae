//! MCP client configurations: what they hold ([`service`]) and how each file says it.
//!
//! Everything here is a pure function from tokens, servers and a file's present text to the
//! text that the file should have. Reading, locking and replacing files is the caller's.
//!
//! [`seed`] writes the two default files. [`apply()`] keeps our entries in a file of a client that
//! [`table`] knows: [`entry`] says what an entry holds, [`json`] edits a file that may be the
//! user's own, [`whole`] writes one that is ours alone.

mod address;
mod apply;
mod entry;
mod json;
mod known;
mod list;
mod quote;
mod seed;
mod service;
mod signed_out;
mod whole;

pub(crate) use apply::{Applied, Edit, apply};
pub(crate) use entry::{Owned, ReaderPaths, Secrets};
pub(crate) use json::UserMembers;
pub(crate) use known::{Format, McpClient, client, names};
pub(crate) use list::list;
pub(crate) use quote::headers_json;
pub(crate) use seed::{DefaultFile, default_text, other_entries};
pub(crate) use service::{Egress, Ingress, Service, Services, services};

pub(crate) use signed_out::sign_in_advice;

#[cfg(test)]
use service::{Header, HeaderValue};

#[cfg(test)]
mod tests;
