//! What the person is told.

use std::io::Write as _;
use std::path::PathBuf;

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
pub(super) fn last_line(summary: &Summary, told: Told, assistants: &[&str]) -> String {
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
    let next = match (told, assistants) {
        (Told::Yes(pid), []) => format!("the daemon (process {pid}) has been told"),
        (Told::Yes(pid), found) => {
            format!(
                "the daemon (process {pid}) has been told; for {}: --client {}",
                found.join(" and "),
                found.join(" --client ")
            )
        }
        (Told::No, _) => "the daemon finds it within a minute".to_owned(),
        (Told::NoDaemon, []) => "start token-refresher to keep it fresh".to_owned(),
        (Told::NoDaemon, found) => {
            format!("start token-refresher --client {} to keep it fresh and use it", found.join(" --client "))
        }
    };
    format!("{happened}; {next}")
}
