//! The two default files, `mcp.json` and `vscode_mcp.json`.
//!
//! Both are this program's alone and are written whole, entry by entry in text, so that a file with nothing new in it
//! is recognised by comparing texts. `--launcher` chooses what an entry is.

use std::collections::{BTreeMap, HashSet};

use super::entry::{NoEntry, refuse_expansion, refuse_expansion_in};
use super::quote::push_quoted;
use super::service::Service;
use super::{gateway_shape, seed};
use crate::json;
use crate::secret::{Secret, SecretText};

/// What an entry of the two default files is (`--launcher`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Launcher {
    /// A local program of the documentation of the Python service.
    Seed,
    /// The address and the headers, as the gateway's own tools write them.
    Http,
    /// Neither file is written.
    None,
}

/// One of the two default files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DefaultFile {
    /// `mcp.json`, for Roo Code and clients like it.
    Roocode,
    /// `vscode_mcp.json`, for Visual Studio Code.
    Vscode,
}

impl DefaultFile {
    pub(crate) const ALL: [Self; 2] = [Self::Roocode, Self::Vscode];

    /// The name in the tokens directory.
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Roocode => "mcp.json",
            Self::Vscode => "vscode_mcp.json",
        }
    }

    /// The name of its reader in the log, as the Python service wrote it.
    pub(crate) const fn reader(self) -> &'static str {
        match self {
            Self::Roocode => "Roocode",
            Self::Vscode => "VSCode",
        }
    }
}

/// The contents of a default file.
pub(crate) struct DefaultText {
    pub text: Secret,
    /// How many servers are in it.
    pub count: usize,
    /// Services that are left out, one line each.
    pub warnings: Vec<String>,
}

/// Returns the contents of a default file. `kept` are entries that stay as they are, by name; `project_root` is
/// absolute.
pub(crate) fn default_text(
    file: DefaultFile,
    launcher: Launcher,
    services: &[Service],
    kept: BTreeMap<String, Secret>,
    project_root: &str,
) -> DefaultText {
    let mut entries = kept;
    let mut warnings = Vec::new();
    for service in services {
        if let Err(why) = refuse_expanded(service) {
            let (name, why) = (service.name.escape_debug(), why.told_of("an assistant"));
            warnings.push(format!("{name} is left out: {why}"));
            continue;
        }
        let entry = match (launcher, file) {
            (Launcher::Http, DefaultFile::Roocode) => gateway_shape::roocode_entry(service),
            (Launcher::Http, DefaultFile::Vscode) => gateway_shape::vscode_entry(service),
            (_, DefaultFile::Roocode) => seed::roocode_entry(service, project_root),
            (_, DefaultFile::Vscode) => seed::vscode_entry(service),
        };
        entries.insert(service.name.clone(), entry);
    }
    let text = servers_object(&entries, is_nested(file, launcher));
    DefaultText { text, count: entries.len(), warnings }
}

/// Whether the servers are in `mcp.servers` instead of `mcpServers`.
fn is_nested(file: DefaultFile, launcher: Launcher) -> bool {
    launcher == Launcher::Http && file == DefaultFile::Vscode
}

/// Returns the entries of a default file, as text by name, that are of none of these services.
pub(crate) fn other_entries(
    file: DefaultFile,
    launcher: Launcher,
    present: &str,
    services: &[Service],
) -> BTreeMap<String, Secret> {
    let known: HashSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let path: &[&str] = if is_nested(file, launcher) { &["mcp", "servers"] } else { &["mcpServers"] };
    let mut object = present;
    for name in path {
        let members = json::members(object).unwrap_or_default();
        let Some(member) = members.into_iter().find(|member| member.name == *name) else {
            return BTreeMap::new();
        };
        object = &object[member.place];
    }
    let members = json::members(object).unwrap_or_default();
    let others = members.into_iter().filter(|member| !known.contains(member.name.as_str()));
    others.map(|member| (member.name, Secret::new(&object[member.place]))).collect()
}

/// Refuses a service of which an assistant would expand something: a token like `${env:HOME}` would become another.
fn refuse_expanded(service: &Service) -> Result<(), NoEntry> {
    refuse_expansion("its name", &service.name)?;
    refuse_expansion("its address", &service.url)?;
    service.headers().try_for_each(|header| refuse_expansion_in(&header))
}

/// Writes `{"mcpServers": {NAME: ENTRY, …}}`, or the same within `mcp.servers`.
fn servers_object(entries: &BTreeMap<String, Secret>, is_nested: bool) -> Secret {
    let (open, close) = if is_nested {
        ("{\n  \"mcp\": {\"servers\": {", "}}\n}\n")
    } else {
        ("{\n  \"mcpServers\": {", "}\n}\n")
    };
    let mut text = SecretText::default();
    text.push(open);
    for (index, (name, entry)) in entries.iter().enumerate() {
        text.push(if index == 0 { "\n    " } else { ",\n    " });
        push_quoted(&mut text, name);
        text.extend([": ", entry.expose()]);
    }
    text.extend([if entries.is_empty() { "" } else { "\n  " }, close]);
    text.finish()
}
