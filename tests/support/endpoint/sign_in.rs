//! The part of the endpoint where people sign in: metadata, registration, codes, devices, revocation.
//!
//! The issuer is `http://127.0.0.1:PORT/as`, the MCP server `/mcp` on the same port. The person agrees at once, unless
//! the test wants otherwise. Codes are good once, for one client, one redirect address and one verifier.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::http::{Answer, Request, form_decode, parse_form};

/// The path of the issuer.
const ISSUER_PATH: &str = "/as";

/// The person's decision at the authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Decision {
    /// Yes.
    #[default]
    Grant,
    /// No: a redirect with this error.
    Refuse(String),
    /// A redirect with another `state`.
    OtherState,
    /// A redirect with another `iss`, or with none.
    OtherIssuer(Option<String>),
}

/// The answer of the token endpoint to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceAnswer {
    Pending,
    SlowDown,
    Denied,
    Expired,
    Granted,
}

/// An issued code.
struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: Option<String>,
    resource: Option<String>,
    used: bool,
}

/// The settings for sign-ins, and the record of them.
pub(crate) struct SignIns {
    origin: String,
    /// Members of the authorization server's metadata that differ from the usual ones; null removes one.
    pub metadata: Map<String, Value>,
    /// Members of the MCP server's metadata that differ from the usual ones; null removes one.
    pub resource_metadata: Map<String, Value>,
    /// Whether the metadata of the MCP server are named in the challenge, at the path, at the root.
    pub resource_metadata_at: [bool; 3],
    /// The scopes of the challenge.
    pub challenge_scope: Option<String>,
    /// Whether a redirect must have been registered port and all.
    pub redirect_is_exact: bool,
    /// Whether the answer to a code has a refresh token.
    pub gives_refresh_token: bool,
    /// The answer to a registration that is refused: status and body.
    pub refuses_registration: Option<(u16, Value)>,
    /// Members beside the usual ones in the answer to a registration.
    pub registration_adds: Map<String, Value>,
    /// How long tokens of registered clients live, and how long a replaced refresh token is accepted again.
    pub registered: (Duration, Duration),
    /// The person's decision for the next sign-ins.
    pub decision: Decision,
    /// The answers to a device, one by one, and then tokens.
    pub device_answers: Vec<DeviceAnswer>,
    /// Members of the answer to a device request that differ from the usual ones.
    pub device: Map<String, Value>,
    /// Clients with their redirect addresses.
    redirects: HashMap<String, Vec<String>>,
    codes: HashMap<String, Code>,
    device_codes: HashMap<String, String>,
    issued: usize,
    secrets: Vec<String>,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            origin: String::new(),
            metadata: Map::new(),
            resource_metadata: Map::new(),
            resource_metadata_at: [true; 3],
            challenge_scope: None,
            redirect_is_exact: true,
            gives_refresh_token: true,
            refuses_registration: None,
            registration_adds: Map::new(),
            registered: (Duration::from_hours(1), Duration::ZERO),
            decision: Decision::Grant,
            device_answers: Vec::new(),
            device: Map::new(),
            redirects: HashMap::new(),
            codes: HashMap::new(),
            device_codes: HashMap::new(),
            issued: 0,
            secrets: Vec::new(),
        }
    }
}

