//! Where every setting comes from: option > environment > `.env` > default.
//!
//! [`Settings::read`] finds the project and its `.env`, [`Settings::load`] turns words into values
//! and is pure, and [`Settings::reload`] does both again for a daemon that was told to. An error
//! names the option, variable or line that holds the bad value, since a user who has all three does
//! not know which one counts.

mod clients;
mod dotenv;
mod environment;
mod invalid;
mod sources;
mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::cli::{Flag, Options, flag};
use crate::clients::{Launcher, Secrets};
use crate::files::reason;
use crate::logging::LogTarget;

pub(crate) use clients::KeptClient;
pub(crate) use environment::Environment;
pub(crate) use invalid::Invalid;
use sources::{Sources, text};
use values::Fault;

const FORCE: &Flag = flag("force");
const DIR: &Flag = flag("dir");
const TOKENS_DIR: &Flag = flag("tokens-dir");
const ENV_FILE: &Flag = flag("env-file");
const PROVIDERS: &Flag = flag("providers");
const CLIENT: &Flag = flag("client");
const PID_FILE: &Flag = flag("pid-file");
const ON_REFRESH: &Flag = flag("on-refresh");

/// Everything the program was told, checked. A new option is a row in `cli::flags` and a field here, which
/// [`Settings::load`] reads by the row's name: one that is not in the table does not compile.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The longest time between two checks.
    pub interval: Duration,
    /// How long before its expiry a token is refreshed.
    pub buffer: Duration,
    /// What is logged.
    pub log_level: LevelFilter,
    /// One cycle, then exit.
    pub once: bool,
    /// Refresh every token, due or not. Only with `once`.
    pub force: bool,
    /// The project root, absolute and without links.
    pub dir: PathBuf,
    /// Where the token files are. Absolute; need not exist.
    pub tokens_dir: PathBuf,
    /// Where the registry's server files are. Absolute; need not exist.
    pub servers_dir: PathBuf,
    /// The gateway's URL, without a slash at its end.
    pub registry_url: Option<String>,
    /// The clients whose own configurations are kept, each file once.
    pub clients: Vec<KeptClient>,
    /// Where the tokens in those stand.
    pub client_secrets: Secrets,
    /// The path of this program for the clients, where that is another than here. Absolute.
    pub client_program: Option<String>,
    /// The project root for the clients, where that is another than here. Absolute.
    pub client_dir: Option<String>,
    /// What the two default files hold.
    pub launcher: Launcher,
    /// The user's own providers. Absolute. The default need not exist.
    pub providers: PathBuf,
    /// Whether an option or a variable names that file, so that it must exist.
    pub providers_named: bool,
    /// The file that the second layer of [`Self::environment`] was read from. Absolute.
    pub env_file: PathBuf,
    /// Where the log goes; a file is absolute.
    pub log_file: LogTarget,
    /// Where the daemon's process id is written, if anywhere. Absolute.
    pub pid_file: Option<PathBuf>,
    /// The command to run after tokens changed, in words; empty where there is none.
    pub on_refresh: Vec<String>,
    /// Where metrics are written, if anywhere. Absolute.
    pub metrics_file: Option<PathBuf>,
    /// How many refreshes may be in flight, 1 to 64.
    pub jobs: usize,
    /// Hosts that may be spoken to over plain http: lower case, IPv6 in brackets.
    pub allow_http: Vec<String>,
    /// The variables, for client credentials.
    pub environment: Environment,
}

/// Settings, and what is to be said about them once there is a log.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Whole sentences, each naming its file.
    pub warnings: Vec<String>,
}

/// All that a command needs to know which only looks at what the daemon left.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The project root, absolute and without links.
    pub dir: PathBuf,
    /// Where the token files are. Absolute.
    pub tokens_dir: PathBuf,
}

impl Places {
    /// Finds the project by the options and the environment alone: no setting of the daemon's, in `.env`
    /// or elsewhere, can be in the way.
    ///
    /// # Errors
    ///
    /// The option or variable that cannot be used.
    pub(crate) fn find(options: &Options, process: &Environment) -> Result<Self, Invalid> {
        let sources = Sources { options, environment: process };
        let dir = sources.value(DIR, directory)?;
        let tokens_dir = sources.value(TOKENS_DIR, |value| values::path(value, &dir))?;
        Ok(Self { dir, tokens_dir })
    }
}

/// What cannot be set in `.env`, since it must be known before, or decides what is run.
#[derive(Clone, Debug)]
struct Fixed {
    dir: PathBuf,
    env_file: PathBuf,
    /// A writer of `.env` must not be able to have a command run.
    on_refresh: Vec<String>,
}

