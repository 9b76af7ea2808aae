//! The requests of a sign-in beside refresh requests: reading documents, registering a client, redeeming a code.
//!
//! All requests go through the same transport, with the same limits. An error of this file is a whole sentence for a
//! person.

use std::sync::Arc;

use ureq::http;
use zeroize::Zeroizing;

use super::interpret::read;
use super::{Prepared, TokenClient};
use crate::clock::Timestamp;
use crate::oauth::endpoint::EndpointUrl;
use crate::oauth::outcome::{GrantType, TokenResponse};
use crate::oauth::provider::ClientAuthMethod;
use crate::oauth::provider_row::ProviderRow;
use crate::oauth::request::{Authentication, SigningKey, TokenEndpoint, TokenRequest};
use crate::oauth::response_body::ResponseBody;
use crate::oauth::token_response::TokenAnswer;
use crate::oauth::transport::{NoReply, Reply};
use crate::oauth::wording;
use crate::secret::Secret;

/// An answer before any interpretation.
pub(crate) struct Page {
    pub status: u16,
    /// The values of `WWW-Authenticate`.
    pub challenges: Vec<String>,
    pub body: Zeroizing<Vec<u8>>,
}

impl Page {
    /// The code of the OAuth error in the body, if there is one.
    pub(crate) fn error_code(&self) -> Option<String> {
        let code = ResponseBody::read(&self.body, "application/json", true)?.text(["error"])?;
        Some(wording::shown_code(&code, &[]))
    }

    /// The status and the error in the body, for a message that shows none of `secrets`.
    pub(crate) fn shown(&self, secrets: &[&Secret]) -> String {
        let document = ResponseBody::read(&self.body, "application/json", true);
        let text = |name: &str| document.as_ref()?.text([name]);
        let code = text("error").map(|code| format!(" {}", wording::shown_code(&code, secrets)));
        let description = text("error_description")
            .map(|text| wording::shown(&text, secrets))
            .filter(|text| !text.is_empty())
            .map(|text| format!(" ({text})"));
        format!("HTTP {}{}{}", self.status, code.unwrap_or_default(), description.unwrap_or_default())
    }

    pub(crate) const fn succeeded(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// The client of a request, and its proof of identity.
#[derive(Clone)]
pub(crate) struct ClientIdentity {
    pub id: String,
    pub secret: Option<Secret>,
    /// The key for `private_key_jwt`, and its `kid`.
    pub key: Option<(Secret, Option<String>)>,
    pub method: ClientAuthMethod,
}

/// A request of a known client.
pub(crate) struct Submission<'a> {
    pub endpoint: &'a EndpointUrl,
    pub client: &'a ClientIdentity,
    pub row: &'a ProviderRow,
    pub parameters: Vec<(&'a str, &'a str)>,
    /// Parameters that no message shows.
    pub secrets: Vec<(&'a str, &'a Secret)>,
}

/// Why a request for tokens brought none.
pub(crate) struct NotGranted {
    /// The OAuth error code, if the answer had one.
    pub code: Option<String>,
    /// Whether the server answered at all.
    pub answered: bool,
    /// One line for a person.
    pub message: String,
}

impl TokenClient {
    /// Whether this address may get requests: https, loopback, or a host of `--allow-http`.
    pub(crate) fn permits(&self, endpoint: &EndpointUrl) -> bool {
        self.transport.permits(endpoint)
    }

    /// Reads a document without any credential.
    pub(crate) fn document(&self, address: &EndpointUrl) -> Result<Page, String> {
        self.allowed(address)?;
        self.page(address, self.transport.get(address), &[])
    }

    /// Posts JSON without any credential. `accept` names the media types of the answer.
    pub(crate) fn post_json(&self, address: &EndpointUrl, body: &str, accept: &str) -> Result<Page, String> {
        self.allowed(address)?;
        let headers =
            http::Request::builder().header("content-type", "application/json").header("accept", accept);
        self.page(address, self.transport.post(address, headers, body, &|| Ok(())), &[])
    }

    /// Deletes the resource at `address` with this bearer token: a registration (RFC 7592).
    pub(crate) fn delete(&self, address: &EndpointUrl, token: &Secret) -> Result<Page, String> {
        self.allowed(address)?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut bearer = http::HeaderValue::from_str(&bearer)
            .map_err(|_| format!("{}: its token is no text for a header", address.shown))?;
        bearer.set_sensitive(true);
        self.page(address, self.transport.delete(address, bearer), &[token])
    }

