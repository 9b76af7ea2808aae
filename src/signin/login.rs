//! One sign-in from the words of the command line to the token file.

use super::around::Around;
use super::attempt::{NoTokens, SignInAttempt};
use super::fetch::Fetched;
use super::interrupt::Interrupt;
use super::options::{Asked, Way};
use super::target::Target;
use super::words::{Summary, say};
use super::{browser_grant, client_credentials, device_flow};
use crate::status::login_command;
use crate::tokens::name::stem;

/// Signs in.
///
/// # Errors
/// One line for the person.
pub(super) fn login(asked: &Asked, around: &Around<'_>, interrupt: &Interrupt) -> Result<Summary, String> {
    let target = Target::find(asked, around)?;
    // Before the person does anything: an answer that could not be stored is not worth a sign-in.
    interrupt.uninterrupted(|| target.place.probe())?;
    interrupt.obey("nothing was changed");
    hint(&target);
    let fetched = run(&target, asked, around, interrupt)?;
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
    asked: &Asked,
    around: &Around<'_>,
    interrupt: &Interrupt,
) -> Result<Fetched, String> {
    let mut attempt = SignInAttempt { target, asked, around, interrupt, register: asked.register };
    loop {
        let server = &target.server;
        let result = match asked.way {
            Way::ClientCredentials => client_credentials::run(&attempt),
            Way::Device => device_flow::run(&attempt),
            Way::Best if server.authorization.is_none() && server.device.is_some() => {
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

/// What a person should know before.
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
