//! Reads the arguments by the tables.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use crate::cli::commands::{ANSWERS, COMMANDS};
use crate::cli::flag::{Command, Flag, Verb};
use crate::cli::flags::{FLAGS, FORMER, flag};
use crate::cli::generate::generate;
use crate::cli::help::{brief, full, of, version};
use crate::cli::nearest::nearest;
use crate::cli::shown::shown;
use crate::text::escaped;

/// The request of the command line.
#[derive(Debug)]
pub(crate) enum CommandLine {
    /// Print this text: help, the version, or what `--generate` makes.
    Print(String),
    /// Run a command.
    Run(Invocation),
}

/// A command with its options and arguments.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub verb: Verb,
    /// The options that were given, all of which the command takes.
    pub options: Options,
    /// The arguments, in a number that the command takes.
    pub operands: Vec<OsString>,
}

impl Invocation {
    /// The first argument.
    pub(crate) fn operand(&self) -> Option<&OsStr> {
        self.operands.first().map(OsString::as_os_str)
    }
}

/// The options that were given. A repeatable option has all of its values, another one the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options(Vec<(&'static Flag, OsString)>);

impl Options {
    fn add(&mut self, flag: &'static Flag, value: OsString) {
        if !flag.repeatable {
            self.0.retain(|(given, _)| given.long != flag.long);
        }
        self.0.push((flag, value));
    }

    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.values(flag).next().is_some()
    }

    /// The values that count: at most one, unless the option is repeatable.
    pub(crate) fn values(&self, flag: &Flag) -> impl Iterator<Item = &OsStr> {
        let long = flag.long;
        self.0.iter().filter(move |(given, _)| given.long == long).map(|(_, value)| value.as_os_str())
    }
}

/// The error for a command line that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The command, wherever it is in the line. `check` has a form of its own for errors.
    pub verb: Option<Verb>,
    /// One line: the argument, its fault, and the remedy.
    pub message: String,
}

/// Reads the arguments (without the program's name).
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, Wrong> {
    Grammar { flags: FLAGS, commands: COMMANDS }.parse(arguments)
}

/// The text of `help`, or of `help word`.
pub(crate) fn help(word: Option<&OsStr>) -> Result<String, String> {
    match word {
        None => Ok(brief()),
        Some(word) if word == "all" => Ok(full()),
        Some(word) => {
            Grammar { flags: FLAGS, commands: COMMANDS }.command(Some(word), &Options::default()).map(of)
        }
    }
}

/// The tables of the parser. The program has one of each; tests have others.
struct Grammar {
    flags: &'static [Flag],
    commands: &'static [Command],
}

/// The result of one argument.
enum Next {
    /// The argument was read.
    Argument,
    /// There are no more arguments.
    End,
    /// The argument alone is a whole request.
    Answer(CommandLine),
}

impl Grammar {
    fn parse(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, Wrong> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let mut parser = Parser::from_args(arguments);
        let mut options = Options::default();
        let mut words = Vec::new();
        let mut wrong = None;
        loop {
            match self.next(&mut parser, &mut options, &mut words) {
                Ok(Next::Argument) => {}
                Ok(Next::Answer(request)) if wrong.is_none() => return Ok(request),
                Ok(Next::Answer(_) | Next::End) => break,
                // Reading goes on after an error, since the command may come later in the line.
                Err(message) => wrong = wrong.or(Some(message)),
            }
        }
        let found = match wrong {
            None => self.invocation(options, &words).map(CommandLine::Run),
            Some(message) => Err(message),
        };
        found.map_err(|message| Wrong { verb: self.verb(&words), message })
    }

    /// Reads one argument, with the value that belongs to it.
    fn next(
        &self,
        parser: &mut Parser,
        options: &mut Options,
        words: &mut Vec<OsString>,
    ) -> Result<Next, String> {
        let Some(argument) = parser.next().map_err(|error| switch_with_value(&error))? else {
            return Ok(Next::End);
        };
        let flag = match argument {
            Arg::Value(word) => {
                words.push(word);
                return Ok(Next::Argument);
            }
            Arg::Long(long) => match self.flags.iter().find(|flag| flag.long == long) {
                Some(flag) => flag,
                None => return Err(self.unknown_long(long)),
            },
            Arg::Short(short) => match self.flags.iter().find(|flag| flag.short == Some(short)) {
                Some(flag) => flag,
                None => return Err(self.unknown_short(short, parser.optional_value())),
            },
        };
        match (flag.long, flag.value) {
            ("help", _) => return Ok(Next::Answer(CommandLine::Print(self.help(parser, words)))),
            ("version", _) => return Ok(Next::Answer(CommandLine::Print(version()))),
            ("generate", _) => {
                let form = self.value(flag, parser)?;
                return generate(&form.to_string_lossy()).map(|text| Next::Answer(CommandLine::Print(text)));
            }
            (_, None) => options.add(flag, OsString::new()),
            (_, Some(_)) => options.add(flag, self.value(flag, parser)?),
        }
        Ok(Next::Argument)
    }

    /// The text that `--help` prints: everything with `all` behind it, else the command's text, else the summary.
    fn help(&self, parser: &mut Parser, words: &[OsString]) -> String {
        let joined = parser.optional_value();
        let next = parser.try_raw_args().and_then(|raw| raw.peek().map(OsStr::to_owned));
        let named =
            self.commands.iter().find(|command| words.first().is_some_and(|word| word == command.name));
        match (joined.or(next), named) {
            (Some(word), _) if word == "all" => full(),
            (_, Some(command)) => of(command),
            _ => brief(),
        }
    }

