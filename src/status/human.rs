//! `status` for people: a table, the most urgent token first, with the reason for its state below each.
//!
//! The table is as wide as the terminal; where no terminal is, nothing is broken into lines.

use std::fmt::Write as _;

use super::judge::TokenState;
use super::report::{Overview, Severity, Token};
use crate::clock::{Timestamp, Words};
use crate::files::Holder;
use crate::text::{Count, escaped, lines};

/// What the table is shown on.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// The columns of a terminal; `None`: lines may have any length.
    pub width: Option<usize>,
    pub colour: bool,
}

/// The narrowest terminal that is reckoned with.
const NARROWEST: usize = 50;

/// The widths of the state and the expiry; two blanks are between columns.
const COLUMNS: [usize; 2] = [14, 12];

/// What the last column needs.
const LAST_COLUMN: usize = 15;

/// The table.
pub(crate) fn table(report: &Overview, screen: Screen) -> String {
    let mut page = Screenful::new(report, screen);
    page.heading();
    if report.tokens.is_empty() {
        page.no_tokens();
    } else {
        page.row(["TOKEN", "STATE", "EXPIRES IN", "NEXT ATTEMPT"], None);
    }
    for token in &report.tokens {
        page.token(token);
        page.wrapped(&token.why, 4);
        if let Some(remedy) = &token.remedy {
            page.wrapped(remedy, 4);
        }
        if let Some(need) = token.need {
            page.wrapped(&need.words(report.now), 4);
        }
    }
    page.hook();
    page.unwritten();
    page.endpoints();
    page.text
}

/// All that is known of the tokens in `report`, each with what was tried and what comes next.
pub(crate) fn story(report: &Overview, screen: Screen) -> String {
    let mut page = Screenful::new(report, screen);
    page.heading();
    for token in &report.tokens {
        page.row(["TOKEN", "STATE", "EXPIRES IN", "NEXT ATTEMPT"], None);
        page.token(token);
        page.details(token);
    }
    page.text
}

/// The text as it grows.
struct Screenful<'a> {
    report: &'a Overview,
    width: usize,
    colour: bool,
    /// The width of the column of names: every name is shown whole.
    names: usize,
    text: String,
}

impl<'a> Screenful<'a> {
    fn new(report: &'a Overview, screen: Screen) -> Self {
        let width = screen.width.map_or(usize::MAX, |width| width.max(NARROWEST));
        let longest = report.tokens.iter().map(|token| escaped(&token.name).chars().count()).max();
        let [state, expiry] = COLUMNS;
        let room = width.saturating_sub(state + expiry + LAST_COLUMN + 6);
        let names = longest.unwrap_or_default().max("TOKEN".len());
        Self { report, width, colour: screen.colour, names: names.min(room), text: String::new() }
    }

    fn heading(&mut self) {
        let report = self.report;
        let record = report.daemon.record.as_ref();
        let who = match (report.daemon.holder, record) {
            (Holder::Somebody { .. }, Some(record)) => {
                let since = report.now.since(record.started);
                let state = if report.is_alive() { "runs" } else { "hangs" };
                format!("The daemon {state} (process {}, for {})", record.pid, Words(since))
            }
            (Holder::Somebody { .. }, None) => "The daemon starts".to_owned(),
            (Holder::Nobody | Holder::Never, _) => "No daemon runs".to_owned(),
        };
        let cycle = report.cycle.as_ref().map_or_else(
            || "no cycle yet".to_owned(),
            |cycle| format!("last cycle {} ago", Words(report.now.since(cycle.ended))),
        );
        self.wrapped(&format!("{who}; {cycle}; {}", report.tokens_dir), 0);
        self.text.push('\n');
    }

    fn token(&mut self, token: &Token) {
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

    /// When the next attempt is. Without a daemon there is none to be promised.
    fn next_attempt(&self, token: &Token) -> String {
        let now = self.report.now;
        match (token.state, token.next_attempt) {
            (TokenState::SignInAgain, _) => "after a sign-in".to_owned(),
            (TokenState::Misconfigured, _) => "after a change".to_owned(),
            (_, Some(_)) if !self.report.is_running() => "without daemon".to_owned(),
            (_, Some(next)) if next > now => format!("in {}", Words(next.since(now))),
            (_, Some(_)) => "now".to_owned(),
            (_, None) => "-".to_owned(),
        }
    }

    fn details(&mut self, token: &Token) {
        let now = self.report.now;
        let time = |time: Timestamp| {
            if time > now {
                format!("{time}, in {}", Words(time.since(now)))
            } else {
                format!("{time}, {} ago", Words(now.since(time)))
            }
        };
        let next = token.next_attempt.filter(|_| self.report.is_running());
        let need = token.need.map(|need| need.words(now));
        let rows = [
            ("why", Some(token.why.clone())),
            ("remedy", token.remedy.clone()),
            ("file", Some(format!("{}/{}", self.report.tokens_dir, token.file))),
            ("access token ends", token.expires_at.map(time)),
            ("refresh token ends", token.refresh_expires_at.map(time)),
            ("last refreshed", token.last_success.map(time)),
            ("failed attempts", (token.failures > 0).then(|| token.failures.to_string())),
            ("last error", token.error.clone()),
            ("next attempt", next.map(time)),
            ("soon", need),
            ("configurations", Some(if token.in_configurations { "yes" } else { "no" }.to_owned())),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                self.wrapped(&format!("{name}: {value}"), 4);
            }
        }
    }

