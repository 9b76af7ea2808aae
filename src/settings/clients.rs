//! `--client NAME[=PATH]`, `--client-secrets HOW`, `--launcher KIND` and the places of things for clients.

use std::path::{Path, PathBuf};

use crate::clients::{self, Launcher, McpClient, Secrets};

use super::values::{self, Fault};

/// A client whose configuration is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptClient {
    pub client: &'static McpClient,
    /// The configuration that the client reads, absolute and in UTF-8. None: a file in the tokens directory that this
    /// program owns.
    pub path: Option<PathBuf>,
}

impl KeptClient {
    /// The file that holds the configuration.
    pub(crate) fn file(&self, tokens_dir: &Path) -> PathBuf {
        self.path.clone().unwrap_or_else(|| tokens_dir.join(self.client.own_file()))
    }
}

/// A client's name, and the path of its file where one is given. The path starts at `root`, or at `home` after `~/`.
/// Not every shell replaces a `~` behind an equals sign, and a variable passes no shell.
pub(super) fn client(text: &str, root: &Path, home: Option<&str>) -> Result<KeptClient, Fault> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (text, None),
    };
    let client = clients::client(name).ok_or_else(|| {
        format!(
            "names no client that is known; known are {}",
            clients::names().collect::<Vec<_>>().join(", ")
        )
    })?;
    let path = match path {
        None => None,
        Some(path) => Some(match (path.strip_prefix("~/"), home.filter(|home| home.starts_with('/'))) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => values::path(path.as_ref(), root)?,
        }),
    };
    Ok(KeptClient { client, path })
}

/// Where the clients' configurations hold secrets.
pub(super) fn secrets(text: &str) -> Result<Secrets, Fault> {
    match text.trim() {
        "auto" => Ok(Secrets::Auto),
        "inline" => Ok(Secrets::Inline),
        "bridge" => Ok(Secrets::Bridge),
        _ => Err("is not one of auto, inline, bridge".into()),
    }
}

/// The kind of entries in the two default files.
pub(super) fn launcher(text: &str) -> Result<Launcher, Fault> {
    match text.trim() {
        "seed" => Ok(Launcher::Seed),
        "http" => Ok(Launcher::Http),
        "none" => Ok(Launcher::None),
        "bridge" => Ok(Launcher::Bridge),
        _ => Err("is not one of seed, bridge, http, none".into()),
    }
}

/// A path on another machine or in another root. The path must be absolute, since nothing here can complete it.
pub(super) fn elsewhere(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("is not an absolute path".into()) }
}

/// Leaves each file once. Two clients of one file would undo each other's entries at every check.
pub(super) fn once_each(all: Vec<KeptClient>) -> Result<Vec<KeptClient>, Fault> {
    let mut kept: Vec<KeptClient> = Vec::new();
    for one in all {
        match kept.iter().find(|other| one.path.is_some() && other.path == one.path || **other == one) {
            Some(other) if *other == one => {}
            Some(other) => {
                let (first, second) = (other.client.name, one.client.name);
                return Err(format!(
                    "{first} and {second} name one file, in which they would undo each other's entries; \
                     keep one of them there"
                )
                .into());
            }
            None => kept.push(one),
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(&'static str, Option<PathBuf>), Fault> {
        client(text, Path::new("/p"), Some("/home/me")).map(|kept| (kept.client.name, kept.path))
    }

    #[test]
    fn a_name_and_perhaps_a_path() {
        for (text, name, path) in [
            ("cursor", "cursor", None),
            ("cursor=.cursor/mcp.json", "cursor", Some("/p/.cursor/mcp.json")),
            ("claude-code=/a/b=c.json", "claude-code", Some("/a/b=c.json")),
            ("zed=~/.config/zed/settings.json", "zed", Some("/home/me/.config/zed/settings.json")),
        ] {
            assert_eq!(read(text), Ok((name, path.map(PathBuf::from))), "{text}");
        }
        let kept = client("codex", Path::new("/p"), None).unwrap();
        assert_eq!(kept.file(Path::new("/t")), Path::new("/t/mcp-codex.toml"));
    }

    #[test]
    fn what_is_no_client_is_told_which_there_are() {
        for text in ["", "cursr", "Cursor", "=x", " cursor"] {
            let fault = read(text).unwrap_err();
            assert!(fault.contains("amazon-q, amp, claude-code") && fault.ends_with("zed"), "{fault}");
        }
        assert!(read("cursor=").is_err_and(|fault| fault == "is not a path"));
        for home in [None, Some(""), Some("relative")] {
            let fault = client("cursor=~/x", Path::new("/p"), home).unwrap_err();
            assert!(fault.contains("write the path in full"), "{fault}");
        }
    }

    #[test]
    fn ways_to_keep_secrets() {
        assert_eq!((secrets("auto"), secrets("inline")), (Ok(Secrets::Auto), Ok(Secrets::Inline)));
        assert_eq!(secrets("bridge").ok(), Some(Secrets::Bridge));
        assert!(secrets("").is_err() && secrets("AUTO").is_err());
    }

    #[test]
    fn launchers_and_paths_elsewhere() {
        for (text, kind) in [
            ("seed", Launcher::Seed),
            (" http ", Launcher::Http),
            ("none", Launcher::None),
            ("bridge", Launcher::Bridge),
        ] {
            assert!(launcher(text).is_ok_and(|found| found == kind), "{text}");
        }
        for text in ["", "SEED", "uv"] {
            assert!(launcher(text).is_err(), "{text}");
        }
        assert!(elsewhere("/usr/bin/token-refresher").is_ok());
        for text in ["", "token-refresher", "~/bin/token-refresher", "./x"] {
            assert!(elsewhere(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_file_is_for_one_client() {
        let all = |texts: &[&str]| {
            let all = texts.iter().map(|text| client(text, Path::new("/p"), None).unwrap()).collect();
            once_each(all).map(|kept| kept.len())
        };
        assert_eq!(all(&["cursor", "zed", "cursor", "cursor=a", "cursor=/p/a", "cursor=b"]), Ok(4));
        let fault = all(&["cursor=a", "kiro=/p/a"]).unwrap_err();
        assert!(fault.starts_with("cursor and kiro name one file"), "{fault}");
    }
}
