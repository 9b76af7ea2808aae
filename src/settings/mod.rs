//! Reads the settings, each from the first of four sources: option, environment, `.env`, default. `.env` sets figures
//! and credentials only. Names of files, commands, trusted hosts and proxies come from the other sources.
//!
//! [`Places::find`] finds the project, [`Settings::read`] its `.env`, and [`Settings::load`], which is pure, turns text
//! into values.
//! [`Settings::reload`] does both again for a running daemon. An error names the option, variable or line of the bad
//! value: a user who has all three does not know which one counts.

mod clients;
mod dotenv;
mod environment;
mod invalid;
mod notices;
mod origins;
mod sources;
mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::cli::{Flag, Options, flag};
use crate::clients::{Launcher, Secrets};
use crate::files::{is_pipe, reason};
use crate::logging::LogTarget;

pub(crate) use clients::KeptClient;
pub(crate) use environment::Environment;
pub(crate) use invalid::Invalid;
use sources::{Origins, text};
use values::Fault;

const FORCE: &Flag = flag("force");
const DIR: &Flag = flag("dir");
const TOKENS_DIR: &Flag = flag("tokens-dir");
const SERVERS_DIR: &Flag = flag("servers-dir");
const ENV_FILE: &Flag = flag("env-file");
const PROVIDERS: &Flag = flag("providers");
const CLIENT: &Flag = flag("client");

/// All settings, checked. A new option is a row in `cli::flags` and a field here, which [`Settings::load`] reads by
/// the row's name. A name without a row does not compile.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The longest time between two checks.
    pub interval: Duration,
    /// How long before its expiry a token is refreshed.
    pub buffer: Duration,
    /// The lowest level that is logged.
    pub log_level: LevelFilter,
    /// One cycle, then exit.
    pub once: bool,
    /// Refresh every token, due or not. Only together with `once`.
    pub force: bool,
    /// The project root, absolute and without links.
    pub dir: PathBuf,
    /// The directory of the token files. Absolute; may be missing.
    pub tokens_dir: PathBuf,
    /// The directory of the registry's server files. Absolute; may be missing.
    pub servers_dir: PathBuf,
    /// The gateway's URL, without a slash at its end.
    pub registry_url: Option<String>,
    /// The clients whose own configurations are kept, each file once.
    pub clients: Vec<KeptClient>,
    /// Where those configurations hold the tokens.
    pub client_secrets: Secrets,
    /// The path of this program as the clients see it, where another path than the present one. Absolute.
    pub client_program: Option<String>,
    /// The project root as the clients see it, where another path than `dir`. Absolute.
    pub client_dir: Option<String>,
    /// The kind of entries in the two default files.
    pub launcher: Launcher,
    /// The file of the user's own providers. Absolute. The default file may be missing.
    pub providers: PathBuf,
    /// Whether an option or a variable names the file of providers, so that it must exist.
    pub providers_named: bool,
    /// The file that the second layer of [`Self::environment`] was read from. Absolute.
    pub env_file: PathBuf,
    /// Where the log goes; a file is absolute.
    pub log_file: LogTarget,
    /// The file for the daemon's process id, if any. Absolute.
    pub pid_file: Option<PathBuf>,
    /// The command to run after tokens changed, in words; empty: none.
    pub on_refresh: Vec<String>,
    /// The command to run when a person becomes needed, in words; empty: none.
    pub on_trouble: Vec<String>,
    /// The file for metrics, if any. Absolute.
    pub metrics_file: Option<PathBuf>,
    /// How many refreshes may run at the same time, 1 to 64.
    pub jobs: usize,
    /// The files with keys that seal and open. Absolute.
    pub key_files: Vec<PathBuf>,
    /// The command that prints a key, in words; empty: none.
    pub key_command: Vec<String>,
    /// Hosts that may be contacted over plain http: lower case, IPv6 in brackets.
    pub allow_http: Vec<String>,
    /// The variables, for client credentials.
    pub environment: Environment,
}

/// Settings with the warnings about them, which are logged once there is a log.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub settings: Settings,
    /// Whole sentences, each naming its file.
    pub warnings: Vec<String>,
}

/// The places that a command needs which only reads what the daemon wrote.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The project root, absolute and without links.
    pub dir: PathBuf,
    /// The directory of the token files. Absolute.
    pub tokens_dir: PathBuf,
}

impl Places {
    /// Finds the project by the options and the environment alone. No setting of the daemon's, in `.env` or elsewhere,
    /// can make this fail.
    pub(crate) fn find(options: &Options, process: &Environment) -> Result<Self, Invalid> {
        let sources = Origins { options, environment: process };
        let dir = sources.value(DIR, directory)?;
        let tokens_dir = sources.value(TOKENS_DIR, |value| values::path(value, &dir))?;
        Ok(Self { dir, tokens_dir })
    }

