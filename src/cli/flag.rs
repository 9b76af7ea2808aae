//! What a row of the table says: of an option, and of a command.

/// One option, with everything that is said about it anywhere.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The name without its dashes, unique over all commands.
    pub long: &'static str,
    /// The one-letter form, where there is one.
    pub short: Option<char>,
    /// What the value is called in the help; `None` is a switch that takes no value.
    pub value: Option<&'static str>,
    /// The environment variable that sets the same. Our own are `TOKEN_REFRESHER_` and the name in
    /// capitals; three are older than this program and keep their names.
    pub variable: Option<&'static str>,
    /// Whether `.env` may set it too: figures only, nothing that names a file, a command or a host to trust.
    pub in_env_file: bool,
    /// The value that holds when nothing is given, spelled as a user would give it.
    pub default: Option<&'static str>,
    /// A value to try, for the errors; `None` where no one value is likely to help.
    pub example: Option<&'static str>,
    /// The words that are values, where there are only some: for completion.
    pub choices: &'static [&'static str],
    /// Whether the summary lists it: the options that most users need.
    pub everyday: bool,
    /// May be given more than once, and each time counts; other options take the last one.
    pub repeatable: bool,
    /// The heading of the help under which the option is listed.
    pub group: Group,
    /// The [`Command::name`]s that take it; empty means all of them.
    pub commands: &'static [&'static str],
    /// What it does, in one short line: for `-h` and tables.
    pub help: &'static str,
    /// What a user should know before using it: whole sentences, paragraphs parted by a blank line.
    pub detail: &'static str,
}

/// The headings under which the help sorts the options, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// When tokens are refreshed.
    Refreshing,
    /// Where files and the gateway are.
    Places,
    /// A sign-in.
    SignIn,
    /// Secrets sealed at rest.
    Sealing,
    /// The assistants' own configurations.
    Clients,
    /// Log and pid file.
    Log,
    /// What `status` and `check` look at and say.
    Asking,
    /// Help and version.
    Help,
}

impl Group {
    /// All headings, in the order of the help.
    pub(crate) const ALL: [Self; 8] = [
        Self::Refreshing,
        Self::Places,
        Self::SignIn,
        Self::Sealing,
        Self::Clients,
        Self::Log,
        Self::Asking,
        Self::Help,
    ];

    /// The heading's words.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Refreshing => "When and how to refresh",
            Self::Places => "Where things are",
            Self::SignIn => "Signing in",
            Self::Sealing => "Sealed at rest",
            Self::Clients => "Coding assistants",
            Self::Log => "Log and process",
            Self::Asking => "What status and check say",
            Self::Help => "Help",
        }
    }
}

/// A command, with everything that is said about it anywhere.
#[derive(Debug)]
pub(super) struct Command {
    /// What `main` does for it.
    pub verb: Verb,
    /// The word on the command line; empty for what happens without a command.
    pub name: &'static str,
    /// What its arguments are called, parted by blanks. One in brackets may be left out, one with `...`
    /// may be repeated; empty: it takes none.
    pub operands: &'static str,
    /// What it does, in one short line.
    pub help: &'static str,
    /// What a user should know before using it: whole sentences, paragraphs parted by a blank line.
    pub detail: &'static str,
}

impl Command {
    /// The argument that must be given and is the first to be missing behind `given` others.
    pub(super) fn missing(&self, given: usize) -> Option<&'static str> {
        self.operands.split_whitespace().nth(given).filter(|operand| !operand.starts_with('['))
    }

    /// How many arguments it takes at most.
    pub(super) fn most(&self) -> usize {
        if self.operands.contains("...") { usize::MAX } else { self.operands.split_whitespace().count() }
    }
}

/// What there is to do.
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
    /// Open them for good.
    Unseal,
    /// Tell of a command.
    Help,
}
