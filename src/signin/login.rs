//! One sign-in, from the words of the command line to the token file.

use super::around::SignInContext;
use super::attempt::SignInAttempt;
use super::fetch::{Fetched, NoTokens};
use super::interrupt::Interrupt;
use super::options::{LoginOptions, Way};
use super::target::Target;
use super::words::{Summary, say};
use super::{browser_grant, client_credentials, device_flow};
use crate::oauth::EndpointUrl;
use crate::status::login_command;
use crate::tokens::name::stem;

/// Signs in.
///
/// # Errors
/// One line for the person.
pub(super) fn login(
    asked: &LoginOptions,
    around: &SignInContext<'_>,
    interrupt: &Interrupt,
) -> Result<Summary, String> {
    let target = Target::find(asked, around)?;
    // The check comes before the person does anything: an answer that cannot be stored is not worth a sign-in.
    interrupt.uninterrupted(|| target.place.probe())?;
    interrupt.obey("nothing was changed");
    hint(&target);
    let fetched = run(&target, asked, around, interrupt)?;
    if asked.register {
        retire(&target, around);
    }
    Ok(Summary {
        title: target.server.title.clone(),
        file: target.place.path(),
        login: login_command(stem(&target.place.name), &around.settings.dir),
        until: fetched.until,
        renewable: fetched.refreshable || asked.way == Way::ClientCredentials,
    })
}

/// Attempts the sign-in, and once more with a new client where the server has forgotten the old one.
fn run(
    target: &Target,
    asked: &LoginOptions,
    around: &SignInContext<'_>,
    interrupt: &Interrupt,
) -> Result<Fetched, String> {
    let mut attempt = SignInAttempt { target, asked, around, interrupt, register: asked.register };
    loop {
        let server = &target.server;
        let result = match asked.way {
            Way::ClientCredentials => client_credentials::run(&attempt),
            Way::Device => device_flow::run(&attempt),
            Way::Best if server.endpoints.authorization.is_none() && server.endpoints.device.is_some() => {
                device_flow::run(&attempt)
            }
            Way::Best | Way::Paste => browser_grant::run(&attempt),
        };
        match result {
            Ok(fetched) => return Ok(fetched),
            Err(NoTokens::ClientForgotten(message)) if !attempt.register => {
                say(&format!("{message}; registering a new client"));
                attempt.register = true;
            }
            Err(NoTokens::ClientForgotten(message) | NoTokens::Failed(message)) => return Err(message),
        }
    }
}

/// Deletes the registration that a new one has replaced (RFC 7592), so that the server does not keep it. The sign-in
/// is complete. A failure is only printed.
fn retire(target: &Target, around: &SignInContext<'_>) {
    let known = &target.known;
    let (Some(address), Some(token)) =
        (known.text("registration_client_uri"), known.secret("registration_access_token"))
    else {
        return;
    };
    let home = target.server.registration.as_ref().map(EndpointUrl::origin);
    let deleted = EndpointUrl::parse(&address).map_err(|error| error.to_string()).and_then(|address| {
        if home != Some(address.origin()) {
            return Err(format!("{} is not at the server that registers clients", address.shown));
        }
        let page = around.client.delete(&address, &token)?;
        // A registration that is gone, or whose token is invalid, needs no further step.
        if page.succeeded() || matches!(page.status, 401 | 404) {
            Ok(())
        } else {
            Err(format!("{} answered {}", address.shown, page.shown(&[&token])))
        }
    });
    let title = &target.server.title;
    match deleted {
        Ok(()) => say(&format!("the client that was registered before is gone from {title}")),
        Err(why) => say(&format!("the client that was registered before stays at {title}: {why}")),
    }
}

/// Prints the facts that a person needs before the sign-in.
fn hint(target: &Target) {
    let (server, rules) = (&target.server, target.server.row.login());
    if server.discovered {
        return;
    }
    if let Some(before) = &rules.before {
        say(&format!("For a refresh token at {}: {before}.", server.title));
    }
    if !rules.unverified.is_empty() {
        let what = rules.unverified.join(", ");
        say(&format!("From memory, unverified for {}: {what}.", server.title));
    }
}