    /// The directory of the registry's server files: the `recorded` one of a daemon, else the default.
    pub(crate) fn servers_dir(&self, recorded: Option<&str>) -> PathBuf {
        self.dir.join(recorded.or(SERVERS_DIR.default).unwrap_or_default())
    }
}

impl Settings {
    /// Reads the settings of a starting program for the project at `places`, with its `.env`. The first setting that
    /// cannot be used is the error. Nothing has been written by then.
    pub(crate) fn read(options: &Options, process: &Environment, places: &Places) -> Result<Loaded, Invalid> {
        let sources = Origins { options, environment: process };
        let dir = places.dir.clone();
        let env_file = sources.value(ENV_FILE, |value| values::path(value, &dir))?;
        let named = sources.is_given(ENV_FILE);
        let (environment, warnings) = process.with_file(&env_file, named)?;
        let settings = Self::load(options, environment, dir, env_file)?;
        Ok(Loaded { settings, warnings })
    }

    /// Reads the settings again, with the same options and a fresh `.env`, for a running program. A pipe can be read
    /// once, so the variables from one are kept. After an error the caller keeps the present settings.
    pub(crate) fn reload(&self, options: &Options) -> Result<Loaded, Invalid> {
        let named = Origins { options, environment: &self.environment }.is_given(ENV_FILE);
        let (environment, warnings) = if is_pipe(&self.env_file) {
            (self.environment.clone(), Vec::new())
        } else {
            self.environment.with_file(&self.env_file, named)?
        };
        let settings = Self::load(options, environment, self.dir.clone(), self.env_file.clone())?;
        Ok(Loaded { settings, warnings })
    }

    /// Turns text into settings. Reads nothing but its arguments.
    fn load(
        options: &Options,
        environment: Environment,
        dir: PathBuf,
        env_file: PathBuf,
    ) -> Result<Self, Invalid> {
        let sources = Origins { options, environment: &environment };
        let path = |value: &OsStr| values::path(value, &dir);
        let home = environment.of_process_only("HOME").and_then(OsStr::to_str).map(ToOwned::to_owned);
        let client = text(|text| clients::client(text, &dir, home.as_deref()));
        let command = |flag| Ok(sources.optional(flag, text(values::command))?.unwrap_or_default());
        let once = options.has(const { flag("once") });
        let force = options.has(FORCE);
        if force && !once {
            let why = "works only with --once, a daemon would refresh everything all the time";
            return Err(Invalid::whole(format!("--{}", FORCE.long), format!("{why}; try --once --force")));
        }
        Ok(Self {
            interval: sources.value(const { flag("interval") }, text(values::seconds))?,
            buffer: sources.value(const { flag("buffer") }, text(values::seconds))?,
            log_level: sources.value(const { flag("log-level") }, text(values::level))?,
            once,
            force,
            tokens_dir: sources.value(TOKENS_DIR, path)?,
            servers_dir: sources.value(SERVERS_DIR, path)?,
            registry_url: sources.optional(const { flag("registry-url") }, text(values::gateway_url))?,
            clients: clients::once_each(sources.list(CLIENT, client)?)
                .map_err(|fault| Invalid::whole(format!("--{}", CLIENT.long), fault.to_string()))?,
            client_secrets: sources.value(const { flag("client-secrets") }, text(clients::secrets))?,
            client_program: sources.optional(const { flag("client-program") }, text(clients::elsewhere))?,
            client_dir: sources.optional(const { flag("client-dir") }, text(clients::elsewhere))?,
            launcher: sources.value(const { flag("launcher") }, text(clients::launcher))?,
            providers: sources.value(PROVIDERS, path)?,
            providers_named: sources.is_given(PROVIDERS),
            env_file,
            log_file: sources.value(const { flag("log-file") }, |value| values::log_target(value, &dir))?,
            pid_file: sources.value(const { flag("pid-file") }, |value| values::pid_file(value, &dir))?,
            on_refresh: command(const { flag("on-refresh") })?,
            on_trouble: command(const { flag("on-trouble") })?,
            key_files: sources.list(const { flag("key-file") }, path)?,
            key_command: command(const { flag("key-command") })?,
            metrics_file: sources.optional(const { flag("metrics-file") }, path)?,
            jobs: sources.value(const { flag("jobs") }, text(values::jobs))?,
            allow_http: sources.list(const { flag("allow-http") }, text(values::host))?,
            dir,
            environment,
        })
    }
}

/// A directory that exists, absolute and without links. Generated configurations name the directory, and the name must
/// remain true when a link changes.
fn directory(value: &OsStr) -> Result<PathBuf, Fault> {
    let path = values::path(value, Path::new(""))?;
    let found = path.canonicalize().and_then(|path| Ok((path.metadata()?.is_dir(), path)));
    match found {
        Ok((true, path)) => Ok(path),
        Ok((false, _)) => Err("is not a directory".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("does not exist".into()),
        Err(error) => Err(format!("cannot be used: {}", reason(&error)).into()),
    }
}

#[cfg(test)]
mod tests;
