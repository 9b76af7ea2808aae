//! Opens the address in the person's browser, at a graphical terminal or with `--open`.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use crate::threads;

/// The facts that decide whether a browser is opened.
#[allow(clippy::struct_excessive_bools, reason = "five facts that hold or do not")]
pub(super) struct BrowserContext {
    /// Whether `--open` was given.
    pub wanted: bool,
    /// Whether this process is root's. A browser with root's rights would be too dangerous.
    pub root: bool,
    /// Whether the program runs at a terminal.
    pub terminal: bool,
    /// Whether the terminal is on another machine than the person.
    pub remote: bool,
    /// Whether there is a screen for a browser.
    pub screen: bool,
}

impl BrowserContext {
    pub(super) fn of_process(wanted: bool) -> Self {
        let given = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            wanted,
            root: rustix::process::geteuid().is_root(),
            terminal: std::io::stderr().is_terminal() && std::io::stdin().is_terminal(),
            remote: given("SSH_CONNECTION"),
            screen: cfg!(target_os = "macos") || given("DISPLAY") || given("WAYLAND_DISPLAY"),
        }
    }
}

/// Whether to open a browser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    Yes,
    /// `--open` was given, but the process is root's.
    NotAsRoot,
    /// The person opens the address.
    No,
}

/// Decides whether to open a browser.
pub(super) fn decide(circumstances: &BrowserContext) -> Opening {
    let BrowserContext { wanted, root, terminal, remote, screen } = circumstances;
    match (wanted, root) {
        (true, true) => Opening::NotAsRoot,
        (true, false) => Opening::Yes,
        (false, false) if *terminal && *screen && !remote => Opening::Yes,
        _ => Opening::No,
    }
}

/// The commands to try, in order. `browser` is the variable `BROWSER`: commands parted by colons. The address replaces
/// `%s`, or follows as the last argument.
pub(super) fn commands(browser: Option<&str>, address: &str) -> Vec<Vec<String>> {
    let own = browser.into_iter().flat_map(|list| list.split(':')).filter_map(|command| {
        let mut words: Vec<String> =
            command.split_whitespace().map(|word| word.replace("%s", address)).collect();
        if words.is_empty() {
            return None;
        }
        if !command.contains("%s") {
            words.push(address.to_owned());
        }
        Some(words)
    });
    let usual = ["xdg-open", "open"].map(|program| vec![program.to_owned(), address.to_owned()]);
    own.chain(usual).collect()
}

/// The variables that a browser needs: screen, session and person. A browser must not get client credentials from the
/// environment.
const PASSED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Starts the first command that can be started. Returns whether there was one.
pub(super) fn open(commands: &[Vec<String>], variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let environment: Vec<_> = PASSED_ON.iter().filter_map(|name| Some((*name, variable(name)?))).collect();
    commands.iter().any(|words| {
        let started = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(mut child) => {
                // A thread waits for the browser, so that no zombie is left. The browser's exit status is of no
                // interest.
                let _ = threads::start("browser", move || drop(child.wait()));
                true
            }
            Err(_) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_opened_where_a_person_sees_it() {
        let circumstances = |wanted, root, terminal, remote, screen| {
            decide(&BrowserContext { wanted, root, terminal, remote, screen })
        };
        for (wanted, root, terminal, remote, screen, expected) in [
            (true, false, false, true, false, Opening::Yes),
            (true, true, true, false, true, Opening::NotAsRoot),
            (false, false, true, false, true, Opening::Yes),
            (false, true, true, false, true, Opening::No),
            (false, false, false, false, true, Opening::No),
            (false, false, true, true, true, Opening::No),
            (false, false, true, false, false, Opening::No),
        ] {
            assert_eq!(circumstances(wanted, root, terminal, remote, screen), expected);
        }
    }

    #[test]
    fn the_variable_comes_first() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let found = commands(Some("firefox --new-tab %s::lynx"), "https://a/?b");
        assert_eq!(found[0], words(&["firefox", "--new-tab", "https://a/?b"]));
        assert_eq!(found[1], words(&["lynx", "https://a/?b"]));
        assert_eq!(found[2], words(&["xdg-open", "https://a/?b"]));
        assert_eq!(commands(None, "x").len(), 2);
    }
}
