//! The device grant with its requests: shows the codes, and polls until the person has decided.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::attempt::SignInAttempt;
use super::client::Client;
use super::device::{AfterAnswer, PollAnswer, Polls, USUAL_INTERVAL};
use super::fetch::{Fetched, NoTokens, NotFetched};
use super::words::say;
use crate::oauth::{EndpointUrl, Submission, shown_text};
use crate::secret::Secret;

/// The grant's name in a token request.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The lifetime of the codes where the server breaks RFC 8628 and names none.
const USUAL_LIFETIME: Duration = Duration::from_mins(15);

/// The answer to a device authorization request (RFC 8628 3.2).
#[derive(Deserialize)]
struct Codes {
    device_code: String,
    user_code: String,
    /// Google's name of the member differs.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
    #[serde(default)]
    interval: Option<f64>,
}

pub(super) fn run(attempt: &SignInAttempt<'_>) -> Result<Fetched, NoTokens> {
    let server = &attempt.target.server;
    let endpoint = server.endpoints.device.as_ref();
    let endpoint =
        endpoint.ok_or_else(|| format!("{} has no device grant; leave out --device", server.title))?;
    let client = match attempt.known_client()? {
        Some(client) => client,
        None => attempt.new_client(None)?,
    };
    ask(attempt, &client, endpoint).map_err(|error| error.ends(&client))
}

/// Gets the codes, shows them, and polls until the person has decided.
fn ask(attempt: &SignInAttempt<'_>, client: &Client, endpoint: &EndpointUrl) -> Result<Fetched, NotFetched> {
    let title = &attempt.target.server.title;
    let codes = begin(attempt, client, endpoint)?;
    let members = attempt.members(client, None);
    let seconds = |value: Option<f64>| value.and_then(|value| Duration::try_from_secs_f64(value).ok());
    let interval = seconds(codes.interval).unwrap_or(USUAL_INTERVAL);
    let lasting = seconds(codes.expires_in).unwrap_or(USUAL_LIFETIME).min(Duration::from_hours(24));
    let device_code = Secret::new(codes.device_code);
    show(
        title,
        &codes.user_code,
        &codes.verification_uri,
        codes.verification_uri_complete.as_deref(),
        &device_code,
    )?;
    let mut polls = Polls::new(interval, lasting, Instant::now());
    let mut at = polls.first(Instant::now());
    loop {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let secrets = [("device_code", &device_code)];
        let failed = match attempt.fetch(client, &[("grant_type", GRANT)], &secrets, &members) {
            Err(NotFetched::NotGranted(failed)) => failed,
            other => return other,
        };
        let answer = match failed.code.as_deref().map(PollAnswer::of) {
            Some(Some(answer)) => answer,
            // A server without an answer may come back. A server that refuses for another reason will refuse again.
            None if !failed.answered => PollAnswer::NoAnswer,
            _ => return Err(NotFetched::NotGranted(failed)),
        };
        at = match polls.after(&answer, Instant::now()) {
            AfterAnswer::PollAt(at) => at,
            AfterAnswer::Denied => {
                return Err(NotFetched::Failed(format!("the sign-in at {title} was refused")));
            }
            AfterAnswer::Expired => {
                return Err(NotFetched::Failed(format!(
                    "nobody signed in at {title} in time: the code has expired; start again"
                )));
            }
        };
    }
}

/// Requests the codes.
fn begin(attempt: &SignInAttempt<'_>, client: &Client, endpoint: &EndpointUrl) -> Result<Codes, NotFetched> {
    let row = &attempt.target.server.row;
    let scope = attempt.target.scopes.join(row.scope_separator());
    let mut parameters: Vec<(&str, &str)> = attempt.resource().into_iter().collect();
    if !scope.is_empty() {
        parameters.push(("scope", &scope));
    }
    let submission = Submission { endpoint, client: &client.identity, row, parameters, secrets: Vec::new() };
    let page = attempt.around.client.submit(&submission)?;
    if !page.succeeded() {
        let message = format!("{} answered {}", endpoint.shown, page.shown(&[]));
        if page.error_code().as_deref() == Some("invalid_client") {
            return Err(NotFetched::UnknownClient(message));
        }
        return Err(NotFetched::Failed(message));
    }
    serde_json::from_slice(&page.body)
        .map_err(|_| NotFetched::Failed(format!("{} answered with no device code", endpoint.shown)))
}

/// Shows the address and the user code. The device code must never be shown.
fn show(
    title: &str,
    user_code: &str,
    address: &str,
    complete: Option<&str>,
    device_code: &Secret,
) -> Result<(), NotFetched> {
    let address_of = |text: &str| {
        EndpointUrl::parse(text).map_err(|error| {
            NotFetched::Failed(format!("{title} names an address for the person that is none: {error}"))
        })
    };
    let user_code = shown_text(user_code, &[device_code]);
    let address = shown_text(&address_of(address)?.url, &[device_code]);
    say(&format!("To sign in to {title}, open\n\n  {address}\n\nand enter the code\n\n  {user_code}\n"));
    if let Some(complete) = complete {
        let complete = shown_text(&address_of(complete)?.url, &[device_code]);
        say(&format!("or open {complete}\n"));
    }
    say("Waiting for your decision there.");
    Ok(())
}
