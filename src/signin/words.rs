//! The texts for the person.

use std::io::Write as _;
use std::path::PathBuf;

use super::assistants::Assistant;
use super::daemon::DaemonSignal;
use crate::clock::Timestamp;

/// Prints a line on standard error, where a person is. A failure to print changes nothing.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The result of a sign-in, for the last line.
pub(super) struct Summary {
    /// The name of the authorization server, for people.
    pub title: String,
    pub file: PathBuf,
    /// The command for the next sign-in.
    pub login: String,
    /// The expiry of the access token.
    pub until: Option<Timestamp>,
    /// Whether the token can be refreshed without a person.
    pub renewable: bool,
}

/// The last line of a sign-in: the result, and the next step.
pub(super) fn last_line(summary: &Summary, told: DaemonSignal, assistants: &[Assistant]) -> String {
    let Summary { title, file, login, until, renewable } = summary;
    let until = until.map_or_else(|| "without an end that is known".to_owned(), |end| format!("until {end}"));
    let file = file.display();
    let happened = if *renewable {
        format!("signed in to {title}: {file} holds a token {until}, and what renews it")
    } else {
        format!(
            "signed in to {title}: {file} holds a token {until}; it came without a refresh token, so sign in again \
             before then: {login}"
        )
    };
    let names: Vec<&str> = assistants.iter().map(|found| found.name).collect();
    let options: Vec<&str> = assistants.iter().map(|found| &*found.option).collect();
    let (names, options) = (names.join(" and "), options.join(" --client "));
    let next = match (told, assistants) {
        (DaemonSignal::Sent(pid), []) => format!("the daemon (process {pid}) has been told"),
        (DaemonSignal::Sent(pid), _) => {
            format!("the daemon (process {pid}) has been told; for {names}: --client {options}")
        }
        (DaemonSignal::NotSent, _) => "the daemon finds it within a minute".to_owned(),
        (DaemonSignal::NoDaemon, []) => "start token-refresher to keep it fresh".to_owned(),
        (DaemonSignal::NoDaemon, _) => {
            format!("start token-refresher --client {options} to keep it fresh and use it")
        }
    };
    format!("{happened}; {next}")
}
