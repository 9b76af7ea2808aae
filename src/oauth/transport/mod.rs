//! One HTTP exchange: the answer, and whether the request left.
//!
//! Nothing is retried and no redirect is followed. The body is handed over as a reader, and the refresh token is
//! nowhere else. The connection, a proxy's CONNECT and the TLS handshake come before the first read. So a reader that
//! was never read has sent nothing. The HTTP library's error alone does not suffice: the same kinds occur on both sides
//! of that moment.

mod addresses;
mod no_reply;
mod reply;

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::config::Config;
use ureq::http;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::{Connector as _, DefaultConnector};
use ureq::{Agent, Proxy, ProxyProtocol, SendBody};

use super::endpoint::EndpointUrl;
use super::proxy;
use super::response_head::{HeadConnector, LARGEST_HEAD};
pub(crate) use addresses::Addresses;
use no_reply::no_reply;
pub(super) use no_reply::{Cause, NoReply};
pub(crate) use no_reply::{connection_words, http_words};
pub(crate) use reply::AnswerConnection;
pub(super) use reply::Reply;
use reply::read;

/// How long an idle connection is reused, within a cycle. The server may be closing an older one, and a request then
/// would be in doubt for nothing.
const OLDEST_CONNECTION: Duration = Duration::from_secs(5);

/// The size of the two buffers of a connection. The library's own are eight times as large, and cleared first. A longer
/// body passes through in parts, and a head is kept elsewhere. One header that is sent must fit.
const BUFFER: usize = 16 << 10;

/// The settings of HTTP connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    /// `HTTPS_PROXY`: the proxy for https endpoints. Plain http (loopback and `--allow-http`) never uses a proxy.
    pub proxy: Option<String>,
    /// `NO_PROXY`
    pub no_proxy: Option<String>,
    /// The text of the file that `SSL_CERT_FILE` names, in place of the built-in roots.
    pub root_certificates: Option<Vec<u8>>,
    /// Hosts whose plain http is accepted.
    pub allow_http: Vec<String>,
    /// The longest time for TCP and TLS together, and as long for the host's name.
    pub connect_timeout: Duration,
    /// The longest time for the whole exchange.
    pub total_timeout: Duration,
    /// `User-Agent`
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            proxy: None,
            no_proxy: None,
            root_certificates: None,
            allow_http: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            user_agent: concat!("token-refresher/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Sends requests. Shared by the worker threads of a cycle.
pub(super) struct HttpTransport {
    direct: Config,
    proxied: Option<Config>,
    no_proxy: String,
    allow_http: Vec<String>,
    /// Made when first needed. Dropping the agents after a cycle closes their idle connections.
    agents: Mutex<[Option<Agent>; 2]>,
}

impl HttpTransport {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, String> {
        let tls = tls(settings)?;
        let config = |proxy: Option<Proxy>| {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .proxy(proxy)
                .tls_config(tls.clone())
                .timeout_resolve(Some(settings.connect_timeout))
                .timeout_connect(Some(settings.connect_timeout))
                .timeout_global(Some(settings.total_timeout))
                .max_response_header_size(LARGEST_HEAD)
                .input_buffer_size(BUFFER)
                .output_buffer_size(BUFFER)
                .max_idle_age(OLDEST_CONNECTION)
                .max_idle_connections(16)
                .max_idle_connections_per_host(8)
                .accept("application/json")
                .accept_encoding("identity")
                .user_agent(&settings.user_agent)
                .build()
        };
        let proxy = proxy(settings)?;
        Ok(Self {
            direct: config(None),
            proxied: proxy.map(|proxy| config(Some(proxy))),
            no_proxy: settings.no_proxy.clone().unwrap_or_default(),
            allow_http: settings
                .allow_http
                .iter()
                .map(|host| host.trim().trim_matches(['[', ']']).to_ascii_lowercase())
                .collect(),
            agents: Mutex::new([None, None]),
        })
    }

    /// Whether the endpoint may be used: https, or plain http that was allowed.
    pub(super) fn permits(&self, endpoint: &EndpointUrl) -> bool {
        endpoint.secure || endpoint.is_loopback() || self.allow_http.contains(&endpoint.host)
    }

    /// Closes idle connections.
    pub(super) fn close_idle(&self) {
        *self.agents.lock().unwrap_or_else(PoisonError::into_inner) = [None, None];
    }

    /// The configuration with the proxy, if the endpoint is reached through it.
    fn proxied(&self, endpoint: &EndpointUrl) -> Option<&Config> {
        let direct =
            !endpoint.secure || endpoint.is_loopback() || proxy::bypasses(&self.no_proxy, &endpoint.host);
        self.proxied.as_ref().filter(|_| !direct)
    }

    /// Host and port of the proxy on the way to the endpoint, for messages.
    pub(super) fn proxy_of(&self, endpoint: &EndpointUrl) -> Option<String> {
        let proxy = self.proxied(endpoint)?.proxy()?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }

    fn agent(&self, endpoint: &EndpointUrl) -> Agent {
        let (index, config) = self.proxied(endpoint).map_or((0, &self.direct), |config| (1, config));
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents[index]
            .get_or_insert_with(|| {
                let proxy = config.proxy().map(|proxy| (proxy.host().to_owned(), proxy.port()));
                let connector = DefaultConnector::new().chain(HeadConnector { proxy });
                Agent::with_parts(config.clone(), connector, Addresses::new(OLDEST_CONNECTION))
            })
            .clone()
    }

    /// Sends a POST with that body; the request has every header but `content-length`. `before` is called on the open
    /// connection, just before the body leaves; its error keeps the body back.
    pub(super) fn post(
        &self,
        endpoint: &EndpointUrl,
        request: http::request::Builder,
        body: &str,
        before: &dyn Fn() -> io::Result<()>,
    ) -> Result<Reply, NoReply> {
        let mut watched = Watched { rest: body.as_bytes(), asked: false, before };
        let request = request
            .method("POST")
            .uri(&endpoint.url)
            .header("content-length", body.len())
            .body(SendBody::from_reader(&mut watched));
        let outcome = match request {
            Ok(request) => run(|| self.agent(endpoint).run(request)),
            Err(error) => Err(ureq::Error::Http(error)),
        };
        outcome.map(read).map_err(|error| no_reply(&error, watched.asked))
    }

    /// Sends a GET, for metadata.
    pub(super) fn get(&self, endpoint: &EndpointUrl) -> Result<Reply, NoReply> {
        run(|| self.agent(endpoint).get(&endpoint.url).call())
            .map(read)
            .map_err(|error| no_reply(&error, true))
    }

    /// Sends a DELETE with this `Authorization`.
    pub(super) fn delete(
        &self,
        endpoint: &EndpointUrl,
        authorization: http::HeaderValue,
    ) -> Result<Reply, NoReply> {
        let request = || self.agent(endpoint).delete(&endpoint.url).header("authorization", authorization);
        run(|| request().call()).map(read).map_err(|error| no_reply(&error, true))
    }
}

/// Turns a panic of the library into a failure of this request alone. The library starts a thread for a name lookup,
/// and panics where the system refuses the thread.
fn run<T>(exchange: impl FnOnce() -> Result<T, ureq::Error>) -> Result<T, ureq::Error> {
    catch_unwind(AssertUnwindSafe(exchange)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        // The panic's text is not repeated, since it may quote a secret.
        Err(ureq::Error::Io(if text.contains("spawn") {
            io::Error::new(io::ErrorKind::OutOfMemory, "out of threads or memory")
        } else {
            io::Error::other("the HTTP library failed")
        }))
    })
}

