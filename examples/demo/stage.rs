//! What the play needs around the program: token endpoint, MCP server and project, and what they have seen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Failure;
use super::mcp::Server;
use super::support::{Endpoint, Finished, Outcome, Project};

/// Short enough to see several lives of a token in under a minute. A token is due at half of its life.
pub(super) const LIFETIME: Duration = Duration::from_secs(8);
/// For so long an endpoint of the usual kind takes a replaced refresh token once more.
const GRACE: Duration = Duration::from_secs(30);

/// What the MCP server has seen.
#[derive(Default)]
struct Seen {
    /// The tokens that it let in, in order.
    tokens: Vec<String>,
    /// How often it was shown a token that was not good any more.
    refused: usize,
}

pub(super) struct Stage {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) project: Project,
    server: Server,
    seen: Arc<Mutex<Seen>>,
}

impl Stage {
    pub(super) fn set() -> Self {
        let (endpoint, server) = (Arc::new(Endpoint::start()), Server::start());
        endpoint.set_latency(Duration::from_millis(100));
        let address = format!("{}/mcp", server.url());
        let metadata = endpoint.sign_ins(|sign_ins| {
            sign_ins.registered = (LIFETIME, GRACE);
            sign_ins.resource_metadata.insert("resource".to_owned(), address.into());
            sign_ins.issuer().replace("/as", "/named-by-the-challenge")
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (authority, notes) = (Arc::clone(&endpoint), Arc::clone(&seen));
        server.behave(move |request, reply| {
            let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let mut seen = notes.lock().expect("no thread panics with it");
            match token {
                Some(token) if authority.is_live(token) => {
                    if seen.tokens.last().is_none_or(|last| last != token) {
                        seen.tokens.push(token.to_owned());
                    }
                    return false;
                }
                Some(_) => seen.refused += 1,
                None => {}
            }
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
            reply.send(401, &[("WWW-Authenticate", &challenge)], b"");
            true
        });
        Self { endpoint, project: Project::bare(), server, seen }
    }

    /// The MCP server's address.
    pub(super) fn server(&self) -> String {
        format!("{}/mcp", self.server.url())
    }

    /// Every different token that the MCP server let in.
    pub(super) fn tokens_used(&self) -> BTreeSet<String> {
        self.seen.lock().expect("no thread panics with it").tokens.iter().cloned().collect()
    }

    /// The end of the token of the latest call.
    pub(super) fn token_in_use(&self) -> String {
        let seen = self.seen.lock().expect("no thread panics with it");
        seen.tokens.last().map(|token| mask(token)).unwrap_or_default()
    }

    pub(super) fn first_is_dead(&self) -> bool {
        let seen = self.seen.lock().expect("no thread panics with it");
        seen.tokens.first().is_some_and(|token| !self.endpoint.is_live(token))
    }

    /// How often the endpoint has issued tokens for a refresh token, answered or not.
    pub(super) fn grants(&self) -> usize {
        let refresh = |outcome: &Outcome| matches!(outcome, Outcome::Granted { .. });
        let requests = self.endpoint.requests();
        requests.iter().filter(|one| one.field("refresh_token").is_some() && refresh(&one.outcome)).count()
    }

    /// The text without any token.
    pub(super) fn masked(&self, text: &str) -> String {
        self.endpoint
            .secrets()
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, &mask(secret)))
    }

    /// The last line; an error where anything is not as it should be.
    pub(super) fn verdict(&self, finished: &Finished, calls: usize, seconds: u64) -> Result<String, Failure> {
        let (used, refused) =
            (self.tokens_used().len(), self.seen.lock().expect("no thread panics with it").refused);
        let (grants, reuses) = (self.grants(), self.endpoint.reuses());
        let calls_seen = self.server.calls("tools/call");
        let sessions =
            calls_seen.iter().filter_map(|call| call.header("mcp-session-id")).collect::<BTreeSet<_>>().len();
        let leftovers = self.project.leftovers().len();
        let logged = self.endpoint.secrets().iter().filter(|secret| finished.log.contains(*secret)).count();
        let status = finished.code().map_or("a signal".to_owned(), |code| format!("status {code}"));
        let verdict = format!(
            "{calls} calls in {sessions} MCP session over {used} tokens, {refused} refused; {grants} refreshes, \
             {reuses} reuses, 1 kill -9 survived; {logged} secrets in the log, {leftovers} files left behind, \
             ended with {status}, {seconds} s"
        );
        let as_it_should = sessions == 1 && used >= 4 && refused == 0 && reuses == 0 && logged == 0;
        if as_it_should && leftovers == 0 && finished.code() == Some(0) {
            return Ok(verdict);
        }
        Err(format!("not as it should be: {verdict}").into())
    }
}

/// What may be shown of a token: its end, to tell it from the others.
fn mask(secret: &str) -> String {
    let end: Vec<char> = secret.chars().rev().take(9).collect();
    format!("****{}", end.into_iter().rev().take(4).collect::<String>())
}
