//! The rules for values, wherever they were given: pure functions from text to meaning.
//!
//! Each error is the end of a sentence that begins with the place and the value: `--interval: "abc"` `is not a whole
//! number of seconds`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::logging::LogTarget;

/// No token lives so long. A longer interval or buffer is a slip, usually in milliseconds.
const TEN_YEARS: u64 = 10 * 365 * 24 * 60 * 60;

/// Each job is a thread. Providers throttle clients long before this number.
const MOST_JOBS: usize = 64;

/// The fault of a value: the end of the sentence that begins with the value.
pub(super) type Fault = Cow<'static, str>;

/// A time in whole seconds, from one second to ten years.
pub(super) fn seconds(text: &str) -> Result<Duration, Fault> {
    let number = text.trim();
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a whole number of seconds".into());
    }
    match number.parse::<u64>() {
        Ok(seconds @ 1..=TEN_YEARS) => Ok(Duration::from_secs(seconds)),
        Ok(0) => Err("is less than a second".into()),
        Err(_) if number.starts_with('-') => Err("is less than a second".into()),
        // A number of more digits than a u64 holds is too long as well.
        Ok(_) | Err(_) => Err("is more than ten years".into()),
    }
}

/// How many refreshes may run at the same time: 1 to 64.
pub(super) fn jobs(text: &str) -> Result<usize, Fault> {
    let number = text.trim();
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = number.parse().ok().filter(|jobs| digits && (1..=MOST_JOBS).contains(jobs));
    parsed.ok_or(Fault::from("is not a whole number from 1 to 64"))
}

/// The four levels of the Python service, in any case. `WARN` is the spelling of other programs.
pub(super) fn level(text: &str) -> Result<LevelFilter, Fault> {
    match text.trim().to_ascii_uppercase().as_str() {
        "DEBUG" => Ok(LevelFilter::Debug),
        "INFO" => Ok(LevelFilter::Info),
        "WARNING" | "WARN" => Ok(LevelFilter::Warn),
        "ERROR" => Ok(LevelFilter::Error),
        _ => Err("is not one of DEBUG, INFO, WARNING, ERROR".into()),
    }
}

/// A path, from `root` where relative.
pub(super) fn path(value: &OsStr, root: &Path) -> Result<PathBuf, Fault> {
    let value = Path::new(value);
    if value.as_os_str().is_empty() {
        return Err("is not a path".into());
    }
    if value.starts_with("~") {
        // A shell replaces only an unquoted `~` at the beginning of a word. Here the `~` would become a directory's
        // name.
        return Err("begins with a ~ that only a shell replaces; write the path in full".into());
    }
    Ok(root.join(value))
}

/// A file for the log, or `-`.
pub(super) fn log_target(value: &OsStr, root: &Path) -> Result<LogTarget, Fault> {
    if value == "-" { Ok(LogTarget::StandardError) } else { path(value, root).map(LogTarget::File) }
}

/// A file for the process id, or `-` for none.
pub(super) fn pid_file(value: &OsStr, root: &Path) -> Result<Option<PathBuf>, Fault> {
    if value == "-" { Ok(None) } else { path(value, root).map(Some) }
}

/// A command in words, split as a shell would split it. No shell will run the command, so text that only a shell
/// understands is refused.
pub(super) fn command(text: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => quoted(&mut letters, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut letters, '"', word.get_or_insert_default())?,
            '\\' => {
                word.get_or_insert_default()
                    .push(letters.next().ok_or(Fault::from("ends with a backslash"))?);
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' => {
                return Err("holds what only a shell understands; quote it, or write sh -c '...'".into());
            }
            '\0' => return Err("holds a NUL".into()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) { Err("is not a command".into()) } else { Ok(words) }
}

/// Takes the text up to the closing quote. In double quotes a backslash quotes `"` and itself.
fn quoted(letters: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), Fault> {
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter == quote => return Ok(()),
            '\\' if quote == '"' => {
                let next = letters.next().ok_or(Fault::from("has an open quote"))?;
                if next != '"' && next != '\\' {
                    word.push('\\');
                }
                word.push(next);
            }
            '$' | '`' if quote == '"' => {
                return Err("holds what only a shell understands; quote it, or write sh -c '...'".into());
            }
            '\0' => return Err("holds a NUL".into()),
            _ => word.push(letter),
        }
    }
    Err("has an open quote".into())
}

