//! Reads the arguments by the table.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use super::flag::{Command, Flag, Verb};
use super::generate::generate;
use super::nearest::nearest;
use super::shown::shown;
use super::table::{COMMANDS, FLAGS, FORMER};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// `-h`: the summary.
    Brief,
    /// `--help`: everything.
    Full,
    /// `-V`, `--version`.
    Version,
    /// `--generate`: the text that was asked for.
    Generated(String),
    /// Do something.
    Run(Invocation),
}

/// A command with its options.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// What to do.
    pub verb: Verb,
    /// The options that were given, all of which the command takes.
    pub options: Options,
    /// Its argument, of a command that takes one.
    pub operand: Option<OsString>,
}

/// The options that were given: of each its last value, or all where it is repeatable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options(Vec<(&'static Flag, OsString)>);

impl Options {
    fn add(&mut self, flag: &'static Flag, value: OsString) {
        if !flag.repeatable {
            self.0.retain(|(given, _)| given.long != flag.long);
        }
        self.0.push((flag, value));
    }

    /// Whether the switch was given.
    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.values(flag).next().is_some()
    }

    /// The values that count: at most one, unless the option is repeatable.
    pub(crate) fn values(&self, flag: &Flag) -> impl Iterator<Item = &OsStr> {
        let long = flag.long;
        self.0.iter().filter(move |(given, _)| given.long == long).map(|(_, value)| value.as_os_str())
    }
}

/// Reads the arguments (without the program's name).
///
/// # Errors
///
/// One line that names the argument and says what to do instead.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    Grammar { flags: FLAGS, commands: COMMANDS }.parse(arguments)
}

/// The tables to read by. The program has one of each; tests have commands that are not built yet.
struct Grammar {
    flags: &'static [Flag],
    commands: &'static [Command],
}

impl Grammar {
    fn parse(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let mut parser = Parser::from_args(arguments);
        let mut options = Options::default();
        let mut words = Vec::new();
        while let Some(argument) = parser.next().map_err(|error| switch_with_value(&error))? {
            let flag = match argument {
                Arg::Value(word) => {
                    words.push(word);
                    continue;
                }
                Arg::Long(long) => match self.flags.iter().find(|flag| flag.long == long) {
                    Some(flag) => flag,
                    None => return Err(self.unknown_long(long)),
                },
                // The one letter that does not mean quite the same as its long name.
                Arg::Short('h') => return Ok(Request::Brief),
                Arg::Short(short) => match self.flags.iter().find(|flag| flag.short == Some(short)) {
                    Some(flag) => flag,
                    None => return Err(self.unknown_short(short, parser.optional_value())),
                },
            };
            match (flag.long, flag.value) {
                ("help", _) => return Ok(Request::Full),
                ("version", _) => return Ok(Request::Version),
                ("generate", _) => {
                    let form = self.value(flag, &mut parser)?;
                    return generate(&form.to_string_lossy()).map(Request::Generated);
                }
                (_, None) => options.add(flag, OsString::new()),
                (_, Some(_)) => options.add(flag, self.value(flag, &mut parser)?),
            }
        }
        self.invocation(options, &words).map(Request::Run)
    }