    /// That there is no token file, and whether there were some.
    fn no_tokens(&mut self) {
        let vanished = self.report.vanished();
        self.text.push('\n');
        match vanished {
            0 => self.wrapped("No token files.", 0),
            vanished => {
                let gone = Count(vanished, "token file");
                self.wrapped(
                    &format!("No token files: {gone} vanished. Put them back, or sign in again."),
                    0,
                );
            }
        }
    }

    /// Files that cannot be written, other than token files.
    fn unwritten(&mut self) {
        let files =
            self.report.cycle.as_ref().map(|cycle| &cycle.unwritten).filter(|files| !files.is_empty());
        let Some(files) = files else { return };
        self.text.push_str("\nNot up to date:\n");
        for (file, why) in files {
            self.wrapped(&format!("{file}: {why}"), 2);
        }
    }

    fn hook(&mut self) {
        let (hook, now) = (&self.report.hook, self.report.now);
        let Some(error) = &hook.error else { return };
        let next = hook.next_attempt.map(|next| next.since(now));
        let next = next.map_or_else(|| "soon".to_owned(), |wait| format!("in {}", Words(wait)));
        let (failures, waiting) = (hook.failures, Count(hook.waiting.len(), "changed file"));
        self.text.push('\n');
        self.wrapped(
            &format!("--on-refresh {error} ({failures} failed); {waiting} waiting, next attempt {next}"),
            0,
        );
    }

    fn endpoints(&mut self) {
        let report = self.report;
        if !report.endpoints.is_empty() {
            self.text.push_str("\nEndpoints in trouble:\n");
        }
        for (endpoint, outage) in &report.endpoints {
            let next = match outage.next_attempt {
                _ if !report.is_running() => "asked again when a daemon runs".to_owned(),
                next if next > report.now => format!("asked again in {}", Words(next.since(report.now))),
                _ => "asked again now".to_owned(),
            };
            self.wrapped(&format!("{endpoint}: {}, {next}", Count(outage.failures, "failure")), 2);
        }
    }

    /// One line of four columns; a name that is too long for its column has a line of its own. The state
    /// is shown in the colour of the severity, which takes no width.
    fn row(&mut self, cells: [&str; 4], severity: Option<Severity>) {
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
    fn wrapped(&mut self, words: &str, indent: usize) {
        let room = self.width - indent;
        for line in lines(&escaped(words), room) {
            let letters: Vec<char> = line.chars().collect();
            for piece in letters.chunks(room) {
                // Writing to a String cannot fail.
                let _ = writeln!(self.text, "{:indent$}{}", "", piece.iter().collect::<String>());
            }
        }
    }
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "\u{1b}[31m",
        Severity::Warning => "\u{1b}[33m",
        Severity::Ok => "\u{1b}[32m",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::report::tests::{NOW, fresh, report};
    use super::super::report::{DaemonSeen, Overview};
    use super::*;
    use crate::state::Outage;

    const SCREEN: Screen = Screen { width: Some(80), colour: false };

    #[test]
    fn a_table_as_a_person_reads_it() {
        let dead = Token {
            state: TokenState::SignInAgain,
            next_attempt: None,
            why: "the endpoint refused the refresh token (HTTP 400, invalid_grant); sign in again (3 hours ago)".to_owned(),
            ..fresh("atlassian-atlassian")
        };
        let text = table(&report(vec![dead, fresh("github-repos")]), SCREEN);
        assert_eq!(
            text,
            "The daemon runs (process 4711, for 3 hours); last cycle 40 seconds ago;\n\
             /srv/project/.oauth-tokens\n\
             \n\
             TOKEN                STATE           EXPIRES IN    NEXT ATTEMPT\n\
             atlassian-atlassian  sign in again   2 hours       after a sign-in\n    \
             the endpoint refused the refresh token (HTTP 400, invalid_grant); sign in\n    \
             again (3 hours ago)\n\
             github-repos         fresh           2 hours       in 1 hour\n    \
             refreshed 1 hour before its end (the buffer)\n"
        );
    }

    #[test]
    fn every_line_fits_whatever_it_says() {
        let long = Token {
            why: format!("{} {}", "x".repeat(300), "word ".repeat(60)),
            next_attempt: Some(NOW + Duration::from_hours(24 * 9999)),
            ..fresh(&"näme-".repeat(30))
        };
        let refused = |state| Token { state, ..fresh(&"x".repeat(99)) };
        let mut report = report(vec![
            long,
            refused(TokenState::SignInAgain),
            refused(TokenState::Misconfigured),
            Token { name: "a\nb\u{1b}[2J".to_owned(), ..fresh("a") },
        ]);
        report.tokens_dir = "/very/long".repeat(20);
        for width in [50, 80, 100, 200] {
            let screen = Screen { width: Some(width), ..SCREEN };
            let text = table(&report, screen) + &story(&report, screen);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{line}");
            }
            // Names are whole: on a line of their own, broken where even that is too narrow.
            let joined: String = text.lines().collect();
            assert!(joined.contains(&"x".repeat(99)), "{text}");
            assert!(!text.contains('\u{1b}') && text.contains("\na\\nb\\u{1b}[2J"), "{text}");
        }
        // Without a terminal every token has its name in the first column, and each reason is one line.
        let text = table(&report, Screen { width: None, ..SCREEN });
        assert_eq!(text.lines().count(), 2 + 1 + 4 * 2);
    }

