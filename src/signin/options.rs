//! The options of `login` and `revoke`.

use std::ffi::OsStr;
use std::time::Duration;

use crate::cli::{Flag, Options, flag};
use crate::tokens::spelled::named;

const NAME: &Flag = flag("name");
const CLIENT_ID: &Flag = flag("client-id");
const SCOPE: &Flag = flag("scope");
const MEMBER: &Flag = flag("member");
const REDIRECT_URI: &Flag = flag("redirect-uri");
const PASTE: &Flag = flag("paste");
const DEVICE: &Flag = flag("device");
const OPEN: &Flag = flag("open");
const REGISTER: &Flag = flag("register");
const CLIENT_CREDENTIALS: &Flag = flag("client-credentials");
const WAIT: &Flag = flag("wait");

/// The grant that the person has chosen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Way {
    /// In the browser, or by device where the server has only the device grant.
    #[default]
    Best,
    /// In a browser on any machine; the person pastes the last address.
    Paste,
    /// By a code that the person enters on another device.
    Device,
    /// Without a person: an application's own token.
    ClientCredentials,
}

/// The options, checked.
#[derive(Default)]
pub(super) struct LoginOptions {
    pub what: String,
    /// The server's name beside a provider's.
    pub server: Option<String>,
    pub name: Option<String>,
    pub client_id: Option<String>,
    pub scope: Option<String>,
    /// Members to set in the token file.
    pub members: Vec<(String, String)>,
    pub redirect_uri: Option<String>,
    pub way: Way,
    pub open: bool,
    pub register: bool,
    /// The time limit for the person.
    pub wait: Duration,
}

impl LoginOptions {
    /// The options that name a token file and nothing else.
    pub(super) fn of_file(name: &str) -> Self {
        Self { what: name.to_owned(), ..Self::default() }
    }

    /// Reads the options of `login`.
    ///
    /// # Errors
    /// The option that cannot be used.
    pub(super) fn read(operands: &[&OsStr], options: &Options) -> Result<Self, String> {
        let mut words = operands.iter().map(|word| text(word, "login"));
        let what = words.next().transpose()?.unwrap_or_default();
        let server = words.next().transpose()?;
        let value = |flag: &'static Flag| {
            options.values(flag).next().map(|value| text(value, &format!("--{}", flag.long))).transpose()
        };
        let mut ways = vec![(PASTE, Way::Paste), (DEVICE, Way::Device)];
        ways.push((CLIENT_CREDENTIALS, Way::ClientCredentials));
        ways.retain(|(flag, _)| options.has(flag));
        if let [(one, _), (other, _), ..] = ways[..] {
            return Err(format!("--{}: does not go with --{}", other.long, one.long));
        }
        let members = options.values(MEMBER).map(|value| member(&text(value, "--member")?));
        Ok(Self {
            what,
            server,
            name: value(NAME)?,
            client_id: value(CLIENT_ID)?,
            scope: value(SCOPE)?,
            members: members.collect::<Result<_, String>>()?,
            redirect_uri: value(REDIRECT_URI)?,
            way: ways.first().map_or(Way::Best, |(_, way)| *way),
            open: options.has(OPEN),
            register: options.has(REGISTER),
            wait: match value(WAIT)? {
                None => Duration::from_mins(5),
                Some(text) => seconds(&text)?,
            },
        })
    }
}

/// A word of the command line.
///
/// # Errors
/// The word is empty.
pub(super) fn text(value: &OsStr, what: &str) -> Result<String, String> {
    let text = named(value);
    if text.trim().is_empty() {
        return Err(format!("{what}: is empty"));
    }
    Ok(text.trim().to_owned())
}

/// Members that hold a secret. A command line must not have one, because all users of the machine can read it.
const SECRETS: [&str; 6] =
    ["access_token", "refresh_token", "token", "client_secret", "private_key", "registration_access_token"];

fn member(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if SECRETS.contains(&name) => {
            Err(format!("--member: {name} is a secret and belongs into a file, not on the command line"))
        }
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("--member: {text:?} is not NAME=VALUE; try --member domain=acme.example.com")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("--wait: {text:?} is not a number of seconds from 1 to 86400; try --wait 300")),
    }
}
