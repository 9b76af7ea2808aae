//! The two default files, `mcp.json` and `vscode_mcp.json`.
//!
//! Both files belong to this program alone and are written whole. Entries are made as text, so that an unchanged file
//! is recognised by comparing texts. `--launcher` chooses the kind of entry.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::entry::{
    EntryPart, NoEntry, ReaderPaths, bridge_arguments, bridge_variables, refuse_expansion,
    refuse_expansion_in,
};
use super::quote::{push_pairs, push_quoted, push_words};
use super::service::Service;
use super::{gateway_shape, seed};
use crate::json;
use crate::ordered;
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

/// The entries of a default file that was written.
#[derive(Default)]
pub(crate) struct DefaultEntries {
    pub count: usize,
    /// Services that are left out, one line each.
    pub warnings: Vec<String>,
}

/// A default file on its way out.
struct DefaultWriter<'a> {
    push: &'a mut dyn FnMut(&str) -> io::Result<()>,
    /// The present entry. All entries share the buffer.
    entry: SecretText,
    written: DefaultEntries,
}

impl DefaultWriter<'_> {
    fn begin_entry(&mut self, name: &str) {
        self.entry.clear();
        self.entry.push(if self.written.count == 0 { "\n    " } else { ",\n    " });
        push_quoted(&mut self.entry, name);
        self.entry.push(": ");
    }

    fn end_entry(&mut self) -> io::Result<()> {
        self.written.count += 1;
        (self.push)(self.entry.as_str())
    }

    fn write_kept(&mut self, name: &str, entry: &Secret) -> io::Result<()> {
        self.begin_entry(name);
        self.entry.push(entry.expose());
        self.end_entry()
    }
}

/// Hands over the contents of a default file part by part, since thousands of tokens would fill the memory.
/// `services` are sorted by name. `kept` are entries of others to take over unchanged, by name.
pub(crate) fn write_default(
    file: DefaultFile,
    launcher: Launcher,
    services: &[Service],
    kept: BTreeMap<String, Secret>,
    paths: ReaderPaths,
    push: &mut dyn FnMut(&str) -> io::Result<()>,
) -> io::Result<DefaultEntries> {
    let (open, close) = if is_nested(file, launcher) {
        ("{\n  \"mcp\": {\"servers\": {", "}}\n}\n")
    } else {
        ("{\n  \"mcpServers\": {", "}\n}\n")
    };
    push(open)?;
    let mut out = DefaultWriter { push, entry: SecretText::default(), written: DefaultEntries::default() };
    let mut kept = kept.into_iter().peekable();
    for service in services {
        while let Some((name, entry)) = kept.next_if(|(name, _)| *name < service.name) {
            out.write_kept(&name, &entry)?;
        }
        out.begin_entry(&service.name);
        match push_service(&mut out.entry, file, launcher, service, paths) {
            Ok(()) => out.end_entry()?,
            Err(why) => {
                let (name, why) = (service.name.escape_debug(), why.told_of("an assistant"));
                out.written.warnings.push(format!("{name} is left out: {why}"));
            }
        }
    }
    for (name, entry) in kept {
        out.write_kept(&name, &entry)?;
    }
    (out.push)(if out.written.count == 0 { "" } else { "\n  " })?;
    (out.push)(close)?;
    Ok(out.written)
}

/// Appends the entry of a service.
fn push_service(
    text: &mut SecretText,
    file: DefaultFile,
    launcher: Launcher,
    service: &Service,
    paths: ReaderPaths,
) -> Result<(), NoEntry> {
    refuse_expansion(EntryPart::Name, &service.name)?;
    refuse_expansion(EntryPart::Address, &service.url)?;
    if launcher == Launcher::Bridge {
        return push_bridge(text, service, paths);
    }
    // Some clients expand `${env:HOME}`, so a token of this form would be changed.
    service.headers().try_for_each(|header| refuse_expansion_in(&header))?;
    match (launcher, file) {
        (Launcher::Http, DefaultFile::Roocode) => gateway_shape::push_roocode(text, service),
        (Launcher::Http, DefaultFile::Vscode) => gateway_shape::push_vscode(text, service),
        (_, DefaultFile::Roocode) => seed::push_roocode(text, service, paths.dir),
        (_, DefaultFile::Vscode) => seed::push_vscode(text, service),
    }
    Ok(())
}

/// Appends an entry that starts the bridge, the same in both files. The entry never changes and holds no secret.
fn push_bridge(text: &mut SecretText, service: &Service, paths: ReaderPaths) -> Result<(), NoEntry> {
    let arguments = bridge_arguments(service)?;
    text.push("{\n      \"command\": ");
    push_quoted(text, paths.exe);
    text.push(",\n      \"args\": ");
    push_words(text, arguments.iter().map(String::as_str));
    text.push(",\n      \"env\": {");
    push_pairs(text, bridge_variables(service, paths).into_iter(), ["\n        ", ",\n        ", ": "]);
    text.push("\n      }\n    }");
    Ok(())
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
    ordered::map(others.map(|member| (member.name, Secret::new(&object[member.place]))))
}
