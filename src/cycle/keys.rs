//! Reads the keys that the settings name.
//!
//! A source without a key now (a missing file, a locked keyring) must not stop the refresh of other tokens. Its sealed
//! secrets cannot be opened, and the log says so. A source that no key may come from is a wrong setting.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::command::{Task, first_line};
use crate::files::{OWN_DIRECTORY, ReadError, is_pipe, read_order, read_pipe};
use crate::sealing::{Keyring, SealingKey};
use crate::settings::Settings;

/// The time limit for the key command, and for the writer of a pipe.
const LIMIT: Duration = Duration::from_secs(30);

/// The name of the key among the credentials of a systemd unit.
const CREDENTIAL: &str = "token-refresher.key";

/// Variables that a key command gets, beside those with the prefixes below. Their values lead to the user's session and
/// to password managers. All other variables may hold secrets of token files.
const VARIABLES: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TERM",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "CREDENTIALS_DIRECTORY",
    "TOKEN_REFRESHER_DIR",
    "TOKEN_REFRESHER_TOKENS_DIR",
];

/// Prefixes of further such variables.
const VARIABLE_BEGINNINGS: [&str; 10] =
    ["LC_", "XDG_", "GPG_", "PASSWORD_STORE_", "OP_", "BW_", "VAULT_", "SOPS_", "AGE_", "PINENTRY_"];

#[derive(Clone, Default)]
pub(crate) struct LoadedKeys {
    ring: Keyring,
    /// Keys from pipes, since a pipe can be read once.
    from_pipes: Vec<(PathBuf, Arc<SealingKey>)>,
    /// Sources without a key now, a line each.
    pub missing: Vec<String>,
}

/// Why a source gives no key.
enum NoKey {
    /// The source has none now.
    Missing(String),
    /// No key may come from the source.
    Wrong(String),
}

impl LoadedKeys {
    /// Reads the keys that `settings` name. `before` has the keys from pipes. The error is a wrong setting.
    pub(crate) fn load(settings: &Settings, before: &Self) -> Result<Self, String> {
        let mut loaded = Self::default();
        for path in &settings.key_files {
            let key = loaded.of_file(settings, path, before);
            loaded.take(key, &format!("--key-file: {}", path.display()))?;
        }
        if !settings.key_command.is_empty() {
            let key = of_command(settings);
            loaded.take(key, "--key-command")?;
        }
        let credentials = settings.environment.of_process_only("CREDENTIALS_DIRECTORY");
        let credential = credentials.map(|directory| Path::new(directory).join(CREDENTIAL));
        if let Some(path) = credential.filter(|path| path.exists()) {
            let key = loaded.of_file(settings, &path, before);
            loaded.take(key, &path.display().to_string())?;
        }
        Ok(loaded)
    }

    /// Logs the sources without a key.
    pub(super) fn report(&self) {
        for line in &self.missing {
            log::error!(target: "CONFIG", "{line}");
        }
    }

    pub(crate) const fn ring(&self) -> &Keyring {
        &self.ring
    }

    fn take(&mut self, key: Result<Arc<SealingKey>, NoKey>, source: &str) -> Result<(), String> {
        match key {
            Ok(key) => self.ring.add(key),
            Err(NoKey::Missing(why)) => {
                self.missing.push(format!("{source}: {why}; what this key has sealed stays closed"));
            }
            Err(NoKey::Wrong(why)) => return Err(format!("{source}: {why}")),
        }
        Ok(())
    }

    fn of_file(&mut self, settings: &Settings, path: &Path, before: &Self) -> Result<Arc<SealingKey>, NoKey> {
        if is_pipe(path) {
            let known = before.from_pipes.iter().find(|(known, _)| known == path);
            let key = known.map_or_else(|| of_pipe(path), |(_, key)| Ok(Arc::clone(key)))?;
            self.from_pipes.push((path.to_owned(), Arc::clone(&key)));
            return Ok(key);
        }
        if let Some(why) = misplaced(settings, path) {
            return Err(NoKey::Wrong(why));
        }
        parsed(&read_order(path).map_err(unread)?)
    }
}

fn of_pipe(path: &Path) -> Result<Arc<SealingKey>, NoKey> {
    let bytes = read_pipe(path, LIMIT).map_err(unread)?;
    let bytes = bytes.ok_or_else(|| NoKey::Missing("nothing was written into this pipe".to_owned()))?;
    let text = str::from_utf8(&bytes).map_err(|_| NoKey::Wrong(ReadError::NotText.to_string()))?;
    parsed(text)
}

fn of_command(settings: &Settings) -> Result<Arc<SealingKey>, NoKey> {
    let wanted = |name: &str| {
        VARIABLES.contains(&name) || VARIABLE_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    };
    let mut environment = settings.environment.of_process_where(wanted);
    if environment.iter().all(|(name, _)| name != "PATH") {
        environment.push(("PATH".into(), OsString::from("/usr/local/bin:/usr/bin:/bin")));
    }
    let task = Task {
        words: settings.key_command.clone(),
        environment,
        directory: settings.dir.clone(),
        limit: LIMIT,
    };
    let line = first_line(&task).map_err(|why| NoKey::Missing(why.to_string()))?;
    parsed(line.expose()).map_err(|why| match why {
        NoKey::Wrong(why) => NoKey::Missing(format!("the first line that it printed is no key: {why}")),
        missing @ NoKey::Missing(_) => missing,
    })
}

fn parsed(text: &str) -> Result<Arc<SealingKey>, NoKey> {
    SealingKey::parse(text).map(Arc::new).map_err(|why| NoKey::Wrong(why.to_string()))
}

fn unread(error: ReadError) -> NoKey {
    match error {
        ReadError::Gone | ReadError::Io(_) => NoKey::Missing(error.to_string()),
        wrong => NoKey::Wrong(wrong.to_string()),
    }
}

/// Why a key must not be at its place: a copy of the tokens directory would hold the key with the sealed secrets.
fn misplaced(settings: &Settings, path: &Path) -> Option<String> {
    let real = |path: &Path| path.canonicalize().ok();
    let places = [settings.tokens_dir.clone(), settings.dir.join(OWN_DIRECTORY)];
    let keys = [real(path), path.parent().and_then(real)];
    places.iter().filter_map(|place| Some((place, real(place)?))).find_map(|(place, inside)| {
        let is_in = keys.iter().flatten().any(|key| key.starts_with(&inside));
        is_in.then(|| format!("it is in {}, beside what it seals; keep it elsewhere", place.display()))
    })
}
