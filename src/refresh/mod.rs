//! One credential: lock, read again, reserve, ask, replace.
//!
//! The order of the steps is the promise "nothing is lost, nothing is spent twice" (design section
//! 5). [`chain`] takes the files that hold one refresh token, [`request`] holds the steps in their order;
//! the others are its parts: [`member`] what is true under the lock, [`settle`] what a crash left there, [`precautions`] what is made sure
//! before a token is sent, [`mark`] the note that it is on its way, [`understand`] and [`storing`] what
//! happens with the answer, [`verdict`] what a failure means, [`standing`] what is remembered between
//! attempts, [`endpoints`] which endpoints are in trouble, [`copies`] what to do with old copies,
//! [`leftovers`] with what a crash left beside files that are not refreshed, [`stop`] what a stop waits for.

mod chain;
mod copies;
pub(crate) mod endpoints;
pub(crate) mod hints;
mod leftovers;
mod lifetime;
mod mark;
mod member;
mod precautions;
mod request;
mod settle;
pub(crate) mod standing;
mod stop;
mod storing;
mod understand;
pub(crate) mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::oauth::{ClientFile, Providers, Resolution, TokenClient};
use crate::tokens::Document;

pub(crate) use chain::{Reports, refresh};
pub(crate) use copies::heal_from;
pub(crate) use endpoints::Endpoints;
pub(crate) use leftovers::{settle_leftover, written_by_us};
pub(crate) use standing::{Gate, Kind, Standing, Trouble};
pub(crate) use stop::Stop;
pub(crate) use storing::Storing;
pub(crate) use verdict::BUSY_AGAIN;

/// What the steps need beside the files: the same for every credential of a cycle.
pub(crate) struct Context<'a> {
    /// The tokens directory.
    pub directory: &'a Path,
    /// The token endpoints' client.
    pub client: &'a TokenClient,
    /// The providers that are known.
    pub providers: &'a Providers,
    /// The client-credential files beside the tokens.
    pub clients: &'a [ClientFile],
    /// Looks up an environment variable (`.env` included).
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Endpoints in trouble.
    pub endpoints: &'a Endpoints,
    /// What earlier attempts left to know.
    pub memory: &'a dyn Memory,
    /// How long before its expiry a token is due.
    pub buffer: Duration,
    /// After which a local problem is tried again.
    pub interval: Duration,
    /// How long a busy lock is waited for.
    pub patience: Duration,
    /// Whether the process has been told to stop.
    pub stop: &'a Stop,
    /// A person's word (`--force`): due or not, whatever stands against it. Fingerprints of the
    /// access tokens that the process read first, by file name.
    pub force: Option<&'a BTreeMap<String, Option<String>>>,
    /// All files with this refresh token (by fingerprint), looked for anew.
    pub chain_of: &'a (dyn Fn(&str) -> Vec<String> + Sync),
}

/// What is remembered of the credentials, shared with other processes.
pub(crate) trait Memory: Sync {
    /// What is known of a file now, other processes' latest attempts included.
    fn standing(&self, file: &str) -> Standing;
    /// Remembers it. A failure to do so is reported elsewhere: it must not stop a refresh.
    fn record(&self, file: &str, standing: Standing);
    /// The fingerprint of the youngest token that took the place of the refresh token with this
    /// fingerprint, where an answer of ours replaced it in any file.
    fn newest(&self, token: &str) -> Option<String>;
}

/// What became of one file in one attempt. No variant holds a secret that can be printed.
pub(crate) enum Report {
    /// It holds new tokens. With what deserves a warning.
    Refreshed(Vec<String>),
    /// Another process has refreshed it, or somebody signed in; what it holds is used.
    Adopted,
    /// A process died while it was storing an answer, which has been brought into place now.
    Finished,
    /// It got the new refresh token of its chain and keeps its own access token.
    Followed,
    /// It was an old copy, and got the refresh token of the file called so.
    Healed(String),
    /// Somebody signed in while it was being asked for; theirs stays, ours is dropped.
    SignedInMeanwhile,
    /// It is not there any more.
    Gone,
    /// Another process is refreshing it at this moment.
    Busy,
    /// The process was told to stop before anything was sent.
    Stopped,
    /// It is not asked for before this time (the endpoint is in trouble, or an earlier attempt set a delay).
    Waiting(Timestamp),
    /// Nothing can be asked for with what it holds: why.
    Monitored(String),
    /// It was asked for, or something stands against asking; remembered as its trouble.
    Failed(Trouble),
    /// It cannot be read or used any more: why.
    Unusable(String),
    /// The endpoint has answered and the answer is not in the file yet: the names of the files are in
    /// the value, which must be tried again until it is done.
    Held(Box<Storing>),
}

impl Context<'_> {
    /// Runs `act` with the patience that this process has for busy locks.
    fn patiently<T>(&self, act: impl FnOnce(&member::Patience<'_>) -> T) -> T {
        let give_up = || self.stop.is_asked();
        act(&member::Patience { longest: self.patience, give_up: &give_up })
    }

    /// How `document` can be refreshed. Says at DEBUG which rule found what.
    pub(crate) fn resolve(&self, file: &str, document: &Document) -> Resolution {
        let hints =
            hints::of(file, document, self.providers.longest_name_prefix(crate::tokens::name::stem(file)));
        let (resolution, trail) =
            crate::oauth::resolve(&hints, &|name| (self.variable)(name), self.clients, self.providers);
        for line in trail {
            log::debug!(target: "REFRESH", "{file}: {line}");
        }
        resolution
    }
}
