//! A day without an endpoint, in simulated time. Tests how often the endpoint gets a request, and that no credential is
//! forgotten at its return. The failures of one credential must hold up no other.
//!
//! The decisions are the program's own: when a token is due, in which order, whether and when a request may be sent.
//! Only the clock and the endpoint are made up.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::oauth::backoff::LONGEST;
use crate::oauth::{
    Class, Concerns, CredentialConfig, Failure, Providers, Resolution, TokenRequest, resolve,
};
use crate::refresh::Endpoints;
use crate::refresh::verdict::{self, Attempt};
use crate::secret::Fingerprint;
use crate::settings::Environment;
use crate::state::schedule::Schedule;
use crate::state::{CredentialState, Plan};
use crate::tokens::Life;

const START: Timestamp = Timestamp::from_seconds(1_000_000_000);
const INTERVAL: Duration = Duration::from_mins(5);
/// Shorter than the hour for which an endpoint in trouble may be left alone.
const BUFFER: Duration = Duration::from_mins(10);
/// Long enough for the trouble of one credential to have grown to that hour before another is due.
const LIFETIME: Duration = Duration::from_hours(8);
const DAY: Duration = Duration::from_hours(24);
const ENDPOINT: &str = "https://idp.example/token";

struct Credential {
    life: Life,
    state: CredentialState,
    /// The endpoint answers 500 to every request for this credential.
    poisoned: bool,
}

struct World {
    now: Timestamp,
    endpoints: Endpoints,
    request: Box<TokenRequest>,
    credentials: Vec<Credential>,
    /// Times of all requests.
    requests: Vec<Timestamp>,
    seed: u64,
}

impl World {
    /// An endpoint with credentials that expire so many seconds after the start.
    fn new(expiries: &[u64], seed: u64) -> Self {
        let credential = |after: &u64| Credential {
            life: Life {
                expires_at: Some(START + Duration::from_secs(*after)),
                length: Some(LIFETIME),
                ..Life::default()
            },
            state: CredentialState::default(),
            poisoned: false,
        };
        Self {
            now: START,
            endpoints: Endpoints::new(BTreeMap::new()),
            request: request(),
            credentials: expiries.iter().map(credential).collect(),
            requests: Vec::new(),
            seed,
        }
    }

    fn random(&mut self) -> f64 {
        // Knuth's MMIX generator: any generator will do that is the same in every run.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.seed >> 32).unwrap()) / f64::from(u32::MAX)
    }

    fn plan(&self, index: usize) -> Plan {
        let Credential { life, state, .. } = &self.credentials[index];
        let outages = self.endpoints.snapshot();
        Schedule {
            life,
            has_access: true,
            refresh_hash: Some(token()),
            state,
            buffer: BUFFER,
            outage: outages.get(ENDPOINT),
        }
        .plan(self.now)
    }

    /// Runs one cycle; returns when the next one is.
    fn cycle(&mut self, down: &dyn Fn(Timestamp) -> bool) -> Timestamp {
        let mut due: Vec<usize> =
            (0..self.credentials.len()).filter(|index| self.plan(*index) == Plan::Due).collect();
        due.sort_by_key(|index| {
            let credential = &self.credentials[*index];
            credential.state.rank(credential.life.expires_at)
        });
        let mut next = self.now + INTERVAL;
        for index in due {
            let until = self.ask(index, down).err();
            next = until.map_or(next, |until| next.min(until));
        }
        for index in 0..self.credentials.len() {
            match self.plan(index) {
                Plan::Later(at) | Plan::Waiting(at) => next = next.min(at),
                // The endpoint works again, as another credential found out.
                Plan::Due => next = self.now,
                Plan::Blocked | Plan::Recheck | Plan::Never => {}
            }
        }
        next.max(self.now + Duration::from_millis(500))
    }

