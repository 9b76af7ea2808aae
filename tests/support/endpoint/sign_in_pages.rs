//! The page for each request of a sign-in: the MCP server, registration, devices, revocation.

use std::time::Instant;

use serde_json::json;

use super::authority::{Authority, Client, ClientAuth, Outcome, granted};
use super::http::{Answer, Request, parse_form};

impl Authority {
    /// The answer to a person's sign-in.
    pub(super) fn signed_in(&mut self, client: &Client, now: Instant) -> (Answer, Outcome) {
        let tokens = self.sign_in(&client.id, None, now);
        let refresh = self.sign_ins.gives_refresh_token.then_some(tokens.refresh_token);
        granted(client, tokens.access_token, refresh)
    }

    /// Judges a request to the MCP server, or to the issuer.
    pub(super) fn sign_in_page(&mut self, request: &Request, now: Instant) -> (Answer, Outcome) {
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let form = parse_form(&request.body).unwrap_or_default();
        let served = Outcome::Scripted;
        match (request.method.as_str(), path.as_str()) {
            (_, "/mcp") => self.mcp_server(request, now),
            ("POST", "/as/register") => {
                let (answer, registered) = self.sign_ins.register(request);
                if let Some((id, secret)) = registered {
                    let auth = if secret.is_some() { ClientAuth::Post } else { ClientAuth::Public };
                    let (lifetime, grace) = self.sign_ins.registered;
                    let mut client = Client::new(&id).auth(auth).lifetime(lifetime).grace(grace);
                    client.secret = secret.unwrap_or_default();
                    self.register(client);
                }
                (answer, served)
            }
            ("DELETE", _) if path.starts_with("/as/register/") => {
                let client = path.trim_start_matches("/as/register/");
                let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
                let own =
                    client.strip_prefix("registered-").map(|number| format!("registration token {number}"));
                if token.is_none() || token != own.as_deref() || !self.clients.contains_key(client) {
                    return (Answer::new(401, ""), Outcome::Refused { status: 401, error: "invalid_token" });
                }
                self.forget(client);
                (Answer::new(204, ""), served)
            }
            ("POST", "/as/device") => (self.sign_ins.device(&form), served),
            ("POST", "/as/revoke") => (self.revocation(request, &form), served),
            ("GET", _) => match self.sign_ins.get(request) {
                Some(answer) => (answer, served),
                None => {
                    (Answer::new(404, "nothing here\n"), Outcome::Refused { status: 404, error: "not_found" })
                }
            },
            _ => (Answer::new(405, ""), Outcome::Refused { status: 405, error: "invalid_request" }),
        }
    }

    /// An MCP server that needs a token.
    fn mcp_server(&self, request: &Request, now: Instant) -> (Answer, Outcome) {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let live = token.is_some_and(|token| self.is_live(token, now));
        let answer = if live {
            Answer::json(200, &json!({"jsonrpc": "2.0", "id": 1, "result": {}}))
        } else {
            Answer::new(401, "").header("WWW-Authenticate", &self.sign_ins.challenge())
        };
        (answer, Outcome::Resource { live })
    }

    /// RFC 7009: a token of another client is left alone, and an unknown one is gone already.
    fn revocation(&mut self, request: &Request, form: &[(String, String)]) -> Answer {
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let client = match self.authenticate(request, field("client_id"), field("client_secret")) {
            Ok(client) => client.id.clone(),
            Err((status, error)) => return Answer::json(status, &json!({"error": error})),
        };
        let Some(token) = field("token") else {
            return Answer::json(400, &json!({"error": "invalid_request"}));
        };
        let family = self.refresh_tokens.get(token).map(|known| known.family);
        let family = family.or_else(|| self.access_tokens.get(token).and_then(|known| known.family));
        if let Some(family) = family.filter(|family| self.families[*family].client_id == client) {
            self.families[family].revoked = true;
        }
        Answer::new(200, "")
    }

    /// Forgets a client with its redirect addresses.
    pub(super) fn forget(&mut self, client_id: &str) {
        self.clients.remove(client_id);
        self.sign_ins.forget(client_id);
    }
}
