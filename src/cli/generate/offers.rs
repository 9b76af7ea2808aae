//! The common parts of the completions for three shells.

use super::super::commands::COMMANDS;
use super::super::flag::{Command, Flag};
use super::super::flags::FLAGS;

/// The offer of a shell for an option's value.
pub(super) enum Completion {
    /// The option takes no value.
    None,
    /// Names of files.
    File,
    /// Names of directories.
    Directory,
    /// A name of these kinds, which `token-refresher names` lists.
    Choice(&'static [&'static str]),
    /// A name of these kinds, which the program lists.
    Name(&'static str),
    /// Nothing: the value cannot be guessed.
    Other,
}

impl Completion {
    pub(super) fn of(flag: &Flag) -> Self {
        match flag.value {
            None => Self::None,
            Some(_) if !flag.choices.is_empty() => Self::Choice(flag.choices),
            Some("DIR") => Self::Directory,
            Some("NAME[=PATH]") => Self::Name("clients"),
            Some(name) if name.contains("FILE") || name.contains("PATH") => Self::File,
            Some(_) => Self::Other,
        }
    }
}

/// The kinds of names that a command takes as arguments, for `token-refresher names`.
pub(super) fn kinds(command: &Command) -> Option<&'static str> {
    match command.operands.split([' ', '[', ']', '.']).find(|word| !word.is_empty())? {
        "NAME" => Some("tokens"),
        "SERVER" => Some("servers"),
        "WHAT" => Some("tokens providers"),
        _ => None,
    }
}

/// The commands that take names as arguments, with the kinds.
pub(super) fn with_names() -> impl Iterator<Item = (&'static Command, &'static str)> {
    named().filter_map(|command| Some((command, kinds(command)?)))
}

pub(super) fn options(command: &Command) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(|flag| flag.commands.is_empty() || flag.commands.contains(&command.name))
}

/// The commands with a name: all but the daemon.
pub(super) fn named() -> impl Iterator<Item = &'static Command> + Clone {
    COMMANDS.iter().filter(|command| !command.name.is_empty())
}

/// Every command with the shell pattern for its name. The daemon has no name, so its pattern matches everything and
/// comes last.
pub(super) fn by_pattern() -> impl Iterator<Item = (&'static str, &'static Command)> {
    let daemon = COMMANDS.iter().filter(|command| command.name.is_empty());
    named().map(|command| (command.name, command)).chain(daemon.map(|command| ("*", command)))
}

pub(super) fn names(separator: &str) -> String {
    named().map(|command| command.name).collect::<Vec<_>>().join(separator)
}

/// `text` within single quotes, as all three shells read it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
