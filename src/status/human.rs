//! `status` for people: a table that fits 80 columns, the most urgent token first, with the reason
//! for its state below each.

use std::fmt::Write as _;

use super::judge::TokenState;
use super::report::{Overview, Severity, Token};
use crate::clock::{Timestamp, Words};
use crate::files::Holder;
use crate::text::{Count, escaped, lines};

/// The traditional terminal.
const WIDTH: usize = 80;

/// The widths of the columns but the last: name, state, expiry; two blanks between them.
const COLUMNS: [usize; 3] = [30, 14, 14];

/// The table. `colour` is for a terminal only.
pub(crate) fn table(report: &Overview, colour: bool) -> String {
    let mut text = heading(report);
    if report.tokens.is_empty() {
        text.push_str("\nNo token files.\n");
    } else {
        row(&mut text, ["TOKEN", "STATE", "EXPIRES IN", "NEXT ATTEMPT"], "", "");
    }
    for token in &report.tokens {
        token_rows(&mut text, token, report.now, colour);
    }
    if let Some(error) = &report.hook.error {
        let next = report.hook.next_attempt.map(|next| next.since(report.now));
        let next = next.map_or_else(|| "soon".to_owned(), |wait| format!("in {}", Words(wait)));
        let failures = report.hook.failures;
        let waiting = Count(report.hook.waiting.len(), "changed file");
        text.push('\n');
        wrapped(
            &mut text,
            &format!("--on-refresh {error} ({failures} failed); {waiting} waiting, next attempt {next}"),
            0,
        );
    }
    if !report.endpoints.is_empty() {
        text.push_str("\nEndpoints in trouble:\n");
    }
    for (endpoint, outage) in &report.endpoints {
        let next = Words(outage.next_attempt.since(report.now));
        let line = format!("{endpoint}: {}, asked again in {next}", Count(outage.failures, "failure"));
        wrapped(&mut text, &line, 2);
    }
    text
}

fn heading(report: &Overview) -> String {
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
    let mut text = String::new();
    wrapped(&mut text, &format!("{who}; {cycle}; {}", report.tokens_dir), 0);
    text.push('\n');
    text
}

fn token_rows(text: &mut String, token: &Token, now: Timestamp, colour: bool) {
    let expires = match token.expires_at {
        _ if !token.has_access => "no token".to_owned(),
        None => "-".to_owned(),
        Some(end) if end <= now => "expired".to_owned(),
        Some(end) => Words(end.since(now)).to_string(),
    };
    let next = match (token.state, token.next_attempt) {
        (TokenState::SignInAgain, _) => "after a sign-in".to_owned(),
        (TokenState::Misconfigured, _) => "after a change".to_owned(),
        (_, Some(next)) if next > now => format!("in {}", Words(next.since(now))),
        (_, Some(_)) => "now".to_owned(),
        (_, None) => "-".to_owned(),
    };
    let complaint = token.complaint(now);
    let (before, after) = match complaint.as_ref().map(|(severity, _)| severity) {
        _ if !colour => ("", ""),
        Some(Severity::Critical) => ("\u{1b}[31m", "\u{1b}[0m"),
        Some(Severity::Warning) => ("\u{1b}[33m", "\u{1b}[0m"),
        Some(Severity::Ok) | None => ("\u{1b}[32m", "\u{1b}[0m"),
    };
    row(text, [&token.name, token.state.words(), &expires, &next], before, after);
    wrapped(text, &token.why, 4);
    if let Some(need) = token.need {
        wrapped(text, &need.words(now), 4);
    }
}

/// One line of four columns; `before` and `after` enclose the second and take no width.
fn row(text: &mut String, cells: [&str; 4], before: &str, after: &str) {
    let [name, state, expires, next] = cells.map(escaped);
    let [first, second, third] = COLUMNS;
    let name = shortened(&name, first);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:first$}  {before}{state:second$}{after}  {expires:third$}  {next}");
}

/// `name` in at most `width` columns: the end of a long one is what tells it from its neighbours.
fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - (width - 3)).collect();
    format!("...{end}")
}

/// `words` in lines of at most [`WIDTH`] columns after `indent` blanks. A word that is longer than a line
/// is broken.
fn wrapped(text: &mut String, words: &str, indent: usize) {
    let room = WIDTH - indent;
    for line in lines(&escaped(words), room) {
        let letters: Vec<char> = line.chars().collect();
        for piece in letters.chunks(room) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:indent$}{}", "", piece.iter().collect::<String>());
        }
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

    #[test]
    fn a_table_as_a_person_reads_it() {
        let dead = Token {
            state: TokenState::SignInAgain,
            next_attempt: None,
            why: "the endpoint refused the refresh token (HTTP 400, invalid_grant); sign in again (3 hours ago)".to_owned(),
            ..fresh("atlassian-atlassian")
        };
        let text = table(&report(vec![dead, fresh("github-repos")]), false);
        assert_eq!(
            text,
            "The daemon runs (process 4711, for 3 hours); last cycle 40 seconds ago;\n\
             /srv/project/.oauth-tokens\n\
             \n\
             TOKEN                           STATE           EXPIRES IN      NEXT ATTEMPT\n\
             atlassian-atlassian             sign in again   2 hours         after a sign-in\n    \
             the endpoint refused the refresh token (HTTP 400, invalid_grant); sign in\n    \
             again (3 hours ago)\n\
             github-repos                    fresh           2 hours         in 1 hour\n    \
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
        let text = table(&report, false);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(!text.contains('\u{1b}') && text.contains("\na\\nb\\u{1b}[2J "), "{text}");
    }

    #[test]
    fn colours_stand_around_the_state_alone() {
        let sample = || report(vec![Token { state: TokenState::Retrying, ..fresh("a") }, fresh("b")]);
        let plain = table(&sample(), false);
        let mut coloured = table(&sample(), true);
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
            let text = table(&Overview { daemon: DaemonSeen { holder, record }, ..report }, false);
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
        let text = table(&report, false);
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
        let text = table(&report, false);
        assert!(text.contains("No token files.\n"), "{text}");
        assert!(
            text.ends_with("  https://auth.example.com: 3 failures, asked again in 30 seconds\n"),
            "{text}"
        );
    }
}
