//! Warnings about names of variables: those without an effect in `.env`, and typing errors.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{flags_with_variable, nearest};
use crate::ordered;

/// Variables that are no option's and that `.env` cannot set. Their values name files, proxies or places.
const OF_PROCESS: &[&str] = &[
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "HOME",
    "PATH",
];

/// The variables that commands of `--on-refresh` and `--on-trouble` receive.
const TOLD: &[&str] = &[
    "TOKEN_REFRESHER_CHANGED",
    "TOKEN_REFRESHER_CHANGED_FILES",
    "TOKEN_REFRESHER_CHANGED_NAMES",
    "TOKEN_REFRESHER_TROUBLE",
    "TOKEN_REFRESHER_TROUBLE_COMMANDS",
    "TOKEN_REFRESHER_TROUBLE_NAMES",
    "TOKEN_REFRESHER_TROUBLE_TEXT",
];

/// The prefix of this program's variables.
const OURS: &str = "TOKEN_REFRESHER_";

/// The warnings about the names that the file at `path` assigns to, each with its line.
pub(super) fn of_file<'a>(path: &Path, names: impl Iterator<Item = (&'a str, usize)>) -> Vec<String> {
    let mut found: Vec<(usize, String)> =
        names.filter_map(|(name, line)| Some((line, in_file(name)?))).collect();
    ordered::sort(&mut found, Ord::cmp);
    found.into_iter().map(|(line, what)| format!("{} line {line}: {what}", path.display())).collect()
}

fn in_file(name: &str) -> Option<String> {
    let no_effect = "has no effect in this file, which gives figures and credentials only";
    match flags_with_variable().find(|flag| flag.variable == Some(name)) {
        Some(flag) if flag.in_env_file => None,
        Some(flag) => Some(format!("{name} {no_effect}; set it in the environment, or use --{}", flag.long)),
        None if OF_PROCESS.contains(&name) => Some(format!("{name} {no_effect}; set it in the environment")),
        None => unknown(name),
    }
}

/// The warnings about the names in the process's own environment.
pub(super) fn of_process<'a>(names: impl Iterator<Item = &'a OsString>) -> Vec<String> {
    let known = |name: &str| flags_with_variable().any(|flag| flag.variable == Some(name));
    let names = names.filter_map(|name| name.to_str()).filter(|name| !known(name));
    names.filter_map(unknown).collect()
}

/// A warning about a name that has this program's prefix and is unknown.
fn unknown(name: &str) -> Option<String> {
    let own = name.strip_prefix(OURS)?;
    if TOLD.contains(&name) {
        return None;
    }
    let shown = name.escape_debug();
    let known = flags_with_variable().filter_map(|flag| flag.variable?.strip_prefix(OURS));
    Some(match nearest(own, known) {
        Some(near) => format!("{shown} is no setting of this program; did you mean {OURS}{near}?"),
        None => format!("{shown} is no setting of this program; see token-refresher --help"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_cannot_set_is_said_with_the_place_for_it() {
        for (name, said) in [
            ("TOKEN_REFRESH_INTERVAL", None),
            ("TOKEN_EXPIRY_BUFFER", None),
            ("TOKEN_REFRESHER_JOBS", None),
            ("LOG_LEVEL", None),
            ("REGISTRY_URL", None),
            ("AUTH_PROVIDER", None),
            ("EGRESS_OAUTH_CLIENT_SECRET_1", None),
            ("TOKEN_REFRESHER_LOG_FILE", Some("; set it in the environment, or use --log-file")),
            ("TOKEN_REFRESHER_ON_REFRESH", Some("or use --on-refresh")),
            ("TOKEN_REFRESHER_ON_TROUBLE", Some("or use --on-trouble")),
            ("HTTPS_PROXY", Some("; set it in the environment")),
            ("TOKEN_REFRESHER_JOBBS", Some("did you mean TOKEN_REFRESHER_JOBS?")),
        ] {
            let notices = of_file(Path::new("/p/.env"), [(name, 3)].into_iter());
            match said {
                None => assert!(notices.is_empty(), "{notices:?}"),
                Some(end) => {
                    assert!(
                        notices[0].starts_with("/p/.env line 3: ") && notices[0].ends_with(end),
                        "{notices:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_slip_in_the_environment_is_said_with_the_nearest_name() {
        let said = |name: &str| of_process([OsString::from(name)].iter());
        assert_eq!(said("TOKEN_REFRESHER_TOKEN_DIR").len(), 1);
        assert!(said("TOKEN_REFRESHER_TOKEN_DIR")[0].ends_with("did you mean TOKEN_REFRESHER_TOKENS_DIR?"));
        for name in ["TOKEN_REFRESHER_TOKENS_DIR", "TOKEN_REFRESHER_CHANGED", "TOKEN_REFRESHER", "HOME"] {
            assert!(said(name).is_empty(), "{name}");
        }
    }
}
