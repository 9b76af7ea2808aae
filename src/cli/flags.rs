//! The table of options. Parsing, help, completions, the man page, the reference's table and the settings' errors read
//! [`FLAGS`]. A new option is one row here and one field of the settings.

use super::commands::{BRIDGE, CHECK, DAEMON, HEADERS, LOGIN, NAMES, REVOKE, SEAL, STATUS, TOKEN, UNSEAL};
use super::flag::Flag;

/// The commands with all settings: the daemon alone.
const SETTINGS: &[&str] = &[DAEMON];

/// The commands that find servers and write a log.
const SERVING: &[&str] = &[DAEMON, BRIDGE];

/// The commands that need only the place of the tokens. The status file has all other settings.
const PLACES: &[&str] = &[DAEMON, LOGIN, REVOKE, SEAL, UNSEAL, STATUS, CHECK, HEADERS, TOKEN, BRIDGE, NAMES];

/// The commands that send requests to token endpoints.
const SPEAKING: &[&str] = &[DAEMON, LOGIN, REVOKE, BRIDGE];

/// The commands that know the endpoints of token files.
const KNOWING: &[&str] = &[DAEMON, LOGIN, REVOKE, SEAL, UNSEAL, BRIDGE];

/// The headings that several rows name.
const PLACES_HEADING: &str = "Where things are";
const VIEWS_HEADING: &str = "What status and check say";

/// The heading of the options of a sign-in, which are no settings.
pub(super) const SIGN_IN_HEADING: &str = "Signing in";

/// The values that most rows have.
const ROW: Flag = Flag {
    long: "",
    short: None,
    value: None,
    variable: None,
    in_env_file: false,
    default: None,
    example: None,
    choices: &[],
    everyday: false,
    repeatable: false,
    group: "When and how to refresh",
    commands: SETTINGS,
    help: "",
    detail: "",
};

/// A row about a place, for every command that reads token files.
const PLACE: Flag = Flag { group: PLACES_HEADING, commands: PLACES, ..ROW };

/// A row about a sign-in.
const SIGN_IN: Flag = Flag { group: SIGN_IN_HEADING, commands: &[LOGIN], ..ROW };

/// A row about keys.
const SEALING: Flag = Flag { group: "Sealed at rest", commands: KNOWING, ..ROW };

/// A row about the clients' configurations.
const CLIENT: Flag = Flag { group: "Coding assistants", ..ROW };

/// A row about the log and the process.
const LOG: Flag = Flag { group: "Log and process", ..ROW };

/// A row for every command.
const HELP: Flag = Flag { group: "Help", commands: &[], ..ROW };