    /// Sends a request of a known client, in the form of its token requests.
    pub(crate) fn submit(&self, submission: &Submission<'_>) -> Result<Page, String> {
        let request = submission.request();
        let (reply, secrets) = self.exchange(submission, &request).map_err(|failed| failed.message)?;
        self.page(submission.endpoint, reply, &secrets)
    }

    /// Exchanges a code, or the proof of another grant, for tokens.
    pub(crate) fn redeem(&self, submission: &Submission<'_>) -> Result<TokenResponse, NotGranted> {
        let request = submission.request();
        let asked_at = Timestamp::now();
        let (reply, secrets) = self.exchange(submission, &request)?;
        let reply = reply.map_err(|error| NotGranted {
            code: None,
            answered: false,
            message: self.unanswered(submission.endpoint, &error, &secrets),
        })?;
        understand(submission, &reply, asked_at, &secrets)
    }

    fn exchange<'a>(
        &self,
        submission: &Submission<'a>,
        request: &'a TokenRequest,
    ) -> Result<(Result<Reply, NoReply>, Vec<&'a Secret>), NotGranted> {
        let refused = |message: String| NotGranted { code: None, answered: false, message };
        self.allowed(submission.endpoint).map_err(refused)?;
        let prepared: Prepared<'_> =
            self.prepare(request, Timestamp::now()).map_err(|failure| refused(failure.message))?;
        let (headers, body) = prepared.message(&submission.secrets);
        let reply = self.transport.post(submission.endpoint, headers, &body, &|| Ok(()));
        // A signing key is never sent, so no answer can repeat one.
        let own = &request.client_secret;
        Ok((reply, submission.secrets.iter().map(|(_, secret)| *secret).chain(own).collect()))
    }

    fn allowed(&self, address: &EndpointUrl) -> Result<(), String> {
        self.permit(address).map_err(|failure| failure.message)
    }

    fn page(
        &self,
        address: &EndpointUrl,
        reply: Result<Reply, NoReply>,
        secrets: &[&Secret],
    ) -> Result<Page, String> {
        let reply = reply.map_err(|error| self.unanswered(address, &error, secrets))?;
        if let Some(cut) = &reply.cut {
            return Err(self.unanswered(address, cut, secrets));
        }
        let challenges = reply.headers.get_all("www-authenticate").iter();
        let challenges = challenges.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        Ok(Page { status: reply.status, challenges, body: reply.body })
    }

    fn unanswered(&self, address: &EndpointUrl, error: &NoReply, secrets: &[&Secret]) -> String {
        let why = wording::shown(&error.why, secrets);
        if error.left {
            return format!("no complete answer from {}: {why}", address.shown);
        }
        format!("cannot reach {}{}: {why}", address.shown, self.through_proxy(address))
    }
}

impl Submission<'_> {
    fn request(&self) -> TokenRequest {
        let Self { endpoint, client, row, parameters, .. } = self;
        TokenRequest {
            made_by: None,
            file: "the sign-in".to_owned(),
            target: TokenEndpoint::Known((*endpoint).clone()),
            from_table: false,
            grant: GrantType::RefreshToken,
            authentication: Authentication {
                method: Some(client.method),
                fallback: None,
                basic_encoding: row.0.basic_encoding,
                client_id_in_form: row.0.client_id_in_form,
            },
            client_id: Some(client.id.clone()),
            client_secret: client.secret.clone(),
            key: client.key.clone().map(|(pem, id)| SigningKey { pem, id }),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            authorization_endpoint: None,
            row: Arc::clone(&row.0),
        }
    }
}

fn understand(
    submission: &Submission<'_>,
    reply: &Reply,
    asked_at: Timestamp,
    secrets: &[&Secret],
) -> Result<TokenResponse, NotGranted> {
    let (document, read) = read(reply, GrantType::RefreshToken, submission.row.0.answer_rules(), asked_at);
    let (code, description) = match read {
        TokenAnswer::Tokens(granted) => return Ok(*granted),
        TokenAnswer::Error { code, description } => (Some(wording::shown_code(&code, secrets)), description),
        TokenAnswer::Unrecognized(what) | TokenAnswer::Half { lacks: what, .. } => {
            (None, Some(reply.cut.as_ref().map_or(what, |cut| &cut.why).to_owned()))
        }
    };
    let shown_code = code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    let description = description
        .map(|text| wording::shown(&text, secrets))
        .filter(|text| !text.is_empty())
        .map(|text| format!(" ({text})"))
        .unwrap_or_default();
    let message =
        format!("{} answered HTTP {}{shown_code}{description}", submission.endpoint.shown, reply.status);
    Err(NotGranted { code, answered: reply.cut.is_none() && document.is_some(), message })
}
