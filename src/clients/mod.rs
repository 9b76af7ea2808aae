//! MCP client configurations: their contents ([`service`]) and the notation of each file.
//!
//! All functions here are pure: they turn tokens, servers and a file's present text into the file's new text. The
//! caller reads, locks and replaces files.
//!
//! [`default_file`] writes the two default files, with entries of [`seed`] and [`gateway_shape`]. [`apply()`] keeps
//! this program's entries in a file of a client that [`known`] lists. [`entry`] makes the entries. [`json`] edits
//! files that may be the user's own, and [`whole`] writes files of this program alone.

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
pub(crate) use default_file::{DefaultFile, Launcher, other_entries, write_default};
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
