//! The addresses of a host, for the HTTP library.
//!
//! The library looks the addresses up before every request, even for an open connection. A lookup with a time limit
//! takes a thread, so few are made: none for a literal address, and one in a while for a name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration;

/// Looks up addresses. Copies share their results.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// How long the addresses of a name are used.
    longest: std::time::Duration,
    /// The results by scheme, host and port, with the time of the lookup.
    known: Arc<Mutex<BTreeMap<String, (Instant, ResolvedSocketAddrs)>>>,
}

impl Addresses {
    /// A name is looked up again after `longest`.
    pub(crate) fn new(longest: std::time::Duration) -> Self {
        Self { longest, known: Arc::default() }
    }

    /// Forgets all results, after no connection could be made: the next request looks its name up again.
    pub(crate) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            // A lookup of a literal address needs no time limit, and without one no thread is started.
            return DefaultResolver::default().resolve(
                uri,
                config,
                NextTimeout { after: Duration::NotHappening, ..timeout },
            );
        }
        let key = key(uri);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, addresses)) = known().get(&key).filter(|(at, _)| at.elapsed() < self.longest) {
            return Ok(addresses.clone());
        }
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        known().insert(key, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

fn key(uri: &Uri) -> String {
    format!("{:?} {:?}", uri.scheme(), uri.authority())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_address_and_a_known_name_take_no_time() {
        let addresses = Addresses::new(std::time::Duration::from_secs(5));
        let at_once = |uri: &str| {
            let timeout = NextTimeout { after: Duration::from_secs(0), ..NextTimeout::default() };
            let found = addresses.resolve(&uri.parse().unwrap(), &Config::default(), timeout);
            found.ok().map(|found| found[0].to_string())
        };
        assert_eq!(at_once("http://127.0.0.1:80/").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(at_once("https://[::1]/").as_deref(), Some("[::1]:443"));
        for (uri, age, expected) in
            [("http://new.invalid/", 0, Some("192.0.2.1:1")), ("http://old.invalid/", 6, None)]
        {
            let mut found = addresses.empty();
            found.push(([192, 0, 2, 1], 1).into());
            let at = Instant::now().checked_sub(std::time::Duration::from_secs(age)).unwrap();
            addresses.known.lock().unwrap().insert(key(&uri.parse().unwrap()), (at, found));
            assert_eq!(at_once(uri).as_deref(), expected, "{uri}");
        }
        assert_eq!(at_once("https://new.invalid/"), None, "another port");
        addresses.clone().forget();
        assert_eq!(at_once("http://new.invalid/"), None);
    }
}
