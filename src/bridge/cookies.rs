//! The server's cookies, by which load balancers find the machine with the session. Kept in memory only.

use std::sync::{Mutex, PoisonError};

use ureq::http::header::{COOKIE, SET_COOKIE};
use ureq::http::{HeaderMap, HeaderValue};

/// The cookies of one origin. The bridge uses one address, so paths and domains do not matter.
#[derive(Default)]
pub(super) struct Cookies(Mutex<Vec<(String, String)>>);

impl Cookies {
    /// Stores the cookies that an answer sets.
    pub(super) fn take(&self, answer: &HeaderMap) {
        for value in answer.get_all(SET_COOKIE) {
            let Some(Cookie { name, value, ended }) = value.to_str().ok().and_then(cookie) else { continue };
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(other, _)| other != name);
            if !ended {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Adds the cookies to a request.
    pub(super) fn add_to(&self, request: &mut HeaderMap) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if let (false, Ok(mut value)) = (pairs.is_empty(), HeaderValue::from_str(&pairs.join("; "))) {
            value.set_sensitive(true);
            request.insert(COOKIE, value);
        }
    }
}

struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    /// Whether the server removes the cookie.
    ended: bool,
}

/// Reads a `Set-Cookie` (RFC 6265 5.2). Of dates in the past only those in 1970 count, with which servers remove a
/// cookie.
fn cookie(text: &str) -> Option<Cookie<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let ended = parts.filter_map(|part| part.split_once('=')).any(|(attribute, value)| {
        let (attribute, value) = (attribute.trim().to_ascii_lowercase(), value.trim());
        attribute == "max-age" && value.parse::<i64>().is_ok_and(|seconds| seconds <= 0)
            || attribute == "expires" && value.contains("1970")
    });
    (!name.is_empty()).then_some(Cookie { name, value, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_comes_back() {
        let cookies = Cookies::default();
        let sent = |set: &[&'static str]| {
            let mut answer = HeaderMap::new();
            for value in set {
                answer.append(SET_COOKIE, HeaderValue::from_static(value));
            }
            cookies.take(&answer);
            let mut request = HeaderMap::new();
            cookies.add_to(&mut request);
            request.get(COOKIE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(sent(&["nonsense", "=x"]), None);
        let both = &["AWSALB=a=b; Path=/; Expires=Wed, 02 Dec 2026 00:00:00 GMT; HttpOnly", " s = 1 ;Secure"];
        assert_eq!(sent(both).as_deref(), Some("AWSALB=a=b; s=1"));
        assert_eq!(sent(&["s=2"]).as_deref(), Some("AWSALB=a=b; s=2"));
        assert_eq!(sent(&["s=; Max-Age=0", "AWSALB=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]), None);
    }
}
