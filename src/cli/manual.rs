//! The texts of the help beside the options: description, examples, files, signals, exit status. All renderings read
//! these texts, so that they agree.

/// The program in one line.
pub(super) const ABOUT: &str = "Keeps the OAuth tokens of coding assistants fresh.";

/// The program in three lines.
pub(super) const DESCRIPTION: &str = "Gets a first token (login), watches the token files in .oauth-tokens/, refreshes \
     each before it expires, and writes the MCP client configurations that use them (mcp.json, vscode_mcp.json, \
     --client). Runs in the foreground until it is told to stop.";

/// A titled list of terms with explanations.
pub(super) struct Section {
    pub title: &'static str,
    pub rows: &'static [(&'static str, &'static str)],
}

/// The sections behind the options, in the order of the help.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Examples",
        rows: &[
            ("token-refresher login https://mcp.linear.app/mcp", "sign in: the first token"),
            ("token-refresher", "run in the project root, with the defaults"),
            (
                "token-refresher --dir ~/mcp-gateway-registry --interval 180 --buffer 1800",
                "another project; look every 3 minutes, refresh half an hour ahead",
            ),
            ("token-refresher --log-file - --pid-file -", "in a container or under systemd"),
            ("token-refresher --once --force", "refresh every token now, beside a running daemon"),
            ("token-refresher --client cursor=~/.cursor/mcp.json", "keep an assistant connected"),
        ],
    },
    Section {
        title: "Environment",
        rows: &[
            ("AUTH_PROVIDER", "keycloak: the gateway's token is agent-ai-coding-assistant-m2m-token.json's"),
            ("TZ", "the time zone of the log"),
            ("SSL_CERT_FILE", "certificates to trust instead of the built-in ones"),
            ("HTTPS_PROXY, ALL_PROXY, NO_PROXY", "proxies, as curl reads them"),
            ("NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM", "set by systemd"),
            ("NO_COLOR", "no colours in status"),
        ],
    },
    Section {
        title: "Files",
        rows: &[
            (".oauth-tokens/*.json", "token files; *-egress.json are services"),
            (".oauth-tokens/mcp.json, vscode_mcp.json", "the configurations, written only when they change"),
            (".oauth-tokens/mcp-NAME.json", "the configuration of a client that --client names"),
            (".oauth-tokens/*.token", "bare tokens, for clients that read them from a file"),
            (".oauth-tokens/.token-refresher/", "locks and what is remembered between two runs"),
            ("registry/servers/*.json", "MCP servers; those without sign-in are added"),
            (".env", "settings and client credentials, NAME=VALUE"),
            ("token_refresher.log, token_refresher.pid", "the log, and the daemon's process id"),
        ],
    },
    Section {
        title: "Signals",
        rows: &[
            ("SIGTERM, SIGINT", "finish the refreshes in flight and exit; a second one exits at once"),
            ("SIGHUP", "read settings and .env again, reopen the log, check now"),
            ("SIGUSR1", "check now"),
        ],
    },
    Section {
        title: "Exit status",
        rows: &[
            ("0", "done, or told to stop"),
            (
                "1",
                "something failed: with --once, a token that was due is not fresh; with headers, there is no \
                 such server, or no token that has not expired",
            ),
            ("2", "an option, a variable or its value is wrong"),
            ("of check", "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; with --alive 0 or 1"),
        ],
    },
];

/// The order of the sources of a setting, for the end of the options.
pub(super) const PRECEDENCE: &str = "An option wins over its variable, a variable in the environment over the same one \
     in .env, and that over the default. An empty variable counts as unset.";
