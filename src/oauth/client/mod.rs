//! The client of token endpoints: prepares a request, sends it once, and interprets the answer.

mod interpret;
mod prepared;
mod sign_in;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::interpret::{endpoint_or_credential, is_trouble};
use self::prepared::Prepared;
use super::assertion::assertion;
use super::discovery::{self, Metadata};
use super::endpoint::EndpointUrl;
use super::outcome::{Failure, TokenResponse};
use super::provider::ClientAuthMethod;
use super::request::{TokenEndpoint, TokenRequest};
use super::response_body::ResponseBody;
use super::transport::{AnswerConnection, HttpSettings, HttpTransport};
use super::wording;
use crate::clock::Timestamp;
use crate::ordered;
use crate::secret::Secret;

pub(crate) use sign_in::{ClientIdentity, NotGranted, Submission};

/// How long an issuer's metadata is used.
const METADATA_LIFETIME: Duration = Duration::from_hours(24);

/// Sends requests to token endpoints. Shared by the worker threads of a cycle.
pub(crate) struct TokenClient {
    transport: HttpTransport,
    /// The metadata by issuer, with the time of reading.
    metadata: Mutex<BTreeMap<String, (Timestamp, Metadata)>>,
}

impl TokenClient {
    pub(crate) fn new(settings: &HttpSettings) -> Result<Self, String> {
        Ok(Self { transport: HttpTransport::new(settings)?, metadata: Mutex::new(BTreeMap::new()) })
    }

    /// Closes idle connections, which are reused within a cycle and not between cycles.
    pub(crate) fn end_cycle(&self) {
        self.transport.close_idle();
    }

