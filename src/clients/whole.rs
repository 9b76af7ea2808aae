//! Files that belong to this program as a whole: Codex's TOML and Continue's YAML.
//!
//! Neither notation is edited in place. Another file is left alone, and its owner gets the entries to paste. With the
//! entries in it, the file is complete.

use super::entry::{ClientEntry, EntryValue};
use super::notation::Format;
use super::quote::{push_fixed, push_pairs, push_quoted, push_words};
use crate::secret::{Secret, SecretText};

/// The first line of a file that this program wrote.
const OUR_FIRST_LINE: &str = "# Written by token-refresher, which overwrites what is changed here.\n";

/// The members that Continue requires beside the servers.
const CONTINUE_HEAD: &str = "name: token-refresher\nversion: 0.0.1\nschema: v1\n";

/// The error for a file of the user's that lacks an entry: the file is not edited.
#[derive(Debug)]
pub(super) struct UsersFile(Format);

impl std::fmt::Display for UsersFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let notation = if self.0 == Format::Yaml { "YAML" } else { "TOML" };
        write!(
            out,
            "1:1: this file is not one of ours and {notation} is not edited in place; paste the entries into it by \
             hand"
        )
    }
}

/// The new text of the file; `None` where the present text is right.
pub(super) fn write(
    format: Format,
    entries: &[ClientEntry],
    existing: Option<&str>,
) -> Result<Option<Secret>, UsersFile> {
    match existing.filter(|text| !text.trim().is_empty()) {
        None if entries.is_empty() => Ok(None),
        None => Ok(Some(whole(format, entries))),
        Some(there) if there.starts_with(OUR_FIRST_LINE.trim_end()) => {
            Ok(Some(whole(format, entries)).filter(|text| text.expose() != there))
        }
        Some(there) if has_all(format, entries, there) => Ok(None),
        Some(_) => Err(UsersFile(format)),
    }
}

fn whole(format: Format, entries: &[ClientEntry]) -> Secret {
    let mut text = SecretText::default();
    text.push(OUR_FIRST_LINE);
    if format == Format::Yaml {
        text.push(CONTINUE_HEAD);
    }
    push_entries(&mut text, format, entries);
    text.finish()
}

/// Whether a user's file holds every entry as this program writes it.
fn has_all(format: Format, entries: &[ClientEntry], there: &str) -> bool {
    let mut unix_lines = SecretText::default();
    for (index, part) in there.split("\r\n").enumerate() {
        unix_lines.extend([if index == 0 { "" } else { "\n" }, part]);
    }
    let is_there = |entry: &ClientEntry| {
        let mut text = SecretText::default();
        push_toml(&mut text, entry);
        unix_lines.as_str().contains(text.as_str().trim())
    };
    format == Format::Toml && entries.iter().all(is_there)
}

/// Appends the entries, without the lines above them in a file of this program's own.
pub(super) fn push_entries(text: &mut SecretText, format: Format, entries: &[ClientEntry]) {
    let push = if format == Format::Yaml { push_yaml } else { push_toml };
    if format == Format::Yaml {
        text.push(if entries.is_empty() { "mcpServers: []\n" } else { "mcpServers:\n" });
    }
    for entry in entries {
        push(text, entry);
    }
}

/// Appends a table, `[mcp_servers.NAME]`, after a blank line.
fn push_toml(text: &mut SecretText, entry: &ClientEntry) {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.push("\n[mcp_servers.");
    if entry.name.bytes().all(bare) {
        text.push(&entry.name);
    } else {
        push_quoted(text, &entry.name);
    }
    text.push("]\n");
    for (key, member) in entry.members.iter().chain(&entry.extra) {
        text.extend([*key, " = "]);
        match member {
            EntryValue::Text(value) => push_quoted(text, value.expose()),
            EntryValue::Texts(headers) => {
                push_pairs(text, pairs(headers), ["{ ", ", ", " = "]);
                text.push(" }");
            }
            EntryValue::Words(words) => push_words(text, words.iter().map(String::as_str)),
            EntryValue::Fixed(fixed) => push_fixed(text, *fixed),
        }
        text.push("\n");
    }
}

fn pairs<'a>(headers: &[(&'a str, Secret)]) -> impl Iterator<Item = (&'a str, Secret)> {
    headers.iter().cloned()
}

/// Appends an item of the list. Every text is quoted: YAML reads many bare words as other types.
fn push_yaml(text: &mut SecretText, entry: &ClientEntry) {
    text.push("  - name: ");
    push_quoted(text, &entry.name);
    text.push("\n");
    for (key, member) in entry.members.iter().chain(&entry.extra) {
        let mut indent = String::from("    ");
        for part in key.split_inclusive('.') {
            text.extend([indent.as_str(), part.trim_end_matches('.'), ":"]);
            text.push(if part.ends_with('.') { "\n" } else { "" });
            indent.push_str("  ");
        }
        match member {
            EntryValue::Text(value) => {
                text.push(" ");
                push_quoted(text, value.expose());
            }
            EntryValue::Texts(headers) => {
                let line = format!("\n{indent}");
                push_pairs(text, pairs(headers), [&line, &line, ": "]);
            }
            EntryValue::Words(words) => {
                text.push(" ");
                push_words(text, words.iter().map(String::as_str));
            }
            EntryValue::Fixed(fixed) => {
                text.push(" ");
                push_fixed(text, *fixed);
            }
        }
        text.push("\n");
    }
}
