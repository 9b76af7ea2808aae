//! The two default files, `mcp.json` and `vscode_mcp.json`.
//!
//! Both files belong to this program alone and are written whole. Entries are made as text, so that an unchanged file
//! is recognised by comparing texts. `--launcher` chooses the kind of entry.

use std::collections::{BTreeMap, HashSet};

use super::entry::{
    NoEntry, ReaderPaths, bridge_arguments, bridge_variables, refuse_expansion, refuse_expansion_in,
};
use super::quote::{push_pairs, push_quoted, push_words};
use super::service::Service;
use super::{gateway_shape, seed};
use crate::json;
use crate::secret::{Secret, SecretText};

/// The kind of entry in the two default files (`--launcher`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Launcher {
    /// A local program, as in the documentation of the Python service.
    Seed,
    /// The address and the headers, as the gateway's own tools write them.
    Http,
    /// This program, which passes all messages to the server with the present token.
    Bridge,
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

    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Roocode => "mcp.json",
            Self::Vscode => "vscode_mcp.json",
        }
    }

    /// The name of the file's reader in the log, as the Python service wrote it.
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
    /// The number of servers in the text.
    pub count: usize,
    /// Services that are left out, one line each.
    pub warnings: Vec<String>,
}

/// The contents of a default file. `kept` are entries to take over unchanged, by name.
pub(crate) fn default_text(
    file: DefaultFile,
    launcher: Launcher,
    services: &[Service],
    kept: BTreeMap<String, Secret>,
    paths: ReaderPaths,
) -> DefaultText {
    let mut entries = kept;
    let mut warnings = Vec::new();
    for service in services {
        match default_entry(file, launcher, service, paths) {
            Ok(entry) => drop(entries.insert(service.name.clone(), entry)),
            Err(why) => {
                let (name, why) = (service.name.escape_debug(), why.told_of("an assistant"));
                warnings.push(format!("{name} is left out: {why}"));
            }
        }
    }
    let text = servers_object(&entries, is_nested(file, launcher));
    DefaultText { text, count: entries.len(), warnings }
}

fn default_entry(
    file: DefaultFile,
    launcher: Launcher,
    service: &Service,
    paths: ReaderPaths,
) -> Result<Secret, NoEntry> {
    refuse_expansion("its name", &service.name)?;
    refuse_expansion("its address", &service.url)?;
    if launcher == Launcher::Bridge {
        return bridge_shape(service, paths);
    }
    // Some clients expand `${env:HOME}`, so a token of this form would be changed.
    service.headers().try_for_each(|header| refuse_expansion_in(&header))?;
    Ok(match (launcher, file) {
        (Launcher::Http, DefaultFile::Roocode) => gateway_shape::roocode_entry(service),
        (Launcher::Http, DefaultFile::Vscode) => gateway_shape::vscode_entry(service),
        (_, DefaultFile::Roocode) => seed::roocode_entry(service, paths.dir),
        (_, DefaultFile::Vscode) => seed::vscode_entry(service),
    })
}

/// An entry that starts the bridge, the same in both files. The entry never changes and holds no secret.
fn bridge_shape(service: &Service, paths: ReaderPaths) -> Result<Secret, NoEntry> {
    let mut text = SecretText::default();
    text.push("{\n      \"command\": ");
    push_quoted(&mut text, paths.exe);
    text.push(",\n      \"args\": ");
    push_words(&mut text, bridge_arguments(service)?.iter().map(String::as_str));
    text.push(",\n      \"env\": {");
    push_pairs(&mut text, bridge_variables(service, paths).into_iter(), ["\n        ", ",\n        ", ": "]);
    text.push("\n      }\n    }");
    Ok(text.finish())
}

/// Whether the servers are in `mcp.servers` instead of `mcpServers`.
fn is_nested(file: DefaultFile, launcher: Launcher) -> bool {
    launcher == Launcher::Http && file == DefaultFile::Vscode
}

/// The entries of a default file that belong to none of these services, as text by name.
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
