//! The result of a request: new tokens, or a failure in words for a person.

use std::time::Duration;

use super::prepared::Prepared;
use crate::clock::Timestamp;
use crate::oauth::classify::{self, Situation};
use crate::oauth::outcome::{Class, Concerns, Failure, GrantType, TokenResponse};
use crate::oauth::provider::{AnswerRules, BasicEncoding, ClientAuthMethod};
use crate::oauth::request::TokenEndpoint;
use crate::oauth::response_body::ResponseBody;
use crate::oauth::retry_after::retry_after;
use crate::oauth::token_response::{TokenAnswer, answer, dead_grant};
use crate::oauth::transport::{Cause, NoReply, Reply};
use crate::oauth::wording;
use crate::secret::Secret;

/// Whether the status shows a server in trouble, whatever the request.
pub(super) const fn is_trouble(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

/// The subject of a failure that is not about this machine.
pub(super) const fn endpoint_or_credential(is_wide: bool) -> Concerns {
    if is_wide { Concerns::Endpoint } else { Concerns::Credential }
}

/// Whether the status shows that a gateway passed the request on and lost its answer.
const fn is_lost_by_gateway(status: u16) -> bool {
    matches!(status, 502 | 504 | 520 | 524)
}

/// The document of an answer, and its meaning by the provider's rules.
pub(super) fn read<'a>(
    reply: &'a Reply,
    grant: GrantType,
    rules: AnswerRules<'_>,
    asked_at: Timestamp,
) -> (Option<ResponseBody<'a>>, TokenAnswer) {
    let content_type = reply.header("content-type").unwrap_or_default();
    let document = match reply.cut {
        None => ResponseBody::read(&reply.body, content_type, reply.end_is_marked()),
        Some(_) => None,
    };
    let succeeded = (200..=299).contains(&reply.status);
    let read = document.as_ref().map_or(TokenAnswer::Unrecognized("not an OAuth answer"), |document| {
        answer(document, succeeded, grant, rules.paths, rules.errors, asked_at)
    });
    (document, read)
}

