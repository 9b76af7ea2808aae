//! The MCP clients that are known by name: one row each, so that a new client is a row, not code.
//!
//! The facts were found in November 2026, with the clients themselves where they run without a login. For the others
//! the source or the vendor's pages were read. Each row names the version that was looked at.

use super::notation::{Fixed, Format, McpClient, ProgramEntry, Reference, TransportEntry};

/// The client that `--client` calls `name`.
pub(crate) fn client(name: &str) -> Option<&'static McpClient> {
    CLIENTS.iter().find(|client| client.name == name)
}

/// The value of `--client` for the file that the client called `name` reads. The first file of its row counts.
pub(crate) fn usual_option(name: &str) -> String {
    let file = client(name).map(|client| client.file.split([',', ' ']).next().unwrap_or_default());
    match file.filter(|file| file.starts_with("~/") || file.starts_with('.')) {
        Some(file) => format!("{name}={file}"),
        None => name.to_owned(),
    }
}

/// The names that `--client` takes, sorted.
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

/// The values that most rows have: JSON under `mcpServers` with `url` and `headers`. Most clients use this notation.
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

/// The way of a new token to a client that starts the bridge.
const BRIDGED: &str = "at once: it starts `token-refresher bridge`";

const fn program(kind: Option<(&'static str, &'static str)>) -> ProgramEntry {
    ProgramEntry { kind, is_one_list: false, variables: "env" }
}

/// Every known client, sorted by name.
pub(super) static CLIENTS: &[McpClient] = &[
    // From its source, 2026-04. An entry without a type would start a program.
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
    // `amp mcp list` read the file; to connect needs a login. The key is one name with a dot.
    McpClient {
        name: "amp",
        file: "~/.config/amp/settings.json, .amp/settings.json",
        format: json("amp.mcpServers"),
        rotation: "not known; restart it",
        by_hand: "entries of a workspace: `amp mcp approve NAME`",
        ..COMMON
    },
    // 2.1.330, run. Entries without a type, or with `tools`, are skipped.
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
    // 1.18.33, run. The client finds out the transport. Without `oauth: false` a 401 starts a sign-in.
    McpClient {
        name: "opencode",
        file: "~/.config/opencode/opencode.json, opencode.json",
        // The client adds a missing `$schema` itself, and would be a second writer.
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
    // From its source. The client marks unknown keys as faults.
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
    use super::super::notation::ADDRESS_KEYS;
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