type Refusal = (u16, &'static str);

impl SignIns {
    pub(super) fn at(origin: String) -> Self {
        Self { origin, ..Self::default() }
    }

    /// The issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("{}{ISSUER_PATH}", self.origin)
    }

    /// The MCP server.
    pub(crate) fn server(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// Lets a client use a redirect address.
    pub(crate) fn allow_redirect(&mut self, client_id: &str, uri: &str) {
        self.redirects.entry(client_id.to_owned()).or_default().push(uri.to_owned());
    }

    /// Forgets a client's redirect addresses, like a server that purges registrations.
    pub(crate) fn forget(&mut self, client_id: &str) {
        self.redirects.remove(client_id);
    }

    /// Every text that must never be in a log, an error or an argument list.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.codes.keys().chain(self.device_codes.keys()).chain(&self.secrets).cloned().collect()
    }

    /// A document at a well-known address, or the authorization endpoint.
    pub(super) fn get(&mut self, request: &Request) -> Option<Answer> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let issuer = self.issuer();
        match path {
            "/.well-known/oauth-authorization-server/as" => {
                let usual = json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "registration_endpoint": format!("{issuer}/register"),
                    "device_authorization_endpoint": format!("{issuer}/device"),
                    "revocation_endpoint": format!("{issuer}/revoke"),
                    "code_challenge_methods_supported": ["S256"],
                    "response_types_supported": ["code"],
                    "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
                    "scopes_supported": ["read", "write", "offline_access"],
                    "authorization_response_iss_parameter_supported": true,
                });
                Some(Answer::json(200, &merged(usual, &self.metadata)))
            }
            "/.well-known/oauth-protected-resource/mcp" if self.resource_metadata_at[1] => {
                Some(Answer::json(200, &self.resource_metadata()))
            }
            "/.well-known/oauth-protected-resource" if self.resource_metadata_at[2] => {
                Some(Answer::json(200, &self.resource_metadata()))
            }
            "/named-by-the-challenge" => Some(Answer::json(200, &self.resource_metadata())),
            "/as/authorize" => Some(self.authorize(query)),
            _ => None,
        }
    }

    fn resource_metadata(&self) -> Value {
        let usual = json!({
            "resource": self.server(),
            "authorization_servers": [self.issuer()],
            "scopes_supported": ["read"],
        });
        merged(usual, &self.resource_metadata)
    }

    /// The challenge of the MCP server.
    pub(super) fn challenge(&self) -> String {
        let named = format!(", resource_metadata=\"{}/named-by-the-challenge\"", self.origin);
        let scope =
            self.challenge_scope.as_ref().map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
        let named = if self.resource_metadata_at[0] { named } else { String::new() };
        format!("Basic realm=\"other\", Bearer error=\"invalid_token\"{named}{scope}")
    }

    /// The authorization endpoint: RFC 6749 4.1, RFC 7636 and RFC 9700, with a person who decides at once.
    fn authorize(&mut self, query: &str) -> Answer {
        let form = parse_form(query.as_bytes()).unwrap_or_default();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let (Some(client_id), Some(redirect_uri)) = (field("client_id"), field("redirect_uri")) else {
            return Answer::new(400, "client_id and redirect_uri are needed\n");
        };
        let known = self.redirects.get(&client_id).is_some_and(|known| {
            known.iter().any(|uri| {
                *uri == redirect_uri || !self.redirect_is_exact && same_but_port(uri, &redirect_uri)
            })
        });
        if !known {
            // Shown to the person; the program does not learn of the refusal.
            return Answer::new(400, "this client or this redirect address is not registered\n");
        }
        let Some(state) = field("state") else { return Answer::new(400, "state is needed\n") };
        let mut back = vec![("state", state), ("iss", self.issuer())];
        let proof = (field("code_challenge"), field("code_challenge_method"));
        match &self.decision {
            _ if field("response_type").as_deref() != Some("code") => {
                back.push(("error", "unsupported_response_type".to_owned()));
            }
            _ if !matches!(&proof, (Some(_), Some(method)) if method == "S256") => {
                back.push(("error", "invalid_request".to_owned()));
            }
            Decision::Refuse(error) => {
                back.extend([
                    ("error", error.clone()),
                    ("error_description", "the person said no".to_owned()),
                ]);
            }
            decision => {
                match decision {
                    Decision::OtherState => "of another sign-in".clone_into(&mut back[0].1),
                    Decision::OtherIssuer(Some(iss)) => back[1].1.clone_from(iss),
                    Decision::OtherIssuer(None) => drop(back.remove(1)),
                    _ => {}
                }
                self.issued += 1;
                let code = format!("code/{:04}+of={client_id}", self.issued);
                let (challenge, resource) = (proof.0, field("resource"));
                let given =
                    Code { client_id, redirect_uri: redirect_uri.clone(), challenge, resource, used: false };
                self.codes.insert(code.clone(), given);
                back.push(("code", code));
            }
        }
        let separator = if redirect_uri.contains('?') { '&' } else { '?' };
        let pairs: Vec<String> =
            back.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Answer::new(302, "").header("Location", &format!("{redirect_uri}{separator}{}", pairs.join("&")))
    }

    /// Registers a client (RFC 7591); returns its id and secret too.
    pub(super) fn register(&mut self, request: &Request) -> (Answer, Option<(String, Option<String>)>) {
        let refused = |error: &str| (Answer::json(400, &json!({"error": error})), None);
        if let Some((status, body)) = &self.refuses_registration {
            return (Answer::json(*status, body), None);
        }
        let Ok(asked) = serde_json::from_slice::<Value>(&request.body) else {
            return refused("invalid_client_metadata");
        };
        let grants = asked["grant_types"].as_array().cloned().unwrap_or_default();
        if asked["token_endpoint_auth_method"] != "none" || grants.is_empty() {
            return refused("invalid_client_metadata");
        }
        let uris: Vec<String> = asked["redirect_uris"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if grants.contains(&json!("authorization_code")) && uris.is_empty() {
            return refused("invalid_redirect_uri");
        }
        self.issued += 1;
        let client_id = format!("registered-{}", self.issued);
        self.redirects.insert(client_id.clone(), uris.clone());
        let token = format!("registration token {}", self.issued);
        self.secrets.push(token.clone());
        let answer = json!({
            "client_id": client_id,
            "redirect_uris": uris,
            "grant_types": grants,
            "registration_access_token": token,
            "registration_client_uri": format!("{}/register/{client_id}", self.issuer()),
        });
        let answer = merged(answer, &self.registration_adds);
        let secret = answer["client_secret"].as_str().map(str::to_owned);
        self.secrets.extend(secret.clone());
        (Answer::json(201, &answer), Some((client_id, secret)))
    }

    /// The device authorization endpoint (RFC 8628 3.1).
    pub(super) fn device(&mut self, form: &[(String, String)]) -> Answer {
        let Some((_, client_id)) = form.iter().find(|(name, _)| name == "client_id") else {
            return Answer::json(400, &json!({"error": "invalid_request"}));
        };
        if !self.redirects.contains_key(client_id) {
            return Answer::json(401, &json!({"error": "invalid_client"}));
        }
        self.issued += 1;
        let device_code = format!("device code {:04}", self.issued);
        self.device_codes.insert(device_code.clone(), client_id.clone());
        let answer = json!({
            "device_code": device_code,
            "user_code": "WDJB-MJHT",
            "verification_uri": format!("{}/device", self.issuer()),
            "verification_uri_complete": format!("{}/device?user_code=WDJB-MJHT", self.issuer()),
            "expires_in": 600,
            "interval": 1,
        });
        Answer::json(200, &merged(answer, &self.device))
    }

    /// Whether a code is good for this request. A second use ends the code.
    pub(super) fn redeem(&mut self, client_id: &str, form: &[(String, String)]) -> Result<(), Refusal> {
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let invalid = (400, "invalid_grant");
        let code = self.codes.get_mut(field("code").ok_or((400, "invalid_request"))?).ok_or(invalid)?;
        if std::mem::replace(&mut code.used, true) || code.client_id != client_id {
            return Err(invalid);
        }
        if field("redirect_uri") != Some(&code.redirect_uri) {
            return Err(invalid);
        }
        if field("resource") != code.resource.as_deref() {
            return Err((400, "invalid_target"));
        }
        let verifier = field("code_verifier").ok_or(invalid)?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        if verifier.len() < 43 || code.challenge.as_deref() != Some(&challenge) {
            return Err(invalid);
        }
        self.secrets.push(verifier.to_owned());
        Ok(())
    }

    /// The present answer to a device that asks for tokens.
    pub(super) fn device_asks(&mut self, client_id: &str, form: &[(String, String)]) -> Result<(), Refusal> {
        let code = form.iter().find(|(name, _)| name == "device_code").map(|(_, value)| value.as_str());
        let owner = self.device_codes.get(code.ok_or((400, "invalid_request"))?);
        if owner.is_none_or(|owner| owner != client_id) {
            return Err((400, "invalid_grant"));
        }
        if self.device_answers.is_empty() {
            return Ok(());
        }
        match self.device_answers.remove(0) {
            DeviceAnswer::Pending => Err((400, "authorization_pending")),
            DeviceAnswer::SlowDown => Err((400, "slow_down")),
            DeviceAnswer::Denied => Err((400, "access_denied")),
            DeviceAnswer::Expired => Err((400, "expired_token")),
            DeviceAnswer::Granted => Ok(()),
        }
    }
}

/// `usual` with these members instead; null removes one.
fn merged(usual: Value, other: &Map<String, Value>) -> Value {
    let Value::Object(mut usual) = usual else { return usual };
    for (name, value) in other {
        match value {
            Value::Null => drop(usual.remove(name)),
            value => drop(usual.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(usual)
}

fn same_but_port(one: &str, other: &str) -> bool {
    let parts = |uri: &str| {
        let rest = uri.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some((authority.split(':').next()?.to_owned(), path.to_owned()))
    };
    parts(one).is_some() && parts(one) == parts(other)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The values of a query, decoded: the parts of an address that a test reads.
pub(crate) fn query_of(address: &str) -> HashMap<String, String> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), form_decode(value)?))
        })
        .collect()
}
