//! The token endpoint: which one, as which client, one request, and what its answer means.
//!
//! [`resolve()`] turns what a token file says into a [`Request`], [`TokenClient`] sends it exactly
//! once, and a [`Failure`] says in four classes what to do next; [`backoff`] says when. Providers
//! differ in data only (`providers.json`). Nothing here opens a file or keeps state between cycles,
//! except an issuer's metadata.

mod answer;
mod assertion;
pub(crate) mod backoff;
mod classify;
mod client;
mod discovery;
mod document;
mod encode;
mod endpoint;
mod hints;
mod outcome;
mod providers;
mod proxy;
mod request;
mod resolve;
mod retry_after;
mod row;
#[cfg(test)]
mod table;
mod transport;
mod wording;

pub(crate) use client::TokenClient;
pub(crate) use hints::{ClientFile, Hints};
pub(crate) use outcome::{Class, Failure, GrantType, Granted};
pub(crate) use providers::Providers;
pub(crate) use request::Request;
pub(crate) use resolve::{Resolution, resolve};
pub(crate) use transport::HttpSettings;
