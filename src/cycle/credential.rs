//! One token file of a cycle: what it holds, what is remembered of it, and when it is refreshed.

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

/// One token file, and what is done about it.
pub(crate) struct Credential {
    pub source: TokenSource,
    /// Fingerprint of its access token, where a forced refresh or the file beside it must follow a change.
    pub access_hash: Option<Fingerprint>,
    /// The file for a shell beside it, which holds its access token too.
    pub twin: Option<String>,
    /// Why it is monitored only: nothing in it can be refreshed, or it says so.
    pub monitored: Option<String>,
    /// Why no request can be made for it: what its file, its provider or the environment lacks.
    pub unresolved: Option<String>,
    /// Its endpoint, where a request can be made for it.
    pub endpoint: Option<Arc<str>>,
    /// Whether the client-credential files beside it had a part in what can be done for it.
    pub needs_clients: bool,
    /// What is remembered of it.
    pub state: Arc<CredentialState>,
    /// Where a refresh replaced its refresh token: the youngest successor.
    pub newest: Option<Fingerprint>,
    /// Its endpoint, where that is in trouble.
    pub in_trouble: Option<String>,
    /// When it is to be refreshed.
    pub plan: Plan,
    /// What is strange about it.
    pub oddities: Vec<String>,
}

/// What a judgement needs beside the files.
pub(crate) struct ScanContext<'a> {
    pub providers: &'a Providers,
    pub environment: &'a Environment,
    pub state: &'a Store,
    /// The endpoints in trouble: a wait for one that is well again is over.
    pub outages: &'a BTreeMap<String, Outage>,
    /// How long before its expiry a token is due.
    pub buffer: Duration,
    /// How long it is to the next look at the latest.
    pub interval: Duration,
    /// Whether every token is to be refreshed, due or not.
    pub forced: bool,
    pub now: Timestamp,
}

impl ScanContext<'_> {
    /// What can be done for a token file with these client credentials beside it.
    pub(super) fn resolution(&self, config: &CredentialConfig, clients: &[ClientFile]) -> Resolution {
        resolve(config, self.environment, clients, self.providers).0
    }

    /// Whether a file that is `found` so and was read before need not be read again.
    pub(super) fn trusts(&self, read: &LastRead, found: &Inode) -> bool {
        read.holds(found, self.now, self.interval)
    }
}

/// Judges a token file. `interrupted`: a crash left an unfinished refresh beside it.
pub(super) fn judge(file: &TokenFile, interrupted: bool, context: &ScanContext<'_>) -> Credential {
    let document = &file.document;
    let source = TokenSource::of(file, context.providers, context.now);
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
    /// The file's name.
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }

    /// Judges a file anew that holds what it held in the last cycle.
    pub(super) fn renew(&mut self, context: &ScanContext<'_>) {
        self.source.has_changed = false;
        self.state = context.state.known_state(&self.source.name);
        (self.twin, self.newest, self.in_trouble) = (None, None, None);
        self.plan = schedule(&self.source, &self.state, context.buffer).plan(context.now);
        self.meet_outage(context);
    }

    /// Takes over what can be done for it.
    pub(super) fn resolve(&mut self, resolution: Resolution, context: &ScanContext<'_>) {
        match resolution {
            Resolution::Refresh(request) => {
                self.endpoint = Some(request.endpoint_key().into());
                self.meet_outage(context);
            }
            Resolution::Monitored(why) => self.monitored = Some(why),
            Resolution::Misconfigured(why) => self.unresolved = Some(why),
        }
    }

    /// Whether a request is made for it in this cycle.
    pub(super) fn is_about_to_ask(&self) -> bool {
        self.plan == Plan::Due && self.monitored.is_none() && self.newest.is_none()
    }

    /// Its place among the credentials that are due.
    pub(super) fn rank(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        self.state.rank(self.source.life.expires_at)
    }

    /// Plans anew where its endpoint is in trouble.
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

    /// Plans anew where its endpoint is well again.
    pub(super) fn forget_outage(&mut self, buffer: Duration, now: Timestamp) {
        self.in_trouble = None;
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether it is due and must not be refreshed now.
    pub(crate) fn is_stuck(&self) -> bool {
        self.monitored.is_none() && matches!(self.plan, Plan::Waiting(_) | Plan::Blocked)
    }

    /// Reads the file again and plans anew, after it was refreshed. What cannot be read now stays as it was: the next
    /// look finds the change.
    pub(crate) fn look_again(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.source.read_again();
        self.state = state.known_state(&self.source.name);
        self.newest = self.source.refresh_hash.and_then(|hash| state.known_newest(hash));
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Plans anew after an attempt that has failed.
    pub(crate) fn failed(&mut self, state: &Store, buffer: Duration, now: Timestamp) {
        self.state = state.known_state(&self.source.name);
        self.plan = schedule(&self.source, &self.state, buffer).plan(now);
    }

    /// Whether another program refreshes this credential too: its refresh token has changed while nothing was wrong
    /// with it, and this program did not change it.
    pub(crate) fn has_foreign_writer(&self) -> bool {
        let (Some(known), Some(present)) = (self.state.refresh_hash, self.source.refresh_hash) else {
            return false;
        };
        known != present
            && self.state.failure.is_none()
            && self.newest.is_none()
            && !written_by_us(&self.source.real, &self.source.stamp())
    }

    /// What is known of it, for the status views.
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
