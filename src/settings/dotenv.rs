//! Reads `.env` files as their users write them.
//!
//! Shells that source the file, docker compose and Python's dotenv read the file too, and they differ. This reader
//! takes what all of them accept, one assignment a line:
//!
//! - blank lines and lines that begin with `#` are passed over, and so is `export ` before a name;
//! - a value without quotes ends at the first `#` that follows a blank, and may contain blanks;
//! - in double quotes the escapes of Python's dotenv hold (`\n`, `\t`, `\"`, `\\` …; an unknown one is kept as
//!   written), in single quotes only `\'` and `\\`; a quoted value ends on its line;
//! - `$` is a letter like any other: secrets contain it more often than references do;
//! - a byte order mark and CRLF are accepted.
//!
//! Any other line is passed over with a warning. The warning names the line's number and never its content, which may
//! be a secret.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Words;
use crate::files::{ReadError, is_pipe, read_order_bytes, read_pipe};
use crate::secret::Secret;

use super::invalid::Invalid;

/// The time limit for the writer of a pipe, and so for the delay of a start.
const PIPE_PATIENCE: Duration = Duration::from_secs(10);

/// The number of broken lines that are named one by one. A file that is no `.env` at all has thousands.
const NAMED: usize = 5;

/// A line `NAME=VALUE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The number of the line in the file, counted from 1.
    pub line: usize,
    /// The variable's name.
    pub name: String,
    /// The variable's value, which may be empty. Most values in this file are secrets.
    pub value: Secret,
}

/// The assignments of a file, and the warnings about the file.
#[derive(Debug, Default)]
pub(super) struct Dotenv {
    pub assignments: Vec<Assignment>,
    /// Whole sentences, each naming the file.
    pub warnings: Vec<String>,
}

/// Reads the file or pipe at `path`. A file that another user could have written is an error. A missing or unreadable
/// file is an error where it was `named`. Otherwise a missing file is empty, and an unreadable one is a warning:
/// tokens that need nothing of it must be refreshed all the same.
pub(super) fn read(path: &Path, named: bool) -> Result<Dotenv, Invalid> {
    let refused =
        |why: &dyn Display| Err(Invalid::whole(path.display().to_string(), format!("not read: {why}")));
    if is_pipe(path) {
        return match read_pipe(path, PIPE_PATIENCE) {
            Ok(Some(bytes)) => Ok(parse(path, &bytes)),
            Ok(None) | Err(ReadError::Gone) => refused(&format_args!(
                "it is a pipe, and its writer did not finish within {}",
                Words(PIPE_PATIENCE)
            )),
            Err(why) => refused(&why),
        };
    }
    match read_order_bytes(path) {
        Ok(bytes) => Ok(parse(path, &bytes)),
        Err(why) if named || matches!(why, ReadError::Untrusted(_)) => refused(&why),
        Err(ReadError::Gone) => Ok(Dotenv::default()),
        Err(why) => {
            let warnings = vec![format!("{}: not read: {why}", path.display())];
            Ok(Dotenv { assignments: Vec::new(), warnings })
        }
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Dotenv {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let warning = format!("{}: not read: it is UTF-16; save it as UTF-8", path.display());
        return Dotenv { assignments: Vec::new(), warnings: vec![warning] };
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut found = Dotenv::default();
    let mut broken = 0;
    for (row, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = row + 1;
        // Comments may be in an older encoding than UTF-8.
        if bytes.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let parsed = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8").and_then(assignment);
        match parsed {
            Ok(None) => {}
            Ok(Some((name, value))) => found.assignments.push(Assignment { line, name, value }),
            Err(why) => {
                broken += 1;
                if broken <= NAMED {
                    found.warnings.push(format!("{} line {line}: passed over: {why}", path.display()));
                }
            }
        }
    }
    if broken > NAMED {
        let more = broken - NAMED;
        found.warnings.push(format!("{}: {more} more lines are passed over", path.display()));
    }
    found
}

/// The name and value of one line, or its fault; `None` for a line without an assignment.
fn assignment(line: &str) -> Result<Option<(String, Secret)>, &'static str> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').ok_or("it has no =")?;
    let name = name.trim_end();
    let name = match name.split_once(char::is_whitespace) {
        Some(("export", name)) => name.trim_start(),
        _ => name,
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err("what stands before the = is not a name");
    }
    if value.contains(|letter: char| letter.is_control() && letter != '\t') {
        return Err("it contains control characters");
    }
    let value = match value.trim_start().chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(value.trim_start(), quote)?,
        _ => unquoted(value).to_owned(),
    };
    Ok(Some((name.to_owned(), Secret::new(value))))
}

