//! The view of one token file, and the severity of its state.

use std::path::Path;
use std::time::Duration;

use super::judge::{Facts, TokenState};
use super::need::Need;
use super::remedy::login_command;
use crate::clock::{Timestamp, Words};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    pub file: String,
    /// The name in the log.
    pub name: String,
    /// Whether the configurations have an entry for the token.
    pub in_configurations: bool,
    /// The files with an entry for the token, where they were searched.
    pub used_by: Vec<String>,
    pub state: TokenState,
    /// Whether the access token has expired.
    pub expired: bool,
    /// Whether the file holds an access token.
    pub has_access: bool,
    /// The expiry of the access token.
    pub expires_at: Option<Timestamp>,
    /// The expiry of the refresh token.
    pub refresh_expires_at: Option<Timestamp>,
    /// The time of the last successful refresh.
    pub last_success: Option<Timestamp>,
    /// The time of the next request.
    pub next_attempt: Option<Timestamp>,
    pub oddities: Oddities,
    /// The fact that a request lacks, where a request will be needed.
    pub lacks: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// The message of the last failure, until a success.
    pub error: Option<String>,
    /// The reason for the state.
    pub why: String,
    /// The command that ends a lost sign-in, where there is one.
    pub remedy: Option<String>,
    /// The need of a user within a day.
    pub need: Option<Need>,
}

/// The oddities of a token file.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Oddities {
    /// Lines for people.
    pub lines: Vec<String>,
    /// Whether the file has an expiry of the access token that cannot be read.
    pub hide_end: bool,
}

/// The severity, worst last. The numbers are the exit status of `check`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Severity {
    /// Nothing is wrong.
    Ok = 0,
    /// A user should know.
    Warning = 1,
    /// A service does not work.
    Critical = 2,
}

impl Token {
    /// The view of a token file with these facts.
    pub(crate) fn of(facts: &Facts<'_>, buffer: Duration, now: Timestamp) -> Self {
        let trouble = facts.failure().filter(|_| facts.state() != TokenState::Fresh);
        Self {
            file: facts.file.to_owned(),
            name: facts.name().to_owned(),
            in_configurations: facts.in_configurations,
            used_by: Vec::new(),
            state: facts.state(),
            expired: facts.is_expired(now),
            has_access: facts.has_access,
            expires_at: facts.life.expires_at,
            refresh_expires_at: facts.life.refresh_expires_at,
            last_success: facts.remembered.last_success,
            next_attempt: facts.next_attempt(now),
            oddities: Oddities { lines: Vec::new(), hide_end: facts.life.unreadable },
            lacks: facts.lacks().map(str::to_owned),
            failures: trouble.map_or(0, |trouble| trouble.failures),
            error: trouble
                .map(|trouble| trouble.message.clone())
                .or_else(|| facts.lacks().map(str::to_owned)),
            why: facts.why(buffer, now),
            remedy: None,
            need: facts.need(now),
        }
    }

    /// The view of a file that cannot be read or used.
    pub(crate) fn unusable(file: &str, in_configurations: bool, why: String) -> Self {
        Self {
            file: file.to_owned(),
            name: crate::tokens::name::stem(file).to_owned(),
            in_configurations,
            used_by: Vec::new(),
            state: TokenState::Unusable,
            expired: false,
            has_access: false,
            expires_at: None,
            refresh_expires_at: None,
            last_success: None,
            next_attempt: None,
            oddities: Oddities::default(),
            lacks: None,
            failures: 0,
            error: Some(why.clone()),
            why,
            remedy: None,
            need: None,
        }
    }

    /// Adds the oddities of the file.
    pub(crate) fn with_oddities(mut self, oddities: &[String]) -> Self {
        self.oddities.lines = oddities.to_vec();
        self
    }

    /// Adds the command to type where a new sign-in is needed, for the project at `dir`.
    pub(crate) fn with_remedy(mut self, dir: &Path) -> Self {
        if self.state == TokenState::SignInAgain {
            self.remedy = Some(login_command(&self.name, dir));
        }
        self
    }

    /// Adds the command to type to a file that only a new sign-in makes usable.
    pub(crate) fn needing_sign_in(self, dir: &Path) -> Self {
        let remedy = Some(login_command(&self.name, dir));
        Self { remedy, ..self }
    }

    /// The severity, and the words for a list.
    pub(crate) fn complaint(&self, now: Timestamp) -> Option<(Severity, String)> {
        let name = &self.name;
        let of_a_service = if self.in_configurations { Severity::Critical } else { Severity::Warning };
        let failures = self.failures;
        let expired = self.expires_at.map(|end| Words(now.since(end))).filter(|_| self.expired);
        let dead = expired.map(|since| format!("{name} expired {since} ago"));
        let remedy = self.remedy.as_ref().map(|remedy| format!(" ({remedy})")).unwrap_or_default();
        let (severity, words) = match (self.state, dead) {
            (TokenState::SignInAgain, _) => (of_a_service, format!("{name} needs a new sign-in{remedy}")),
            (_, Some(dead)) => (of_a_service, dead),
            (TokenState::Unusable, _) => (Severity::Warning, format!("{name} cannot be used{remedy}")),
            (TokenState::Misconfigured, _) if !self.has_access => {
                let what = self.lacks.as_ref();
                let what =
                    what.map_or_else(|| "is refused".to_owned(), |why| format!("lacks a setting ({why})"));
                (of_a_service, format!("{name} {what} and has no token"))
            }
            (TokenState::Misconfigured, _) if let Some(why) = &self.lacks => {
                (Severity::Warning, format!("{name} cannot be refreshed: {why}"))
            }
            (TokenState::Misconfigured, _) => (Severity::Warning, format!("{name} is refused for a setting")),
            (TokenState::Retrying, _) => {
                (Severity::Warning, format!("{name} is retried ({failures} failed)"))
            }
            (TokenState::InDoubt, _) => (Severity::Warning, format!("{name} is in doubt")),
            (TokenState::Local, _) => (Severity::Warning, format!("{name} is held up on this machine")),
            (TokenState::Fresh | TokenState::Lasting | TokenState::Due | TokenState::Monitored, _) => {
                let Some(need) = self.need else {
                    let unreadable =
                        || (Severity::Warning, format!("{name} does not say readably when it ends"));
                    return self.oddities.hide_end.then(unreadable);
                };
                return Some((Severity::Warning, format!("{name} {}", need.words(now))));
            }
        };
        match self.need {
            Some(need) => Some((severity, format!("{words} and {}", need.words(now)))),
            None => Some((severity, words)),
        }
    }
}