    /// The first word that names a command.
    fn verb(&self, words: &[OsString]) -> Option<Verb> {
        let named = |word: &OsString| self.commands.iter().find(|command| word == command.name);
        words.iter().filter(|word| !word.is_empty()).find_map(named).map(|command| command.verb)
    }

    /// The value of `flag`. An option in the place of a value means a forgotten value, not a file of that name.
    /// `--log-file=--once` names such a file.
    fn value(&self, flag: &Flag, parser: &mut Parser) -> Result<OsString, String> {
        if let Some(value) = parser.optional_value() {
            return Ok(value);
        }
        match parser.value() {
            Ok(value) if self.is_option(&value) => {
                Err(format!("--{}: needs a value, but {} follows", flag.long, value.to_string_lossy()))
            }
            Ok(value) => Ok(value),
            Err(_) => Err(format!("--{}: needs a value; try --{} {}", flag.long, flag.long, example(flag))),
        }
    }

    fn is_option(&self, word: &OsStr) -> bool {
        let Some(word) = word.to_str() else { return false };
        self.flags.iter().any(|flag| {
            word.strip_prefix("--").is_some_and(|rest| rest.split('=').next() == Some(flag.long))
                || flag.short.is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()))
        })
    }

    fn unknown_long(&self, long: &str) -> String {
        // An error repeats typed text without control characters.
        let shown = long.escape_debug();
        if let Some((_, instead)) = FORMER.iter().find(|(former, _)| *former == long) {
            return format!("--{shown}: this option is gone; {instead}");
        }
        unknown(&format!("--{shown}"), self.nearest_option(long))
    }

    /// An unknown short option. `rest` is the text behind the letter: `-interval` is a slip for `--interval`.
    fn unknown_short(&self, short: char, rest: Option<OsString>) -> String {
        let rest = rest.unwrap_or_default();
        let word = format!("{short}{}", rest.to_string_lossy());
        let shown = word.escape_debug();
        unknown(&format!("-{shown}"), if rest.is_empty() { None } else { self.nearest_option(&word) })
    }

    fn nearest_option(&self, word: &str) -> Option<&'static str> {
        nearest(word, self.flags.iter().map(|flag| flag.long))
    }

    /// Takes the first word for the command, and checks that the command takes all options and arguments.
    fn invocation(&self, options: Options, words: &[OsString]) -> Result<Invocation, String> {
        let command = self.command(words.first().map(OsString::as_os_str), &options)?;
        let name = command.name;
        let operands: Vec<OsString> = words.iter().skip(1).cloned().collect();
        if let Some(what) = command.missing(operands.len()) {
            return Err(format!("{name}: needs a {what}; see token-refresher help {name}"));
        }
        if let Some(extra) = operands.get(command.most()) {
            let takes = match command.most() {
                0 => "no argument",
                1 => "one argument",
                _ => "two arguments",
            };
            return Err(format!("{}: {name} takes {takes}; see token-refresher help {name}", shown(extra)));
        }
        for (flag, _) in &options.0 {
            if !flag.commands.is_empty() && !flag.commands.contains(&command.name) {
                return Err(format!("--{}: belongs to {}", flag.long, owners(flag)));
            }
        }
        Ok(Invocation { verb: command.verb, options, operands })
    }

    fn command(&self, word: Option<&OsStr>, options: &Options) -> Result<&'static Command, String> {
        // An empty word (`"$UNSET"` in a script) is no command, although the daemon's name is empty.
        let wanted = match word {
            None => Some(""),
            Some(word) => word.to_str().filter(|word| !word.is_empty()),
        };
        if let Some(command) = self.commands.iter().find(|command| Some(command.name) == wanted) {
            return Ok(command);
        }
        let shown = shown(word.unwrap_or_default());
        if let Some((_, answer)) =
            ANSWERS.iter().find(|(words, _)| wanted.is_some_and(|typed| words.contains(&typed)))
        {
            let dir = options.values(flag("dir")).next().map(|dir| format!("{}/", dir.to_string_lossy()));
            let answer = answer.replace("{dir}", &escaped(&dir.unwrap_or_default()));
            return Err(format!("{shown}: no such command; {answer}"));
        }
        let names = self.commands.iter().map(|command| command.name).filter(|name| !name.is_empty());
        Err(match wanted.and_then(|typed| nearest(typed, names)) {
            Some(near) => format!("{shown}: no such command; did you mean {near}?"),
            None => format!("{shown}: no such command; the daemon needs none, see token-refresher --help"),
        })
    }
}

fn unknown(option: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("{option}: unknown option; did you mean --{near}?"),
        None => format!("{option}: unknown option; see token-refresher --help"),
    }
}

/// The commands that take `flag`, for an error.
fn owners(flag: &Flag) -> String {
    let names: Vec<String> = flag
        .commands
        .iter()
        .map(|name| if name.is_empty() { "the daemon".to_owned() } else { format!("token-refresher {name}") })
        .collect();
    names.join(", ")
}

/// A value that shows the form of all values.
fn example(flag: &Flag) -> &'static str {
    flag.example.or(flag.default).or(flag.value).unwrap_or_default()
}

/// The text of the parser's one error between two options: a switch with a value.
fn switch_with_value(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("{option}: takes no value, but {} was given", shown(value))
        }
        // `Parser::next` documents no other error; the text of one would be a sentence too.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
