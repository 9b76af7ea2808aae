//! The notations of the clients' configurations: the types of a row in the table of clients.

use crate::servers::McpTransport;

/// The place of secrets (`--client-secrets`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Secrets {
    /// Outside of the client's file where the client can read another place, else in the file.
    Auto,
    /// In the client's file.
    Inline,
    /// In no file for the client, which starts `token-refresher bridge`.
    Bridge,
}

/// The notation of a configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// JSON, with comments and trailing commas where the file has them. Edited in place.
    Json {
        /// The top-level member that holds the servers.
        servers: &'static str,
        /// The text of a new file.
        new: &'static str,
    },
    /// Codex's TOML. Only a file of this program's own is written.
    Toml,
    /// Continue's YAML. Only a file of this program's own is written.
    Yaml,
}

impl Format {
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Json { .. } => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
        }
    }
}

/// The notation of a transport in an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TransportEntry {
    /// The key of the address, one of [`ADDRESS_KEYS`].
    pub address: &'static str,
    /// The key and value that name the transport, where the client wants one.
    pub kind: Option<(&'static str, &'static str)>,
}

/// All keys under which clients keep the address. An entry with two of them would be ambiguous, so this program writes
/// one.
pub(super) const ADDRESS_KEYS: [&str; 3] = ["url", "httpUrl", "serverUrl"];

/// The way to keep a secret out of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reference {
    /// None. The client knows values and environment variables only. The variables of a running client cannot be
    /// changed.
    No,
    /// The member of this name is a command that prints the headers as JSON.
    Helper(&'static str),
    /// The client replaces `{file:PATH}` inside a value by that file's text.
    Files,
}

/// The notation of a program to start in an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProgramEntry {
    /// The key and value that name this kind of entry, where the client wants one.
    pub kind: Option<(&'static str, &'static str)>,
    /// Whether `command` is a list with the arguments; else `args` holds them.
    pub is_one_list: bool,
    /// The key of the program's variables.
    pub variables: &'static str,
}

/// A member that a new entry gets and that is the user's from then on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fixed {
    Flag(bool),
    Names(&'static [&'static str]),
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) struct McpClient {
    /// The name for `--client`.
    pub name: &'static str,
    /// The file that the client reads, for people.
    pub file: &'static str,
    pub format: Format,
    /// The notation of streamable HTTP in an entry.
    pub streamable: TransportEntry,
    /// The notation of SSE in an entry; none where the client does not speak SSE.
    pub sse: Option<TransportEntry>,
    /// The member that holds the headers; a dot means an object within an object.
    pub headers: &'static str,
    /// The further members of a new entry.
    pub extra: &'static [(&'static str, Fixed)],
    /// The further members of a new entry with an address.
    pub remote_extra: &'static [(&'static str, Fixed)],
    /// The notation of a program in an entry.
    pub program: ProgramEntry,
    /// Whether the client connects to addresses; else it only starts programs.
    pub is_remote: bool,
    /// Whether entries start the bridge by default: the client would read a new token only when it restarts.
    pub bridge: bool,
    /// The way to keep a secret out of the file.
    pub reference: Reference,
    /// Whether the client accepts `http` for this machine only.
    pub https_only: bool,
    /// The way of a new token to a running client, for people.
    pub rotation: &'static str,
    /// The steps that users do by hand; empty for none.
    pub by_hand: &'static str,
}

impl McpClient {
    /// The name of the client's file in the tokens directory, for a client without a `PATH`.
    pub(crate) fn own_file(&self) -> String {
        format!("mcp-{}.{}", self.name, self.format.extension())
    }

    pub(crate) fn uses_bridge(&self, secrets: Secrets) -> bool {
        match secrets {
            Secrets::Auto => self.bridge,
            Secrets::Bridge => true,
            Secrets::Inline => false,
        }
    }

    pub(crate) fn refers_to_secrets(&self) -> bool {
        self.reference != Reference::No || self.bridge
    }

    /// The notation of a transport in this client's entries; none where the client does not speak it.
    pub(crate) const fn transport_entry(&self, transport: McpTransport) -> Option<TransportEntry> {
        match transport {
            McpTransport::StreamableHttp => Some(self.streamable),
            McpTransport::Sse => self.sse,
        }
    }
}
