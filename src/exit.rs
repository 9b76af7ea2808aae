//! Why a command ended without success, for its exit status. Each message is one line.

/// The failure of a command.
#[derive(Debug)]
pub(crate) enum ExitError {
    /// The command line or a setting is wrong: exit status 2.
    Wrong(String),
    /// The command failed: exit status 1.
    Failed(String),
}
