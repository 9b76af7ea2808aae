//! The need of a person for a token: how soon, in which words, and the command to type.
//!
//! A person is needed where no one else can end a state: a lost sign-in, a refused setting, an unusable file, a token
//! without a refresh token. Most failures of an endpoint pass. Such a failure needs a person only when a token has
//! expired meanwhile.

use std::path::Path;
use std::time::Duration;

use super::judge::{Facts, TokenState};
use super::need::{Need, NeededFor};
use super::remedy::command;
use super::token::Token;
use crate::clock::Timestamp;
use crate::state::{LASTING_RUN, Urgency};

/// The words for a person about a token. The words hold no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble {
    pub urgency: Urgency,
    /// The token's name in the log.
    pub name: String,
    /// The fault, with the name.
    pub words: String,
    /// The command to type.
    pub command: String,
}

impl Trouble {
    /// The trouble with a token, if the token needs a person. `outage`: an endpoint has failed for a while, and this
    /// token waits for its endpoint.
    pub(crate) fn of(facts: &Facts<'_>, outage: bool, dir: &Path, now: Timestamp) -> Option<Self> {
        let urgency = urgency(facts, outage, now)?;
        // Neither the words nor the urgency depend on the buffer.
        let token = Token::of(facts, Duration::ZERO, now);
        let verb = if Self::is_for_sign_in(facts, now) { "login" } else { "status" };
        let command = command(verb, &token.name, dir);
        let (_, words) = token.complaint(now)?;
        Some(Self { urgency, name: token.name, words, command })
    }

    /// Whether a new sign-in ends the trouble.
    pub(super) fn is_for_sign_in(facts: &Facts<'_>, now: Timestamp) -> bool {
        let ends = |need: Need| need.what == NeededFor::RefreshTokenEnds;
        facts.state() == TokenState::SignInAgain || facts.need(now).is_some_and(ends)
    }

    /// The trouble with a file that cannot be used.
    pub(crate) fn unusable(file: &str, why: &str, dir: &Path) -> Self {
        let name = crate::tokens::name::stem(file).to_owned();
        let (words, command) = (format!("{name} cannot be used: {why}"), command("status", &name, dir));
        Self { urgency: Urgency::Now, name, words, command }
    }
}

fn urgency(facts: &Facts<'_>, outage: bool, now: Timestamp) -> Option<Urgency> {
    let expired = facts.is_expired(now);
    let lasting = outage || facts.failure().is_some_and(|trouble| trouble.failures >= LASTING_RUN);
    let is_now = match facts.state() {
        TokenState::SignInAgain | TokenState::Misconfigured | TokenState::Local | TokenState::Unusable => {
            true
        }
        TokenState::Monitored => expired,
        TokenState::Retrying | TokenState::InDoubt | TokenState::Due => expired && lasting,
        TokenState::Fresh | TokenState::Lasting => false,
    };
    if is_now { Some(Urgency::Now) } else { facts.need(now).map(|_| Urgency::Soon) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Fingerprint;
    use crate::state::{CredentialState, FailureKind, LastFailure, Plan};
    use crate::tokens::Life;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const MINUTE: Duration = Duration::from_mins(1);

    fn failing(kind: FailureKind, failures: u32) -> CredentialState {
        let failure = LastFailure {
            refresh_hash: Some(Fingerprint::of(b"r")),
            failures,
            ..LastFailure::new(kind, "HTTP 503", NOW)
        };
        CredentialState { failure: Some(Box::new(failure)), ..CredentialState::default() }
    }

    /// The trouble with a token that ends in so many minutes.
    fn trouble(
        minutes: i64,
        remembered: &CredentialState,
        plan: Plan,
        monitored: bool,
        outage: bool,
    ) -> Option<(Urgency, String, String)> {
        let life = Life {
            expires_at: Some(Timestamp::from_seconds(NOW.as_seconds() + 60 * minutes)),
            ..Life::default()
        };
        let facts = Facts {
            file: "it's-egress.json",
            in_configurations: true,
            life: &life,
            has_access: true,
            refresh_hash: Some(Fingerprint::of(b"r")),
            monitored: monitored.then_some("why"),
            unresolved: None,
            remembered,
            plan,
        };
        let found = Trouble::of(&facts, outage, Path::new("/my p"), NOW)?;
        let command =
            found.command.strip_suffix(" 'it'\\''s' --dir '/my p'").expect("the name and the project");
        Some((found.urgency, found.words, command.to_owned()))
    }

    #[test]
    fn a_person_is_needed_where_only_they_can_end_it() {
        use FailureKind::{Configuration, Local, ReauthRequired, Transient};
        let calm = CredentialState::default();
        let (later, wait) = (Plan::Later(NOW + MINUTE), Plan::Waiting(NOW + MINUTE));
        let (status, login) = ("token-refresher status", "token-refresher login");
        for (case, found, expected) in [
            ("all is well", trouble(90, &calm, later, false, false), None),
            (
                "the sign-in has ended",
                trouble(90, &failing(ReauthRequired, 1), Plan::Blocked, false, false),
                Some((Urgency::Now, "it's needs a new sign-in", login)),
            ),
            (
                "a setting is wrong",
                trouble(90, &failing(Configuration, 1), Plan::Recheck, false, false),
                Some((Urgency::Now, "it's is refused for a setting", status)),
            ),
            (
                "the disk is full",
                trouble(90, &failing(Local, 1), Plan::Due, false, false),
                Some((Urgency::Now, "it's is held up on this machine", status)),
            ),
            ("a blip", trouble(90, &failing(Transient, 1), wait, false, false), None),
            ("a laptop has just woken", trouble(-90, &failing(Transient, 1), wait, false, false), None),
            (
                "a lasting outage, and time left",
                trouble(90, &failing(Transient, 5), wait, false, false),
                Some((
                    Urgency::Soon,
                    "it's is retried (5 failed) and keeps failing and ends within 1 h 30 min",
                    status,
                )),
            ),
            (
                "a lasting outage, and no time left",
                trouble(-5, &failing(Transient, 5), wait, false, false),
                Some((Urgency::Now, "it's expired 5 minutes ago", status)),
            ),
            (
                "the same of a token that waits for its endpoint",
                trouble(-5, &calm, Plan::Due, false, true),
                Some((Urgency::Now, "it's expired 5 minutes ago", status)),
            ),
            ("it is about to be refreshed", trouble(-5, &calm, Plan::Due, false, false), None),
            (
                "nothing can refresh it",
                trouble(90, &calm, Plan::Due, true, false),
                Some((Urgency::Soon, "it's needs a new token within 1 h 30 min", status)),
            ),
            (
                "nothing could refresh it",
                trouble(-5, &calm, Plan::Due, true, false),
                Some((Urgency::Now, "it's expired 5 minutes ago", status)),
            ),
        ] {
            let expected =
                expected.map(|(urgency, words, command)| (urgency, words.to_owned(), command.to_owned()));
            assert_eq!(found, expected, "{case}");
        }
    }
}
