//! The text of `status` as it is written: lines that fit the terminal, columns, and the parts about no single token.

use std::fmt::Write as _;

use super::judge::TokenState;
use super::remedy::login_command;
use super::report::Overview;
use super::token::{Severity, Token};
use crate::clock::{Soon, Words};
use crate::files::Holder;
use crate::state::HookKind;
use crate::text::{Count, escaped, lines};

/// The properties of the output.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// The columns of a terminal; `None`: lines may have any length.
    pub width: Option<usize>,
    pub colour: bool,
}

/// The narrowest width that is used, in columns. A narrower terminal wraps the lines.
const NARROWEST: usize = 50;

/// The widths of the columns of state and expiry. Two blanks part the columns.
const COLUMNS: [usize; 2] = [14, 12];

/// The width of the last column.
const LAST_COLUMN: usize = 15;

pub(super) struct Screenful<'a> {
    report: &'a Overview,
    width: usize,
    colour: bool,
    /// The width of the column of names.
    names: usize,
    pub text: String,
}

impl<'a> Screenful<'a> {
    pub(super) fn new(report: &'a Overview, screen: Screen) -> Self {
        let width = screen.width.map_or(usize::MAX, |width| width.max(NARROWEST));
        let longest = report.tokens.iter().map(|token| escaped(&token.name).chars().count()).max();
        let [state, expiry] = COLUMNS;
        let room = width.saturating_sub(state + expiry + LAST_COLUMN + 6);
        let names = longest.unwrap_or_default().max("TOKEN".len());
        Self { report, width, colour: screen.colour, names: names.min(room), text: String::new() }
    }

    pub(super) fn heading(&mut self) {
        let report = self.report;
        let record = report.daemon.record.as_ref();
        let who = match (report.daemon.holder, record) {
            (Holder::Held { .. }, Some(record)) => {
                let since = report.now.since(record.started);
                let state = if report.is_alive() { "runs" } else { "hangs" };
                format!("The daemon {state} (process {}, for {})", record.pid, Words(since))
            }
            (Holder::Held { .. }, None) => "The daemon starts".to_owned(),
            (Holder::Free | Holder::NoFile, _) => "No daemon runs".to_owned(),
        };
        let cycle = report.cycle.as_ref().map_or_else(
            || "no cycle yet".to_owned(),
            |cycle| format!("last cycle {} ago", Words(report.now.since(cycle.ended))),
        );
        self.wrapped(&format!("{who}; {cycle}; {}", report.tokens_dir), 0);
        if report.at_rest.is_in_use() {
            self.wrapped(&format!("At rest: {}", report.at_rest), 0);
        }
        self.text.push('\n');
    }

    pub(super) fn token(&mut self, token: &Token) {
        let now = self.report.now;
        let expires = match token.expires_at {
            _ if !token.has_access => "no token".to_owned(),
            None => "-".to_owned(),
            Some(end) if end <= now => "expired".to_owned(),
            Some(end) => Words(end.since(now)).to_string(),
        };
        let severity = token.complaint(now).map_or(Severity::Ok, |(severity, _)| severity);
        let state = if token.lacks.is_some() { "cannot refresh" } else { token.state.words() };
        self.row([&token.name, state, &expires, &self.next_attempt(token)], Some(severity));
    }

    /// The time of the next attempt. Without a daemon there is none.
    fn next_attempt(&self, token: &Token) -> String {
        let now = self.report.now;
        match (token.state, token.next_attempt) {
            (TokenState::SignInAgain, _) => "after a sign-in".to_owned(),
            (TokenState::Misconfigured, None) => "after a change".to_owned(),
            (_, Some(_)) if !self.report.is_running() => "without daemon".to_owned(),
            (_, Some(next)) => Soon(next.since(now)).to_string(),
            (_, None) => "-".to_owned(),
        }
    }

