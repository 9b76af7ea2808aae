//! Addresses of MCP servers: the texts that are addresses, and the addresses with one origin.

use ureq::http::Uri;

/// An `http` or `https` address without user name and password.
pub(super) struct Address(Uri);

impl Address {
    /// Reads an address; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok().filter(|_| !text.contains('#'))?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority()?.as_str();
        (known && !authority.contains('@') && !uri.host()?.is_empty()).then_some(Self(uri))
    }

    /// Whether a request to both goes to the same scheme, host and port (RFC 6454).
    pub(super) fn has_origin_of(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }

    fn origin(&self) -> (bool, String, u16) {
        let secure = self.is_secure();
        let port = self.0.port_u16().unwrap_or(if secure { 443 } else { 80 });
        (secure, self.0.host().unwrap_or_default().to_ascii_lowercase(), port)
    }

    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether the host is this machine by one of its usual names.
    pub(super) fn is_this_machine(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        matches!(host.to_ascii_lowercase().as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    pub(super) fn path(&self) -> &str {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let address = |text| Address::parse(text).unwrap();
        for (one, other, same) in [
            ("https://gw.example", "https://GW.example:443/mcp/x", true),
            ("http://gw.example:80/", "http://gw.example", true),
            ("https://gw.example", "http://gw.example", false),
            ("https://gw.example", "https://gw.example:8443", false),
            ("https://gw.example", "https://gw.example.evil.example", false),
            ("https://gw.example", "https://evil.example/https://gw.example", false),
            ("https://gw.example", "https://gw.example.", false),
        ] {
            assert_eq!(address(one).has_origin_of(&address(other)), same, "{one} {other}");
        }
        for bad in [
            "",
            "/mcp",
            "gw.example/mcp",
            "ftp://gw.example",
            "https://",
            "https://a@gw.example",
            "https:///x",
        ] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
        for bad in
            ["https://gw.example/#x", "https://gw example/", "https://gw.example/\n", "javascript:alert(1)"]
        {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }
}
