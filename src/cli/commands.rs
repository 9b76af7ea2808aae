//! The table of commands. A new command is one row here, one [`Verb`] and one arm in `main`.

use super::flag::{Command, Verb};

/// The name of the command that needs no name: the daemon.
pub(super) const DAEMON: &str = "";

/// Every command, in the order of the help.
pub(super) const COMMANDS: &[Command] = &[
    Command { verb: Verb::Daemon, name: DAEMON, operand: None, help: "run the daemon" },
    Command {
        verb: Verb::Status,
        name: STATUS,
        operand: None,
        help: "every token: its state and why, expiry, next attempt, last error",
    },
    Command {
        verb: Verb::Check,
        name: CHECK,
        operand: None,
        help: "one line and an exit status for monitoring",
    },
    Command {
        verb: Verb::Headers,
        name: HEADERS,
        operand: Some("SERVER"),
        help: "the headers of a request to it, as JSON: for clients that run a command",
    },
    Command {
        verb: Verb::Clients,
        name: "clients",
        operand: None,
        help: "the clients that --client knows, and how a new token reaches each",
    },
];

/// The command that shows every token.
pub(super) const STATUS: &str = "status";

/// The command for monitoring.
pub(super) const CHECK: &str = "check";

/// The command that a client runs for the headers of its requests.
pub(super) const HEADERS: &str = "headers";