/// A value without quotes: the text behind the `=`, up to a comment.
fn unquoted(value: &str) -> &str {
    let blank_before = |at: usize| value[..at].ends_with([' ', '\t']);
    let comment = value.match_indices('#').map(|(at, _)| at).find(|at| blank_before(*at));
    value[..comment.unwrap_or(value.len())].trim()
}

/// A value that begins with `quote`. Blanks and a comment may follow its end.
fn quoted(value: &str, quote: char) -> Result<String, &'static str> {
    let mut letters = value.chars();
    letters.next();
    let mut text = Zeroizing::new(String::with_capacity(value.len()));
    loop {
        match letters.next() {
            None => return Err("a quote is not closed on the line"),
            Some(letter) if letter == quote => break,
            Some('\\') => match letters.next() {
                None => return Err("a quote is not closed on the line"),
                Some(letter) => match unescaped(letter, quote) {
                    Some(meant) => text.push(meant),
                    None => text.extend(['\\', letter]),
                },
            },
            Some(letter) => text.push(letter),
        }
    }
    let rest = letters.as_str().trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("something follows the closing quote");
    }
    Ok(std::mem::take(&mut *text))
}

/// The letter that a backslash and `letter` mean inside `quote`, as Python's dotenv reads them.
fn unescaped(letter: char, quote: char) -> Option<char> {
    match (letter, quote) {
        ('\\' | '\'', _) | ('"', '"') => Some(letter),
        ('a', '"') => Some('\u{7}'),
        ('b', '"') => Some('\u{8}'),
        ('f', '"') => Some('\u{c}'),
        ('n', '"') => Some('\n'),
        ('r', '"') => Some('\r'),
        ('t', '"') => Some('\t'),
        ('v', '"') => Some('\u{b}'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use proptest::prelude::*;

    use super::*;
    use crate::scratch::Scratch;

    fn parsed(text: impl AsRef<[u8]>) -> Dotenv {
        parse(Path::new("/p/.env"), text.as_ref())
    }

    /// The value that `line` assigns to `A`.
    fn value(line: &str) -> Option<String> {
        let found = parsed(line);
        assert_eq!(
            found.assignments.is_empty(),
            !found.warnings.is_empty(),
            "{line:?}: {:?}",
            found.warnings
        );
        found.assignments.first().map(|assignment| assignment.value.expose().to_owned())
    }

    #[test]
    fn values_as_people_write_them() {
        for (line, expected) in [
            ("A=1", Some("1")),
            ("  A=1  ", Some("1")),
            ("A = 1", Some("1")),
            ("export A=1", Some("1")),
            ("export\tA=1", Some("1")),
            ("A=", Some("")),
            ("A=1\r", Some("1")),
            ("A=one two  three", Some("one two  three")),
            ("A=1 # why", Some("1")),
            ("A=1\t#why", Some("1")),
            ("A= # nothing", Some("")),
            ("A=#1", Some("#1")),
            ("A=a#b", Some("a#b")),
            ("A=a=b==", Some("a=b==")),
            ("A=$HOME/${X}", Some("$HOME/${X}")),
            ("A=it's", Some("it's")),
            ("A=\\n", Some("\\n")),
            ("A=\"one # two\"", Some("one # two")),
            ("A=\"1\" # why", Some("1")),
            ("A=\"1\"# why", Some("1")),
            ("A= '1' ", Some("1")),
            ("A=\"\"", Some("")),
            (r#"A="a\"b\\c\nd\te\x\$""#, Some("a\"b\\c\nd\te\\x\\$")),
            (r"A='a\'b\\c\n'", Some("a'b\\c\\n")),
            ("A='$x'", Some("$x")),
            ("A.b-C_1=1", Some("1")),
            ("A=\"open", None),
            ("A='", None),
            ("A=\"open\\\"", None),
            ("A=\"1\"2", None),
            ("A", None),
            ("export A", None),
            ("=1", None),
            ("A B=1", None),
            ("ä=1", None),
            ("A=\u{1b}[2J", None),
            ("A=a\0b", None),
        ] {
            assert_eq!(value(line).as_deref(), expected, "{line:?}");
        }
    }

    #[test]
    fn a_file_of_the_python_service_is_read_whole() {
        let found = parsed(include_bytes!("../../tests/fixtures/env/dot-env.example"));
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        assert_eq!(found.assignments.len(), 28);
        for (name, expected) in [
            ("INGRESS_OAUTH_CLIENT_ID", "fakecognitoclient0000000000"),
            ("INGRESS_OAUTH_CLIENT_SECRET", "fake quoted"),
            ("EGRESS_OAUTH_SCOPE_1", "offline_access read:jira-work"),
            ("OAUTH_DOMAIN", ""),
        ] {
            let assigned = found.assignments.iter().find(|assignment| assignment.name == name).unwrap();
            assert_eq!(assigned.value.expose(), expected, "{name}");
        }
    }

    #[test]
    fn lines_are_counted_and_a_broken_one_breaks_no_other() {
        let found = parsed("\u{feff}A=1\r\n\r\n# B=2\r\nhunter2\r\nC=\"3\r\nD=4");
        let assigned: Vec<_> = found.assignments.iter().map(|a| (a.line, a.name.as_str())).collect();
        assert_eq!(assigned, [(1, "A"), (6, "D")]);
        assert_eq!(
            found.warnings,
            [
                "/p/.env line 4: passed over: it has no =",
                "/p/.env line 5: passed over: a quote is not closed on the line",
            ]
        );
    }

    #[test]
    fn what_is_no_text_is_passed_over() {
        let found = parsed(b"# caf\xe9\nA=caf\xe9\nB=1\n");
        assert_eq!(found.warnings, ["/p/.env line 2: passed over: it is not UTF-8"]);
        assert_eq!(found.assignments.len(), 1);
        assert_eq!(parsed(b"\xff\xfeA\0=\0").warnings, ["/p/.env: not read: it is UTF-16; save it as UTF-8"]);
        let binary = parsed("\0\n".repeat(100));
        assert_eq!(binary.warnings.len(), NAMED + 1);
        assert_eq!(binary.warnings[NAMED], "/p/.env: 95 more lines are passed over");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_warning_and_a_missing_one_is_none() {
        let scratch = Scratch::new();
        assert!(read(&scratch.join("missing"), false).unwrap().warnings.is_empty());
        let link = scratch.join("loop");
        std::os::unix::fs::symlink("loop", &link).unwrap();
        let socket = scratch.join("socket");
        let _listening = UnixListener::bind(&socket).unwrap();
        let large = scratch.write("large", vec![b'#'; (1 << 20) + 1]);
        for (path, why) in [
            (scratch.to_path_buf(), "it is not a regular file"),
            (socket, "it is not a regular file"),
            ("/dev/zero".into(), "it is not a regular file"),
            (large, "it is larger than 1 MiB"),
            (link, "too many levels"),
        ] {
            assert!(read(&path, true).is_err_and(|invalid| invalid.to_string().contains(why)));
            let found = read(&path, false).unwrap();
            let expected = format!("{}: not read: {why}", path.display());
            assert!(
                found.warnings.len() == 1 && found.warnings[0].starts_with(&expected),
                "{:?}",
                found.warnings
            );
        }
        let full = scratch.write("full", [b"A=1\n".to_vec(), vec![b'#'; (1 << 20) - 4]].concat());
        assert_eq!(read(&full, true).unwrap().assignments.len(), 1);
    }

    /// `value` in double quotes, with all escapes that it needs there.
    fn double_quoted(value: &str) -> String {
        let mut text = String::from("\"");
        for letter in value.chars() {
            match letter {
                '"' | '\\' => text.extend(['\\', letter]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                _ => text.push(letter),
            }
        }
        text + "\""
    }

    proptest! {
        #[test]
        fn no_bytes_can_stop_it(bytes: Vec<u8>) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(parsed(&bytes).assignments.iter().all(|found| (1..=lines).contains(&found.line)));
        }

        #[test]
        fn no_warning_repeats_the_line(name in "[a-z ]{0,3}", value in "['\"]?hunter2[ \u{0}-\u{20}'\"#]{0,9}") {
            for warning in parsed(format!("{name}={value}")).warnings {
                prop_assert!(!warning.contains("hunter2"), "{}", warning);
            }
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[\\PC\n\r]{0,40}", rest in "|  |# no| # it's \"no\"") {
            let found = parsed(format!("X=0\nexport A={}{rest}\nB=1", double_quoted(&value)));
            prop_assert_eq!(found.warnings.len(), 0);
            prop_assert_eq!(found.assignments[1].value.expose(), value);
            prop_assert_eq!(found.assignments.len(), 3);
        }

        #[test]
        fn a_plain_value_comes_back(value in "[a-zA-Z0-9/+_.$:=-]([a-zA-Z0-9/+_.$:= '-]*[a-zA-Z0-9/+_.$:=-])?") {
            let found = parsed(format!("A={value}"));
            prop_assert_eq!(found.assignments[0].value.expose(), value);
        }
    }
}
