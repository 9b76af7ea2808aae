//! What the completions of all three shells have in common.

use super::super::commands::COMMANDS;
use super::super::flag::{Command, Flag};
use super::super::flags::FLAGS;

/// What a shell offers for an option's value.
pub(super) enum Completion {
    /// It takes none.
    None,
    /// Names of files.
    File,
    /// Names of directories.
    Directory,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Nothing that could be guessed.
    Other,
}

impl Completion {
    pub(super) fn of(flag: &Flag) -> Self {
        match flag.value {
            None => Self::None,
            Some(_) if !flag.choices.is_empty() => Self::Choice(flag.choices),
            Some("DIR") => Self::Directory,
            Some(name) if name.contains("FILE") || name.contains("PATH") => Self::File,
            Some(_) => Self::Other,
        }
    }
}

/// The options that `command` takes.
pub(super) fn options(command: &Command) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(|flag| flag.commands.is_empty() || flag.commands.contains(&command.name))
}

/// The commands that have a name.
pub(super) fn named() -> impl Iterator<Item = &'static Command> + Clone {
    COMMANDS.iter().filter(|command| !command.name.is_empty())
}

/// Every command with the shell pattern that its name matches: that of the daemon, which has none,
/// matches everything and so comes last.
pub(super) fn by_pattern() -> impl Iterator<Item = (&'static str, &'static Command)> {
    let daemon = COMMANDS.iter().filter(|command| command.name.is_empty());
    named().map(|command| (command.name, command)).chain(daemon.map(|command| ("*", command)))
}

/// The names of the commands, with `separator` between them.
pub(super) fn names(separator: &str) -> String {
    named().map(|command| command.name).collect::<Vec<_>>().join(separator)
}

/// `text` within single quotes, as all three shells read it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
