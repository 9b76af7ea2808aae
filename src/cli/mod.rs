//! The command line: one table of options, and all that is made from the table.
//!
//! This wing says which options were given with which text. The settings check the text, since the same value can come
//! from a variable or from `.env`.

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
