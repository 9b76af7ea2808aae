//! One token file of a cycle: its facts, its record, and the time of its refresh.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::files::{Inode, LastRead};
use crate::oauth::{ClientFile, CredentialConfig, Providers, Resolution, resolve};
use crate::refresh::written_by_us;
use crate::secret::Fingerprint;
use crate::services::{TokenSource, in_configurations};
use crate::settings::Environment;
use crate::state::schedule::Schedule;
use crate::state::{CredentialState, Outage, Plan, Store};
use crate::status::Facts;
use crate::tokens::directory::TokenFile;

/// One token file, and the plan for it.
pub(crate) struct Credential {
    pub source: TokenSource,
    /// The fingerprint of the access token, where a forced refresh or the file for shells must follow a change.
    pub access_hash: Option<Fingerprint>,
    /// The file for shells beside it, which holds the access token too.
    pub twin: Option<String>,
    /// Why the token is monitored only: the file says so, or holds no refresh token.
    pub monitored: Option<String>,
    /// Why no request can be made: the fact that the file, its provider or the environment lacks.
    pub unresolved: Option<String>,
    /// The endpoint, where a request can be made.
    pub endpoint: Option<Arc<String>>,
    /// Whether the request depends on the client-credential files beside the token file.
    pub needs_clients: bool,
    pub state: Arc<CredentialState>,
    /// The youngest successor of the refresh token, where a refresh replaced it.
    pub newest: Option<Fingerprint>,
    /// The endpoint, where it is in trouble.
    pub in_trouble: Option<String>,
    /// The time of the next refresh.
    pub plan: Plan,
    /// The oddities of the file.
    pub oddities: Vec<String>,
}

/// The facts for a judgement, beside the files.
pub(crate) struct ScanContext<'a> {
    pub providers: &'a Providers,
    pub environment: &'a Environment,
    pub state: &'a Store,
    /// The endpoints in trouble. A wait for another endpoint has ended.
    pub outages: &'a BTreeMap<String, Outage>,
    /// The time between a refresh and the expiry.
    pub buffer: Duration,
    /// The longest time until the next look.
    pub interval: Duration,
    /// Whether every token counts as due.
    pub forced: bool,
    /// Whether the configurations will be written, which need the access tokens.
    pub writes_configurations: bool,
    pub now: Timestamp,
}

impl ScanContext<'_> {
    /// The request that can be made for a token file, with these client credentials beside it.
    pub(super) fn resolution(&self, config: &CredentialConfig, clients: &[ClientFile]) -> Resolution {
        resolve(config, self.environment, clients, self.providers)
    }

    /// Whether a file with these metadata, which was read before, need not be read again.
    pub(super) fn trusts(&self, read: &LastRead, found: &Inode) -> bool {
        read.holds(found, self.now, self.interval)
    }
}

/// Judges a token file. `interrupted`: a crash left an unfinished refresh beside the file.
pub(super) fn judge(file: &TokenFile, interrupted: bool, context: &ScanContext<'_>) -> Credential {
    let document = &file.document;
    let mut source = TokenSource::of(file, context.providers, context.now);
    if context.writes_configurations {
        source = source.with_entry(document);
    }
    let monitored = if document.is_monitored_only() {
        Some("\"refresh\": false stands in it".to_owned())
    } else if document.raw("access_token").is_none()
        && source.refresh_hash.is_none()
        && document.has_access_token()
    {
        Some("it holds a bare token and nothing to refresh it with".to_owned())
    } else {
        None
    };
    let state = context.state.known_state(&source.name);
    let plan = match schedule(&source, &state, context.buffer).plan(context.now) {
        _ if interrupted && monitored.is_none() => Plan::Due,
        plan => plan,
    };
    let access_hash = context.forced.then(|| document.access_token()).flatten();
    Credential {
        access_hash: access_hash.map(|token| token.fingerprint()),
        oddities: document.oddities(),
        source,
        twin: None,
        monitored,
        unresolved: None,
        endpoint: None,
        needs_clients: false,
        state,
        newest: None,
        in_trouble: None,
        plan,
    }
}

