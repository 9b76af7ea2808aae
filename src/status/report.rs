//! All facts at one moment, sorted by urgency, for `status` and `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::seals::SealCounts;
use super::token::{Severity, Token};
use crate::clock::Timestamp;
use crate::files::Holder;
use crate::ordered;
use crate::state::{CycleRecord, DaemonRecord, HookKind, HookRecord, Outage};
use crate::text::escaped;

/// The age of the last sign of life at which a loop counts as hanging. A loop gives one a minute, and a refresh takes
/// at most two minutes.
pub(super) const ALIVE: Duration = Duration::from_mins(3);

pub(crate) struct Overview {
    /// The moment.
    pub now: Timestamp,
    /// The project root.
    pub project: PathBuf,
    /// The tokens directory.
    pub tokens_dir: String,
    /// Why other users could put files into the tokens directory, where they could.
    pub open_to_others: Option<String>,
    /// The daemon of that directory.
    pub daemon: DaemonSeen,
    /// `--interval` of that daemon.
    pub interval: Duration,
    /// `--buffer` of that daemon.
    pub buffer: Duration,
    /// The last cycle of any process.
    pub cycle: Option<CycleRecord>,
    /// The records of `--on-refresh` and `--on-trouble`.
    pub hooks: [(HookKind, HookRecord); 2],
    /// The numbers of sealed and plain files.
    pub at_rest: SealCounts,
    /// Token endpoints in trouble.
    pub endpoints: BTreeMap<String, Outage>,
    /// Copies of token files, which are not refreshed.
    pub copies: Vec<String>,
    /// The token files, the most urgent first.
    pub tokens: Vec<Token>,
}

/// The facts about the daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DaemonSeen {
    /// The state of the daemon's lock.
    pub holder: Holder,
    /// The record of the last daemon in the status file. A running daemon writes it after its first cycle.
    pub record: Option<DaemonRecord>,
}

/// The error for a name that no token file has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoSuchToken {
    pub name: String,
    /// The names of the token files.
    pub known: Vec<String>,
}

impl fmt::Display for NoSuchToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        out.write_str(&escaped(&format!("no token file is called {:?}; known are: {known}", self.name)))
    }
}

impl Overview {
    /// Sorts the tokens by severity, then by expiry.
    pub(crate) fn sorted(mut self) -> Self {
        let now = self.now;
        let ranked = |token: Token| {
            let severity = token.complaint(now).map_or(Severity::Ok, |(severity, _)| severity);
            let expiry = token.expires_at.map_or(i64::MAX, Timestamp::as_millis);
            ((std::cmp::Reverse(severity), expiry), token)
        };
        let mut tokens: Vec<_> = self.tokens.into_iter().map(ranked).collect();
        ordered::sort(&mut tokens, |(one, first), (other, second)| {
            one.cmp(other).then_with(|| first.name.cmp(&second.name))
        });
        self.tokens = tokens.into_iter().map(|(_, token)| token).collect();
        self
    }

    /// Keeps the tokens with these names, or file names, in their order of urgency.
    pub(crate) fn only(mut self, names: &[String]) -> Result<Self, NoSuchToken> {
        let is = |token: &Token, name: &String| token.name == *name || token.file == *name;
        if let Some(name) = names.iter().find(|name| !self.tokens.iter().any(|token| is(token, name))) {
            let known = self.tokens.iter().map(|token| token.name.clone()).collect();
            return Err(NoSuchToken { name: name.clone(), known });
        }
        self.tokens.retain(|token| names.iter().any(|name| is(token, name)));
        Ok(self)
    }

    /// How many token files there were before all of them vanished.
    pub(super) fn vanished(&self) -> usize {
        let cycle = self.cycle.as_ref().filter(|_| self.tokens.is_empty());
        cycle.map_or(0, |cycle| cycle.tokens.max(cycle.vanished))
    }

    /// Whether a daemon holds the lock.
    pub(crate) fn is_running(&self) -> bool {
        self.daemon.holder.is_held()
    }

    /// Whether the daemon's loop turns.
    pub(crate) fn is_alive(&self) -> bool {
        self.daemon.holder.is_alive(self.now)
    }

    /// The time since the last sign that tokens are refreshed: the end of a cycle, or the start of a daemon. `None`:
    /// never. A time in the future was written under a wrong clock, and counts as now.
    pub(crate) fn quiet_for(&self) -> Option<Duration> {
        let started = self.daemon.record.as_ref().map(|record| record.started);
        let ended = self.cycle.as_ref().map(|cycle| cycle.ended);
        started.max(ended).map(|last| self.now.since(last))
    }
}