    fn ask(&mut self, index: usize, down: &dyn Fn(Timestamp) -> bool) -> Result<(), Timestamp> {
        let random = self.random();
        let now = self.now;
        let Credential { life, state, .. } = &self.credentials[index];
        let permit = self.endpoints.try_acquire(ENDPOINT, now, state.last_chance(life.expires_at, now))?;
        self.requests.push(now);
        let credential = &mut self.credentials[index];
        if !down(now) && !credential.poisoned {
            permit.answered();
            credential.state = CredentialState { last_success: Some(now), ..CredentialState::default() };
            credential.life.expires_at = Some(now + LIFETIME);
            return Ok(());
        }
        let failure = Failure {
            class: Class::Passing,
            message: String::new(),
            retry_after: None,
            concerns: Concerns::Endpoint,
            code: None,
            lost: false,
            unexplained: false,
            replacement: None,
        };
        let attempt = Attempt {
            before: credential.state.failure.as_deref(),
            refresh_hash: Some(token()),
            request: &self.request,
            life: credential.life,
            doubt: None,
            asked_at: now,
            now,
            random: &|| random,
        };
        permit.failed(None, |failures| {
            verdict::endpoint_again(&failure, attempt.life.expires_at, attempt.now, failures)
        });
        credential.state.failure = Some(Box::new(verdict::last_failure(&failure, &attempt)));
        Ok(())
    }

    /// Runs cycle after cycle until `end`; returns how many cycles found a token expired, the poisoned one aside.
    fn run(&mut self, end: Timestamp, down: &dyn Fn(Timestamp) -> bool) -> usize {
        let mut found = 0;
        while self.now < end {
            self.now = self.cycle(down);
            found += usize::from(self.expired() > 0);
        }
        found
    }

    /// How many tokens have expired, the poisoned one aside.
    fn expired(&self) -> usize {
        let expired = |one: &&Credential| !one.poisoned && one.life.expires_at.unwrap() <= self.now;
        self.credentials.iter().filter(expired).count()
    }
}

fn token() -> Fingerprint {
    Fingerprint::of(b"r")
}

fn request() -> Box<TokenRequest> {
    let members = [("token_endpoint", ENDPOINT), ("client_id", "c"), ("refresh_token", "r")];
    let config = CredentialConfig::of_members("a-egress.json", &members);
    let resolution = resolve(&config, &Environment::default(), &[], &Providers::builtin());
    let Resolution::Refresh(request) = resolution else { panic!("it can be refreshed") };
    request
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_day_without_the_endpoint(
        expiries in prop::collection::vec(60_u64..1200, 1..30), seed in any::<u64>(), length in 1_u64..90_000
    ) {
        let mut world = World::new(&expiries, seed);
        let end = START + Duration::from_secs(length);
        let down = |now| now < end;
        world.run(end, &down);
        // Seven doublings, then half an hour at least between two, and one out of turn for each.
        let halves = usize::try_from(length / 1800).unwrap();
        let most = 7 + 1 + halves + expiries.len();
        prop_assert!(world.requests.len() <= most, "{} requests in {length} s", world.requests.len());
        world.run(end + LONGEST, &down);
        prop_assert_eq!(world.expired(), 0, "all are fresh within one longest delay");
    }

    /// The endpoint works, except for one credential, for which it answers 500 for ever.
    #[test]
    fn one_credential_does_not_starve_the_others(
        expiries in prop::collection::vec(300_u64..1200, 2..30),
        seed in any::<u64>(),
        sick in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new(&expiries, seed);
        let sick = sick.index(expiries.len());
        world.credentials[sick].poisoned = true;
        prop_assert_eq!(world.run(START + DAY, &|_| false), 0);
    }
}

/// A last chance is used. The endpoint comes back just before the expiry, and the next attempt in turn would be too
/// late.
#[test]
fn a_minute_before_its_end_a_token_gets_an_attempt_out_of_turn() {
    for seed in 0..20 {
        let mut world = World::new(&[600], seed);
        let expiry = START + Duration::from_mins(10);
        let back = expiry - Duration::from_secs(61);
        world.run(expiry, &|now| now < back);
        assert_eq!(world.expired(), 0, "seed {seed}: {:?}", world.requests.last());
    }
}
