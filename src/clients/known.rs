//! The MCP clients that are known by name: one row each, so that a new client is a row, not code.
//!
//! What the rows say was found out in November 2026 with the clients themselves where that was
//! possible without a login, else from their source or their vendor's pages; the version that
//! was looked at stands with each row.

use super::entry::Secrets;
use crate::servers::McpTransport;

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
/// itself, so an entry of ours has one.
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
    /// The member that holds the headers; a dot stands for an object within an object.
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
    /// What somebody has to do by hand; empty when nothing.
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

/// The client that `--client` calls `name`.
pub(crate) fn client(name: &str) -> Option<&'static McpClient> {
    CLIENTS.iter().find(|client| client.name == name)
}

/// The names that `--client` knows, by name.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CLIENTS.iter().map(|client| client.name)
}

const fn url() -> TransportEntry {
    TransportEntry { address: "url", kind: None }
}

const fn typed(kind: &'static str) -> TransportEntry {
    TransportEntry { address: "url", kind: Some(("type", kind)) }
}

const fn json(servers: &'static str) -> Format {
    Format::Json { servers, new: "{}\n" }
}

/// A row to start from: JSON under `mcpServers` with `url` and `headers`, the notation that most
/// clients took over from each other.
const COMMON: McpClient = McpClient {
    name: "",
    file: "",
    format: json("mcpServers"),
    streamable: url(),
    sse: Some(url()),
    headers: "headers",
    extra: &[],
    remote_extra: &[],
    program: program(None),
    is_remote: true,
    bridge: false,
    reference: Reference::No,
    https_only: false,
    rotation: "",
    by_hand: "",
};

/// How a new token reaches a client that starts the bridge.
const BRIDGED: &str = "at once: it starts `token-refresher bridge`";

const fn program(kind: Option<(&'static str, &'static str)>) -> ProgramEntry {
    ProgramEntry { kind, is_one_list: false, variables: "env" }
}