    /// The value of `flag`. One of our own options where a value belongs is a forgotten value, not
    /// a file of that name; `--log-file=--once` still names such a file.
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
        // Only what was typed by hand is repeated, and no control character of it.
        let shown = long.escape_debug();
        if let Some((_, instead)) = FORMER.iter().find(|(former, _)| *former == long) {
            return format!("--{shown}: this option is gone; {instead}");
        }
        match nearest(long, self.flags.iter().map(|flag| flag.long)) {
            Some(near) => format!("--{shown}: unknown option; did you mean --{near}?"),
            None => format!("--{shown}: unknown option; see token-refresher --help"),
        }
    }

    /// `rest` is what was joined to the letter: `-interval` is a slip for `--interval`.
    fn unknown_short(&self, short: char, rest: Option<OsString>) -> String {
        let rest = rest.unwrap_or_default();
        let word = format!("{short}{}", rest.to_string_lossy());
        let shown = word.escape_debug();
        let near =
            if rest.is_empty() { None } else { nearest(&word, self.flags.iter().map(|flag| flag.long)) };
        match near {
            Some(near) => format!("-{shown}: unknown option; did you mean --{near}?"),
            None => format!("-{shown}: unknown option; see token-refresher --help"),
        }
    }

    /// Takes the first word for the command, and checks that nothing stands there that it does not take.
    fn invocation(&self, options: Options, words: &[OsString]) -> Result<Invocation, String> {
        let command = self.command(words.first().map(OsString::as_os_str))?;
        let name = command.name;
        let operand = words.get(1);
        if let (Some(what), None) = (command.operand, operand) {
            return Err(format!("{name}: needs a {what}; see token-refresher --help"));
        }
        let (count, allowed) = if command.operand.is_some() { (2, "one") } else { (1, "no") };
        if let Some(extra) = words.get(count) {
            let extra = shown(extra);
            return Err(format!("{extra}: {name} takes {allowed} argument; see token-refresher --help"));
        }
        for (flag, _) in &options.0 {
            if !flag.commands.is_empty() && !flag.commands.contains(&command.name) {
                return Err(format!("--{}: belongs to {}", flag.long, owners(flag)));
            }
        }
        Ok(Invocation { verb: command.verb, options, operand: operand.cloned() })
    }

    fn command(&self, word: Option<&OsStr>) -> Result<&'static Command, String> {
        // An empty word ("$UNSET" in a script) is no command, although the daemon's name is empty.
        let wanted = match word {
            None => Some(""),
            Some(word) => word.to_str().filter(|word| !word.is_empty()),
        };
        if let Some(command) = self.commands.iter().find(|command| Some(command.name) == wanted) {
            return Ok(command);
        }
        let names = self.commands.iter().map(|command| command.name).filter(|name| !name.is_empty());
        let shown = shown(word.unwrap_or_default());
        Err(match wanted.and_then(|typed| nearest(typed, names)) {
            Some(near) => format!("{shown}: no such command; did you mean {near}?"),
            None => format!("{shown}: no such command; the daemon needs none, see token-refresher --help"),
        })
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

/// A value that shows the form.
fn example(flag: &Flag) -> &'static str {
    flag.example.or(flag.default).or(flag.value).unwrap_or_default()
}

