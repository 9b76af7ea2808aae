//! One HTTP exchange with the server, up to the header of the answer.
//!
//! No redirect is followed, and no request is repeated. A request counts as sent when the HTTP library reads the first
//! bytes of its body. By then the connection, the proxy and TLS are ready.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{self, HeaderMap, Method};
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, RustlsConnector, Transport,
};
use ureq::{Agent, SendBody, Timeout};

use super::guard::GuardConnector;
use super::socket::{ConnectionControl, Dialer, Progress};
use crate::oauth::{Addresses, Connecting, HttpSettings, connecting, connection_words, http_words};

/// The longest time for a name, and again for TCP, proxy and TLS together.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an idle connection is used again. Servers close one after 5 s at the earliest, and a request must not meet
/// that moment.
pub(super) const IDLE: Duration = Duration::from_millis(3500);

/// How long the addresses of the server's name are used. A request is tried for twice as long, so that it finds a
/// server that has moved.
const ADDRESSES_LAST: Duration = Duration::from_secs(10);

/// The largest header of an answer.
const LARGEST_HEADER: usize = 32 << 10;

/// The configuration of connections to one server, shared by all threads.
pub(super) struct Route {
    config: Config,
    tls: Shared,
    addresses: Addresses,
}

impl Route {
    /// Prepares connections to `url`. The error names the problem of the address or of a setting.
    pub(super) fn new(settings: &HttpSettings, url: &str) -> Result<Self, String> {
        let Connecting { proxy, tls } = connecting(settings, url)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .tls_config(tls)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .max_response_header_size(LARGEST_HEADER)
            .input_buffer_size(LARGEST_HEADER)
            .output_buffer_size(16 << 10)
            .max_idle_age(IDLE)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .user_agent(&settings.user_agent)
            .build();
        Ok(Self {
            config,
            tls: Shared(Arc::new(RustlsConnector::default())),
            addresses: Addresses::new(ADDRESSES_LAST),
        })
    }
}

/// The TLS settings of one server, which are built once.
#[derive(Clone, Debug)]
struct Shared(Arc<RustlsConnector>);

impl<In: Transport> Connector<In> for Shared {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
    }
}

/// The HTTP client of one thread: one connection at a time.
pub(super) struct Connection {
    agent: Agent,
    pub control: Arc<ConnectionControl>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Whether the request may have arrived.
    pub sent: bool,
    /// Whether another attempt may work in a moment: the server is not up, or its name does not resolve.
    pub passing: bool,
    /// The reason, in the words of a message.
    pub why: String,
}

/// The header of an answer, and its unread body.
pub(super) struct Incoming {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: ureq::BodyReader<'static>,
}

impl Incoming {
    /// The text of a header, if present.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Connection {
    pub(super) fn new(route: &Route) -> Self {
        let control = Arc::new(ConnectionControl::default());
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(Dialer { control: Arc::clone(&control), addresses: route.addresses.clone() })
                .chain(route.tls.clone())
                .chain(GuardConnector(Arc::clone(&control)));
        let agent = Agent::with_parts(route.config.clone(), connector, route.addresses.clone());
        Self { agent, control }
    }

    /// Sends a request and waits for the header of its answer, without a time limit.
    pub(super) fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<Incoming, Unanswered> {
        self.control.begin();
        let mut watched = BodyToSend { rest: body.unwrap_or_default(), asked: false };
        let mut request = http::Request::builder().method(method).uri(url);
        if let Some(all) = request.headers_mut() {
            *all = headers;
            if let Some(body) = body {
                all.insert(http::header::CONTENT_LENGTH, body.len().into());
            }
        }
        let outcome = match body {
            Some(_) => self.run(request.body(SendBody::from_reader(&mut watched))),
            None => self.run(request.body(SendBody::none())),
        };
        self.control.record(Progress::Answered);
        match outcome {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                // Events may come for ever; a reader of a document sets its own limit.
                let body = body.into_with_config().limit(u64::MAX).reader();
                Ok(Incoming { status: parts.status.as_u16(), headers: parts.headers, body })
            }
            Err(error) => Err(unanswered(&error, body.is_none() || watched.asked)),
        }
    }

    fn run(
        &self,
        request: http::Result<http::Request<SendBody<'_>>>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = request.map_err(ureq::Error::Http)?;
        // The library starts a thread for a name lookup, and panics where the system refuses the thread.
        catch_unwind(AssertUnwindSafe(|| self.agent.run(request)))
            .unwrap_or_else(|_| Err(io::Error::other("out of threads or memory").into()))
    }
}

/// A body that notices its first read.
struct BodyToSend<'a> {
    rest: &'a [u8],
    asked: bool,
}

impl Read for BodyToSend<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked = true;
        self.rest.read(buffer)
    }
}

/// A document that did not come whole.
pub(super) struct Broken {
    pub begun: Vec<u8>,
    pub why: String,
}

/// Reads a body that is one document.
pub(super) fn document(
    connection: &Connection,
    incoming: &mut Incoming,
    limit: usize,
) -> Result<Vec<u8>, Broken> {
    connection.control.limit_silence();
    let length = incoming
        .header(http::header::CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse::<usize>().ok());
    let too_large =
        |begun| Err(Broken { begun, why: "the server sent a message of more than 10 MiB".to_owned() });
    if length.is_some_and(|length| length > limit) {
        return too_large(Vec::new());
    }
    // With one byte more for a line end behind the body.
    let mut body = Vec::with_capacity(length.map_or(0, |length| length + 1));
    match incoming.body.by_ref().take(limit as u64 + 1).read_to_end(&mut body) {
        Ok(_) if body.len() > limit => too_large(body),
        Ok(_) => Ok(body),
        Err(error) => Err(Broken { begun: body, why: io_words(&error) }),
    }
}

fn unanswered(error: &ureq::Error, sent: bool) -> Unanswered {
    let passing = match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectProxyFailed(_) => true,
        // An error of a resolver has no special kind; a refused certificate is `InvalidData`.
        ureq::Error::Io(error) => error.kind() != io::ErrorKind::InvalidData,
        _ => false,
    };
    Unanswered { sent, passing: passing && !sent, why: words(error) }
}

/// The problem, in the words of a message. Unlike a token endpoint, a server may fall silent in an answer.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => http_words(error),
        ureq::Error::Timeout(_) => "it fell silent in the middle of its answer".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "the header of its answer is too large".to_owned(),
        ureq::Error::Io(error) => io_words(error),
        other => http_words(other),
    }
}

/// Like [`words`], for a stream: the HTTP library wraps its own errors into those of the connection.
pub(super) fn io_words(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    inner.map_or_else(|| connection_words(error), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_for_tls_to_other_machines_and_not_where_no_proxy_names_them() {
        let settings = HttpSettings {
            proxy: Some("http://proxy.example:3128".to_owned()),
            no_proxy: Some("corp.example, 10.0.0.0/8".to_owned()),
            ..HttpSettings::default()
        };
        for (url, proxied) in [
            ("https://mcp.example/mcp", true),
            ("https://mcp.corp.example/mcp", false),
            ("https://10.1.2.3/mcp", false),
            ("https://localhost:7860/mcp", false),
            ("http://127.0.0.1:7860/mcp", false),
        ] {
            assert_eq!(connecting(&settings, url).unwrap().proxy.is_some(), proxied, "{url}");
        }
        assert!(connecting(&HttpSettings::default(), "https://mcp.example/mcp").unwrap().proxy.is_none());
    }
}
