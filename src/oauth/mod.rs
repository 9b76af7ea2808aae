//! The token endpoint: which one, as which client, one request, and what its answer means.
//!
//! [`resolve()`] turns what a token file says into a [`Request`], [`TokenClient`] sends it exactly
//! once, and a [`Failure`] says in four classes what to do next; [`backoff`] says when. Providers
//! differ in data only (`providers.json`). Nothing here opens a file or keeps state between cycles,
//! except an issuer's metadata.

mod answer;
mod assertion;
pub mod backoff;
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

pub use client::TokenClient;
pub use hints::{ClientFile, Hints};
pub use outcome::{Class, Failure, GrantType, Granted};
pub use providers::Providers;
pub use request::Request;
pub use resolve::{Resolution, resolve};
pub use transport::HttpSettings;