impl Holder {
    /// Whether a process holds the lock and has touched it lately.
    pub(crate) fn is_alive(self, now: Timestamp) -> bool {
        matches!(self, Self::Held { touched } if now.since(touched) <= ALIVE)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::status::judge::TokenState;
    use crate::status::need::{Need, NeededFor};
    use crate::status::token::Oddities;

    pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    /// A service's fresh token, which expires in two hours.
    pub(crate) fn fresh(name: &str) -> Token {
        Token {
            file: format!("{name}-egress.json"),
            name: name.to_owned(),
            in_configurations: true,
            used_by: Vec::new(),
            state: TokenState::Fresh,
            expired: false,
            has_access: true,
            expires_at: Some(NOW + 2 * HOUR),
            refresh_expires_at: None,
            last_success: None,
            next_attempt: Some(NOW + HOUR),
            oddities: Oddities::default(),
            lacks: None,
            failures: 0,
            error: None,
            why: "refreshed 1 hour before its end (the buffer)".to_owned(),
            remedy: None,
            need: None,
        }
    }

    /// A running daemon with these tokens.
    pub(crate) fn report(tokens: Vec<Token>) -> Overview {
        let record = DaemonRecord {
            pid: 4711,
            started: NOW - 3 * HOUR,
            interval: 300,
            buffer: 3600,
            registry_url: None,
            servers_dir: String::new(),
            providers: None,
            keycloak: false,
            once: false,
            sealing_key: None,
        };
        Overview {
            now: NOW,
            project: PathBuf::from("/srv/project"),
            tokens_dir: "/srv/project/.oauth-tokens".to_owned(),
            open_to_others: None,
            daemon: DaemonSeen {
                holder: Holder::Held { touched: NOW - Duration::from_secs(20) },
                record: Some(record),
            },
            interval: Duration::from_mins(5),
            buffer: HOUR,
            cycle: Some(CycleRecord {
                ended: NOW - Duration::from_secs(40),
                tokens: tokens.len(),
                failing: 0,
                ..CycleRecord::default()
            }),
            hooks: [HookKind::Refresh, HookKind::Trouble].map(|kind| (kind, HookRecord::default())),
            at_rest: SealCounts::default(),
            endpoints: BTreeMap::new(),
            copies: Vec::new(),
            tokens,
        }
    }

    #[test]
    fn every_state_has_its_weight_and_words() {
        use Severity::{Critical, Warning};
        let ended = Some(NOW - Duration::from_mins(5));
        let need = Some(Need { by: NOW + 5 * HOUR, what: NeededFor::RefreshTokenEnds });
        let token = |state| Token { state, failures: 3, ..fresh("a") };
        let elsewhere = |token| Token { in_configurations: false, ..token };
        let expired = |token| Token { expired: true, expires_at: ended, ..token };
        for (token, expected) in [
            (fresh("a"), None),
            (token(TokenState::Due), None),
            (token(TokenState::Lasting), None),
            (token(TokenState::Monitored), None),
            (Token { need, ..fresh("a") }, Some((Warning, "a needs a new sign-in within 5 hours"))),
            (token(TokenState::Retrying), Some((Warning, "a is retried (3 failed)"))),
            (expired(token(TokenState::Retrying)), Some((Critical, "a expired 5 minutes ago"))),
            (elsewhere(expired(token(TokenState::Retrying))), Some((Warning, "a expired 5 minutes ago"))),
            (token(TokenState::InDoubt), Some((Warning, "a is in doubt"))),
            (token(TokenState::Local), Some((Warning, "a is held up on this machine"))),
            (
                Token { need, ..token(TokenState::Local) },
                Some((Warning, "a is held up on this machine and needs a new sign-in within 5 hours")),
            ),
            (token(TokenState::Misconfigured), Some((Warning, "a is refused for a setting"))),
            (
                Token { has_access: false, ..token(TokenState::Misconfigured) },
                Some((Critical, "a is refused and has no token")),
            ),
            (token(TokenState::SignInAgain), Some((Critical, "a needs a new sign-in"))),
            (expired(token(TokenState::SignInAgain)), Some((Critical, "a needs a new sign-in"))),
            (elsewhere(token(TokenState::SignInAgain)), Some((Warning, "a needs a new sign-in"))),
            (expired(token(TokenState::Monitored)), Some((Critical, "a expired 5 minutes ago"))),
            (Token::unusable("a.json", true, String::new()), Some((Warning, "a cannot be used"))),
        ] {
            let expected = expected.map(|(severity, words)| (severity, words.to_owned()));
            assert_eq!(token.complaint(NOW), expected, "{:?}", token.state);
        }
    }

    #[test]
    fn the_most_urgent_comes_first() {
        let ends = |name: &str, hours: u32| Token { expires_at: Some(NOW + HOUR * hours), ..fresh(name) };
        let report = report(vec![
            Token { expires_at: None, state: TokenState::Lasting, ..fresh("lasting") },
            ends("later", 9),
            ends("b sooner", 2),
            ends("a sooner", 2),
            Token { state: TokenState::Retrying, ..ends("retried", 20) },
            Token { state: TokenState::SignInAgain, ..ends("dead", 30) },
        ]);
        let names: Vec<String> = report.sorted().tokens.into_iter().map(|token| token.name).collect();
        assert_eq!(names, ["dead", "retried", "a sooner", "b sooner", "later", "lasting"]);
    }

    #[test]
    fn quiet_is_counted_from_the_last_sign_of_anybody() {
        let report = report(Vec::new());
        assert_eq!(report.quiet_for(), Some(Duration::from_secs(40)));
        assert_eq!(Overview { cycle: None, ..report }.quiet_for(), Some(3 * HOUR));
        let record = DaemonRecord { started: NOW + HOUR, ..report_record() };
        let daemon = DaemonSeen { holder: Holder::Free, record: Some(record) };
        assert_eq!(Overview { daemon, ..super::tests::report(Vec::new()) }.quiet_for(), Some(Duration::ZERO));
        let daemon = DaemonSeen { holder: Holder::NoFile, record: None };
        assert_eq!(Overview { daemon, cycle: None, ..super::tests::report(Vec::new()) }.quiet_for(), None);
    }

    fn report_record() -> DaemonRecord {
        // The sample has a record.
        report(Vec::new()).daemon.record.unwrap()
    }

    #[test]
    fn a_loop_that_has_not_moved_for_three_minutes_is_not_alive() {
        for (holder, alive) in [
            (Holder::NoFile, false),
            (Holder::Free, false),
            (Holder::Held { touched: NOW - ALIVE }, true),
            (Holder::Held { touched: NOW + HOUR }, true),
            (Holder::Held { touched: NOW - ALIVE - Duration::from_millis(1) }, false),
        ] {
            assert_eq!(holder.is_alive(NOW), alive, "{holder:?}");
        }
    }
}
