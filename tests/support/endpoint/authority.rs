//! The part of the endpoint that decides: clients, sign-ins, and the answers of RFC 6749.
//!
//! Stricter than most providers on purpose. Refresh tokens rotate. A replay revokes the whole family of a token (RFC
//! 9700 section 4.14.2), the access token in use included.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::http::{Answer, Request, form_decode, parse_form};
use super::sign_in::SignIns;

/// How a client must prove who it is (RFC 7591 `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_basic` at a server that does not percent-decode id and secret.
    RawBasic,
    /// `client_secret_post`.
    Post,
    /// `none`: a public client.
    Public,
}

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) auth: ClientAuth,
    rotating: bool,
    grace: Duration,
    lifetime: Duration,
    extra: Map<String, Value>,
}

impl Client {
    /// A confidential client that sends its secret in the body, with one-hour tokens that rotate. The secret holds
    /// characters that must be percent-encoded.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: format!("secret of {id}: 100%&+/="),
            auth: ClientAuth::Post,
            rotating: true,
            grace: Duration::ZERO,
            lifetime: Duration::from_hours(1),
            extra: Map::new(),
        }
    }

    /// Another way of authenticating.
    pub(crate) fn auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Answers have no refresh token, and the old one stays good.
    pub(crate) fn not_rotating(mut self) -> Self {
        self.rotating = false;
        self
    }

    /// For so long after its first use a spent refresh token is answered with the family's current one.
    pub(crate) fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long access tokens live.
    pub(crate) fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// One more member in every token answer.
    pub(crate) fn answers_with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// The client's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The client's secret.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// The tokens of a person's sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub client_id: String,
    pub access_token: String,
    pub refresh_token: String,
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Tokens were issued.
    Granted { access_token: String, refresh_token: Option<String> },
    /// A spent refresh token was sent again: its family is revoked.
    Reuse,
    /// An error of RFC 6749 section 5.2, or of HTTP before it.
    Refused { status: u16, error: &'static str },
    /// `/protected` got a token that is good or not at this moment.
    Resource { live: bool },
    /// A script answered; nothing was issued or spent.
    Scripted,
}

pub(super) struct RefreshToken {
    pub(super) family: usize,
    spent: Option<Instant>,
}

pub(super) struct AccessToken {
    pub(super) family: Option<usize>,
    until: Instant,
}

pub(super) struct Family {
    pub(super) client_id: String,
    newest_refresh_token: String,
    pub(super) revoked: bool,
}

/// The state of the endpoint.
#[derive(Default)]
pub(super) struct Authority {
    pub(super) clients: HashMap<String, Client>,
    pub(super) families: Vec<Family>,
    pub(super) refresh_tokens: HashMap<String, RefreshToken>,
    pub(super) access_tokens: HashMap<String, AccessToken>,
    issued: usize,
    reuses: usize,
    /// Where people sign in.
    pub(super) sign_ins: SignIns,
}

