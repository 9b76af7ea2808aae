//! The addresses behind the server's name, remembered for a moment.
//!
//! The HTTP library looks the name up for every request, in a thread of its own, also where its connection is open.
//! That is half of what a call costs, and a question to a name server each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long addresses are remembered. A request is tried for twice as long, so a server that moves is found by it.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The addresses of the name that was looked up last. Shared by all threads.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownAddresses(Arc<Mutex<Option<LookedUp>>>);

#[derive(Debug)]
struct LookedUp {
    name: Authority,
    addresses: ResolvedSocketAddrs,
    at: Instant,
}

impl KnownAddresses {
    /// No connection can be made to them: the next request looks the name up again.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remembered(&self, name: &Authority) -> Option<ResolvedSocketAddrs> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.as_ref().filter(|found| found.name == *name && found.at.elapsed() < REMEMBERED)?;
        Some(found.addresses.clone())
    }
}

impl Resolver for KnownAddresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = uri.authority();
        if let Some(addresses) = name.and_then(|name| self.remembered(name)) {
            return Ok(addresses);
        }
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        if let Some(name) = name.cloned() {
            let found = LookedUp { name, addresses: addresses.clone(), at: Instant::now() };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_looked_up_again_until_its_addresses_are_old_or_of_no_use() {
        let addresses = KnownAddresses::default();
        let name = || Authority::from_static("nosuch.invalid:80");
        let mut there = addresses.empty();
        there.push("127.0.0.1:80".parse().unwrap());
        let found =
            |at| *addresses.0.lock().unwrap() = Some(LookedUp { name: name(), addresses: there.clone(), at });
        let begun = Instant::now();
        found(begun);
        // A lookup would find nothing.
        let uri = Uri::from_static("http://nosuch.invalid:80/mcp");
        let timeout = NextTimeout { after: Duration::from_secs(1).into(), ..NextTimeout::default() };
        assert_eq!(addresses.resolve(&uri, &Config::default(), timeout).unwrap(), there);
        assert!(addresses.remembered(&Authority::from_static("nosuch.invalid:81")).is_none());
        addresses.forget();
        assert!(addresses.remembered(&name()).is_none());
        found(begun.checked_sub(REMEMBERED).unwrap());
        assert!(addresses.remembered(&name()).is_none());
    }
}
