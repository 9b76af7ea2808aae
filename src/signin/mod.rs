//! Signing in: `token-refresher login` and `revoke`.
//!
//! A foreground command for the minutes of one sign-in. [`aim`] reads the words of the command line. [`target`] finds
//! the authorization server and the known facts ([`discover`] with [`resource_metadata`] and [`server_metadata`]). An
//! [`attempt`] has a [`client`], perhaps by [`registration`]. The attempt runs one of three grants: [`browser_grant`],
//! [`device_flow`], [`client_credentials`]. [`fetch`] and [`place`] store the answer in the token file. Only `main`
//! uses this wing.

mod aim;
mod around;
mod assistants;
mod attempt;
mod authorize;
mod browser;
mod browser_grant;
mod client;
mod client_credentials;
mod code;
mod compose;
mod daemon;
mod device;
mod device_flow;
mod discover;
mod event;
mod fetch;
mod http_request;
mod interrupt;
mod json;
mod listener;
mod login;
mod names;
mod options;
mod paste;
mod pkce;
mod place;
mod redirect;
mod redirect_plan;
mod registration;
mod resource_metadata;
mod revoke;
mod server;
mod server_metadata;
mod target;
mod unseal;
mod words;

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::cli::Options;
use crate::exit::ExitError;

pub(crate) use around::SignInContext;
use interrupt::Interrupt;
use options::LoginOptions;

/// `token-refresher login`: returns the line with the result and the next step.
///
/// # Errors
/// Why there is no new token. Ctrl-C ends the program from here.
pub(crate) fn login(
    operands: &[&OsStr],
    options: &Options,
    around: &SignInContext<'_>,
) -> Result<String, ExitError> {
    let asked = LoginOptions::read(operands, options).map_err(ExitError::Wrong)?;
    let interrupt = listening()?;
    let summary = login::login(&asked, around, &interrupt).map_err(ExitError::Failed)?;
    let told = daemon::tell(&around.settings.tokens_dir);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let assistants = home.map(|home| assistants::found(&home)).unwrap_or_default();
    let line = words::last_line(&summary, told, &assistants);
    interrupt.obey(&line);
    Ok(line)
}

/// `token-refresher revoke`: returns the line with the result.
///
/// # Errors
/// Why the sign-in has not been ended.
pub(crate) fn revoke(name: &OsStr, around: &SignInContext<'_>) -> Result<String, ExitError> {
    let name = options::text(name, "revoke").map_err(ExitError::Wrong)?;
    let interrupt = listening()?;
    let line = revoke::revoke(&name, around, &interrupt).map_err(ExitError::Failed)?;
    daemon::tell(&around.settings.tokens_dir);
    interrupt.obey(&line);
    Ok(line)
}

fn listening() -> Result<Interrupt, ExitError> {
    Interrupt::listen().map_err(|error| ExitError::Failed(format!("signals cannot be received: {error}")))
}
