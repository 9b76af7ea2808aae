//! MCP client configurations: what they hold ([`service`]) and how each file says it.
//!
//! Everything here is a pure function from tokens, servers and a file's present text to the
//! text that the file should have. Reading, locking and replacing files is the caller's.
//!
//! [`default_file`] writes the two default files, [`seed`] and [`gateway_shape`] their entries. [`apply()`] keeps our
//! entries in a file of a client that [`known`] lists: [`entry`] says what an entry holds, [`json`] edits a file that
//! may be the user's own, [`whole`] writes one that is this program's alone.

mod address;
mod apply;
mod default_file;
mod entry;
mod gateway_shape;
mod json;
mod known;
mod list;
mod notation;
mod quote;
mod seed;
mod service;
mod signed_out;
mod whole;

pub(crate) use apply::{Applied, Edit, apply};
pub(crate) use default_file::{DefaultFile, Launcher, default_text, other_entries};
pub(crate) use entry::{Owned, ReaderPaths};
pub(crate) use json::UserMembers;
pub(crate) use known::{client, names, usual_option};
pub(crate) use list::list;
pub(crate) use notation::{Format, McpClient, Secrets};
pub(crate) use quote::headers_json;

pub(crate) use service::{Egress, Ingress, Service, Services, services};

pub(crate) use signed_out::sign_in_advice;

#[cfg(test)]
use service::{Header, HeaderValue};

#[cfg(test)]
mod tests;
