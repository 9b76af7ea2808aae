//! Files that are ours as a whole: Codex's TOML and Continue's YAML.
//!
//! Neither notation is edited in place. A file that we did not write is left alone, and the entries
//! are handed back for its owner to paste; once they stand there, all is well.

use zeroize::Zeroizing;

use super::Edit;
use super::entry::{Entry, Member};
use super::quote::{push_fixed, push_quoted};
use super::table::Format;
use crate::secret::Secret;

/// How a file of our own begins.
const OURS: &str = "# Written by token-refresher, which overwrites what is changed here.\n";

/// What Continue wants at the head of a file, beside the servers.
const CONTINUE_HEAD: &str = "name: token-refresher\nversion: 0.0.1\nschema: v1\n";

/// Decides what should become of the file.
pub(super) fn write(format: Format, entries: &[Entry], existing: Option<&str>) -> Edit {
    match existing.filter(|text| !text.trim().is_empty()) {
        None if entries.is_empty() => Edit::Same,
        None => Edit::Write(whole(format, entries)),
        Some(there) if there.starts_with(OURS.trim_end()) => {
            let text = whole(format, entries);
            if text.expose() == there { Edit::Same } else { Edit::Write(text) }
        }
        Some(there) if has_all(format, entries, there) => Edit::Same,
        Some(_) => Edit::Refuse(format!(
            "1:1: this file is not one of ours and {} is not edited in place; paste the entries into it by hand",
            if format == Format::Yaml { "YAML" } else { "TOML" }
        )),
    }
}

fn whole(format: Format, entries: &[Entry]) -> Secret {
    let mut text = Zeroizing::new(String::from(OURS));
    if format == Format::Yaml {
        text.push_str(CONTINUE_HEAD);
    }
    push_entries(&mut text, format, entries);
    Secret::new(std::mem::take(&mut *text))
}

/// Whether a file of somebody's holds every entry as we would write it.
fn has_all(format: Format, entries: &[Entry], there: &str) -> bool {
    let there = there.replace("\r\n", "\n");
    let stands_there = |entry: &Entry| {
        let mut text = Zeroizing::new(String::new());
        push_toml(&mut text, entry);
        there.contains(text.trim())
    };
    format == Format::Toml && entries.iter().all(stands_there)
}

/// The entries, without what stands above them in a file of our own.
pub(super) fn push_entries(text: &mut String, format: Format, entries: &[Entry]) {
    let push = if format == Format::Yaml { push_yaml } else { push_toml };
    if format == Format::Yaml {
        text.push_str(if entries.is_empty() { "mcpServers: []\n" } else { "mcpServers:\n" });
    }
    for entry in entries {
        push(text, entry);
    }
}

/// A table, `[mcp_servers.NAME]`, after a blank line.
fn push_toml(text: &mut String, entry: &Entry) {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.push_str("\n[mcp_servers.");
    if entry.name.bytes().all(bare) {
        text.push_str(&entry.name);
    } else {
        push_quoted(text, &entry.name);
    }
    text.push_str("]\n");
    for (key, member) in entry.members.iter().chain(&entry.extra) {
        text.extend([*key, " = "]);
        match member {
            Member::Text(value) => push_quoted(text, value.expose()),
            Member::Headers(headers) => {
                for (index, (name, value)) in headers.iter().enumerate() {
                    text.push_str(if index == 0 { "{ " } else { ", " });
                    push_quoted(text, name);
                    text.push_str(" = ");
                    push_quoted(text, value.expose());
                }
                text.push_str(" }");
            }
            Member::Fixed(fixed) => push_fixed(text, *fixed),
        }
        text.push('\n');
    }
}

/// An item of the list. Every text is quoted: YAML takes too many bare words for something else.
fn push_yaml(text: &mut String, entry: &Entry) {
    text.push_str("  - name: ");
    push_quoted(text, &entry.name);
    text.push('\n');
    for (key, member) in entry.members.iter().chain(&entry.extra) {
        let mut indent = String::from("    ");
        for part in key.split_inclusive('.') {
            text.extend([&indent, part.trim_end_matches('.'), ":"]);
            text.push_str(if part.ends_with('.') { "\n" } else { "" });
            indent.push_str("  ");
        }
        match member {
            Member::Text(value) => {
                text.push(' ');
                push_quoted(text, value.expose());
            }
            Member::Headers(headers) => {
                for (name, value) in headers {
                    text.extend(["\n", &indent]);
                    push_quoted(text, name);
                    text.push_str(": ");
                    push_quoted(text, value.expose());
                }
            }
            Member::Fixed(fixed) => {
                text.push(' ');
                push_fixed(text, *fixed);
            }
        }
        text.push('\n');
    }
}