/// Every option, in the order of the help.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        long: "interval",
        everyday: true,
        value: Some("SECONDS"),
        variable: Some("TOKEN_REFRESH_INTERVAL"),
        in_env_file: true,
        default: Some("300"),
        example: Some("300"),
        help: "longest time between two checks",
        detail: "The longest time between two checks of all tokens. A token that comes due \
                 earlier wakes the program earlier.",
        ..ROW
    },
    Flag {
        long: "buffer",
        everyday: true,
        value: Some("SECONDS"),
        variable: Some("TOKEN_EXPIRY_BUFFER"),
        in_env_file: true,
        default: Some("3600"),
        example: Some("3600"),
        help: "refresh this long before expiry",
        detail: "Refresh a token this long before it expires. A token that lives less than twice \
                 as long as the buffer is refreshed at half its life instead, so that it is not \
                 refreshed at every check.",
        ..ROW
    },
    Flag {
        long: "once",
        everyday: true,
        help: "one cycle, then exit",
        detail: "Check every token once, refresh what is due, write the configurations, and exit: \
                 0 when every token that was due is fresh, else 1. Runs beside a daemon without \
                 harm.",
        ..ROW
    },
    Flag {
        long: "force",
        everyday: true,
        help: "with --once: refresh every token, due or not",
        detail: "With --once: refresh every token, due or not. Tokens that are only monitored stay \
                 as they are.",
        ..ROW
    },
    Flag {
        long: "jobs",
        value: Some("N"),
        variable: Some("TOKEN_REFRESHER_JOBS"),
        in_env_file: true,
        default: Some("8"),
        example: Some("8"),
        help: "refreshes in flight at once",
        detail: "How many refreshes may be in flight at once, from 1 to 64. One without an answer for a second \
                 lets the next begin, up to twice as many; no endpoint gets more of them for it. With 1 there is \
                 always one.",
        ..ROW
    },
    Flag {
        long: "allow-http",
        value: Some("HOST"),
        variable: Some("TOKEN_REFRESHER_ALLOW_HTTP"),
        example: Some("keycloak"),
        repeatable: true,
        help: "accept a plain-http endpoint there",
        detail: "Send refresh tokens to this host over plain http too, for example to a Keycloak in \
                 the same container network. Without it only https and loopback are spoken to. The \
                 variable takes a list with commas.",
        commands: SPEAKING,
        ..ROW
    },
    Flag {
        long: "on-refresh",
        everyday: true,
        value: Some("COMMAND"),
        variable: Some("TOKEN_REFRESHER_ON_REFRESH"),
        example: Some("'systemctl --user restart my-assistant'"),
        help: "run this after tokens changed",
        detail: "Run this command after tokens changed, once for all that changed in a cycle, without a \
                 shell, for 30 seconds at most. Its environment is PATH, HOME, TOKEN_REFRESHER_DIR, \
                 TOKEN_REFRESHER_TOKENS_DIR and what changed: TOKEN_REFRESHER_CHANGED (how many), \
                 TOKEN_REFRESHER_CHANGED_NAMES and TOKEN_REFRESHER_CHANGED_FILES (one a line). When it \
                 fails, the log says so, and it is tried again.",
        ..ROW
    },
    Flag {
        long: "on-trouble",
        value: Some("COMMAND"),
        variable: Some("TOKEN_REFRESHER_ON_TROUBLE"),
        example: Some("'/usr/local/bin/tell-me'"),
        help: "run this when a person becomes needed",
        detail: "Run this command when a token begins to need a person: its sign-in has ended or ends within a day, it \
                 is refused, it cannot be used, or it has expired and every attempt to refresh it fails. Once for \
                 each token, and once more when what was foreseen has come; again only after it was well. As with \
                 --on-refresh, no shell runs it and it has 30 seconds. Its environment is PATH, HOME, \
                 TOKEN_REFRESHER_DIR, TOKEN_REFRESHER_TOKENS_DIR, TOKEN_REFRESHER_TROUBLE (how many tokens), and \
                 with a line for each TOKEN_REFRESHER_TROUBLE_NAMES, TOKEN_REFRESHER_TROUBLE_COMMANDS (what to type) \
                 and TOKEN_REFRESHER_TROUBLE_TEXT (what is wrong, and what to type). It holds no secret.",
        ..ROW
    },
    Flag {
        long: "dir",
        everyday: true,
        value: Some("DIR"),
        variable: Some("TOKEN_REFRESHER_DIR"),
        default: Some("."),
        help: "project root: relative paths start here",
        detail: "The project root. Relative paths in all other options start here. It must exist. \
                 The variable is not read from the .env file, which is found in this directory.",
        ..PLACE
    },
    Flag {
        long: "tokens-dir",
        value: Some("DIR"),
        variable: Some("TOKEN_REFRESHER_TOKENS_DIR"),
        default: Some(".oauth-tokens"),
        help: "the token files, and the configurations",
        detail: "Where the token files are, and where mcp.json and vscode_mcp.json are written. \
                 Made (0700) when it is missing.",
        ..PLACE
    },
    Flag {
        long: "servers-dir",
        value: Some("DIR"),
        variable: Some("TOKEN_REFRESHER_SERVERS_DIR"),
        default: Some("registry/servers"),
        group: PLACES_HEADING,
        commands: SERVING,
        help: "the registry's server files",
        detail: "The registry's server files. Servers that need no sign-in are taken from them.",
        ..ROW
    },
    Flag {
        long: "env-file",
        value: Some("FILE"),
        variable: Some("TOKEN_REFRESHER_ENV_FILE"),
        default: Some(".env"),
        help: "figures and client credentials",
        detail: "Figures and client credentials as NAME=VALUE lines: interval, buffer, jobs, log level, \
                 REGISTRY_URL, AUTH_PROVIDER, and what providers look up. What names a file, a command, a \
                 host to trust or a proxy has no effect there. The real environment wins over it, and \
                 nothing of it is passed on to other programs. The default may be missing; a file that is \
                 named here must exist. A pipe is read once.",
        ..PLACE
    },
    Flag {
        long: "providers",
        value: Some("FILE"),
        variable: Some("TOKEN_REFRESHER_PROVIDERS"),
        default: Some("providers.json"),
        group: PLACES_HEADING,
        help: "rows beside the built-in providers",
        detail: "Your own providers, and changes to the built-in ones: a JSON object with a row for \
                 each. Read where it exists; one that is named here must exist.",
        commands: KNOWING,
        ..ROW
    },
    Flag {
        long: "registry-url",
        everyday: true,
        value: Some("URL"),
        variable: Some("REGISTRY_URL"),
        in_env_file: true,
        example: Some("https://gateway.example.com"),
        group: PLACES_HEADING,
        commands: SERVING,
        help: "the gateway's public URL",
        detail: "The gateway's public URL, from which the servers' URLs in the configurations are \
                 built. Without it they begin with http://localhost, and the log says so.",
        ..ROW
    },
    Flag {
        long: "name",
        value: Some("NAME"),
        example: Some("jira"),
        help: "the server's name, or the token file's",
        detail: "With login: what the new token file is called, NAME-egress.json, or just so where NAME ends in \
                 .json. Without it {provider}-{server}-egress.json.",
        ..SIGN_IN
    },
    Flag {
        long: "client-id",
        value: Some("ID"),
        example: Some("Iv23li8gXkMbTQ2mTqC1"),
        help: "the client to sign in with",
        detail: "With login: the client that was made at the provider for this. Its secret, where it has one, \
                 belongs into a file beside the tokens ({\"client_id\": ..., \"client_secret\": ...}) or into the \
                 environment (EGRESS_OAUTH_CLIENT_SECRET_1), never on the command line. Without it a client is \
                 taken from such a file with the same issuer or provider, or registered.",
        ..SIGN_IN
    },
    Flag {
        long: "scope",
        value: Some("SCOPES"),
        example: Some("'read write'"),
        help: "the scopes to ask for",
        detail: "With login: the scopes to ask for, parted by blanks. Without it those of the token file, else \
                 those that the server asks for. What earns a refresh token is added.",
        ..SIGN_IN
    },
    Flag {
        long: "member",
        value: Some("NAME=VALUE"),
        example: Some("domain=acme.example.com"),
        repeatable: true,
        help: "what the provider's address is made of",
        detail: "With login: a member for the token file, such as the domain, tenant or host that the addresses \
                 of a provider are made of. Not for secrets.",
        ..SIGN_IN
    },
    Flag {
        long: "redirect-uri",
        value: Some("URL"),
        example: Some("http://127.0.0.1:47823/callback"),
        help: "the redirect address that is registered",
        detail: "With login: the redirect address that is registered for the client. Where it is one of \
                 127.0.0.1 or localhost with a port, it is waited for there; else its address is to be pasted.",
        ..SIGN_IN
    },
    Flag {
        long: "paste",
        help: "open no port; the redirect's address is pasted",
        detail: "With login: open no port. The browser ends at an address that it cannot open, and that address \
                 is pasted. For SSH and containers.",
        ..SIGN_IN
    },
    Flag {
        long: "device",
        help: "enter a code on another device (RFC 8628)",
        detail: "With login: show an address and a code to enter there, on any device.",
        ..SIGN_IN
    },
    Flag {
        long: "open",
        help: "open a browser, whatever the terminal",
        detail: "With login: open a browser (BROWSER, xdg-open, open). Without it one is opened where a person is \
                 at a graphical terminal. Root opens none.",
        ..SIGN_IN
    },
    Flag {
        long: "register",
        help: "register a new client",
        detail: "With login: register a new client although one is known, for a server that has forgotten it. The \
                 registration that it replaces is deleted at the server, where that is possible (RFC 7592).",
        ..SIGN_IN
    },
    Flag {
        long: "client-credentials",
        help: "an application's own token, without a person",
        detail: "With login: ask for a token of the application itself, with its client id and secret. No person \
                 signs in.",
        ..SIGN_IN
    },
    Flag {
        long: "wait",
        value: Some("SECONDS"),
        example: Some("300"),
        help: "how long to wait for the person, 300",
        detail: "With login: how long to wait for the person, from 1 to 86400 seconds; 300 without it.",
        ..SIGN_IN
    },
    Flag {
        long: "key-file",
        value: Some("FILE"),
        variable: Some("TOKEN_REFRESHER_KEY_FILE"),
        example: Some("/etc/token-refresher.key"),
        repeatable: true,
        help: "seal secrets at rest with this key",
        detail: "A file with a key, which token-refresher keygen makes: 32 bytes as base64url, or a JWK. Refresh \
                 tokens, client secrets and private keys in the token files are then sealed. The first key seals, \
                 every key opens: to change it, put the new one before the old one and run token-refresher seal. \
                 A link and a pipe are fine. No other user may write the file, and it may not be in the tokens \
                 directory. The variable takes a list with commas. Without this option, token-refresher.key in \
                 $CREDENTIALS_DIRECTORY is used where systemd provides it.",
        ..SEALING
    },
    Flag {
        long: "key-command",
        value: Some("COMMAND"),
        variable: Some("TOKEN_REFRESHER_KEY_COMMAND"),
        example: Some("'secret-tool lookup service token-refresher'"),
        help: "take the key from this command",
        detail: "Run this command for a key, without a shell and for 30 seconds at most: the first line of its output \
                 is the key. It is run once at the start and when settings are read again. It gets PATH, HOME and the \
                 variables that password managers and desktops need, and no others.",
        ..SEALING
    },
    Flag {
        long: "rebind",
        commands: &[SEAL],
        help: "the file leads elsewhere now, and that is meant",
        detail: "With names of files: bind what is sealed in them to the endpoint and the client that they lead to \
                 now. Without it, a sealed file whose endpoint or client was changed is refused.",
        ..SEALING
    },
    Flag {
        long: "client",
        everyday: true,
        value: Some("NAME[=PATH]"),
        variable: Some("TOKEN_REFRESHER_CLIENT"),
        repeatable: true,
        help: "also keep this client's own configuration",
        detail: "Also keep the servers in this client's own configuration, in its own notation: in \
                 PATH, the file that the client reads, where only our own entries are added, changed \
                 and removed; without PATH in mcp-NAME.json (.toml, .yaml) in the tokens directory. \
                 ~/ at the beginning of PATH is HOME. The variable takes a list with commas.\n\n\
                 `token-refresher clients` lists the names, and how a new token reaches each client.",
        ..CLIENT
    },
    Flag {
        long: "client-secrets",
        value: Some("HOW"),
        variable: Some("TOKEN_REFRESHER_CLIENT_SECRETS"),
        default: Some("auto"),
        example: Some("auto"),
        help: "auto: elsewhere where it can; inline; bridge",
        detail: "Where tokens stand: auto keeps them out of a client's configuration where the client \
                 can get them elsewhere (it starts `token-refresher bridge`, runs `token-refresher headers`, \
                 or reads SERVER.token in the tokens directory); inline writes them into it, for a client \
                 that cannot reach this program or these files; with bridge every client starts the bridge.",
        ..CLIENT
    },
    Flag {
        long: "client-program",
        value: Some("PATH"),
        variable: Some("TOKEN_REFRESHER_CLIENT_PROGRAM"),
        example: Some("/usr/local/bin/token-refresher"),
        help: "where assistants find this program",
        detail: "The path of this program as the assistants see it, for entries that start it: from a \
                 container, the program on the host. Without it and --client-dir, in what looks like a \
                 container, tokens stand in the clients' configurations themselves.",
        ..CLIENT
    },
    Flag {
        long: "client-dir",
        value: Some("DIR"),
        variable: Some("TOKEN_REFRESHER_CLIENT_DIR"),
        example: Some("/srv/gateway"),
        help: "where assistants find the project",
        detail: "The project directory as the assistants see it, for entries that name it: from a \
                 container, the directory on the host that is mounted.",
        ..CLIENT
    },
    Flag {
        long: "launcher",
        value: Some("KIND"),
        variable: Some("TOKEN_REFRESHER_LAUNCHER"),
        default: Some("seed"),
        example: Some("http"),
        choices: &["seed", "bridge", "http", "none"],
        help: "what mcp.json and vscode_mcp.json hold",
        detail: "What the entries of mcp.json and vscode_mcp.json are: seed, the local programs of the \
                 Python service's documentation; bridge, this program, which passes everything to the server \
                 with the token of the moment; http, addresses and headers as the gateway's own tools \
                 write them. With none neither file is written.",
        ..CLIENT
    },
    Flag {
        long: "log-level",
        everyday: true,
        value: Some("LEVEL"),
        variable: Some("LOG_LEVEL"),
        in_env_file: true,
        default: Some("INFO"),
        example: Some("INFO"),
        choices: &["DEBUG", "INFO", "WARNING", "ERROR"],
        commands: SERVING,
        help: "DEBUG, INFO, WARNING or ERROR",
        detail: "How much to log: DEBUG, INFO, WARNING or ERROR. No level shows a token.",
        ..LOG
    },
    Flag {
        long: "log-file",
        everyday: true,
        value: Some("FILE|-"),
        variable: Some("TOKEN_REFRESHER_LOG_FILE"),
        default: Some("token_refresher.log"),
        help: "the log; - is standard error",
        detail: "The log, 0600. On a terminal the lines are shown as well. - logs to standard error \
                 only: for systemd and containers.",
        ..LOG
    },
    Flag {
        long: "pid-file",
        value: Some("FILE|-"),
        variable: Some("TOKEN_REFRESHER_PID_FILE"),
        default: Some("token_refresher.pid"),
        help: "holds the daemon's process id; - writes none",
        detail: "Holds the daemon's process id while it runs; - writes none. Two daemons are kept \
                 apart by a lock, not by this file.",
        ..LOG
    },
    Flag {
        long: "metrics-file",
        value: Some("FILE"),
        variable: Some("TOKEN_REFRESHER_METRICS_FILE"),
        example: Some("/var/lib/prometheus/node-exporter/token-refresher.prom"),
        help: "Prometheus text, for a textfile collector",
        detail: "Write metrics in the Prometheus text format here after each cycle, readable by \
                 everybody: for the textfile collector of node_exporter, which wants the ending .prom.",
        ..LOG
    },
    Flag {
        long: "json",
        group: VIEWS_HEADING,
        commands: &[STATUS],
        help: "with status: JSON instead of a table",
        detail: "With status: JSON instead of a table, in a form that docs/watching.md documents.",
        ..ROW
    },
    Flag {
        long: "watch",
        group: VIEWS_HEADING,
        commands: &[STATUS],
        help: "with status: show it anew every 2 seconds",
        detail: "With status on a terminal: show the table anew every two seconds, until Ctrl-C.",
        ..ROW
    },
    Flag {
        long: "alive",
        group: VIEWS_HEADING,
        commands: &[CHECK],
        help: "with check: only whether the daemon is well",
        detail: "With check: only whether the daemon runs and its loop turns, exit status 0 or 1. For \
                 the probes of containers, where a restart cures no sign-in.",
        ..ROW
    },
    Flag {
        long: "help",
        short: Some('h'),
        help: "a summary; --help all tells everything",
        detail: "-h and --help show the options of every day, --help all these pages. Behind a command they tell \
                 of that command.",
        ..HELP
    },
    Flag { long: "version", short: Some('V'), help: "the version", detail: "Show the version.", ..HELP },
    Flag {
        long: "generate",
        value: Some("WHAT"),
        example: Some("man"),
        choices: &["man", "man-files", "complete-bash", "complete-zsh", "complete-fish", "unit", "user-unit"],
        help: "a man page, a completion, a systemd unit",
        detail: "Print a man page (man, man-files), the completion for bash, zsh or fish, or a systemd unit that \
                 starts this program (unit, user-unit). `make install` puts them where they are found.",
        ..HELP
    },
];

/// Options of the Python service that this program replaces, each with its replacement. An old start script gets an
/// error that says the change.
pub(super) const FORMER: &[(&str, &str)] =
    &[("debug", "use --log-level DEBUG"), ("no-kill", "leave it out: a second daemon never ends the first")];

/// The options under each heading of the help; no heading is without an option.
pub(super) fn by_heading() -> impl Iterator<Item = &'static [Flag]> {
    FLAGS.chunk_by(|one, next| one.group == next.group)
}

/// The options that have a variable.
pub(crate) fn flags_with_variable() -> impl Iterator<Item = &'static Flag> + Clone {
    FLAGS.iter().filter(|flag| flag.variable.is_some())
}

/// The row of the option `long`. For `const` items, where a name without a row is an error of the compiler.
///
/// # Panics
/// Where the table has no such row.
pub(crate) const fn flag(long: &str) -> &'static Flag {
    let mut row = 0;
    while row < FLAGS.len() {
        if same(FLAGS[row].long, long) {
            return &FLAGS[row];
        }
        row += 1;
    }
    panic!("no row of FLAGS has this name")
}

/// `left == right`: the operator is not `const` yet.
const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}
