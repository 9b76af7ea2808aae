//! The address of a token endpoint: the accepted forms, and the text for messages.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

/// A checked `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointUrl {
    pub url: String,
    /// The URL without its query, which may hold a secret that no log may show.
    pub shown: String,
    /// The host in lower case; an IPv6 address without its brackets.
    pub host: String,
    pub secure: bool,
}

/// Why a text is no address of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadUrl {
    /// The text has a fragment.
    Fragment,
    /// The text is no URL.
    NoUrl,
    /// The scheme is neither `https` nor `http`.
    Scheme,
    /// The URL has no host.
    NoHost,
    /// The URL has a user name or a password.
    UserInfo,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Fragment => "a token endpoint has no fragment (RFC 6749 3.2)",
            Self::NoUrl => "it is not a URL",
            Self::Scheme => "it does not begin with https://",
            Self::NoHost => "it has no host",
            Self::UserInfo => "user name and password do not belong into a URL",
        })
    }
}

impl EndpointUrl {
    /// Checks a URL of an endpoint.
    pub(crate) fn parse(url: &str) -> Result<Self, BadUrl> {
        let url = url.trim();
        if url.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| BadUrl::NoUrl)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadUrl::Scheme),
        };
        let authority = uri.authority().ok_or(BadUrl::NoHost)?.as_str();
        if authority.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(BadUrl::NoHost);
        }
        let scheme = if secure { "https://" } else { "http://" };
        let shown = [scheme, &authority.to_ascii_lowercase(), uri.path()].concat();
        Ok(Self { url: url.to_owned(), shown, host, secure })
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        let authority = self.shown.find("://").map_or(0, |at| at + 3);
        let path = self.shown[authority..].find('/').map_or(self.shown.len(), |at| authority + at);
        &self.shown[..path]
    }

    /// Whether the host is this machine, by its name or as a literal address. A name that merely resolves to this
    /// machine does not count, since a resolver can be deceived.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether the host is `domain` or a name in it.
    pub(crate) fn lies_in(&self, domain: &str) -> bool {
        self.host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_is() {
        let endpoint = EndpointUrl::parse(" https://IDP.example:8443/a/token?p=policy ").unwrap();
        assert_eq!(endpoint.url, "https://IDP.example:8443/a/token?p=policy");
        assert_eq!(endpoint.shown, "https://idp.example:8443/a/token");
        assert_eq!(endpoint.host, "idp.example");
        assert_eq!(endpoint.origin(), "https://idp.example:8443");
        assert!(endpoint.secure);
        for (url, complaint) in [
            ("", "not a URL"),
            ("idp.example/token", "not a URL"),
            ("/token", "https://"),
            ("ftp://idp.example/", "https://"),
            ("https://", "not a URL"),
            ("https://user:word@idp.example/", "user name"),
            ("https://idp.example/#x", "fragment"),
            ("https://idp example/", "not a URL"),
        ] {
            let error = EndpointUrl::parse(url).unwrap_err();
            assert!(error.to_string().contains(complaint), "{url}: {error}");
        }
    }

    #[test]
    fn loopback_is_a_name_or_a_literal() {
        for (url, loopback) in [
            ("http://localhost:1/", true),
            ("http://LOCALHOST/", true),
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9:80/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost.evil.example/", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(EndpointUrl::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }

    #[test]
    fn a_domain_covers_its_subdomains_only() {
        let endpoint = EndpointUrl::parse("https://a.auth0.com/").unwrap();
        assert!(endpoint.lies_in("auth0.com") && endpoint.lies_in("a.auth0.com"));
        assert!(!endpoint.lies_in("uth0.com") && !endpoint.lies_in("b.a.auth0.com"));
    }
}