impl Prepared<'_> {
    /// No answer: the class depends on whether the request left. `through` names the proxy on the way to the endpoint.
    pub(super) fn unanswered(&self, error: &NoReply, through: &str, secrets: &[&Secret]) -> Failure {
        let (request, shown) = (self.request, &self.endpoint.shown);
        let why = wording::shown(&error.why, secrets);
        if !error.left {
            let message = format!("cannot reach {shown}{through}: {why}; nothing was sent");
            return error.unreachable(message);
        }
        let class = classify::no_answer(request.grant, request.may_rotate());
        let spent = if class == Class::InDoubt { "; the refresh token may be spent" } else { "" };
        Failure {
            class,
            concerns: endpoint_or_credential(error.cause == Cause::Timeout),
            lost: true,
            ..Failure::configuration(format!("no complete answer from {shown}: {why}{spent}"))
        }
    }

    pub(super) fn understand(
        &self,
        reply: &Reply,
        asked_at: Timestamp,
        secrets: &[&Secret],
    ) -> Result<TokenResponse, Failure> {
        let (document, read) = read(reply, self.request.grant, self.rules, asked_at);
        let named = matches!(read, TokenAnswer::Error { .. });
        let (code, description) = match read {
            TokenAnswer::Tokens(granted) => return Ok(*granted),
            TokenAnswer::Half { refresh_token, lacks } => {
                return Err(Failure {
                    retry_after: wanted_wait(reply),
                    ..self.half(reply.status, lacks, refresh_token)
                });
            }
            TokenAnswer::Error { code, description } => (Some(code), description),
            TokenAnswer::Unrecognized(what) => {
                (dead_grant_of(reply), Some(reply.cut.as_ref().map_or(what, |cut| &cut.why).to_owned()))
            }
        };
        let text = |path: &str| document.as_ref()?.text([path]);
        let situation = Situation {
            status: reply.status,
            complete: reply.cut.is_none(),
            code: code.as_deref(),
            text: &text,
        };
        let class =
            classify::class(&situation, self.rules.errors, self.request.grant, self.request.may_rotate());
        // A text of this program and a code that it knows need no such search for secrets.
        let told = if named { told_tokens(document.as_ref()) } else { Vec::new() };
        let secrets: Vec<&Secret> = secrets.iter().copied().chain(&told).collect();
        let code = code.map(|code| wording::shown_code(&code, &secrets));
        let description =
            description.map(|text| wording::shown(&text, &secrets)).filter(|text| !text.is_empty());
        Err(Failure {
            class,
            message: self.refusal(reply.status, code.as_deref(), description.as_deref(), class),
            retry_after: wanted_wait(reply),
            concerns: endpoint_or_credential(
                is_trouble(reply.status) || reply.cut.as_ref().is_some_and(|cut| cut.cause == Cause::Timeout),
            ),
            unexplained: class == Class::Passing && code.is_none() && matches!(reply.status, 400 | 401 | 403),
            code,
            replacement: None,
            lost: reply.cut.as_ref().is_some_and(|cut| cut.cause != Cause::Undecodable)
                || is_lost_by_gateway(reply.status),
        })
    }

    /// A success with a new refresh token and without an access token. Some providers (Azure AD B2C) answer so where
    /// the scope names no resource for an access token.
    fn half(&self, status: u16, lacks: &str, refresh_token: Secret) -> Failure {
        let (shown, file) = (&self.endpoint.shown, &self.request.file);
        let message = format!(
            "{shown} answered HTTP {status} ({lacks}) with a new refresh token, which is stored: check scope in {file}"
        );
        Failure { replacement: Some(refresh_token), ..Failure::configuration(message) }
    }

    fn refusal(&self, status: u16, code: Option<&str>, description: Option<&str>, class: Class) -> String {
        let (request, shown) = (self.request, &self.endpoint.shown);
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let advice = match class {
            Class::SignInAgain => format!(": {}", request.remedy()),
            Class::Configuration => {
                format!(": {}", self.advice(status, code.trim(), description.unwrap_or_default()))
            }
            Class::Passing if matches!(status, 404 | 405) => {
                let member = match request.target {
                    TokenEndpoint::Known(_) => "token_endpoint",
                    TokenEndpoint::FromIssuer(_) => "issuer",
                };
                format!("; check {member} in {}", request.file)
            }
            Class::Passing => String::new(),
            Class::InDoubt => "; the refresh token may be spent".to_owned(),
        };
        let description = description.map(|text| format!(" ({text})")).unwrap_or_default();
        format!("{shown} answered HTTP {status}{code}{description}{advice}")
    }

    /// The setting to check, for the codes of RFC 6749 5.2 and RFC 8707.
    fn advice(&self, status: u16, code: &str, description: &str) -> String {
        let file = &self.request.file;
        if let Some(advice) = self.client_id_advice(description) {
            return advice;
        }
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
                let used = self.used_authentication();
                format!("check client_id, client_secret and token_endpoint_auth_method for {file}{used}")
            }
            _ => format!("check the client and the endpoint that are set for {file}"),
        }
    }

    /// The advice about a client id in the wrong place. Servers disagree on whether the client id belongs in the form
    /// beside Basic.
    fn client_id_advice(&self, description: &str) -> Option<String> {
        let file = &self.request.file;
        let in_form = self.request.authentication.client_id_in_form;
        let says = |word: &str| description.to_ascii_lowercase().contains(word);
        let basic = self.method == ClientAuthMethod::ClientSecretBasic;
        let missing = says("client_id") && (says("missing") || says("required") || says("must be"));
        let twice = (says("multiple") || says("more than one")) && says("client");
        match (basic, in_form) {
            (true, false) if missing => Some(format!(
                "the server wants the client id in the form too, set client_id_in_form to true in {file}"
            )),
            (true, true) if twice => {
                Some(format!("the server wants the client id once, remove client_id_in_form from {file}"))
            }
            _ => None,
        }
    }

    /// How the client's secret was sent, and the other ways. The program tries none of them by itself.
    fn used_authentication(&self) -> &'static str {
        match (self.method, self.request.authentication.basic_encoding) {
            (ClientAuthMethod::ClientSecretBasic, BasicEncoding::Form) => {
                " (the secret was sent by client_secret_basic, encoded as form: basic_encoding raw and \
                 token_endpoint_auth_method client_secret_post are the other ways)"
            }
            (ClientAuthMethod::ClientSecretBasic, BasicEncoding::Raw) => {
                " (the secret was sent by client_secret_basic, encoded as raw: basic_encoding form and \
                 token_endpoint_auth_method client_secret_post are the other ways)"
            }
            (ClientAuthMethod::ClientSecretPost, _) => {
                " (the secret was sent by client_secret_post: token_endpoint_auth_method client_secret_basic, \
                 with basic_encoding form or raw, is the other way)"
            }
            (ClientAuthMethod::None, _) => " (no secret was sent)",
            (ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::ClientSecretBasic, _) => "",
        }
    }
}

/// How long the endpoint wants no request.
fn wanted_wait(reply: &Reply) -> Option<Duration> {
    retry_after(reply.header("retry-after")?, reply.header("date"), Timestamp::now())
}

/// The code of a dead grant in a refusal of another form than RFC 6749 5.2: bare text, a list of errors, an error that
/// is an object.
fn dead_grant_of(reply: &Reply) -> Option<String> {
    /// A larger answer is a page, which may hold any word.
    const LARGEST: usize = 4096;
    let refused = matches!(reply.status, 400..=403) && reply.cut.is_none() && reply.body.len() <= LARGEST;
    dead_grant(std::str::from_utf8(&reply.body).ok().filter(|_| refused)?)
}

/// The tokens in an answer that is a refusal: they are secrets too.
fn told_tokens(document: Option<&ResponseBody<'_>>) -> Vec<Secret> {
    let names = ["access_token", "refresh_token", "id_token"];
    let token = |name: &str| document?.text([name]).map(Secret::new);
    names.into_iter().filter_map(token).collect()
}