pub(super) type Refusal = (u16, &'static str);
const INVALID_REQUEST: Refusal = (400, "invalid_request");
const INVALID_GRANT: Refusal = (400, "invalid_grant");

impl Authority {
    pub(super) fn register(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    /// A new family, as after a sign-in in the browser. Its access token lives for `left`, or for the client's
    /// lifetime.
    pub(super) fn sign_in(&mut self, client_id: &str, left: Option<Duration>, now: Instant) -> Tokens {
        let client = self.clients.get(client_id).expect("the client is registered");
        let until = now + left.unwrap_or(client.lifetime);
        let family = self.families.len();
        self.families.push(Family {
            client_id: client_id.to_owned(),
            newest_refresh_token: String::new(),
            revoked: false,
        });
        let refresh_token = self.issue_refresh_token(family);
        let access_token = self.issue_access_token(client_id, Some(family), until);
        Tokens { client_id: client_id.to_owned(), access_token, refresh_token }
    }

    /// An access token as the `client_credentials` grant gives it.
    pub(super) fn machine_token(&mut self, client_id: &str, now: Instant) -> String {
        let client = self.clients.get(client_id).expect("the client is registered");
        let until = now + client.lifetime;
        self.issue_access_token(client_id, None, until)
    }

    /// Whether a resource server would accept this access token now.
    pub(super) fn is_live(&self, access_token: &str, now: Instant) -> bool {
        self.access_tokens.get(access_token).is_some_and(|token| {
            now < token.until && token.family.is_none_or(|family| !self.families[family].revoked)
        })
    }

    /// Every access token that a resource server would accept now.
    pub(super) fn live_tokens(&self, now: Instant) -> Vec<String> {
        self.access_tokens.keys().filter(|token| self.is_live(token, now)).cloned().collect()
    }

    /// How often a spent refresh token was sent again outside its grace.
    pub(super) fn reuses(&self) -> usize {
        self.reuses
    }

    /// Whether the sign-in that this refresh token (spent or not) came from has been revoked.
    pub(super) fn is_revoked(&self, refresh_token: &str) -> bool {
        self.refresh_tokens.get(refresh_token).is_some_and(|token| self.families[token.family].revoked)
    }

    /// Ends a sign-in as its user or an administrator would.
    pub(super) fn revoke(&mut self, refresh_token: &str) {
        let family = self.refresh_tokens[refresh_token].family;
        self.families[family].revoked = true;
    }

    /// Every text that must never be in a log, an error or an argument list.
    pub(super) fn secrets(&self) -> Vec<String> {
        let tokens = self.refresh_tokens.keys().chain(self.access_tokens.keys()).cloned();
        let clients = self.clients.values().map(|client| client.secret.clone());
        let all = tokens.chain(clients).chain(self.sign_ins.secrets());
        all.filter(|secret| !secret.is_empty()).collect()
    }

    /// Judges a request to `/protected`.
    pub(super) fn resource(&self, request: &Request, now: Instant) -> (Answer, Outcome) {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let live = token.is_some_and(|token| self.is_live(token, now));
        let answer = if live {
            Answer::new(200, "welcome\n")
        } else {
            Answer::new(401, "").header("WWW-Authenticate", "Bearer error=\"invalid_token\"")
        };
        (answer, Outcome::Resource { live })
    }

    /// Judges a request to the token endpoint.
    pub(super) fn token(&mut self, request: &Request, now: Instant) -> (Answer, Outcome) {
        match self.grant(request, now) {
            Ok((answer, outcome)) => (answer, outcome),
            Err((status, error)) => {
                let mut answer = Answer::json(status, &json!({"error": error}));
                if status == 401 {
                    // RFC 6749 section 5.2: the scheme that the client used.
                    answer = answer.header("WWW-Authenticate", "Basic realm=\"token\"");
                }
                (answer, Outcome::Refused { status, error })
            }
        }
    }

    fn grant(&mut self, request: &Request, now: Instant) -> Result<(Answer, Outcome), Refusal> {
        if request.method != "POST" {
            return Err((405, "invalid_request"));
        }
        let media_type = request.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err((415, "invalid_request"));
        }
        let form = parse_form(&request.body).ok_or(INVALID_REQUEST)?;
        // RFC 6749 section 3.2: parameters must not be included more than once.
        let names = form.iter().map(|(name, _)| name).collect::<std::collections::HashSet<_>>();
        if names.len() != form.len() {
            return Err(INVALID_REQUEST);
        }
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let client = self.authenticate(request, field("client_id"), field("client_secret"))?.clone();
        match field("grant_type") {
            Some("refresh_token") => {
                self.refresh(&client, field("refresh_token").ok_or(INVALID_REQUEST)?, now)
            }
            Some("client_credentials") if client.auth != ClientAuth::Public => {
                let access_token = self.issue_access_token(&client.id, None, now + client.lifetime);
                Ok(granted(&client, access_token, None))
            }
            Some("client_credentials") => Err((400, "unauthorized_client")),
            Some("authorization_code") => {
                self.sign_ins.redeem(&client.id, &form)?;
                Ok(self.signed_in(&client, now))
            }
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                self.sign_ins.device_asks(&client.id, &form)?;
                Ok(self.signed_in(&client, now))
            }
            Some(_) => Err((400, "unsupported_grant_type")),
            None => Err(INVALID_REQUEST),
        }
    }

    pub(super) fn authenticate(
        &self,
        request: &Request,
        id_in_body: Option<&str>,
        secret_in_body: Option<&str>,
    ) -> Result<&Client, Refusal> {
        let used = match (request.header("authorization"), secret_in_body) {
            (Some(_), Some(_)) => return Err(INVALID_REQUEST),
            (Some(_), None) => ClientAuth::Basic,
            (None, Some(_)) => ClientAuth::Post,
            (None, None) => ClientAuth::Public,
        };
        let refused = (if used == ClientAuth::Basic { 401 } else { 400 }, "invalid_client");
        let raw = |id: &str| self.clients.get(id).is_some_and(|client| client.auth == ClientAuth::RawBasic);
        let mut used = used;
        let (id, secret) = match request.header("authorization") {
            Some(value) => match raw_credentials(value).filter(|(id, _)| raw(id)) {
                Some(credentials) => {
                    used = ClientAuth::RawBasic;
                    credentials
                }
                None => basic_credentials(value).ok_or(refused)?,
            },
            None => (id_in_body.ok_or(refused)?.to_owned(), secret_in_body.unwrap_or_default().to_owned()),
        };
        let client = self.clients.get(&id).ok_or(refused)?;
        let right = client.auth == used && (used == ClientAuth::Public || client.secret == secret);
        if right { Ok(client) } else { Err(refused) }
    }

    fn refresh(
        &mut self,
        client: &Client,
        refresh_token: &str,
        now: Instant,
    ) -> Result<(Answer, Outcome), Refusal> {
        let known = self.refresh_tokens.get(refresh_token).ok_or(INVALID_GRANT)?;
        let (family, spent) = (known.family, known.spent);
        if self.families[family].client_id != client.id {
            return Err(INVALID_GRANT);
        }
        if spent.is_some_and(|first| now.duration_since(first) >= client.grace) {
            self.reuses += 1;
            self.families[family].revoked = true;
            let answer = Answer::json(400, &json!({"error": "invalid_grant"}));
            return Ok((answer, Outcome::Reuse));
        }
        if self.families[family].revoked {
            return Err(INVALID_GRANT);
        }
        let access_token = self.issue_access_token(&client.id, Some(family), now + client.lifetime);
        let next = match (client.rotating, spent) {
            (false, _) => None,
            (true, Some(_)) => Some(self.families[family].newest_refresh_token.clone()),
            (true, None) => {
                self.refresh_tokens.get_mut(refresh_token).expect("looked up above").spent = Some(now);
                Some(self.issue_refresh_token(family))
            }
        };
        Ok(granted(client, access_token, next))
    }

    fn issue_refresh_token(&mut self, family: usize) -> String {
        self.issued += 1;
        // `+`, `/` and `=` arrive wrong if a client does not encode its form.
        let token = format!("rt-{}/{:04}+k9=", self.families[family].client_id, self.issued);
        self.families[family].newest_refresh_token.clone_from(&token);
        self.refresh_tokens.insert(token.clone(), RefreshToken { family, spent: None });
        token
    }

    fn issue_access_token(&mut self, client_id: &str, family: Option<usize>, until: Instant) -> String {
        self.issued += 1;
        let token = format!("at-{client_id}.{:04}.x7_Q", self.issued);
        self.access_tokens.insert(token.clone(), AccessToken { family, until });
        token
    }
}

pub(super) fn granted(
    client: &Client,
    access_token: String,
    refresh_token: Option<String>,
) -> (Answer, Outcome) {
    let mut body = client.extra.clone();
    body.insert("access_token".into(), access_token.as_str().into());
    body.insert("token_type".into(), "Bearer".into());
    body.insert("expires_in".into(), client.lifetime.as_secs().into());
    if let Some(token) = &refresh_token {
        body.insert("refresh_token".into(), token.as_str().into());
    }
    (Answer::json(200, &Value::Object(body)), Outcome::Granted { access_token, refresh_token })
}

/// Id and secret of a Basic header, each percent-decoded (RFC 6749 section 2.3.1).
pub(super) fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (id, secret) = raw_credentials(header)?;
    Some((form_decode(&id)?, form_decode(&secret)?))
}

/// Id and secret of a Basic header without decoding.
fn raw_credentials(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
