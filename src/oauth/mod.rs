//! The token endpoint: its address, the client, one request, and the meaning of its answer.
//!
//! [`resolve()`] turns the statements of a token file into a [`TokenRequest`]. [`TokenClient`] sends the request
//! exactly once. A [`Failure`] has one of four classes, which decides the next step, and [`backoff`] decides the time.
//! Providers differ in data only (`providers.json`). Nothing here opens a file or keeps state between cycles, except an
//! issuer's metadata.

mod assertion;
pub(crate) mod backoff;
mod built_in;
mod challenge;
mod classify;
mod client;
mod config;
mod decompress;
mod discovery;
mod encode;
mod endpoint;
mod login;
mod outcome;
mod provider;
mod provider_row;
#[cfg(test)]
mod provider_table;
mod providers;
mod proxy;
mod read_row;
mod request;
mod resolve;
mod response_body;
mod response_head;
mod retry_after;
mod row;
mod row_object;
mod row_part;
mod row_text;
mod template;
mod token_response;
mod transport;
mod wording;

pub(crate) use challenge::{Challenge, bearer as bearer_challenge};
pub(crate) use client::{ClientIdentity, NotGranted, Submission, TokenClient};
pub(crate) use config::{ClientFile, CredentialConfig};
pub(crate) use discovery::addresses as metadata_addresses;
pub(crate) use encode::{form_decode, percent_encode};
pub(crate) use endpoint::EndpointUrl;
pub(crate) use login::Redirect;
pub(crate) use outcome::{Class, Concerns, Failure, GrantType, TokenResponse};
pub(crate) use provider::ClientAuthMethod;
pub(crate) use provider_row::ProviderRow;
pub(crate) use providers::Providers;
pub(crate) use request::TokenRequest;
pub(crate) use resolve::{Resolution, ServerEndpoints, Surroundings, resolve, resolve_with_trail};
pub(crate) use transport::{Addresses, Connecting, HttpSettings, connecting, connection_words, http_words};
pub(crate) use wording::shown as shown_text;