/// Every known client, by name.
pub(super) static CLIENTS: &[McpClient] = &[
    // From its source, 2026-04. Without a type it would start a program.
    McpClient {
        name: "amazon-q",
        file: "~/.aws/amazonq/mcp.json, .amazonq/mcp.json",
        streamable: typed("http"),
        sse: None,
        extra: &[("disabled", Fixed::Flag(false))],
        bridge: true,
        rotation: BRIDGED,
        ..COMMON
    },
    // `amp mcp list` read the file; connecting needs a login. The key is one name with a dot.
    McpClient {
        name: "amp",
        file: "~/.config/amp/settings.json, .amp/settings.json",
        format: json("amp.mcpServers"),
        rotation: "not known; restart it",
        by_hand: "entries of a workspace: `amp mcp approve NAME`",
        ..COMMON
    },
    // 2.1.330, run. Entries without a type are skipped; `tools` makes it skip an entry too.
    McpClient {
        name: "claude-code",
        file: ".mcp.json, ~/.claude.json",
        streamable: typed("http"),
        sse: Some(typed("sse")),
        reference: Reference::Helper("headersHelper"),
        rotation: "runs `token-refresher headers` at each connect and on a 401",
        by_hand: "trust the folder (else no helper is run), approve its .mcp.json",
        program: program(Some(("type", "stdio"))),
        ..COMMON
    },
    // From its pages. Its file holds programs only.
    McpClient {
        name: "claude-desktop",
        file: "~/.config/Claude/claude_desktop_config.json",
        is_remote: false,
        bridge: true,
        rotation: BRIDGED,
        ..COMMON
    },
    // CLI 3.0.65, run. One invalid entry disables every server; a missing type means SSE.
    McpClient {
        name: "cline",
        file: "~/.cline/data/settings/cline_mcp_settings.json",
        streamable: typed("streamableHttp"),
        sse: Some(typed("sse")),
        extra: &[("disabled", Fixed::Flag(false)), ("autoApprove", Fixed::Names(&[]))],
        rotation: "the extension watches the file; the CLI at its next start",
        ..COMMON
    },
    // 0.169.0, run. `headers` is ignored without a word; an SSE address answers 405.
    McpClient {
        name: "codex",
        file: "~/.codex/config.toml",
        format: Format::Toml,
        sse: None,
        headers: "http_headers",
        reference: Reference::Helper("http_headers_helper"),
        rotation: "runs `token-refresher headers` again on a 401",
        by_hand: "paste the logged entries, once, where you have a config.toml",
        ..COMMON
    },
    // cn 1.5.47, run. The servers are a list, and each says its name.
    McpClient {
        name: "continue",
        file: "~/.continue/mcpServers/token-refresher.yaml (any file there)",
        format: Format::Yaml,
        streamable: typed("streamable-http"),
        sse: Some(typed("sse")),
        headers: "requestOptions.headers",
        rotation: "the extension watches the file; the CLI at its next start",
        program: program(Some(("type", "stdio"))),
        ..COMMON
    },
    // CLI 1.0.102, run. `streamableHttp` fails; entries without tools offer none.
    McpClient {
        name: "copilot",
        file: "~/.copilot/mcp-config.json",
        streamable: typed("http"),
        sse: Some(typed("sse")),
        extra: &[("tools", Fixed::Names(&["*"]))],
        bridge: true,
        rotation: BRIDGED,
        by_hand: "a workspace's own .mcp.json: trust the folder",
        program: program(Some(("type", "local"))),
        ..COMMON
    },
    // From its pages.
    McpClient {
        name: "cursor",
        file: "~/.cursor/mcp.json, .cursor/mcp.json",
        rotation: "when the server is switched off and on, or at a restart",
        ..COMMON
    },
    // 0.61.0, run. The key says the transport; a bare `url` meant SSE in older versions.
    McpClient {
        name: "gemini",
        file: "~/.gemini/settings.json, .gemini/settings.json",
        streamable: TransportEntry { address: "httpUrl", kind: None },
        sse: Some(typed("sse")),
        rotation: "/mcp reload",
        by_hand: "a project's own settings: trust the folder",
        ..COMMON
    },
    // 2.12.0, run. The type is required.
    McpClient {
        name: "inspector",
        file: "any, given with --config",
        streamable: typed("streamable-http"),
        sse: Some(typed("sse")),
        bridge: true,
        rotation: BRIDGED,
        program: program(Some(("type", "stdio"))),
        ..COMMON
    },
    // From its pages; http is accepted for this machine only.
    McpClient {
        name: "kiro",
        file: "~/.kiro/settings/mcp.json, .kiro/settings/mcp.json",
        extra: &[("disabled", Fixed::Flag(false))],
        https_only: true,
        rotation: "not known; reconnect the server",
        ..COMMON
    },
    // From its pages, which take over Cursor's notation.
    McpClient {
        name: "lm-studio",
        file: "~/.lmstudio/mcp.json",
        rotation: "not known; open mcp.json in the app and save it",
        ..COMMON
    },
    // 0.12.3, run.
    McpClient { name: "mcporter", file: "config/mcporter.json", rotation: "at its next call", ..COMMON },
    // 1.18.33, run. It finds the transport out. Without `oauth: false` a 401 starts a sign-in.
    McpClient {
        name: "opencode",
        file: "~/.config/opencode/opencode.json, opencode.json",
        // It adds the `$schema` itself where a file has none, which would be a second writer.
        format: Format::Json {
            servers: "mcp",
            new: "{\n  \"$schema\": \"https://opencode.ai/config.json\"\n}\n",
        },
        streamable: typed("remote"),
        sse: Some(typed("remote")),
        extra: &[("enabled", Fixed::Flag(true))],
        remote_extra: &[("oauth", Fixed::Flag(false))],
        reference: Reference::Files,
        bridge: true,
        rotation: BRIDGED,
        program: ProgramEntry { kind: Some(("type", "local")), is_one_list: true, variables: "environment" },
        ..COMMON
    },
    // 0.24.4, run. The key alone says the transport: `url` is always SSE.
    McpClient {
        name: "qwen",
        file: "~/.qwen/settings.json",
        streamable: TransportEntry { address: "httpUrl", kind: None },
        sse: Some(url()),
        bridge: true,
        rotation: BRIDGED,
        by_hand: "use the user's file: a project's is approved anew for each token",
        ..COMMON
    },
    // From its source, 2026-04. The type is required.
    McpClient {
        name: "roo",
        file: ".roo/mcp.json, mcp_settings.json of the extension",
        streamable: typed("streamable-http"),
        sse: Some(typed("sse")),
        extra: &[("disabled", Fixed::Flag(false)), ("alwaysAllow", Fixed::Names(&[]))],
        rotation: "watches the file",
        ..COMMON
    },
    // From its source. It flags keys that it does not know.
    McpClient {
        name: "vscode",
        file: ".vscode/mcp.json, mcp.json of the user profile",
        format: json("servers"),
        streamable: typed("http"),
        sse: Some(typed("sse")),
        rotation: "watches the file; restarts the server at the next message",
        by_hand: "set chat.mcp.autostart to newAndOutdated; confirm trust when asked",
        program: program(Some(("type", "stdio"))),
        ..COMMON
    },
    // From its pages.
    McpClient {
        name: "windsurf",
        file: "~/.codeium/windsurf/mcp_config.json",
        streamable: TransportEntry { address: "serverUrl", kind: None },
        sse: Some(TransportEntry { address: "serverUrl", kind: None }),
        reference: Reference::Files,
        rotation: "the refresh button of its MCP panel",
        ..COMMON
    },
    // From its pages.
    McpClient {
        name: "zed",
        file: "~/.config/zed/settings.json",
        format: json("context_servers"),
        rotation: "not known; restart the server in its agent panel",
        ..COMMON
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_finds_each_client() {
        assert!(names().is_sorted(), "{:?}", names().collect::<Vec<_>>());
        assert!(names().all(|name| client(name).is_some_and(|client| client.name == name)));
        assert_eq!(client("Cursor"), None);
    }

    #[test]
    fn every_address_key_is_a_known_one() {
        for client in CLIENTS {
            for transport in [Some(client.streamable), client.sse].into_iter().flatten() {
                assert!(ADDRESS_KEYS.contains(&transport.address), "{}", client.name);
            }
        }
    }
}
