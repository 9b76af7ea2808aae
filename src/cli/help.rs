//! Renders the table: the summary of `-h`, the whole of `--help`, and the rows of the README.

use super::commands::COMMANDS;
use super::flag::{Command, Flag, Group};
use super::flags::FLAGS;
use super::manual::{ABOUT, DESCRIPTION, PRECEDENCE, SECTIONS};
use crate::text::lines;

/// The help fits a terminal of the traditional width, whatever the real one's is: wrapping to the
/// real width would need an ioctl, and lines longer than this read badly anyway.
const WIDTH: usize = 80;

/// Where the explanation begins in a list of two columns.
const COLUMN: usize = 27;

/// What `--version` says.
pub(crate) fn version() -> String {
    format!("token-refresher {}\n", env!("CARGO_PKG_VERSION"))
}

/// What `-h` says: how to call it, and a line per option.
pub(crate) fn brief() -> String {
    let option = |flag: &Flag| {
        let default = flag.default.map(|default| format!(" [{default}]")).unwrap_or_default();
        let repeatable = if flag.repeatable { " (repeatable)" } else { "" };
        two_columns(&spelled(flag), &format!("{}{default}{repeatable}", flag.help))
    };
    let more = "\nVariables, examples, files, signals and exit status: token-refresher --help\n";
    opening() + &options(option) + more
}

/// What `--help` says: everything.
pub(crate) fn full() -> String {
    let option = |flag: &Flag| {
        let detail: String = flag.detail.split("\n\n").map(|paragraph| wrapped(paragraph, 10)).collect();
        let origins = origins(flag).map(|origins| wrapped(&origins, 10)).unwrap_or_default();
        format!("  {}\n{detail}{origins}", spelled(flag))
    };
    let sections: String = SECTIONS
        .iter()
        .map(|section| {
            let rows = section.rows.iter().map(|(term, explanation)| two_columns(term, explanation));
            headed(section.title, &rows.collect::<String>())
        })
        .collect();
    opening() + &options(option) + "\n" + &wrapped(PRECEDENCE, 0) + &sections
}

/// The head that both have in common.
fn opening() -> String {
    let usage: String = COMMANDS.iter().map(|command| two_columns(&usage(command), command.help)).collect();
    format!("{}{ABOUT}\n\n{}{}", version(), wrapped(DESCRIPTION, 0), headed("Usage", &usage))
}

/// Every option, as `option` renders it, under its heading.
fn options(option: impl Fn(&Flag) -> String) -> String {
    let of = |group| FLAGS.iter().filter(move |flag| flag.group == group).map(&option).collect::<String>();
    Group::ALL.iter().map(|group| headed(group.title(), &of(*group))).collect()
}

fn headed(title: &str, body: &str) -> String {
    format!("\n{title}:\n{body}")
}

/// How `command` is called.
pub(super) fn usage(command: &Command) -> String {
    let takes_options = FLAGS.iter().any(|flag| flag.commands.contains(&command.name));
    let words = ["token-refresher", command.name, command.operand.unwrap_or_default()];
    let words = words.into_iter().chain(takes_options.then_some("[OPTIONS]"));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How `flag` is written: `--dir DIR`, `-h, --help`.
pub(super) fn spelled(flag: &Flag) -> String {
    let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

/// Where else the value comes from: `[default: 300] [variable: TOKEN_REFRESH_INTERVAL]`.
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

/// The options as a Markdown table for the README, which a test keeps in step with this.
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
        for text in [brief(), full()] {
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
            for text in [&brief, &full] {
                assert!(text.contains(&format!("  {}", spelled(flag))), "--{}", flag.long);
            }
            assert!(brief.contains(flag.help), "--{}", flag.long);
            assert!(markdown.contains(flag.help), "--{}", flag.long);
            for said in [flag.default, flag.variable].into_iter().flatten() {
                assert!(full.contains(said) && markdown.contains(said), "{said}");
            }
        }
    }

    #[test]
    fn the_readme_has_this_table() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&markdown()), "the README's table should be\n{}", markdown());
    }

    #[test]
    fn a_row_of_the_readme() {
        let row = "| `--pid-file FILE\\|-` | `token_refresher.pid` | `TOKEN_REFRESHER_PID_FILE` | \
                   holds the daemon's process id; - writes none |";
        assert!(markdown().lines().any(|line| line == row), "{}", markdown());
        assert!(markdown().lines().any(|line| line == "| `--once` | | | one cycle, then exit |"));
    }
}
