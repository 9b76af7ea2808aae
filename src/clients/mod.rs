//! MCP client configurations: what they hold ([`service`]) and how each file says it.
//!
//! Everything here is a pure function from tokens, servers and a file's present text to the
//! text that should stand there. Reading, locking and replacing files is the caller's.
//!
//! [`seed`] writes the two default files. [`apply()`] keeps our entries in a file of a client that
//! [`table`] knows: [`entry`] says what an entry holds, [`json`] edits a file that may be the
//! user's own, [`whole`] writes one that is ours alone.

mod apply;
mod entry;
mod json;
mod list;
mod quote;
pub(crate) mod seed;
mod service;
mod table;
mod whole;

pub(crate) use apply::{Applied, Edit, Owned, apply};
pub(crate) use entry::{Place, Secrets};
pub(crate) use list::list;
pub(crate) use quote::headers_json;
pub(crate) use service::{Egress, Ingress, Service, Services, services};
pub(crate) use table::{Client, Format, client, names};

#[cfg(test)]
use service::{Header, Value};

#[cfg(test)]
mod tests;
