//! The types of the rows in the two tables: of an option, and of a command.

/// One option, with everything that help, completions and errors say about it.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The name without its dashes, unique over all commands.
    pub long: &'static str,
    /// The one-letter form, where there is one.
    pub short: Option<char>,
    /// The name of the value in the help; `None` for a switch without a value.
    pub value: Option<&'static str>,
    /// The environment variable for the same setting: `TOKEN_REFRESHER_` and the name in capitals. Four variables are
    /// older than this program and keep their names.
    pub variable: Option<&'static str>,
    /// Whether `.env` may set it too: figures only, never the name of a file, a command or a trusted host.
    pub in_env_file: bool,
    /// The default value, spelled as a user would give it.
    pub default: Option<&'static str>,
    /// A value to try, for the errors; `None` where no single value is likely to help.
    pub example: Option<&'static str>,
    /// All possible values, where there are only a few, for completion.
    pub choices: &'static [&'static str],
    /// Whether the summary lists the option, because most users need it.
    pub everyday: bool,
    /// Whether each occurrence counts; of other options the last one counts.
    pub repeatable: bool,
    /// The heading of the help under which the option is listed. The rows of a heading are together in the table.
    pub group: &'static str,
    /// The [`Command::name`]s that take it; empty means all of them.
    pub commands: &'static [&'static str],
    /// The effect of the option in one short line, for `-h` and tables.
    pub help: &'static str,
    /// The facts that a user needs before using the option: whole sentences, paragraphs parted by a blank line.
    pub detail: &'static str,
}

/// One command, with everything that help, completions and errors say about it.
#[derive(Debug)]
pub(super) struct Command {
    pub verb: Verb,
    /// The word on the command line; empty for the daemon.
    pub name: &'static str,
    /// The names of the arguments, parted by blanks; empty for none. One in brackets may be left out, one with `...`
    /// may be repeated.
    pub operands: &'static str,
    /// The effect of the command in one short line.
    pub help: &'static str,
    /// The facts that a user needs before using the command: whole sentences, paragraphs parted by a blank line.
    pub detail: &'static str,
}

impl Command {
    /// The first argument that must be given and is missing where `given` arguments are there.
    pub(super) fn missing(&self, given: usize) -> Option<&'static str> {
        self.operands.split_whitespace().nth(given).filter(|operand| !operand.starts_with('['))
    }

    /// The largest number of arguments.
    pub(super) fn most(&self) -> usize {
        if self.operands.contains("...") { usize::MAX } else { self.operands.split_whitespace().count() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Keep tokens fresh: for good, or for one cycle with `--once`.
    Daemon,
    /// Print the headers of requests to one server.
    Headers,
    /// Speak MCP on standard input and output for one server.
    Bridge,
    /// Print the access token of one file.
    Token,
    /// List the clients whose configurations can be kept.
    Clients,
    /// Show every token.
    Status,
    /// Say in one line whether all is well.
    Check,
    /// List the names that a person may type.
    Names,
    /// Sign in, for the first time or again.
    Login,
    /// End a sign-in at its provider.
    Revoke,
    /// Make a key.
    Keygen,
    /// Seal the secrets of token files.
    Seal,
    /// Write sealed secrets in plain text for good.
    Unseal,
    /// Explain a command.
    Help,
}