/// The host of an endpoint, as in a URL: lower case, an IPv6 address in brackets.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    let host = text.trim();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = address.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    if host.contains('/') {
        return Err("is not a host; write its name without http:// and path".into());
    }
    if host.contains(':') {
        return Err("is not a host; write its name without the port".into());
    }
    if !is_name(host) {
        return Err("is not a host".into());
    }
    Ok(host.to_ascii_lowercase())
}

/// The gateway's URL, without slashes at its end, since paths are appended. People read the files that hold the URL,
/// and some clients expand `${...}` in them.
pub(super) fn gateway_url(text: &str) -> Result<String, Fault> {
    let url = text.trim();
    let (scheme, rest) = url.split_once("://").ok_or(Fault::from("is not an http or https URL"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("is not an http or https URL".into());
    }
    if rest.contains(|letter: char| !letter.is_ascii_graphic() || "$\"'\\<>^`{|}".contains(letter)) {
        return Err("contains a character that does not belong into a URL".into());
    }
    if rest.contains(['?', '#']) {
        return Err("has a query or fragment, which a base URL cannot have".into());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("contains a user name or password, which would end up in every configuration".into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let valid = bracketed.map_or_else(|| is_name(host), |address| address.parse::<Ipv6Addr>().is_ok());
    if !valid {
        return Err("has no valid host".into());
    }
    if port.is_some_and(|port| port.starts_with('+') || port.parse::<u16>().is_err()) {
        return Err("has no valid port".into());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Whether only letters of host names, container names (underscores) and IPv4 addresses are there.
fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times() {
        let (number, short, long) =
            ("is not a whole number of seconds", "is less than a second", "is more than ten years");
        for (text, expected) in [
            ("1", Ok(1)),
            (" 300\t", Ok(300)),
            ("0300", Ok(300)),
            ("315360000", Ok(315_360_000)),
            ("315360001", Err(long)),
            ("18446744073709551616", Err(long)),
            ("0", Err(short)),
            ("-1", Err(short)),
            ("-0", Err(short)),
            ("-99999999999999999999999", Err(short)),
            ("", Err(number)),
            ("-", Err(number)),
            ("+1", Err(number)),
            ("1.5", Err(number)),
            ("1e3", Err(number)),
            ("0x10", Err(number)),
            ("5m", Err(number)),
            ("1 2", Err(number)),
            ("NaN", Err(number)),
            ("٣", Err(number)),
        ] {
            let expected = expected.map(Duration::from_secs).map_err(Fault::from);
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn jobs_from_1_to_64() {
        for (text, valid) in
            [("1", true), ("64", true), ("65", false), ("0", false), ("-1", false), ("", false)]
        {
            assert_eq!(jobs(text).is_ok(), valid, "{text:?}");
        }
        assert!(jobs("+8").is_err() && jobs("8.0").is_err() && jobs("99999999999999999999").is_err());
    }

    #[test]
    fn levels_in_any_case() {
        for (text, expected) in [
            ("DEBUG", Some(LevelFilter::Debug)),
            ("info", Some(LevelFilter::Info)),
            ("Warning", Some(LevelFilter::Warn)),
            ("warn", Some(LevelFilter::Warn)),
            (" ERROR ", Some(LevelFilter::Error)),
            ("TRACE", None),
            ("OFF", None),
            ("CRITICAL", None),
            ("", None),
        ] {
            assert_eq!(level(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn paths_start_at_the_root() {
        let root = Path::new("/p");
        for (text, expected) in [
            ("a/b", Some("/p/a/b")),
            ("/a", Some("/a")),
            ("..", Some("/p/..")),
            ("a~", Some("/p/a~")),
            ("", None),
            ("~", None),
            ("~/a", None),
        ] {
            assert_eq!(path(OsStr::new(text), root).ok(), expected.map(PathBuf::from), "{text:?}");
        }
        assert_eq!(log_target(OsStr::new("-"), root), Ok(LogTarget::StandardError));
        assert_eq!(pid_file(OsStr::new("-"), root), Ok(None));
        assert_eq!(pid_file(OsStr::new("./-"), root), Ok(Some(PathBuf::from("/p/./-"))));
    }

    #[test]
    fn commands_are_split_without_a_shell() {
        for (text, expected) in [
            ("/bin/true", Some(vec!["/bin/true"])),
            ("  systemctl\treload nginx ", Some(vec!["systemctl", "reload", "nginx"])),
            ("sh -c 'a && b \"$HOME\"'", Some(vec!["sh", "-c", "a && b \"$HOME\""])),
            (r#"a "b \" \\ \n c" d\ e '' f"g"h"#, Some(vec!["a", "b \" \\ \\n c", "d e", "", "fgh"])),
            ("a '|' \\; \"&\"", Some(vec!["a", "|", ";", "&"])),
            ("", None),
            (" \n", None),
            ("'' a", None),
            ("a 'b", None),
            ("a \"b", None),
            ("a \"b\\", None),
            ("a \\", None),
            ("a | b", None),
            ("a && b", None),
            ("a > b", None),
            ("a $HOME", None),
            ("a \"$HOME\"", None),
            ("a \"`b`\"", None),
            ("a *.json", None),
            ("a\0", None),
        ] {
            let words = command(text).ok();
            assert_eq!(
                words.as_ref().map(|words| words.iter().map(String::as_str).collect()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn hosts_as_they_stand_in_a_url() {
        for (text, expected) in [
            ("keycloak", Some("keycloak")),
            ("Keycloak.Corp.Example", Some("keycloak.corp.example")),
            ("my_service", Some("my_service")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("::1", Some("[::1]")),
            ("[FD00:0::1]", Some("[fd00::1]")),
            ("", None),
            ("a b", None),
            ("*.corp", None),
            ("host:80", None),
            ("http://host", None),
            ("host/path", None),
            ("user@host", None),
        ] {
            assert_eq!(host(text).ok().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn gateway_urls() {
        for (text, expected) in [
            ("https://gateway.example", Some("https://gateway.example")),
            ("http://localhost:8080//", Some("http://localhost:8080")),
            ("HTTPS://g.example/base/", Some("HTTPS://g.example/base")),
            ("https://[::1]:8443/x", Some("https://[::1]:8443/x")),
            (" https://g.example\n", Some("https://g.example")),
            ("gateway.example", None),
            ("ftp://gateway.example", None),
            ("file:///etc", None),
            ("https://", None),
            ("https:///path", None),
            ("https://:443", None),
            ("https://g.example:port", None),
            ("https://g.example:65536", None),
            ("https://g.example:+80", None),
            ("https://[::1", None),
            ("https://me@g.example", None),
            ("https://me:word@g.example", None),
            ("https://g.example?x=1", None),
            ("https://g.example/x?y=1", None),
            ("https://g.example/x#y", None),
            ("https://g.example#x", None),
            ("https://${HOST}", None),
            ("https://g.example/$(id)", None),
            ("https://g.example/a b", None),
            ("https://g.example/\u{7}", None),
            ("https://g.example/\"", None),
            ("https://gäteway.example", None),
        ] {
            assert_eq!(gateway_url(text).ok().as_deref(), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_its_digits_or_nothing(text in "\\PC{0,24}|[-+]?[0-9]{0,24}") {
            if let Ok(time) = seconds(&text) {
                let number: u128 = text.trim().parse().map_err(|_| TestCaseError::fail("no number"))?;
                prop_assert_eq!(u128::from(time.as_secs()), number);
                prop_assert!((1..=TEN_YEARS).contains(&time.as_secs()));
            }
        }

        #[test]
        fn every_time_in_range_is_taken(number in 1..=TEN_YEARS) {
            prop_assert_eq!(seconds(&number.to_string()), Ok(Duration::from_secs(number)));
        }

        #[test]
        fn what_is_taken_for_a_gateway_stands_in_a_configuration_as_it_is(text in "https?://\\PC{0,30}") {
            if let Ok(url) = gateway_url(&text) {
                prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && !b"$\"'\\`".contains(&byte)));
                // In the path it is a letter like any other.
                prop_assert!(url.split('/').nth(2).is_some_and(|authority| !authority.contains('@')));
            }
        }
    }
}
