//! token-refresher keeps the OAuth tokens of coding assistants fresh. See README.md and docs/.
//!
//! This file reads the command line, runs the command, and turns the outcome into an exit status. The wings, from the
//! top down; a wing calls only wings below its own line:
//!
//! ```text
//!   main                  the command line, one match over the commands
//!   daemon   bridge       the loop with signals, hook and service manager; an MCP server for one client
//!   headers  names        the headers of a request, an access token; the names that a person may type
//!   signin   keygen       login and revoke; the only wing that listens, for the minutes of a sign-in
//!   cycle                 one round: scan, plan, refresh, write configurations and metrics
//!   refresh   status      one credential through lock, request and storing; the views for people and probes
//!   services              token files, judged; the services of the configurations
//!   state                 the records between cycles and processes
//!   clients   servers     configurations of the assistants; server files of the registry
//!   oauth     tokens      requests and answers of token endpoints; token files and their times
//!   settings              options, variables and .env, checked
//!   cli   logging command words of the command line; the log; a command with a time limit
//!   files    json user    locks, atomic replacing, reading; the text of a JSON object; root becomes a user
//!   sealing               secrets sealed at rest, and the keys for it
//!   clock secret text     time, secrets and words as values; `byte_set` searches long texts, `ordered` sorts,
//!                         `threads` starts threads
//!   exit                  why a command ended without success
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, to panic is to fail"))]

mod bridge;
mod byte_set;
mod cli;
mod clients;
mod clock;
mod command;
mod cycle;
mod daemon;
mod exit;
mod files;
mod headers;
mod json;
mod keygen;
mod logging;
mod names;
mod oauth;
mod ordered;
mod refresh;
#[cfg(test)]
mod scratch;
mod sealing;
mod secret;
mod servers;
mod services;
mod settings;
mod signin;
mod state;
mod status;
mod text;
mod threads;
mod tokens;
mod user;

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cli::{CommandLine, Flag, Invocation, Options, Verb, flag};
use clock::Timestamp;
use exit::ExitError;
use rustix::io::{retry_on_intr, write};
use rustix::stdio::stdout;
use rustix::termios::{isatty, tcgetwinsize};
use secret::Secret;
use settings::{Environment, Invalid, Loaded, Places, Settings};
use tokens::spelled::named;
use user::{NotOwner, User};
use zeroize::Zeroizing;

const JSON: &Flag = flag("json");
const ALIVE: &Flag = flag("alive");
const WATCH: &Flag = flag("watch");
const REBIND: &Flag = flag("rebind");

/// The time between two tables of `status --watch`, as its help says.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// The exit status after a failure.
const FAILED: u8 = 1;

/// The exit status for a wrong command line or setting.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    user::keep_owner_bits();
    let (verb, ended) = match cli::parse(std::env::args_os().skip(1)) {
        Ok(CommandLine::Print(text)) => (None, Ok(print(&text))),
        Ok(CommandLine::Run(invocation)) => (Some(invocation.verb), run(&invocation)),
        Err(wrong) => (wrong.verb, Err(ExitError::Wrong(wrong.message))),
    };
    match ended {
        Ok(status) => status,
        // Monitoring systems read standard output, also of a check that could not be made.
        Err(ExitError::Wrong(message) | ExitError::Failed(message)) if verb == Some(Verb::Check) => {
            print(&status::check::unknown(&message));
            ExitCode::from(status::check::UNKNOWN)
        }
        Err(ExitError::Wrong(message)) => complain(WRONG, &message),
        Err(ExitError::Failed(message)) => complain(FAILED, &message),
    }
}

/// What a command finds when it starts.
struct Start<'a> {
    invocation: &'a Invocation,
    options: &'a Options,
    process: Environment,
    /// The places of the project. A command that needs none ignores the error.
    places: Result<Places, Invalid>,
}

impl Start<'_> {
    fn places(&self) -> Result<&Places, ExitError> {
        self.places.as_ref().map_err(|why| ExitError::Wrong(why.to_string()))
    }

    fn settings(&self) -> Result<Loaded, ExitError> {
        Ok(Settings::read(self.options, &self.process, self.places()?)?)
    }
}

