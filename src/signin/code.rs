//! The authorization code grant. The person signs in in a browser. The code comes back by a redirect, or the person
//! pastes it.

use std::io::{self, BufRead as _, Read as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::authorize::{AuthorizationRequest, address};
use super::browser::{self, Opening};
use super::event::Event;
use super::fetch::NotFetched;
use super::listener::Listener;
use super::paste;
use super::pkce::{self, Pkce};
use super::redirect::{Expected, Verdict};
use super::server::AuthorizationServer;
use super::words::say;
use crate::clock::Words;
use crate::oauth::{EndpointUrl, shown_text};
use crate::secret::Secret;
use crate::threads;

/// The longest line of input, in bytes. The longest known redirect address has 4 KiB.
const LONGEST_LINE: u64 = 32 << 10;

pub(super) struct CodeFlow<'a> {
    pub server: &'a AuthorizationServer,
    pub authorization: &'a EndpointUrl,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub scopes: &'a [String],
    pub resource: Option<&'a str>,
    /// The API that the token is for, for providers that need its name.
    pub audience: Option<String>,
    /// Whether `--open` was given.
    pub open: bool,
    /// The time limit for the person.
    pub wait: Duration,
}

pub(super) struct Code {
    pub code: Secret,
    pub verifier: Option<Secret>,
}

impl CodeFlow<'_> {
    /// Shows the address and waits for the code. The listener has bound the port of the redirect address.
    pub(super) fn run(&self, listener: Option<(Listener, &str)>) -> Result<Code, NotFetched> {
        let state = pkce::state()?;
        let pkce = if self.server.pkce { Some(Pkce::new()?) } else { None };
        let expected = self.server.expected(&state);
        let (sender, events) = mpsc::channel();
        let listens = listener.is_some();
        if let Some((listener, path)) = listener {
            let failed = |error: io::Error| format!("the redirect cannot be waited for: {error}");
            listener.listen(path, expected.clone(), sender.clone()).map_err(failed)?;
        }
        read_input(expected, sender);
        self.show(&self.address(&state, pkce.as_ref()), listens);
        let verdict = self.wait(&events, listens)?;
        self.judged(verdict).map(|code| Code { code, verifier: pkce.map(|pkce| pkce.verifier) })
    }

    fn address(&self, state: &str, pkce: Option<&Pkce>) -> String {
        let scope = self.scopes.join(self.server.row.scope_separator());
        let request = AuthorizationRequest {
            client_id: self.client_id,
            redirect_uri: self.redirect_uri,
            scope: Some(scope.as_str()).filter(|scope| !scope.is_empty()),
            scope_parameter: self.server.row.login().scope_parameter.as_deref().unwrap_or("scope"),
            state,
            challenge: pkce.map(|pkce| pkce.challenge.as_str()),
            resource: self.resource,
            extra: &self.server.parameters(self.scopes, self.audience.as_deref()),
        };
        address(self.authorization, &request)
    }

    fn show(&self, address: &str, listens: bool) {
        say(&format!("Open this address to sign in to {}:\n\n  {address}\n", self.server.title));
        let opening = browser::decide(&browser::BrowserContext::of_process(self.open));
        if opening == Opening::NotAsRoot {
            say("Root opens no browser: open the address yourself.");
        }
        if opening == Opening::Yes {
            let commands = browser::commands(std::env::var("BROWSER").ok().as_deref(), address);
            if !browser::open(&commands, &|name| std::env::var_os(name)) {
                say("No browser could be started: open the address yourself.");
            }
        }
        let how = if listens {
            "Waiting for the redirect; where the browser cannot open it, paste its address here:"
        } else {
            "The browser ends at an address that it may not be able to open; paste that address here:"
        };
        say(how);
    }

    fn wait(&self, events: &mpsc::Receiver<Event>, listens: bool) -> Result<Verdict, String> {
        let deadline = Instant::now() + self.wait;
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Redirect(verdict)) => return Ok(verdict),
                Ok(Event::NotAnAddress(why)) => say(&format!("{why}; try again:")),
                Ok(Event::InputEnded) if listens => {}
                Ok(Event::InputEnded) => {
                    return Err("standard input ended before an address was pasted".to_owned());
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "nobody signed in within {}; if the browser showed an error of {} about the client or the \
                         redirect, --register gets a new client",
                        Words(self.wait),
                        self.server.title
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("nothing is left to wait for".to_owned()),
            }
        }
    }

    /// The code of a redirect, or the reason why there is none.
    fn judged(&self, verdict: Verdict) -> Result<Secret, NotFetched> {
        let title = &self.server.title;
        Err(match verdict {
            Verdict::Code(code) => return Ok(code),
            Verdict::Refused(error, description) => {
                let shown = shown_text(&error, &[]);
                let why =
                    description.map(|text| format!(" ({})", shown_text(&text, &[]))).unwrap_or_default();
                let message = format!("{title} refused the sign-in: {shown}{why}");
                if matches!(error.as_str(), "unauthorized_client" | "invalid_client") {
                    return Err(NotFetched::UnknownClient(message));
                }
                NotFetched::Failed(message)
            }
            Verdict::OtherState => NotFetched::Failed(
                "that redirect belongs to another sign-in (its state is not ours); start again".to_owned(),
            ),
            Verdict::OtherIssuer(theirs) => {
                let from = match theirs {
                    Some(issuer) => format!("it comes from {}", shown_text(&issuer, &[])),
                    None => "it does not say where it comes from".to_owned(),
                };
                let issuer = self.server.issuer.as_deref().unwrap_or_default();
                NotFetched::Failed(format!(
                    "that redirect is not from {issuer}: {from}; nothing was sent there"
                ))
            }
            Verdict::NoRedirect => NotFetched::Failed("that is no redirect".to_owned()),
        })
    }
}

/// Reads pasted addresses from standard input, line by line, in a thread of its own. The thread ends with the program,
/// since nothing can wake the read.
fn read_input(expected: Expected, events: mpsc::Sender<Event>) {
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Zeroizing::new(Vec::with_capacity(4096));
            let read = (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                let _ = events.send(Event::InputEnded);
                return;
            }
            let text = Zeroizing::new(String::from_utf8_lossy(&line).into_owned());
            let Some(event) = paste::read(&text, &expected) else { continue };
            if events.send(event).is_err() {
                return;
            }
        }
    };
    // Without a thread for the input, the program waits for the redirect alone.
    let _ = threads::start("input", read);
}
