//! The command line: one table of flags, and everything that is read off it.
//!
//! This module knows words, not meanings: it says which options were given with which values.
//! What a value means, and whether it is one, is the matter of the settings, since the same value
//! can come from a variable or from `.env`.

mod commands;
mod flag;
mod flags;
mod generate;
mod help;
mod manual;
mod nearest;
mod parse;
mod shown;
#[cfg(test)]
mod tests;

pub(crate) use flag::{Flag, Verb};
pub(crate) use flags::{flag, flags_with_variable};
pub(crate) use nearest::nearest;
pub(crate) use parse::{CommandLine, Invocation, Options, help, parse};
pub(crate) use shown::shown;