/// Runs the command, as the owner of the project. Each command reads only the settings that it needs.
fn run(invocation: &Invocation) -> Result<ExitCode, ExitError> {
    let process = Environment::of_process();
    let places = Places::find(&invocation.options, &process);
    let mut start = Start { invocation, options: &invocation.options, process, places };
    let user = become_owner(&mut start).map_err(|why| ExitError::Failed(why.to_string()))?;
    match invocation.verb {
        Verb::Daemon => keep(&start, user.as_ref()),
        Verb::Status => show(&start),
        Verb::Check => check(&start),
        Verb::Headers => hand_out(&start, headers::headers),
        Verb::Bridge => bridge(&start),
        Verb::Token => hand_out(&start, headers::token),
        Verb::Clients => Ok(print(&clients::list())),
        Verb::Names => names::names(&invocation.operands, start.places()?)
            .map(|text| print(&text))
            .map_err(ExitError::Wrong),
        Verb::Login | Verb::Revoke => sign_in_or_out(&start),
        Verb::Keygen => {
            // The message goes to standard error, since the key may go to standard output.
            warn(&keygen::keygen(invocation.operand()).map_err(ExitError::Failed)?);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Seal | Verb::Unseal => seal(&start),
        Verb::Help => cli::help(invocation.operand()).map(|text| print(&text)).map_err(ExitError::Wrong),
    }
}

/// Becomes the owner of the project where root runs the program, before any file is read. `HOME` becomes the owner's.
fn become_owner(start: &mut Start<'_>) -> Result<Option<User>, NotOwner> {
    if start.invocation.verb == Verb::Keygen {
        // A key belongs to the user who makes it.
        return Ok(None);
    }
    // A place that cannot be used is refused by the command, in the command's own form.
    let Ok(places) = &start.places else { return Ok(None) };
    let user = user::become_owner(&places.dir, &places.tokens_dir)?;
    if let Some(user) = &user {
        start.process.set_home(user.home.as_deref());
    }
    Ok(user)
}

/// Keeps tokens fresh: for good, or for one cycle.
fn keep(start: &Start<'_>, user: Option<&User>) -> Result<ExitCode, ExitError> {
    let options = start.options;
    let Loaded { settings, warnings } = start.settings()?;
    if let Some(warning) = daemon::no_project(&settings) {
        // The warning comes before the log is made in that place.
        warn(&format!("token-refresher: {warning}"));
    }
    logging::start(&settings.log_file, settings.log_level);
    if let Some(user) = user {
        log::info!(target: "CONFIG", "started by root; runs as {user}, to whom the tokens belong");
    }
    for warning in warnings {
        log::warn!(target: "CONFIG", "{warning}");
    }
    if log::log_enabled!(target: "CONFIG", log::Level::Debug) {
        settings.origins(options).iter().for_each(|line| log::debug!(target: "CONFIG", "{line}"));
    }
    let ended = daemon::run(settings, options);
    if let Err(ExitError::Failed(message)) = &ended {
        log::error!(target: "REFRESH", "{message}");
        if logging::reaches_standard_error() {
            return Ok(ExitCode::from(FAILED));
        }
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Seals the secrets of token files, or writes them in plain text again. Prints a line for each file.
fn seal(start: &Start<'_>) -> Result<ExitCode, ExitError> {
    let names: Vec<String> =
        start.invocation.operands.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let order = match (start.invocation.verb, start.options.has(REBIND)) {
        (Verb::Unseal, _) => refresh::SealOrder::Unseal,
        (_, true) if names.is_empty() => {
            return Err(ExitError::Wrong("--rebind: name the files that lead elsewhere now".to_owned()));
        }
        (_, true) => refresh::SealOrder::Rebind,
        (_, false) => refresh::SealOrder::Seal,
    };
    // As with `--once`, the command waits for a lock that another process holds.
    let settings = Settings { once: true, ..start.settings()?.settings };
    let summary = cycle::seal(&settings, &names, order).map_err(ExitError::Failed)?;
    for line in &summary.failed {
        warn(&format!("token-refresher: {line}"));
    }
    let printed = print(&format!("{}\n", summary.lines.join("\n")));
    Ok(if summary.failed.is_empty() { printed } else { ExitCode::from(FAILED) })
}

/// Signs in, or ends a sign-in, and prints the outcome. There is no log: a person is at the terminal.
fn sign_in_or_out(start: &Start<'_>) -> Result<ExitCode, ExitError> {
    let (invocation, Loaded { settings, warnings }) = (start.invocation, start.settings()?);
    for warning in warnings {
        warn(&warning);
    }
    let keys = cycle::LoadedKeys::load(&settings, &cycle::LoadedKeys::default()).map_err(ExitError::Wrong)?;
    let (client, providers) = cycle::connect(&settings).map_err(ExitError::Wrong)?;
    for line in &keys.missing {
        warn(&format!("token-refresher: {line}"));
    }
    let around = signin::SignInContext { settings: &settings, client, providers, keys: keys.ring().clone() };
    let operands: Vec<&OsStr> = invocation.operands.iter().map(std::ffi::OsString::as_os_str).collect();
    let line = match (invocation.verb, &operands[..]) {
        (Verb::Revoke, [name, ..]) => signin::revoke(name, &around),
        _ => signin::login(&operands, start.options, &around),
    }?;
    Ok(print(&format!("{line}\n")))
}

/// Prints the secret that `from` finds for the command's one argument: the headers of a request to a server, or an
/// access token. There is no log: clients run these commands often.
fn hand_out(
    start: &Start<'_>,
    from: impl Fn(&str, &Places) -> Result<Secret, String>,
) -> Result<ExitCode, ExitError> {
    let places = start.places()?;
    let name = start.invocation.operand().map(named).unwrap_or_default();
    let secret = from(&name, places).map_err(ExitError::Failed)?;
    // The line is joined at its length: one that grows leaves copies behind.
    Ok(print(&Zeroizing::new([secret.expose(), "\n"].concat())))
}

/// Speaks MCP on standard input and output until the client has gone.
fn bridge(start: &Start<'_>) -> Result<ExitCode, ExitError> {
    let settings = start.settings()?.settings;
    let server = start.invocation.operand().map(named);
    // Standard output is for MCP alone.
    logging::start(&logging::LogTarget::StandardError, settings.log_level);
    bridge::run(server.as_deref(), &settings).map(|()| ExitCode::SUCCESS)
}

/// Shows all tokens, or the named ones. Writes nothing and needs no daemon.
fn show(start: &Start<'_>) -> Result<ExitCode, ExitError> {
    let (options, settings) = (start.options, start.settings()?.settings);
    let names: Vec<String> = start.invocation.operands.iter().map(|name| named(name)).collect();
    let watch = options.has(WATCH);
    if watch && (options.has(JSON) || !isatty(stdout())) {
        let why = "--watch: shows the table on a terminal; leave it out for --json and pipes";
        return Err(ExitError::Wrong(why.to_owned()));
    }
    loop {
        let text = shown(&settings, &names, options.has(JSON)).map_err(ExitError::Failed)?;
        if !watch {
            return Ok(print(&text));
        }
        // Clears the screen, with the cursor in the upper left corner.
        if print(&format!("\u{1b}[H\u{1b}[J{text}")) != ExitCode::SUCCESS {
            return Ok(ExitCode::from(FAILED));
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

/// The tokens as JSON, as a table, or each named token in full.
fn shown(settings: &Settings, names: &[String], json: bool) -> Result<String, String> {
    let mut report = cycle::inspect(settings, Timestamp::now()).map_err(|why| why.to_string())?;
    if !names.is_empty() {
        let names = cycle::files_meant(names, &report);
        report = report.only(&names).map_err(|unknown| unknown.to_string())?;
        cycle::find_entries(settings, &mut report)?;
    }
    Ok(match (json, names) {
        (true, _) => status::json(&report),
        (false, []) => status::table(&report, screen()),
        (false, _) => status::story(&report, screen()),
    })
}

/// The width and colours of standard output.
fn screen() -> status::Screen {
    // What has a size is a terminal.
    let size = tcgetwinsize(stdout()).ok();
    let terminal = size.is_some();
    // A terminal that does not tell its width gets the traditional one.
    let columns = size.map_or(80, |size| usize::from(size.ws_col));
    let width = terminal.then_some(if columns == 0 { 80 } else { columns });
    // https://no-color.org turns colours off. A dumb terminal would print the codes.
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
    status::Screen { width, colour: wanted && terminal }
}

/// Prints in one line whether all is well, in the form of monitoring plugins.
fn check(start: &Start<'_>) -> Result<ExitCode, ExitError> {
    let settings = start.settings()?.settings;
    let now = Timestamp::now();
    let found = if start.options.has(ALIVE) {
        state::daemon_holder(&settings.tokens_dir)
            .map(|holder| status::check::alive(holder, now))
            .map_err(|why| why.to_string())
    } else {
        cycle::inspect(&settings, now)
            .map(|report| status::check::check(&report))
            .map_err(|why| why.to_string())
    };
    let (line, status) = found.map_err(ExitError::Failed)?;
    print(&line);
    Ok(ExitCode::from(status))
}

/// Writes `text` to standard output. A reader that stops early, as `head` does, is no error.
fn print(text: &str) -> ExitCode {
    match write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(FAILED, &format!("cannot write to standard output: {error}")),
    }
}

/// Writes to standard output, not through the standard library's buffer: a command has one text, which would be copied.
fn write_all(mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match retry_on_intr(|| write(stdout(), rest))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => rest = &rest[written..],
        }
    }
    Ok(())
}

/// Prints on standard error why the program ends.
fn complain(status: u8, message: &str) -> ExitCode {
    warn(&format!("token-refresher: {message}"));
    ExitCode::from(status)
}

/// Prints a line on standard error. A failure to print changes nothing: the exit status tells.
fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
