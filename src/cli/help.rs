//! Renders the tables: the summary, all of `--help all`, one command, and the table of the reference.

use super::commands::COMMANDS;
use super::flag::{Command, Flag};
use super::flags::{FLAGS, by_heading};
use super::manual::{ABOUT, DESCRIPTION, PRECEDENCE, SECTIONS};
use crate::text::lines;

/// The width of the help, in columns: the traditional one of terminals, whatever the real one is. The help goes to
/// pipes and files too, and longer lines are hard to read.
const WIDTH: usize = 80;

/// The column of the explanations in a list of two columns.
const COLUMN: usize = 27;

/// The text of `--version`.
pub(super) fn version() -> String {
    format!("token-refresher {}\n", env!("CARGO_PKG_VERSION"))
}

/// The text of `-h` and `--help`: the commands and the options of every day, on one screen.
pub(super) fn brief() -> String {
    let commands = COMMANDS.iter().filter(|command| !command.name.is_empty());
    let commands: String = commands.map(|command| two_columns(&called(command), command.help)).collect();
    let options: String = FLAGS.iter().filter(|flag| flag.everyday).map(one_line).collect();
    format!(
        "{ABOUT}\n\nUsage:\n  token-refresher [OPTIONS]            {}\n  \
         token-refresher COMMAND [OPTIONS]    one of these\n{}{}\n{MORE}",
        COMMANDS[0].help,
        headed("Commands", &commands),
        headed("Options of every day", &options),
    )
}

/// Names the places of the rest.
const MORE: &str = "All options, examples, files, signals, exit status: token-refresher --help all\n\
                    One command with its options: token-refresher help COMMAND\n";

/// The text of `--help all`.
pub(super) fn full() -> String {
    let option = |flag: &Flag| {
        let detail: String = flag.detail.split("\n\n").map(|paragraph| wrapped(paragraph, 10)).collect();
        let origins = origins(flag).map(|origins| wrapped(&origins, 10)).unwrap_or_default();
        format!("  {}\n{detail}{origins}", spelled(flag))
    };
    let usage: String = COMMANDS.iter().map(|command| two_columns(&usage(command), command.help)).collect();
    let sections: String = SECTIONS
        .iter()
        .map(|section| {
            let rows = section.rows.iter().map(|(term, explanation)| two_columns(term, explanation));
            headed(section.title, &rows.collect::<String>())
        })
        .collect();
    let description = wrapped(DESCRIPTION, 0);
    let opening = format!("{}{ABOUT}\n\n{description}{}", version(), headed("Usage", &usage));
    opening + &options(option) + "\n" + &wrapped(PRECEDENCE, 0) + &sections
}

/// The text of `help COMMAND`: the effect of the command, and its options.
pub(super) fn of(command: &Command) -> String {
    let takes = |flag: &&Flag| flag.commands.contains(&command.name);
    let options: String = FLAGS.iter().filter(takes).map(one_line).collect();
    let options = if options.is_empty() { options } else { headed("Options", &options) };
    let detail: Vec<String> = command.detail.split("\n\n").map(|paragraph| wrapped(paragraph, 0)).collect();
    format!("{}\n\n{}{options}", usage(command), detail.join("\n"))
}

/// An option as a line of a list.
fn one_line(flag: &Flag) -> String {
    let default = flag.default.map(|default| format!(" [{default}]")).unwrap_or_default();
    let repeatable = if flag.repeatable { " (repeatable)" } else { "" };
    two_columns(&spelled(flag), &format!("{}{default}{repeatable}", flag.help))
}

/// Every option, as `option` renders it, under its heading.
fn options(option: impl Fn(&Flag) -> String) -> String {
    let of = |flags: &[Flag]| flags.iter().map(&option).collect::<String>();
    by_heading().map(|flags| headed(flags[0].group, &of(flags))).collect()
}

fn headed(title: &str, body: &str) -> String {
    format!("\n{title}:\n{body}")
}