    /// Finds the endpoint if only its issuer is known, and signs an assertion if one is needed. No token is spent here.
    /// Plain http, an unusable key and unusable metadata are a configuration failure; other failures may pass.
    pub(crate) fn prepare<'a>(
        &self,
        request: &'a TokenRequest,
        now: Timestamp,
    ) -> Result<Prepared<'a>, Failure> {
        let (endpoint, method) = match &request.target {
            TokenEndpoint::Known(endpoint) => (endpoint.clone(), request.authentication.method),
            TokenEndpoint::FromIssuer(issuer) => {
                let metadata = self.metadata(request, issuer, now)?;
                let method = match request.authentication.method {
                    Some(method) => method,
                    None => discovered_method(request, &metadata, issuer)?,
                };
                (metadata.token_endpoint, Some(method))
            }
        };
        self.permit(&endpoint)?;
        let method = method.unwrap_or(ClientAuthMethod::None);
        let assertion = match (&request.key, method) {
            (Some(key), ClientAuthMethod::PrivateKeyJwt) => {
                let client_id = request.client_id.as_deref().unwrap_or_default();
                let signed = assertion(key, client_id, &endpoint.url, now)
                    .map_err(|error| Failure::configuration(format!("{error} (for {})", request.file)))?;
                Some(signed)
            }
            _ => None,
        };
        Ok(Prepared::new(request, endpoint, method, assertion))
    }

    /// The end of "cannot reach ENDPOINT" with the proxy on the way, which may be at fault.
    fn through_proxy(&self, endpoint: &EndpointUrl) -> String {
        let proxy = self.transport.proxy_of(endpoint);
        proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
    }

    fn permit(&self, endpoint: &EndpointUrl) -> Result<(), Failure> {
        if self.transport.permits(endpoint) {
            return Ok(());
        }
        let EndpointUrl { shown, host, .. } = endpoint;
        Err(Failure::configuration(format!(
            "{shown} is plain http: use https, or accept it with --allow-http {host}"
        )))
    }

    fn metadata(
        &self,
        request: &TokenRequest,
        issuer: &EndpointUrl,
        now: Timestamp,
    ) -> Result<Metadata, Failure> {
        self.permit(issuer)?;
        let known = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).get(&issuer.url).cloned();
        if let Some((_, metadata)) = known.filter(|(read, _)| now.since(*read) < METADATA_LIFETIME) {
            return Ok(metadata);
        }
        let mut statuses = Vec::new();
        let mut unusable = None;
        for address in discovery::addresses(&issuer.url) {
            let address =
                EndpointUrl::parse(&address).map_err(|error| Failure::configuration(error.to_string()))?;
            let reply = self.transport.get(&address).map_err(|error| {
                let why = wording::shown(&error.why, &secrets(request, None));
                let through = self.through_proxy(&address);
                error.unreachable(format!(
                    "cannot read the metadata of {}{through}: {why}; nothing was sent",
                    issuer.shown
                ))
            })?;
            let document = (reply.status == 200 && reply.cut.is_none())
                .then(|| ResponseBody::read(&reply.body, "application/json", reply.end_is_marked()))
                .flatten();
            let Some(document) = document else {
                statuses.push(reply.status);
                continue;
            };
            match discovery::read(issuer, &document) {
                // A server may answer at every address with its main issuer's metadata.
                Err(error) => unusable = unusable.or(Some(error)),
                Ok(metadata) => {
                    let mut cache = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
                    cache.insert(issuer.url.clone(), (now, metadata.clone()));
                    return Ok(metadata);
                }
            }
        }
        let EndpointUrl { shown, .. } = issuer;
        if let Some(error) = unusable {
            return Err(Failure::configuration(format!(
                "issuer {shown}: {error}: check issuer in {}",
                request.file
            )));
        }
        // The failure passes, since the metadata may come back. The message shows a wrong issuer all the same, and
        // tells nothing of other issuers on that host.
        let concerns = endpoint_or_credential(statuses.iter().any(|status| is_trouble(*status)));
        let statuses = ordered::set(statuses).iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let message = format!(
            "issuer {shown} has no metadata (HTTP {statuses}): check issuer in {}, or set token_endpoint",
            request.file
        );
        Err(Failure { concerns, ..Failure::unreachable(message) })
    }

    /// Sends exactly one request and reads its answer. `before` is called on the open connection, just before the
    /// tokens leave; its error keeps the tokens back. Only a request that left can leave the outcome in doubt.
    /// `present` is the access token that is to be replaced: an endpoint that knows the token may repeat it. The caller
    /// drops the connection once the answer is stored.
    pub(crate) fn ask(
        &self,
        prepared: &Prepared<'_>,
        refresh_token: Option<&Secret>,
        present: Option<&Secret>,
        before: &dyn Fn() -> io::Result<()>,
    ) -> Result<(TokenResponse, AnswerConnection), Failure> {
        let request = prepared.request;
        let mut secrets = secrets(request, refresh_token);
        secrets.extend(prepared.credentials().chain(present));
        let own = refresh_token.map(|token| ("refresh_token", token));
        let (headers, body) = prepared.message(own.as_slice());
        let asked_at = Timestamp::now();
        match self.transport.post(&prepared.endpoint, headers, &body, before) {
            Ok(reply) => Ok((prepared.understand(&reply, asked_at, &secrets)?, reply.into_connection())),
            Err(error) => Err(prepared.unanswered(&error, &self.through_proxy(&prepared.endpoint), &secrets)),
        }
    }
}

/// The authentication method that both the issuer and the client support.
fn discovered_method(
    request: &TokenRequest,
    metadata: &Metadata,
    issuer: &EndpointUrl,
) -> Result<ClientAuthMethod, Failure> {
    let (has_secret, has_key) = (request.client_secret.is_some(), request.key.is_some());
    discovery::method(metadata, request.authentication.fallback, has_secret, has_key).ok_or_else(|| {
        // The metadata may list anything.
        let listed = wording::shown(&metadata.methods.join(", "), &secrets(request, None));
        let (issuer, file) = (&issuer.shown, &request.file);
        Failure::configuration(format!(
            "issuer {issuer}: it supports only {listed}: set token_endpoint_auth_method in {file}"
        ))
    })
}

/// The secrets that must not be in a message about this request.
fn secrets<'a>(request: &'a TokenRequest, refresh_token: Option<&'a Secret>) -> Vec<&'a Secret> {
    // A signing key is never sent, so no answer can repeat one.
    refresh_token.into_iter().chain(&request.client_secret).collect()
}

#[cfg(test)]
mod tests;
