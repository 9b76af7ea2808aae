//! How the demo speaks: a heading for an act, a command as one types it, what came of it, and remarks.

use std::io::{self, Write as _};

use super::Failure;

/// Longest line of an address that is shown; the rest tells a reader nothing.
const ADDRESS: usize = 100;

pub(super) fn act(number: &str, title: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "\n== {number}. {title}\n")?)
}

/// A command of the program.
pub(super) fn command(arguments: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "   $ token-refresher {arguments}")?)
}

/// What a program printed.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    text.lines().filter(|line| !line.trim().is_empty()).try_for_each(|line| writeln!(out, "   {line}"))?;
    Ok(())
}

/// What the demo says itself.
pub(super) fn remark(text: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "   >> {text}")?)
}

/// The text with long addresses cut.
pub(super) fn shortened(text: &str) -> String {
    let cut = |line: &str| match line.char_indices().nth(ADDRESS) {
        Some((at, _)) if line.contains("://") => format!("{}...", &line[..at]),
        _ => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}