impl Settings {
    /// Reads the settings of a program that starts: finds the project, reads its `.env`.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used. Nothing was written or made by then.
    pub(crate) fn read(options: &Options, process: &Environment) -> Result<Loaded, Invalid> {
        let sources = Sources { options, environment: process };
        let dir = sources.value(DIR, directory)?;
        let env_file = sources.value(ENV_FILE, |value| values::path(value, &dir))?;
        let on_refresh = sources.optional(ON_REFRESH, text(values::command))?.unwrap_or_default();
        Self::read_at(options, process, &Fixed { dir, env_file, on_refresh })
    }

    /// Reads the settings again, with the same options and a fresh `.env`, for a program that runs.
    /// What needs a restart keeps its value, with a warning.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used; the present ones stay.
    pub(crate) fn reload(&self, options: &Options) -> Result<Loaded, Invalid> {
        let (dir, env_file) = (self.dir.clone(), self.env_file.clone());
        let fixed = Fixed { dir, env_file, on_refresh: self.on_refresh.clone() };
        let mut loaded = Self::read_at(options, &self.environment, &fixed)?;
        for flag in needs_restart(self, &loaded.settings) {
            loaded.warnings.push(format!("--{}: the change takes effect after a restart", flag.long));
        }
        loaded.settings.tokens_dir.clone_from(&self.tokens_dir);
        loaded.settings.pid_file.clone_from(&self.pid_file);
        Ok(loaded)
    }

    fn read_at(options: &Options, process: &Environment, fixed: &Fixed) -> Result<Loaded, Invalid> {
        let found = dotenv::read(&fixed.env_file);
        let environment = process.over(fixed.env_file.clone(), found.assignments);
        let mut warnings = found.warnings;
        for name in [DIR, ENV_FILE, ON_REFRESH].into_iter().filter_map(|flag| flag.variable) {
            if let Some(line) = environment.line_in_file(name) {
                let file = fixed.env_file.display();
                warnings.push(format!("{file} line {line}: {name} has no effect in this file"));
            }
        }
        Ok(Loaded { settings: Self::load(options, environment, fixed)?, warnings })
    }

    /// Turns words into settings; looks at nothing but its arguments.
    fn load(options: &Options, environment: Environment, fixed: &Fixed) -> Result<Self, Invalid> {
        let sources = Sources { options, environment: &environment };
        let path = |value: &OsStr| values::path(value, &fixed.dir);
        let home = environment.of_process_only("HOME").and_then(OsStr::to_str).map(ToOwned::to_owned);
        let client = |value: &OsStr| {
            let text = value.to_str().ok_or("is not UTF-8")?;
            clients::client(text, &fixed.dir, home.as_deref())
        };
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
            dir: fixed.dir.clone(),
            tokens_dir: sources.value(TOKENS_DIR, path)?,
            servers_dir: sources.value(const { flag("servers-dir") }, path)?,
            registry_url: sources.optional(const { flag("registry-url") }, text(values::gateway_url))?,
            clients: clients::once_each(sources.list(CLIENT, client)?)
                .map_err(|fault| Invalid::whole(format!("--{}", CLIENT.long), fault.to_string()))?,
            client_secrets: sources.value(const { flag("client-secrets") }, text(clients::secrets))?,
            client_program: sources.optional(const { flag("client-program") }, text(clients::elsewhere))?,
            client_dir: sources.optional(const { flag("client-dir") }, text(clients::elsewhere))?,
            launcher: sources.value(const { flag("launcher") }, text(clients::launcher))?,
            providers: sources.value(PROVIDERS, path)?,
            providers_named: options.has(PROVIDERS)
                || PROVIDERS.variable.is_some_and(|name| environment.get(name).is_some()),
            env_file: fixed.env_file.clone(),
            log_file: sources
                .value(const { flag("log-file") }, |value| values::log_target(value, &fixed.dir))?,
            pid_file: sources.value(PID_FILE, |value| values::pid_file(value, &fixed.dir))?,
            on_refresh: fixed.on_refresh.clone(),
            metrics_file: sources.optional(const { flag("metrics-file") }, path)?,
            jobs: sources.value(const { flag("jobs") }, text(values::jobs))?,
            allow_http: sources.list(const { flag("allow-http") }, text(values::host))?,
            environment,
        })
    }
}

/// The options that differ between `old` and `new` and that a running daemon cannot change: it holds
/// a lock in one directory and has its pid file in one place. (`--dir` and `--env-file` cannot
/// differ: they come from the command line and the real environment alone.)
fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static Flag> {
    let changed = [(TOKENS_DIR, old.tokens_dir != new.tokens_dir), (PID_FILE, old.pid_file != new.pid_file)];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(flag, _)| flag).collect()
}

/// A directory that exists, absolute and without links: generated configurations name it, and it
/// must not change when a link does.
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