/// The form of a call: `token-refresher headers SERVER [OPTIONS]`.
pub(super) fn usage(command: &Command) -> String {
    let takes_options = FLAGS.iter().any(|flag| flag.commands.contains(&command.name));
    let options = if takes_options { "[OPTIONS]" } else { "" };
    let words = ["token-refresher", &called(command), options];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The command with its arguments: `headers SERVER`.
fn called(command: &Command) -> String {
    format!("{} {}", command.name, command.operands).trim().to_owned()
}

/// The spelling of an option: `--dir DIR`, `-h, --help`.
pub(super) fn spelled(flag: &Flag) -> String {
    let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

/// The other sources of the value: `[default: 300] [variable: TOKEN_REFRESH_INTERVAL]`.
fn origins(flag: &Flag) -> Option<String> {
    let default = flag.default.map(|default| format!("[default: {default}]"));
    let variable = flag.variable.map(|variable| format!("[variable: {variable}]"));
    let repeatable = flag.repeatable.then(|| "[repeatable]".to_owned());
    let known: Vec<String> = [default, variable, repeatable].into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// A term and its explanation side by side, or below each other where the term is long.
fn two_columns(term: &str, explanation: &str) -> String {
    let explanation = wrapped(explanation, COLUMN);
    if term.len() + 4 <= COLUMN {
        let gap = COLUMN - 2;
        format!("  {term:gap$}{}", explanation.trim_start())
    } else {
        format!("  {term}\n{explanation}")
    }
}

/// `text` in lines of at most [`WIDTH`] columns that begin with `indent` blanks.
fn wrapped(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    lines(text, WIDTH - indent).iter().flat_map(|line| [&margin, line.as_str(), "\n"]).collect()
}

/// The options as a Markdown table. A test compares docs/reference.md with the table.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let code = |words: &str| format!(" `{}`", words.replace('|', "\\|"));
    let row = |flag: &Flag| {
        let cells = [Some(spelled(flag).as_str()), flag.default, flag.variable]
            .map(|words| words.map(code).unwrap_or_default());
        let repeatable = if flag.repeatable { " (repeatable)" } else { "" };
        format!("|{} | {}{repeatable} |\n", cells.join(" |"), flag.help)
    };
    let head = "| Option | Default | Variable | What it does |\n| --- | --- | --- | --- |\n".to_owned();
    head + &FLAGS.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_the_terminal() {
        let commands = COMMANDS.iter().map(of);
        for text in commands.chain([brief(), full()]) {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn every_option_is_explained() {
        let (brief, full, markdown) = (brief(), full(), markdown());
        for flag in FLAGS {
            assert!(!flag.help.ends_with('.') && flag.detail.ends_with('.'), "--{}", flag.long);
            assert!(full.contains(&format!("  {}", spelled(flag))), "--{}", flag.long);
            assert_eq!(brief.contains(&format!("  {}", spelled(flag))), flag.everyday, "--{}", flag.long);
            for name in flag.commands {
                let command = COMMANDS.iter().find(|command| command.name == *name).unwrap();
                assert!(of(command).contains(&format!("  {}", spelled(flag))), "{name} --{}", flag.long);
            }
            assert!(markdown.contains(flag.help), "--{}", flag.long);
            for said in [flag.default, flag.variable].into_iter().flatten() {
                assert!(full.contains(said) && markdown.contains(said), "{said}");
            }
        }
    }

    #[test]
    fn the_summary_is_one_screen() {
        let brief = brief();
        assert!(brief.lines().count() <= 36, "{}", brief.lines().count());
        assert_eq!(FLAGS.iter().filter(|flag| flag.everyday).count(), 10);
        for command in COMMANDS {
            assert!(brief.contains(command.help) && !command.help.ends_with('.'), "{}", command.name);
            assert!(command.detail.ends_with('.'), "{}", command.name);
        }
    }

    #[test]
    fn the_reference_has_this_table() {
        let page = include_str!("../../docs/reference.md");
        assert!(page.contains(&markdown()), "the table in docs/reference.md should be\n{}", markdown());
    }

    #[test]
    fn a_row_of_the_reference() {
        let row = "| `--pid-file FILE\\|-` | `token_refresher.pid` | `TOKEN_REFRESHER_PID_FILE` | \
                   holds the daemon's process id; - writes none |";
        assert!(markdown().lines().any(|line| line == row), "{}", markdown());
        assert!(markdown().lines().any(|line| line == "| `--once` | | | one cycle, then exit |"));
    }
}
