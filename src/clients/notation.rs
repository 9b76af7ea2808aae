//! How a client writes its configuration down: the words in which a row of the table of clients speaks.

use crate::servers::McpTransport;

/// Where secrets are written (`--client-secrets`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Secrets {
    /// Outside of the client's file where the client can look elsewhere, else in it.
    Auto,
    /// In the client's file.
    Inline,
    /// Nowhere in the client's reach: it starts `token-refresher bridge`, which has them.
    Bridge,
}

/// The notation of a configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// JSON, with comments and trailing commas where the file has them. Edited in place.
    Json {
        /// The top-level member that holds the servers.
        servers: &'static str,
        /// What a file consists of that does not exist yet.
        new: &'static str,
    },
    /// Codex's TOML. A file of our own or none.
    Toml,
    /// Continue's YAML. A file of our own or none.
    Yaml,
}

impl Format {
    /// The ending of a file's name.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Json { .. } => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
        }
    }
}

/// How an entry says that it speaks a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TransportEntry {
    /// The key of the address, one of [`ADDRESS_KEYS`].
    pub address: &'static str,
    /// The key and value that name the transport, where the client wants one.
    pub kind: Option<(&'static str, &'static str)>,
}

/// Every key under which some client keeps the address. An entry with two of them contradicts
/// itself, so this program writes one.
pub(super) const ADDRESS_KEYS: [&str; 3] = ["url", "httpUrl", "serverUrl"];

/// How a secret can stay out of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reference {
    /// It cannot: the client knows values and environment variables only, and a variable of a
    /// running client cannot be changed from outside.
    No,
    /// The member of this name is a command that prints the headers as JSON.
    Helper(&'static str),
    /// `{file:PATH}` inside a value is replaced by that file's text.
    Files,
}

/// How an entry says that the client starts a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProgramEntry {
    /// The key and value that say so, where the client wants one.
    pub kind: Option<(&'static str, &'static str)>,
    /// `command` is a list with the arguments; else they are in `args`.
    pub is_one_list: bool,
    /// The key of the program's variables.
    pub variables: &'static str,
}

/// A member that an entry gets when it is made and that is the user's from then on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fixed {
    /// `true` or `false`.
    Flag(bool),
    /// A list of names.
    Names(&'static [&'static str]),
}

/// One MCP client.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct McpClient {
    /// What `--client` calls it.
    pub name: &'static str,
    /// The file that it reads, for people.
    pub file: &'static str,
    /// How that file is written.
    pub format: Format,
    /// How an entry says streamable HTTP.
    pub streamable: TransportEntry,
    /// How an entry says SSE; none where the client does not speak it.
    pub sse: Option<TransportEntry>,
    /// The member that holds the headers; a dot means an object within an object.
    pub headers: &'static str,
    /// What a new entry gets beside that.
    pub extra: &'static [(&'static str, Fixed)],
    /// What a new entry with an address gets, too.
    pub remote_extra: &'static [(&'static str, Fixed)],
    /// How an entry starts a program.
    pub program: ProgramEntry,
    /// It connects to addresses; else it only starts programs.
    pub is_remote: bool,
    /// It would use a new token only at its next start, so it starts the bridge by default.
    pub bridge: bool,
    /// How a secret can stay out of the file.
    pub reference: Reference,
    /// It accepts `http` for this machine only.
    pub https_only: bool,
    /// How a rotated token reaches a running client, for people.
    pub rotation: &'static str,
    /// What its user has to do by hand; empty when nothing.
    pub by_hand: &'static str,
}

impl McpClient {
    /// The name of its file in the tokens directory, where none of the user's is kept.
    pub(crate) fn own_file(&self) -> String {
        format!("mcp-{}.{}", self.name, self.format.extension())
    }

    /// Whether its entries start the bridge.
    pub(crate) fn uses_bridge(&self, secrets: Secrets) -> bool {
        match secrets {
            Secrets::Auto => self.bridge,
            Secrets::Bridge => true,
            Secrets::Inline => false,
        }
    }

    /// Whether an entry can refer to a secret instead of holding it.
    pub(crate) fn refers_to_secrets(&self) -> bool {
        self.reference != Reference::No || self.bridge
    }

    /// How an entry of this client says a transport; none where it does not speak it.
    pub(crate) const fn transport_entry(&self, transport: McpTransport) -> Option<TransportEntry> {
        match transport {
            McpTransport::StreamableHttp => Some(self.streamable),
            McpTransport::Sse => self.sse,
        }
    }
}
