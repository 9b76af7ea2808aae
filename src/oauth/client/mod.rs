//! The client of token endpoints: prepares a request, asks once, and says what came of it.

mod sign_in;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http;
use zeroize::Zeroizing;

use super::assertion::assertion;
use super::classify::{self, Situation};
use super::discovery::{self, Metadata};
use super::encode;
use super::endpoint::EndpointUrl;
use super::outcome::{Class, Failure, TokenResponse};
use super::provider::{BasicEncoding, BodyFormat, ClientAuthMethod};
use super::request::{TokenEndpoint, TokenRequest};
use super::response_body::ResponseBody;
use super::retry_after::retry_after;
use super::token_response::{TokenAnswer, answer};
use super::transport::{HttpSettings, NoReply, Reply, Transport};
use super::wording;
use crate::clock::Timestamp;
use crate::secret::Secret;

pub(crate) use sign_in::{ClientIdentity, NotGranted, Submission};

/// How long an issuer's metadata is believed.
const METADATA_LIFETIME: Duration = Duration::from_hours(24);

/// Asks token endpoints. Shared by the worker threads of a cycle.
pub(crate) struct TokenClient {
    transport: Transport,
    /// By issuer, with the time of reading.
    metadata: Mutex<BTreeMap<String, (Timestamp, Metadata)>>,
}

/// A request that only lacks the refresh token.
pub(crate) struct Prepared<'a> {
    request: &'a TokenRequest,
    endpoint: EndpointUrl,
    method: ClientAuthMethod,
    /// The Authorization header, for `client_secret_basic`.
    authorization: Option<Secret>,
    /// The client assertion, for `private_key_jwt`.
    assertion: Option<Secret>,
}

impl TokenClient {
    pub(crate) fn new(settings: &HttpSettings) -> Result<Self, String> {
        Ok(Self { transport: Transport::new(settings)?, metadata: Mutex::new(BTreeMap::new()) })
    }

    /// Closes idle connections: they are reused within a cycle, not between cycles.
    pub(crate) fn end_cycle(&self) {
        self.transport.close_idle();
    }

