//! The table of commands. A new command is one row here, one [`Verb`] and one arm in `main`.

use super::flag::{Command, Verb};

/// The daemon, the command without a name.
pub(super) const DAEMON: &str = "";

pub(super) const STATUS: &str = "status";

pub(super) const CHECK: &str = "check";

pub(super) const HEADERS: &str = "headers";

pub(super) const LOGIN: &str = "login";

pub(super) const REVOKE: &str = "revoke";

pub(super) const SEAL: &str = "seal";

pub(super) const UNSEAL: &str = "unseal";

pub(super) const BRIDGE: &str = "bridge";

pub(super) const TOKEN: &str = "token";

pub(super) const NAMES: &str = "names";

/// Every command, in the order of the help.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        verb: Verb::Daemon,
        name: DAEMON,
        operands: "",
        help: "keep the tokens fresh, until told to stop",
        detail: "Runs in the foreground and needs no terminal. start_token_refresher.sh starts it in the \
                 background, and a systemd unit comes with it. With --once it runs one cycle and ends.",
    },
    Command {
        verb: Verb::Login,
        name: LOGIN,
        operands: "WHAT [SERVER]",
        help: "sign in, for the first time or again",
        detail: "WHAT is the address of an MCP server (everything else is discovered), the name of a provider (SERVER \
                 is then the server's name), or a token file or its name: signs in again, into the same file. Shows \
                 an address, waits for the browser to come back to a port of 127.0.0.1 or for you to paste where it \
                 went, and writes the token file. A running daemon takes it over at once.",
    },
    Command {
        verb: Verb::Revoke,
        name: REVOKE,
        operands: "NAME",
        help: "end a sign-in at its provider",
        detail: "Ends the sign-in of a token file at its provider (RFC 7009) and takes the tokens out of the file. \
                 What the sign-in is known by stays, for the next one.",
    },
    Command {
        verb: Verb::Keygen,
        name: "keygen",
        operands: "[FILE]",
        help: "make a key for sealing",
        detail: "Makes a key for --key-file: 32 random bytes as base64url. Writes it to FILE (0600, never over a file \
                 that is there), or to standard output, for a secret manager. Keep a copy where the token files are \
                 not: without the key every sealed sign-in is lost.",
    },
    Command {
        verb: Verb::Seal,
        name: SEAL,
        operands: "[NAME...]",
        help: "seal the secrets in token files",
        detail: "Seals refresh_token, client_secret and private_key of these token files, or of all, with the first \
                 key: all of a file or nothing, under its lock, durably. What an older key has sealed is sealed \
                 anew. \
                 Each secret is bound to its member, its endpoint and its client; with --rebind a file that leads \
                 elsewhere since then is bound to where it leads now.",
    },
    Command {
        verb: Verb::Unseal,
        name: UNSEAL,
        operands: "[NAME...]",
        help: "write the secrets in plain text again",
        detail: "Opens what is sealed in these token files, or in all, and stores it in plain text: before an older \
                 version of this program, or another one, is to use the files. A daemon with a key would seal them \
                 again: stop it before.",
    },
    Command {
        verb: Verb::Status,
        name: STATUS,
        operands: "[NAME...]",
        help: "every token: its state, expiry and next attempt",
        detail: "Shows every token file, the most urgent first: its state and the reason for it, when it \
                 expires, and when it is refreshed next. With names it tells all that is known of these tokens. \
                 Changes nothing and needs no daemon.",
    },
    Command {
        verb: Verb::Check,
        name: CHECK,
        operands: "",
        help: "one line and an exit status for monitoring",
        detail: "Says in one line whether all is well, with figures for graphs, in the way of monitoring \
                 plugins. The exit status is 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Changes nothing and needs \
                 no daemon.",
    },
    Command {
        verb: Verb::Headers,
        name: HEADERS,
        operands: "SERVER",
        help: "the headers of a request to it, as JSON",
        detail: "Prints the headers of a request to a server as one JSON object, for clients that run a command \
                 to get them. A token that has expired is an error and is not printed.",
    },
    Command {
        verb: Verb::Bridge,
        name: BRIDGE,
        operands: "[SERVER]",
        help: "an MCP server on standard input and output",
        detail: "Passes everything between the client that started it and the server, with the token that is \
                 valid at that moment. Without SERVER it takes MCP_SERVER_URL and MCP_SERVER_AUTH_TOKEN, or \
                 FETCH_BASE_URL and FETCH_HEADERS, from its environment. The log goes to standard error.",
    },
    Command {
        verb: Verb::Token,
        name: TOKEN,
        operands: "NAME",
        help: "the present access token alone, for scripts",
        detail: "Prints the access token of a token file, and nothing else: curl -H \"Authorization: Bearer \
                 $(token-refresher token github-repos)\". A refresh that is under way is waited for; a token that \
                 has expired is an error with the reason, and is not printed.",
    },
    Command {
        verb: Verb::Clients,
        name: "clients",
        operands: "",
        help: "the assistants that --client knows",
        detail: "Lists the assistants whose configurations can be kept, and how a new token reaches each.",
    },
    Command {
        verb: Verb::Names,
        name: NAMES,
        operands: "KIND...",
        help: "the names that there are, for shells and scripts",
        detail: "Lists the names of these kinds, one a line: tokens, servers, providers, clients. The completions of \
                 the shells ask it. It reads no token.",
    },
    Command {
        verb: Verb::Help,
        name: "help",
        operands: "[COMMAND]",
        help: "this summary, or all about a command",
        detail: "Without a command it shows the summary, as --help does; `token-refresher help all` shows everything.",
    },
];

/// Words of beginners that name no command, each with an answer. `{dir}` is replaced by the project root that was
/// given, with a slash behind it.
pub(super) const ANSWERS: &[(&[&str], &str)] = &[
    (
        &["start", "run", "daemon", "serve"],
        "it starts without a word: token-refresher runs in the foreground, start_token_refresher.sh in the background",
    ),
    (
        &["stop", "kill", "quit"],
        "kill $(cat {dir}token_refresher.pid) stops it; a service: systemctl stop token-refresher",
    ),
    (
        &["restart", "reload"],
        "kill -HUP $(cat {dir}token_refresher.pid) reads the settings again; \
         start_token_refresher.sh --replace restarts it",
    ),
    (
        &["refresh", "renew", "update", "once"],
        "token-refresher --once refreshes what is due, token-refresher --once --force every token",
    ),
    (&["list", "show", "ls", "tokens"], "token-refresher status shows every token"),
    (&["version"], "token-refresher --version shows the version"),
];