/// A proxy of a kind that the HTTP library supports.
fn parsed_proxy(address: &str) -> Result<Proxy, String> {
    // The address may hold a password, so it is not repeated.
    let proxy = Proxy::new(address)
        .map_err(|_| "HTTPS_PROXY is not the address of a proxy: use http://HOST:PORT".to_owned())?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => {
            let scheme = address.split("://").next().unwrap_or_default().to_ascii_lowercase();
            Err(format!("HTTPS_PROXY names a {scheme} proxy, which is not supported: use http://HOST:PORT"))
        }
    }
}

/// The proxy and the roots for connections to an address.
pub(crate) struct Connecting {
    pub proxy: Option<Proxy>,
    pub tls: TlsConfig,
}

/// The proxy and the roots for connections to `url`, for another part of the program that uses HTTP.
pub(crate) fn connecting(settings: &HttpSettings, url: &str) -> Result<Connecting, String> {
    let endpoint = EndpointUrl::parse(url).map_err(|error| error.to_string())?;
    let proxied = endpoint.secure && !endpoint.is_loopback();
    let bypasses = proxy::bypasses(settings.no_proxy.as_deref().unwrap_or_default(), &endpoint.host);
    let proxy = if proxied && !bypasses { proxy(settings)? } else { None };
    Ok(Connecting { proxy, tls: tls(settings)? })
}

fn tls(settings: &HttpSettings) -> Result<TlsConfig, String> {
    let roots = match &settings.root_certificates {
        None => RootCerts::WebPki,
        Some(pem) => roots(pem)?,
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn proxy(settings: &HttpSettings) -> Result<Option<Proxy>, String> {
    let address = settings.proxy.as_deref().map(str::trim).filter(|proxy| !proxy.is_empty());
    address.map(parsed_proxy).transpose()
}

fn roots(pem: &[u8]) -> Result<RootCerts, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err("SSL_CERT_FILE does not name a PEM file".to_owned()),
        }
    }
    if certificates.is_empty() {
        return Err("SSL_CERT_FILE names a file without a certificate".to_owned());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// A body that notices its first read, and calls `before` just then.
struct Watched<'a> {
    rest: &'a [u8],
    asked: bool,
    before: &'a dyn Fn() -> io::Result<()>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.asked {
            (self.before)()?;
            self.asked = true;
        }
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests;
