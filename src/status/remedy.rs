//! The commands for a person to type.

use std::path::Path;

use crate::text::shell_word;

/// The command for a new sign-in, for the token called `name` of the project at `dir`.
pub(crate) fn login_command(name: &str, dir: &Path) -> String {
    command("login", name, dir)
}

/// The command `verb` for the token called `name` of the project at `dir`.
pub(super) fn command(verb: &str, name: &str, dir: &Path) -> String {
    let dir = dir.display().to_string();
    format!("token-refresher {verb} {} --dir {}", shell_word(name), shell_word(&dir))
}