    /// The line for a directory without token files, and with files that have vanished.
    pub(super) fn no_tokens(&mut self) {
        let login = |what| login_command(what, &self.report.project);
        let said = match self.report.vanished() {
            0 => format!("No token files. Sign in to get one: {}", login("WHAT")),
            vanished => {
                let gone = Count(vanished, "token file");
                let login = login("NAME");
                format!("No token files: {gone} vanished. Put them back, or sign in again: {login}")
            }
        };
        self.wrapped(&said, 0);
    }

    /// Files with names of copies of token files.
    pub(super) fn copies(&mut self) {
        let report = self.report;
        if !report.copies.is_empty() {
            self.text.push('\n');
            self.wrapped(&format!("Passed over, being called like copies: {}", report.copies.join(", ")), 0);
        }
    }

    /// Files that cannot be written, other than token files.
    pub(super) fn unwritten(&mut self) {
        let files =
            self.report.cycle.as_ref().map(|cycle| &cycle.unwritten).filter(|files| !files.is_empty());
        let Some(files) = files else { return };
        self.text.push_str("\nNot up to date:\n");
        for (file, why) in files {
            self.wrapped(&format!("{file}: {why}"), 2);
        }
    }

    pub(super) fn hooks(&mut self) {
        let now = self.report.now;
        for (kind, hook) in &self.report.hooks {
            let Some(error) = &hook.error else { continue };
            let next = hook.next_attempt.map(|next| next.since(now));
            let next = next.map_or_else(|| "soon".to_owned(), |wait| Soon(wait).to_string());
            let noun = if *kind == HookKind::Refresh { "changed file" } else { "token" };
            let (failures, waiting) = (hook.failures, Count(hook.waiting.len(), noun));
            let option = kind.option();
            self.text.push('\n');
            self.wrapped(
                &format!("{option} {error} ({failures} failed); {waiting} waiting, next attempt {next}"),
                0,
            );
        }
    }

    pub(super) fn endpoints(&mut self) {
        let report = self.report;
        if !report.endpoints.is_empty() {
            self.text.push_str("\nEndpoints in trouble:\n");
        }
        for (endpoint, outage) in &report.endpoints {
            let next = match outage.next_attempt {
                _ if !report.is_running() => "asked again when a daemon runs".to_owned(),
                next => format!("asked again {}", Soon(next.since(report.now))),
            };
            self.wrapped(&format!("{endpoint}: {}, {next}", Count(outage.failures, "failure")), 2);
        }
    }

    /// One line of four columns. A name that is too long for its column gets a line of its own. The state has the
    /// colour of the severity, which takes no width.
    pub(super) fn row(&mut self, cells: [&str; 4], severity: Option<Severity>) {
        let [name, state, expires, next] = cells.map(escaped);
        let ([second, third], first) = (COLUMNS, self.names);
        let (before, after) = match severity {
            Some(severity) if self.colour => (colour(severity), "\u{1b}[0m"),
            _ => ("", ""),
        };
        let mut name = name.into_owned();
        if name.chars().count() > first {
            self.wrapped(&name, 0);
            name.clear();
        }
        // Writing to a String cannot fail.
        let _ =
            writeln!(self.text, "{name:first$}  {before}{state:second$}{after}  {expires:third$}  {next}");
    }

    /// `words` in lines that fit after `indent` blanks. A word that is longer than a line is broken.
    pub(super) fn wrapped(&mut self, words: &str, indent: usize) {
        let room = self.width - indent;
        for line in lines(&escaped(words), room) {
            let mut rest = line.as_str();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(length_of_letters(rest, room));
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.text.push_str(piece);
                self.text.push('\n');
                rest = after;
            }
        }
    }
}

/// The bytes of the first `letters` letters of `text`.
fn length_of_letters(text: &str, letters: usize) -> usize {
    if text.len() <= letters {
        return text.len();
    }
    text.char_indices().nth(letters).map_or(text.len(), |(at, _)| at)
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "\u{1b}[31m",
        Severity::Warning => "\u{1b}[33m",
        Severity::Ok => "\u{1b}[32m",
    }
}