/// Between two options the parser has one thing to complain of: a switch got a value.
fn switch_with_value(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("{option}: takes no value, but {} was given", shown(value))
        }
        // cannot happen: `Parser::next` documents no other error. It is a sentence all the same.
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test ends where what it expects is not there")]
mod tests {
    use super::*;
    use crate::cli::flag::Group;
    use crate::cli::table::flag;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn options(line: &str) -> Options {
        match parse(words(line)) {
            Ok(Request::Run(invocation)) => invocation.options,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn error(line: &str) -> String {
        parse(words(line)).expect_err(line)
    }

    #[test]
    fn values_in_both_forms_and_the_last_one_wins() {
        let given = options("--interval 10 --interval=20 --once --log-file - --dir=--odd");
        assert_eq!(given.values(flag("interval")).collect::<Vec<_>>(), ["20"]);
        assert_eq!(given.values(flag("log-file")).collect::<Vec<_>>(), ["-"]);
        assert_eq!(given.values(flag("dir")).collect::<Vec<_>>(), ["--odd"]);
        assert_eq!(given.values(flag("buffer")).count(), 0);
        assert!(given.has(flag("once")) && !given.has(flag("force")));
    }

    #[test]
    fn a_repeatable_option_is_collected() {
        let given = options("--allow-http a --allow-http=b");
        assert_eq!(given.values(flag("allow-http")).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_path_need_not_be_text() {
        let path = OsString::from_vec(b"caf\xe9".to_vec());
        let Ok(Request::Run(invocation)) = parse(["--dir".into(), path.clone()]) else { panic!() };
        assert_eq!(invocation.options.values(flag("dir")).collect::<Vec<_>>(), [path]);
    }

    #[test]
    fn help_wins_over_everything_behind_it() {
        assert!(matches!(parse(words("-h")), Ok(Request::Brief)));
        assert!(matches!(parse(words("--interval abc --help --nonsense")), Ok(Request::Full)));
        assert!(matches!(parse(words("-V")), Ok(Request::Version)));
        assert!(matches!(parse(words("--version")), Ok(Request::Version)));
    }

    #[test]
    fn errors_name_the_argument_and_the_remedy() {
        for (line, message) in [
            ("--intervall 3", "--intervall: unknown option; did you mean --interval?"),
            ("--verbose", "--verbose: unknown option; see token-refresher --help"),
            ("--debug", "--debug: this option is gone; use --log-level DEBUG"),
            ("-interval 3", "-interval: unknown option; did you mean --interval?"),
            ("-x", "-x: unknown option; see token-refresher --help"),
            ("--once=yes", "--once: takes no value, but \"yes\" was given"),
            ("--interval", "--interval: needs a value; try --interval 300"),
            (
                "--registry-url",
                "--registry-url: needs a value; try --registry-url https://gateway.example.com",
            ),
            ("--log-file --once", "--log-file: needs a value, but --once follows"),
            ("300", "\"300\": no such command; the daemon needs none, see token-refresher --help"),
            ("-- --once", "\"--once\": no such command; the daemon needs none, see token-refresher --help"),
        ] {
            assert_eq!(error(line), message);
        }
        assert!(parse([OsString::new()]).is_err_and(|message| message.starts_with("\"\": no such command")));
    }

    #[test]
    fn an_error_stays_one_line() {
        for argument in ["--a\nb", "-a\nb", "a\nb", "--once=a\nb"] {
            let message = parse([OsString::from(argument)]).expect_err(argument);
            assert!(!message.contains('\n'), "{message}");
        }
    }

    /// Commands as later rows will have them.
    const LATER: Grammar = Grammar {
        flags: &[Flag {
            long: "json",
            short: None,
            value: None,
            variable: None,
            default: None,
            example: None,
            choices: &[],
            repeatable: false,
            group: Group::Log,
            commands: &["status"],
            help: "",
            detail: "",
        }],
        commands: &[
            Command { verb: Verb::Daemon, name: "", operand: None, help: "" },
            Command { verb: Verb::Daemon, name: "status", operand: None, help: "" },
            Command { verb: Verb::Daemon, name: "show", operand: Some("NAME"), help: "" },
        ],
    };

    #[test]
    fn a_command_takes_its_own_options_and_no_argument() {
        assert!(LATER.parse(words("--json status")).is_ok());
        for (line, operand) in [("show a", "a"), ("show -- --json", "--json")] {
            let Ok(Request::Run(invocation)) = LATER.parse(words(line)) else { panic!("{line}") };
            assert_eq!(invocation.operand.as_deref(), Some(OsStr::new(operand)), "{line}");
        }
        for (line, message) in [
            ("--json", "--json: belongs to token-refresher status"),
            ("status now", "\"now\": status takes no argument; see token-refresher --help"),
            ("show", "show: needs a NAME; see token-refresher --help"),
            ("show a b", "\"b\": show takes one argument; see token-refresher --help"),
            ("stauts", "\"stauts\": no such command; did you mean status?"),
            ("x", "\"x\": no such command; the daemon needs none, see token-refresher --help"),
        ] {
            assert_eq!(LATER.parse(words(line)).expect_err(line), message);
        }
    }

    proptest! {
        #[test]
        fn no_arguments_can_stop_it(arguments in vec("-{0,2}[a-zV=-]{0,12}|--(once|dir|interval)=?|\\PC{0,9}|\n", 0..6)) {
            if let Err(message) = parse(arguments.into_iter().map(OsString::from)) {
                prop_assert_eq!(message.lines().count(), 1, "{}", message);
            }
        }
    }
}
