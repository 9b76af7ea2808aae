//! `status` for people: a table, the most urgent token first, with the reason for its state below each.
//!
//! The table is as wide as the terminal. Without a terminal, lines may have any length.

use super::report::Overview;
use super::screenful::{Screen, Screenful};
use super::token::Token;
use crate::clock::{Timestamp, Words};

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
        for oddity in &token.oddities.lines {
            page.wrapped(oddity, 4);
        }
        if let Some(remedy) = &token.remedy {
            page.wrapped(remedy, 4);
        }
        if let Some(need) = token.need {
            page.wrapped(&need.words(report.now), 4);
        }
    }
    page.hooks();
    page.unwritten();
    page.copies();
    page.endpoints();
    page.text
}

/// All facts about the tokens in `report`, each with its last error and its next attempt.
pub(crate) fn story(report: &Overview, screen: Screen) -> String {
    let mut page = Screenful::new(report, screen);
    page.heading();
    for token in &report.tokens {
        page.row(["TOKEN", "STATE", "EXPIRES IN", "NEXT ATTEMPT"], None);
        page.token(token);
        details(&mut page, report, token);
    }
    page.text
}

/// All facts about a token, one on a line.
fn details(page: &mut Screenful<'_>, report: &Overview, token: &Token) {
    let now = report.now;
    let time = |time: Timestamp| {
        if time > now {
            format!("{time}, in {}", Words(time.since(now)))
        } else {
            format!("{time}, {} ago", Words(now.since(time)))
        }
    };
    let next = token.next_attempt.filter(|_| report.is_running());
    let need = token.need.map(|need| need.words(now));
    let rows = [
        ("why", Some(token.why.clone())),
        ("strange", (!token.oddities.lines.is_empty()).then(|| token.oddities.lines.join("; "))),
        ("remedy", token.remedy.clone()),
        ("file", Some(format!("{}/{}", report.tokens_dir, token.file))),
        ("access token ends", token.expires_at.map(time)),
        ("refresh token ends", token.refresh_expires_at.map(time)),
        ("last refreshed", token.last_success.map(time)),
        ("failed attempts", (token.failures > 0).then(|| token.failures.to_string())),
        ("last error", token.error.clone()),
        ("next attempt", next.map(time)),
        ("soon", need),
        ("used by", (!token.used_by.is_empty()).then(|| token.used_by.join(", "))),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            page.wrapped(&format!("{name}: {value}"), 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::judge::TokenState;
    use super::super::report::DaemonSeen;
    use super::super::report::tests::{NOW, fresh, report};
    use super::*;
    use crate::files::Holder;
    use crate::state::Outage;

    const SCREEN: Screen = Screen { width: Some(80), colour: false };

    #[test]
    fn a_table_as_a_person_reads_it() {
        let dead = Token {
            state: TokenState::SignInAgain,
            next_attempt: None,
            why: "the endpoint refused the refresh token (HTTP 400, invalid_grant); sign in again (3 hours ago)"
                .to_owned(),
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
            // Names are shown whole: on a line of their own, broken where that line is too narrow.
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
            used_by: vec!["/srv/mcp.json".to_owned()],
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
            "    used by: /srv/mcp.json\n",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        // Without a daemon no attempt is promised.
        report.daemon.holder = Holder::Free;
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
        let old = Holder::Held { touched: NOW - Duration::from_mins(9) };
        assert_eq!(of(Holder::NoFile, false), "No daemon runs");
        assert_eq!(of(Holder::Free, true), "No daemon runs");
        assert_eq!(of(Holder::Held { touched: NOW }, false), "The daemon starts");
        assert_eq!(of(old, true), "The daemon hangs (process 4711, for 3 hours)");
    }

    #[test]
    fn a_command_that_fails_is_shown() {
        let mut report = report(vec![fresh("a")]);
        report.hooks[0].1.error = Some("ended with exit status 3".to_owned());
        report.hooks[0].1.failures = 2;
        report.hooks[0].1.waiting.insert("a-egress.json".to_owned());
        report.hooks[0].1.next_attempt = Some(NOW + Duration::from_secs(30));
        let text = table(&report, SCREEN);
        let end = "\n--on-refresh ended with exit status 3 (2 failed); 1 changed file waiting, next\n\
                   attempt in 30 seconds\n";
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
        let what_to_do =
            "\n\nNo token files. Sign in to get one: token-refresher login WHAT --dir\n/srv/project\n";
        assert!(text.contains(what_to_do) && !text.contains("\n\n\n"), "{text}");
        assert!(
            text.ends_with("  https://auth.example.com: 3 failures, asked again in 30 seconds\n"),
            "{text}"
        );
    }
}