    #[test]
    fn a_story_has_all_that_is_known() {
        let token = Token {
            state: TokenState::Retrying,
            failures: 3,
            error: Some("HTTP 503".to_owned()),
            why: "HTTP 503 (3 attempts in 2 hours)".to_owned(),
            last_success: Some(NOW - Duration::from_hours(3)),
            next_attempt: Some(NOW + Duration::from_secs(30)),
            ..fresh("github-repos")
        };
        let mut report = report(vec![token]);
        let text = story(&report, SCREEN);
        for line in [
            "    why: HTTP 503 (3 attempts in 2 hours)\n",
            "    file: /srv/project/.oauth-tokens/github-repos-egress.json\n",
            "    access token ends: 1970-01-12 15:46:40 UTC, in 2 hours\n",
            "    last refreshed: 1970-01-12 10:46:40 UTC, 3 hours ago\n",
            "    failed attempts: 3\n",
            "    last error: HTTP 503\n",
            "    next attempt: 1970-01-12 13:47:10 UTC, in 30 seconds\n",
            "    configurations: yes\n",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        // Without a daemon there is no attempt to be promised.
        report.daemon.holder = Holder::Nobody;
        for text in [story(&report, SCREEN), table(&report, SCREEN)] {
            assert!(!text.contains("30 seconds") && text.contains("without daemon"), "{text}");
        }
    }

    #[test]
    fn colours_stand_around_the_state_alone() {
        let sample = || report(vec![Token { state: TokenState::Retrying, ..fresh("a") }, fresh("b")]);
        let plain = table(&sample(), SCREEN);
        let mut coloured = table(&sample(), Screen { colour: true, ..SCREEN });
        assert!(
            coloured.contains("\u{1b}[33mretrying      \u{1b}[0m") && coloured.contains("\u{1b}[32mfresh")
        );
        for code in ["\u{1b}[33m", "\u{1b}[32m", "\u{1b}[0m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, plain);
    }

    #[test]
    fn the_heading_says_who_runs() {
        let of = |holder, record| {
            let report = report(Vec::new());
            let record = report.daemon.record.clone().filter(|_| record);
            let text = table(&Overview { daemon: DaemonSeen { holder, record }, ..report }, SCREEN);
            text.lines().next().unwrap().split(';').next().unwrap().to_owned()
        };
        let old = Holder::Somebody { touched: NOW - Duration::from_mins(9) };
        assert_eq!(of(Holder::Never, false), "No daemon runs");
        assert_eq!(of(Holder::Nobody, true), "No daemon runs");
        assert_eq!(of(Holder::Somebody { touched: NOW }, false), "The daemon starts");
        assert_eq!(of(old, true), "The daemon hangs (process 4711, for 3 hours)");
    }

    #[test]
    fn a_command_that_fails_is_shown() {
        let mut report = report(vec![fresh("a")]);
        report.hook.error = Some("ended with exit status 3".to_owned());
        report.hook.failures = 2;
        report.hook.waiting.insert("a-egress.json".to_owned());
        report.hook.next_attempt = Some(NOW + Duration::from_secs(30));
        let text = table(&report, SCREEN);
        let end = "\n--on-refresh ended with exit status 3 (2 failed); 1 changed file waiting, next\nattempt in 30 seconds\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn endpoints_in_trouble_are_listed() {
        let outage = serde_json::from_str::<Outage>(&format!(
            "{{\"failures\":3,\"next_attempt\":{}}}",
            (NOW + Duration::from_secs(30)).as_millis()
        ));
        let mut report = report(Vec::new());
        report.endpoints = BTreeMap::from([("https://auth.example.com".to_owned(), outage.unwrap())]);
        let text = table(&report, SCREEN);
        assert!(text.contains("No token files.\n"), "{text}");
        assert!(
            text.ends_with("  https://auth.example.com: 3 failures, asked again in 30 seconds\n"),
            "{text}"
        );
    }
}