fn schedule<'a>(source: &'a TokenSource, state: &'a CredentialState, buffer: Duration) -> Schedule<'a> {
    let TokenSource { life, has_access, refresh_hash, .. } = source;
    Schedule { life, has_access: *has_access, refresh_hash: *refresh_hash, state, buffer, outage: None }
}

impl Credential {
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }

    /// Judges an unchanged file again.
    pub(super) fn renew(&mut self, context: &ScanContext<'_>) {
        self.source.has_changed = false;
        self.plan = schedule(&self.source, &self.state, context.buffer).plan(context.now);
        self.meet_outage(context);
    }

    /// Takes over the request that can be made, or the reason why none can.
    pub(super) fn resolve(&mut self, resolution: Resolution, context: &ScanContext<'_>) {
        match resolution {
            Resolution::Refresh(request) => {
                self.endpoint = Some(Arc::new(request.endpoint_key()));
                self.meet_outage(context);
            }
            Resolution::Monitored(why) => self.monitored = Some(why),
            Resolution::Misconfigured(why) => self.unresolved = Some(why),
        }
    }

    /// Whether this cycle sends a request for the token.
    pub(super) fn is_about_to_ask(&self) -> bool {
        self.plan == Plan::Due && self.monitored.is_none() && self.newest.is_none()
    }

    /// The place among the due credentials.
    pub(super) fn rank(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        self.state.rank(self.source.life.expires_at)
    }

    /// Plans again where the endpoint is in trouble.
    fn meet_outage(&mut self, context: &ScanContext<'_>) {
        let Some(endpoint) = self.endpoint.as_deref().filter(|_| !context.outages.is_empty()) else { return };
        if let Some(outage) = context.outages.get(endpoint) {
            let schedule = schedule(&self.source, &self.state, context.buffer);
            if schedule.plan(context.now) == self.plan {
                self.plan = Schedule { outage: Some(outage), ..schedule }.plan(context.now);
            }
            self.in_trouble = Some(endpoint.to_owned());
        }
    }

    /// Plans again where the endpoint answers again.
    pub(super) fn forget_outage(&mut self, buffer: Duration, now: Timestamp) {
        self.in_trouble = None;
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether the refresh is due but must not be tried now.
    pub(crate) fn is_stuck(&self) -> bool {
        self.monitored.is_none() && matches!(self.plan, Plan::Waiting(_) | Plan::Blocked)
    }

    /// Reads the file again after a refresh, and plans again. Where the file cannot be read, the earlier facts are
    /// kept and the next look finds the change.
    pub(crate) fn look_again(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.source.read_again();
        self.state = state.known_state(&self.source.name);
        self.newest = self.source.refresh_hash.and_then(|hash| state.known_newest(hash));
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Plans again after a failed attempt.
    pub(crate) fn failed(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.state = state.known_state(&self.source.name);
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether another program refreshes this credential too. Its refresh token has changed without a failure, and
    /// this program did not change it.
    pub(crate) fn has_foreign_writer(&self) -> bool {
        let (Some(known), Some(present)) = (self.state.refresh_hash, self.source.refresh_hash) else {
            return false;
        };
        known != present
            && self.state.failure.is_none()
            && self.newest.is_none()
            && !written_by_us(&self.source.real, &self.source.stamp())
    }

    /// The facts for the status views.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            file: &self.source.name,
            in_configurations: in_configurations(&self.source.name),
            life: &self.source.life,
            has_access: self.source.has_access,
            refresh_hash: self.source.refresh_hash,
            monitored: self.monitored.as_deref(),
            unresolved: self.unresolved.as_deref(),
            remembered: &self.state,
            plan: self.plan,
        }
    }
}
