//! A request that lacks only the refresh token, and its headers and body.

use ureq::http;
use zeroize::Zeroizing;

use crate::oauth::encode;
use crate::oauth::endpoint::EndpointUrl;
use crate::oauth::provider::{AnswerRules, BasicEncoding, BodyFormat, ClientAuthMethod};
use crate::oauth::request::TokenRequest;
use crate::secret::Secret;

/// A request that lacks only the refresh token.
pub(crate) struct Prepared<'a> {
    pub(super) request: &'a TokenRequest,
    pub(super) endpoint: EndpointUrl,
    pub(super) method: ClientAuthMethod,
    /// Read before the request is sent: nothing may delay the write of an answer.
    pub(super) rules: AnswerRules<'a>,
    /// The Authorization header, for `client_secret_basic`.
    authorization: Option<Secret>,
    /// The client assertion, for `private_key_jwt`.
    assertion: Option<Secret>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        request: &'a TokenRequest,
        endpoint: EndpointUrl,
        method: ClientAuthMethod,
        assertion: Option<Secret>,
    ) -> Self {
        let authorization = (method == ClientAuthMethod::ClientSecretBasic).then(|| authorization(request));
        Self { request, endpoint, method, rules: request.row.answer_rules(), authorization, assertion }
    }

    /// The token endpoint, for messages.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint.shown
    }

    /// The client's credentials in the form in which they are sent.
    pub(super) fn credentials(&self) -> impl Iterator<Item = &Secret> {
        self.authorization.iter().chain(&self.assertion)
    }

    /// Headers and body. `secrets` are the parameters that no message shows.
    pub(super) fn message(&self, secrets: &[(&str, &Secret)]) -> (http::request::Builder, Zeroizing<String>) {
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
                if request.authentication.client_id_in_form {
                    parameters.push(("client_id", client_id));
                }
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
        let (media_type, body) = match row.body {
            BodyFormat::Form => ("application/x-www-form-urlencoded", encode::form(&parameters)),
            BodyFormat::Json => ("application/json", encode::json(&parameters)),
        };
        (headers.header("content-type", media_type), body)
    }
}

/// The value of the Authorization header (RFC 6749 2.3.1).
fn authorization(request: &TokenRequest) -> Secret {
    let id = request.client_id.as_deref().unwrap_or_default();
    let secret = request.client_secret.as_ref().map_or("", Secret::expose);
    match request.authentication.basic_encoding {
        BasicEncoding::Form => encode::basic(&encode::percent_encode(id), &encode::percent_encode(secret)),
        BasicEncoding::Raw => encode::basic(id, secret),
        BasicEncoding::SecretAsUser => encode::basic(secret, ""),
    }
}
