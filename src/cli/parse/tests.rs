//! Command lines and their meanings.

#![allow(clippy::expect_used, reason = "a test ends where what it expects is not there")]

use super::*;
use crate::cli::flags::flag;
use proptest::collection::vec;
use proptest::prelude::*;
use std::os::unix::ffi::OsStringExt;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn options(line: &str) -> Options {
    match parse(words(line)) {
        Ok(CommandLine::Run(invocation)) => invocation.options,
        other => panic!("{line}: {other:?}"),
    }
}

fn error(line: &str) -> String {
    parse(words(line)).expect_err(line).message
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
    let Ok(CommandLine::Run(invocation)) = parse(["--dir".into(), path.clone()]) else { panic!() };
    assert_eq!(invocation.options.values(flag("dir")).collect::<Vec<_>>(), [path]);
}

fn printed(line: &str) -> String {
    match parse(words(line)) {
        Ok(CommandLine::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn help_wins_over_everything_behind_it() {
    let check = COMMANDS.iter().find(|command| command.name == "check").expect("a row");
    for (line, text) in [
        ("-h", brief()),
        ("--help", brief()),
        ("--interval abc --help --nonsense", brief()),
        ("--help check", brief()),
        ("--help all", full()),
        ("-h all", full()),
        ("--help=all", full()),
        ("check --help", of(check)),
        ("check --alive -h", of(check)),
        ("-V", version()),
        ("--version", version()),
    ] {
        assert_eq!(printed(line), text, "{line}");
    }
}

#[test]
fn help_tells_of_a_command() {
    let text = |word: &str| help(Some(OsStr::new(word)));
    assert_eq!(help(None), Ok(brief()));
    assert_eq!(text("all"), Ok(full()));
    assert!(text("check").is_ok_and(|text| text.starts_with("token-refresher check [OPTIONS]\n\n")));
    assert_eq!(text("chekc"), Err("\"chekc\": no such command; did you mean check?".to_owned()));
}

#[test]
fn the_words_of_a_beginner_are_answered() {
    for (line, answer) in [
        ("start", "it starts without a word: token-refresher runs in the foreground"),
        ("stop", "kill $(cat token_refresher.pid) stops it; "),
        ("--dir /srv/p stop", "kill $(cat /srv/p/token_refresher.pid) stops it; "),
        (
            "refresh",
            "token-refresher --once refreshes what is due, token-refresher --once --force every token",
        ),
        ("list", "token-refresher status shows every token"),
    ] {
        let word = line.split(' ').next_back().expect("a word");
        assert!(error(line).starts_with(&format!("{word:?}: no such command; {answer}")), "{}", error(line));
    }
    for (words, _) in ANSWERS {
        assert!(words.iter().all(|word| COMMANDS.iter().all(|command| command.name != *word)));
    }
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
        ("--registry-url", "--registry-url: needs a value; try --registry-url https://gateway.example.com"),
        ("--log-file --once", "--log-file: needs a value, but --once follows"),
        ("300", "\"300\": no such command; the daemon needs none, see token-refresher --help"),
        ("-- --once", "\"--once\": no such command; the daemon needs none, see token-refresher --help"),
    ] {
        assert_eq!(error(line), message);
    }
    assert!(parse([OsString::new()]).is_err_and(|wrong| wrong.message.starts_with("\"\": no such command")));
}

#[test]
fn an_error_knows_the_command_wherever_it_is() {
    for (line, verb) in [
        ("check --bogus", Some(Verb::Check)),
        ("--dir . check --bogus=1", Some(Verb::Check)),
        ("--bogus check", Some(Verb::Check)),
        ("-x --interval 3 check", Some(Verb::Check)),
        ("--once=yes check --help", Some(Verb::Check)),
        ("--tokens-dir check --bogus", None),
        ("status check --bogus", Some(Verb::Status)),
        ("chek", None),
        ("check --interval", Some(Verb::Check)),
        ("check --interval 3", Some(Verb::Check)),
    ] {
        assert_eq!(parse(words(line)).expect_err(line).verb, verb, "{line}");
    }
}

#[test]
fn an_error_stays_one_line() {
    for argument in ["--a\nb", "-a\nb", "a\nb", "--once=a\nb"] {
        let Wrong { message, .. } = parse([OsString::from(argument)]).expect_err(argument);
        assert!(!message.contains('\n'), "{message}");
    }
}

/// A table with commands of several forms.
const LATER: Grammar = Grammar {
    flags: &[Flag {
        long: "json",
        short: None,
        value: None,
        variable: None,
        in_env_file: false,
        default: None,
        example: None,
        choices: &[],
        everyday: false,
        repeatable: false,
        group: "",
        commands: &["status"],
        help: "",
        detail: "",
    }],
    commands: &[
        Command { verb: Verb::Daemon, name: "", operands: "", help: "", detail: "" },
        Command { verb: Verb::Daemon, name: "status", operands: "", help: "", detail: "" },
        Command { verb: Verb::Daemon, name: "show", operands: "NAME", help: "", detail: "" },
        Command { verb: Verb::Daemon, name: "many", operands: "[NAME...]", help: "", detail: "" },
        Command { verb: Verb::Daemon, name: "two", operands: "WHAT [NAME]", help: "", detail: "" },
    ],
};

#[test]
fn a_command_takes_its_own_options_and_no_argument() {
    assert!(LATER.parse(words("--json status")).is_ok());
    for (line, count) in [("many", 0), ("many a b c", 3), ("two a", 1), ("two a b", 2)] {
        let Ok(CommandLine::Run(invocation)) = LATER.parse(words(line)) else { panic!("{line}") };
        assert_eq!(invocation.operands.len(), count, "{line}");
    }
    for (line, operand) in [("show a", "a"), ("show -- --json", "--json")] {
        let Ok(CommandLine::Run(invocation)) = LATER.parse(words(line)) else { panic!("{line}") };
        assert_eq!(invocation.operand(), Some(OsStr::new(operand)), "{line}");
    }
    for (line, message) in [
        ("--json", "--json: belongs to token-refresher status"),
        ("status now", "\"now\": status takes no argument; see token-refresher help status"),
        ("show", "show: needs a NAME; see token-refresher help show"),
        ("show a b", "\"b\": show takes one argument; see token-refresher help show"),
        ("two", "two: needs a WHAT; see token-refresher help two"),
        ("two a b c", "\"c\": two takes two arguments; see token-refresher help two"),
        ("stauts", "\"stauts\": no such command; did you mean status?"),
        ("x", "\"x\": no such command; the daemon needs none, see token-refresher --help"),
    ] {
        assert_eq!(LATER.parse(words(line)).expect_err(line).message, message);
    }
}

proptest! {
    #[test]
    fn no_arguments_can_stop_it(arguments in vec("-{0,2}[a-zV=-]{0,12}|--(once|dir|interval)=?|\\PC{0,9}|\n", 0..6)) {
        if let Err(Wrong { message, .. }) = parse(arguments.into_iter().map(OsString::from)) {
            prop_assert_eq!(message.lines().count(), 1, "{}", message);
        }
    }
}