    /// Finds the endpoint where only its issuer is known, and signs an assertion where one is needed.
    /// Nothing is spent by this.
    /// Plain http, an unusable key and unusable metadata are [`Class::Configuration`]; all else is
    /// [`Class::Passing`].
    pub(crate) fn prepare<'a>(
        &self,
        request: &'a TokenRequest,
        now: Timestamp,
    ) -> Result<Prepared<'a>, Failure> {
        let (endpoint, method) = match &request.target {
            TokenEndpoint::Known(endpoint) => (endpoint.clone(), request.method),
            TokenEndpoint::FromIssuer(issuer) => {
                let metadata = self.metadata(request, issuer, now)?;
                let method = match request.method {
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
        let authorization = (method == ClientAuthMethod::ClientSecretBasic).then(|| authorization(request));
        Ok(Prepared { request, endpoint, method, authorization, assertion })
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
            let address = EndpointUrl::parse(&address).map_err(Failure::configuration)?;
            let reply = self.transport.get(&address).map_err(|error| {
                let why = wording::shown(&error.why, &secrets(request, None));
                Failure::unreachable(format!(
                    "cannot read the metadata of {}: {why}; nothing was sent",
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
            match discovery::read(&issuer.url, &document) {
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
        // It may come back, so this passes; a wrong issuer is seen in the message all the same, and says
        // nothing of others on that host.
        let endpoint_wide = statuses.iter().any(|status| is_trouble(*status));
        let statuses = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let message = format!(
            "issuer {shown} has no metadata (HTTP {statuses}): check issuer in {}, or set token_endpoint",
            request.file
        );
        Err(Failure { endpoint_wide, ..Failure::unreachable(message) })
    }

    /// Sends exactly one request and reads its answer. `before` is called when the endpoint is connected
    /// to and the tokens are about to leave; its error keeps them back.
    /// [`Class::InDoubt`] comes only of a request that left.
    pub(crate) fn ask(
        &self,
        prepared: &Prepared<'_>,
        refresh_token: Option<&Secret>,
        before: &dyn Fn() -> io::Result<()>,
    ) -> Result<TokenResponse, Failure> {
        let request = prepared.request;
        let mut secrets = secrets(request, refresh_token);
        secrets.extend(prepared.authorization.iter().chain(&prepared.assertion));
        let own = refresh_token.map(|token| ("refresh_token", token));
        let (headers, body) = prepared.message(own.as_slice());
        let asked_at = Timestamp::now();
        match self.transport.post(&prepared.endpoint, headers, &body, before) {
            Ok(reply) => prepared.understand(&reply, asked_at, &secrets),
            Err(error) => Err(prepared.unanswered(&error, &secrets)),
        }
    }
}

/// Whether the status says that the server is in trouble, whoever asks.
const fn is_trouble(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

/// Whether the status says that a gateway passed the request on and lost its answer.
const fn is_lost_by_gateway(status: u16) -> bool {
    matches!(status, 502 | 504 | 520 | 524)
}

/// The authentication that the issuer and the client both know.
fn discovered_method(
    request: &TokenRequest,
    metadata: &Metadata,
    issuer: &EndpointUrl,
) -> Result<ClientAuthMethod, Failure> {
    discovery::method(metadata, request.client_secret.is_some(), request.key.is_some()).map_err(|error| {
        // The error lists what the metadata lists, whatever that is.
        let error = wording::shown(&error, &secrets(request, None));
        let (issuer, file) = (&issuer.shown, &request.file);
        Failure::configuration(format!("issuer {issuer}: {error}: set token_endpoint_auth_method in {file}"))
    })
}

/// What must not be in a message about this request.
fn secrets<'a>(request: &'a TokenRequest, refresh_token: Option<&'a Secret>) -> Vec<&'a Secret> {
    refresh_token
        .into_iter()
        .chain(&request.client_secret)
        .chain(request.key.as_ref().map(|key| &key.pem))
        .collect()
}

/// The value of the Authorization header (RFC 6749 2.3.1).
fn authorization(request: &TokenRequest) -> Secret {
    let id = request.client_id.as_deref().unwrap_or_default();
    let secret = request.client_secret.as_ref().map_or("", Secret::expose);
    match request.row.basic_encoding {
        BasicEncoding::Form => encode::basic(&encode::percent_encode(id), &encode::percent_encode(secret)),
        BasicEncoding::Raw => encode::basic(id, secret),
        BasicEncoding::SecretAsUser => encode::basic(secret, ""),
    }
}

impl Prepared<'_> {
    /// The token endpoint, for messages.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint.shown
    }

    /// Headers and body.
    fn message(&self, secrets: &[(&str, &Secret)]) -> (http::request::Builder, Zeroizing<String>) {
        let Self { request, method, .. } = self;
        let row = &request.row;
        let client_id = request.client_id.as_deref().unwrap_or_default();
        let secret = request.client_secret.as_ref().map_or("", Secret::expose);
        let mut parameters: Vec<(&str, &str)> =
            request.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        parameters.extend(secrets.iter().map(|(name, secret)| (*name, secret.expose())));
        let mut headers = http::Request::builder();
        match method {
            ClientAuthMethod::ClientSecretBasic => {
                let value = self.authorization.as_ref().map_or("", Secret::expose);
                headers = headers.header("authorization", value);
            }
            ClientAuthMethod::ClientSecretPost => {
                parameters.extend([("client_id", client_id), ("client_secret", secret)]);
            }
            ClientAuthMethod::None => parameters.push(("client_id", client_id)),
            ClientAuthMethod::PrivateKeyJwt => parameters.extend([
                ("client_id", client_id),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", self.assertion.as_ref().map_or("", Secret::expose)),
            ]),
        }
        for (name, value) in &row.headers {
            headers = headers.header(name, value);
        }
        match row.body {
            BodyFormat::Form => (
                headers.header("content-type", "application/x-www-form-urlencoded"),
                encode::form(&parameters),
            ),
            BodyFormat::Json => {
                (headers.header("content-type", "application/json"), encode::json(&parameters))
            }
        }
    }

    /// No answer: whether the request left decides.
    fn unanswered(&self, error: &NoReply, secrets: &[&Secret]) -> Failure {
        let (request, shown) = (self.request, &self.endpoint.shown);
        let why = wording::shown(&error.why, secrets);
        if !error.left {
            return Failure::unreachable(format!("cannot reach {shown}: {why}; nothing was sent"));
        }
        let class = classify::no_answer(request.grant, request.may_rotate());
        let spent = if class == Class::InDoubt { "; the refresh token may be spent" } else { "" };
        Failure {
            class,
            message: format!("no complete answer from {shown}: {why}{spent}"),
            retry_after: None,
            endpoint_wide: error.timed_out,
            code: None,
            lost: true,
        }
    }

    fn understand(
        &self,
        reply: &Reply,
        asked_at: Timestamp,
        secrets: &[&Secret],
    ) -> Result<TokenResponse, Failure> {
        let row = &self.request.row;
        let content_type = reply.header("content-type").unwrap_or_default();
        let document = match reply.cut {
            None => ResponseBody::read(&reply.body, content_type, reply.end_is_marked()),
            Some(_) => None,
        };
        let succeeded = (200..=299).contains(&reply.status);
        let read = document.as_ref().map_or(TokenAnswer::Unrecognized("not an OAuth answer"), |document| {
            answer(document, succeeded, self.request.grant, &row.answer, &row.errors, asked_at)
        });
        let (code, description) = match read {
            TokenAnswer::Tokens(granted) => return Ok(*granted),
            TokenAnswer::Error { code, description } => (Some(code), description),
            TokenAnswer::Unrecognized(what) => {
                (None, Some(reply.cut.as_ref().map_or(what, |cut| &cut.why).to_owned()))
            }
        };
        let text = |path: &str| document.as_ref()?.text([path]);
        let situation = Situation {
            status: reply.status,
            complete: reply.cut.is_none(),
            code: code.as_deref(),
            text: &text,
        };
        let class = classify::class(&situation, &row.errors, self.request.grant, self.request.may_rotate());
        let code = code.map(|code| wording::shown_code(&code, secrets));
        let description =
            description.map(|text| wording::shown(&text, secrets)).filter(|text| !text.is_empty());
        Err(Failure {
            class,
            message: self.refusal(reply.status, code.as_deref(), description.as_deref(), class),
            retry_after: reply
                .header("retry-after")
                .and_then(|header| retry_after(header, reply.header("date"), Timestamp::now())),
            endpoint_wide: is_trouble(reply.status) || reply.cut.as_ref().is_some_and(|cut| cut.timed_out),
            code,
            lost: reply.cut.is_some() || is_lost_by_gateway(reply.status),
        })
    }

    fn refusal(&self, status: u16, code: Option<&str>, description: Option<&str>, class: Class) -> String {
        let (request, shown) = (self.request, &self.endpoint.shown);
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let description = description.map(|text| format!(" ({text})")).unwrap_or_default();
        let advice = match class {
            Class::SignInAgain => format!(": {}", request.remedy()),
            Class::Configuration => format!(": {}", advice(status, code.trim(), &request.file)),
            Class::Passing => String::new(),
            Class::InDoubt => "; the refresh token may be spent".to_owned(),
        };
        format!("{shown} answered HTTP {status}{code}{description}{advice}")
    }
}

/// What to look at, for the codes of RFC 6749 5.2 and RFC 8707.
fn advice(status: u16, code: &str, file: &str) -> String {
    match code {
        "" if (300..=399).contains(&status) => {
            format!("a redirect is never followed, set the right token_endpoint in {file}")
        }
        "invalid_scope" => format!("check scope in {file}"),
        "invalid_target" => format!("check resource and audience in {file}"),
        "unsupported_grant_type" => {
            format!("check grant_type in {file} and what the client is allowed to use")
        }
        "invalid_client" | "unauthorized_client" | "access_denied" => {
            format!("check client_id, client_secret and token_endpoint_auth_method for {file}")
        }
        _ => format!("check the client and the endpoint that are set for {file}"),
    }
}

#[cfg(test)]
mod tests;
