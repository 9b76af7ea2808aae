//! What the person is told.

use std::io::Write as _;
use std::path::PathBuf;

use super::assistants::Assistant;
use super::daemon::Told;
use crate::clock::Timestamp;

/// Says a line on standard error, where a person is. That this may fail changes nothing.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What a sign-in left behind.
pub(super) struct Summary {
    /// What people call the authorization server.
    pub title: String,
    pub file: PathBuf,
    /// The command that signs in again.
    pub login: String,
    /// When the access token ends.
    pub until: Option<Timestamp>,
    /// Whether a new one comes without a person.
    pub renewable: bool,
}

/// The last line of a sign-in: what happened, and what to do next.
pub(super) fn last_line(summary: &Summary, told: Told, assistants: &[Assistant]) -> String {
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
        (Told::Yes(pid), []) => format!("the daemon (process {pid}) has been told"),
        (Told::Yes(pid), _) => {
            format!("the daemon (process {pid}) has been told; for {names}: --client {options}")
        }
        (Told::No, _) => "the daemon finds it within a minute".to_owned(),
        (Told::NoDaemon, []) => "start token-refresher to keep it fresh".to_owned(),
        (Told::NoDaemon, _) => {
            format!("start token-refresher --client {options} to keep it fresh and use it")
        }
    };
    format!("{happened}; {next}")
}
