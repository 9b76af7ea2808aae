//! The choice of a redirect address, and of a listener for it.

use crate::oauth::{EndpointUrl, Redirect};

/// The path of this program's redirect addresses.
const PATH: &str = "/callback";

/// The port of this program's redirect address at providers with registered addresses only. A person enters the
/// address there once, so the port must be the same for every sign-in.
const FIXED_PORT: u16 = 47_823;

/// The target of the redirect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RedirectPlan {
    /// A port of 127.0.0.1, with a listener.
    Listen {
        /// The host as spelled in the address: the provider may know only one spelling.
        host: String,
        /// The port of a registered address; none: any free port.
        port: Option<u16>,
        path: String,
    },
    /// An address on another host. The person pastes the last address of the browser.
    Elsewhere(String),
}

/// Plans the redirect from the given or registered address and the provider's rule. `registers` says whether a client
/// will be registered with the address.
///
/// # Errors
/// The given address is not valid, or one must be given.
pub(super) fn plan(given: Option<&str>, takes: Redirect, registers: bool) -> Result<RedirectPlan, String> {
    let Some(given) = given else {
        let (host, port) = match takes {
            _ if registers => ("127.0.0.1", None),
            Redirect::Https => {
                return Err(
                    "this provider takes https redirect addresses only: register one there, and give it \
                            as --redirect-uri ADDRESS"
                        .to_owned(),
                );
            }
            Redirect::AnyPortLocalhost => ("localhost", None),
            Redirect::AnyPort => ("127.0.0.1", None),
            Redirect::Exact => ("127.0.0.1", Some(FIXED_PORT)),
        };
        return Ok(RedirectPlan::Listen { host: host.to_owned(), port, path: PATH.to_owned() });
    };
    let address = EndpointUrl::parse(given).map_err(|error| format!("redirect address {given}: {error}"))?;
    let ours = address.host == "localhost" || address.host == "127.0.0.1";
    let elsewhere = RedirectPlan::Elsewhere(given.to_owned());
    let Some(authority) = address.origin().strip_prefix("http://").filter(|_| ours) else {
        return Ok(elsewhere);
    };
    let path = &given[given.find(authority).map_or(0, |at| at + authority.len())..];
    if path.contains('?') {
        return Ok(elsewhere);
    }
    let any_port = matches!(takes, Redirect::AnyPort | Redirect::AnyPortLocalhost);
    let port = match authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) => Some(port),
        None if any_port => None,
        _ => return Ok(elsewhere),
    };
    Ok(RedirectPlan::Listen { host: address.host.clone(), port, path: path.to_owned() })
}

impl RedirectPlan {
    /// The path at which the listener expects the redirect.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Listen { path, .. } if !path.is_empty() => path,
            _ => "/",
        }
    }

    /// The address, with this port where none is fixed.
    pub(super) fn address(&self, free_port: u16) -> String {
        match self {
            Self::Listen { host, port, path } => format!("http://{host}:{}{path}", port.unwrap_or(free_port)),
            Self::Elsewhere(address) => address.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listened_to() {
        let listen = |host: &str, port, path: &str| {
            Ok(RedirectPlan::Listen { host: host.to_owned(), port, path: path.to_owned() })
        };
        let elsewhere = |address: &str| Ok(RedirectPlan::Elsewhere(address.to_owned()));
        for (given, takes, expected) in [
            (None, Redirect::AnyPort, listen("127.0.0.1", None, "/callback")),
            (None, Redirect::Exact, listen("127.0.0.1", Some(FIXED_PORT), "/callback")),
            (Some("http://127.0.0.1:8085"), Redirect::Exact, listen("127.0.0.1", Some(8085), "")),
            (None, Redirect::AnyPortLocalhost, listen("localhost", None, "/callback")),
            (Some("http://127.0.0.1:8085/cb"), Redirect::Exact, listen("127.0.0.1", Some(8085), "/cb")),
            (Some("http://localhost:8085/"), Redirect::Exact, listen("localhost", Some(8085), "/")),
            (Some("http://127.0.0.1/cb"), Redirect::AnyPort, listen("127.0.0.1", None, "/cb")),
            (Some("http://127.0.0.1/cb"), Redirect::Exact, elsewhere("http://127.0.0.1/cb")),
            (Some("https://app.example/cb"), Redirect::Https, elsewhere("https://app.example/cb")),
            (Some("http://[::1]:1/cb"), Redirect::Exact, elsewhere("http://[::1]:1/cb")),
            (Some("http://127.0.0.1:1/cb?x=y"), Redirect::Exact, elsewhere("http://127.0.0.1:1/cb?x=y")),
        ] {
            assert_eq!(plan(given, takes, false), expected, "{given:?} {takes:?}");
        }
        assert_eq!(plan(None, Redirect::Exact, true), listen("127.0.0.1", None, "/callback"));
        assert!(plan(None, Redirect::Https, false).unwrap_err().contains("--redirect-uri"));
        let error = plan(Some("callback"), Redirect::Exact, false).unwrap_err();
        assert!(error.starts_with("redirect address callback"), "{error}");
    }
}
