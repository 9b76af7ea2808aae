//! A strict MCP server for tests, of both eras. A client's mistake is an error for the client and a failure of the
//! test. A test's own behaviour comes first: [`Server::behave`].

pub(crate) mod http;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use serde_json::{Value, json};

pub(crate) use http::{Events, Reply, Seen};

/// The newest revision with sessions.
pub(crate) const OLD: &str = "2025-11-25";
/// The revision without sessions.
pub(crate) const NEW: &str = "2026-07-28";

/// A test's own behaviour: `true` for an answered request.
type Behaviour = dyn Fn(&Seen, &Reply) -> bool + Send + Sync;

/// The server.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
    connections: AtomicUsize,
    /// All connections, to be closed when the server stops.
    open: Mutex<Vec<TcpStream>>,
}

struct State {
    seen: Vec<Seen>,
    /// The accepted tokens; empty for all.
    tokens: Vec<String>,
    /// The version of each session, and whether its handshake is over.
    sessions: HashMap<String, (String, bool)>,
    begun: usize,
    /// The standing streams that are open.
    streams: Vec<Events>,
    behaviour: Option<Arc<Behaviour>>,
    wrong: Vec<String>,
    capabilities: Value,
}

/// An address that refuses connections, and that no other test gets meanwhile. A server may start there.
pub(crate) struct Refusing(OwnedFd);

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        rustix::net::getsockname(&self.0).unwrap().try_into().unwrap()
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    /// Starts a server whose system takes only a few kilobytes that the server has not read yet: a large request has
    /// left the client when the server has read it, however busy the machine is.
    pub(crate) fn start_with_small_buffers() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        Self::serve(listener)
    }

    /// Starts at the address of another server.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let begun = Instant::now();
        let listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(error) if begun.elapsed() > Duration::from_secs(10) => panic!("{address}: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        Self::serve(listener)
    }

    fn serve(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = State {
            seen: Vec::new(),
            tokens: Vec::new(),
            sessions: HashMap::new(),
            begun: 0,
            streams: Vec::new(),
            behaviour: None,
            wrong: Vec::new(),
            capabilities: json!({"tools": {"listChanged": true}, "logging": {}}),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopped.load(Ordering::Acquire) {
                    return;
                }
                let (own, Ok(stream)) = (Arc::clone(&own), stream) else { continue };
                own.open.lock().unwrap().extend(stream.try_clone());
                let number = own.connections.fetch_add(1, Ordering::AcqRel);
                std::thread::spawn(move || {
                    // In many tests the client goes away.
                    let _ = http::serve(stream, number, |seen, reply| own.handle(&seen, &reply));
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's address: `REGISTRY_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a behaviour. The server answers the requests that the behaviour leaves.
    pub(crate) fn behave(&self, behaviour: impl Fn(&Seen, &Reply) -> bool + Send + Sync + 'static) {
        self.state().behaviour = Some(Arc::new(behaviour));
    }

    /// Behaves as always again.
    pub(crate) fn behave_well(&self) {
        self.state().behaviour = None;
    }

    /// Accepts these tokens only.
    pub(crate) fn accept(&self, tokens: &[&str]) {
        self.state().tokens = tokens.iter().map(|&token| token.to_owned()).collect();
    }

    /// Sets the announced capabilities.
    pub(crate) fn announce(&self, capabilities: Value) {
        self.state().capabilities = capabilities;
    }

    /// Forgets all sessions and cuts their streams.
    pub(crate) fn forget_sessions(&self) {
        let mut state = self.state();
        state.sessions.clear();
        state.streams.drain(..).for_each(|stream| stream.cut());
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Sends on all standing streams; returns their number.
    pub(crate) fn push(&self, message: &str) -> usize {
        let streams = self.state().streams.clone();
        streams.iter().filter(|stream| stream.message(message)).count()
    }

    /// The standing streams that are open.
    pub(crate) fn streams(&self) -> Vec<Events> {
        self.state().streams.clone()
    }

    /// Cuts all standing streams.
    pub(crate) fn cut_streams(&self) {
        self.state().streams.drain(..).for_each(|stream| stream.cut());
    }

    /// Waits for an open standing stream.
    pub(crate) fn wait_for_stream(&self) {
        self.wait("a standing stream", |state| !state.streams.is_empty());
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// The requests with messages of this method.
    pub(crate) fn calls(&self, rpc: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.rpc() == rpc).collect()
    }

    /// Waits until so many messages of this method have come.
    pub(crate) fn wait_for(&self, rpc: &str, count: usize) -> Vec<Seen> {
        self.wait(rpc, |state| state.seen.iter().filter(|seen| seen.rpc() == rpc).count() >= count);
        self.calls(rpc)
    }

    /// Waits until so many HTTP requests of this method have come.
    pub(crate) fn wait_for_http(&self, method: &str, count: usize) {
        self.wait(method, |state| state.seen.iter().filter(|seen| seen.method == method).count() >= count);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Stops; the address is free again soon.
    pub(crate) fn stop(self) {
        drop(self);
    }

    fn wait(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let state = self.state();
        let limit = Duration::from_secs(20);
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !condition(state)).unwrap();
        assert!(!waited.1.timed_out(), "waited for {what}; came: {:#?}", summary(&waited.0.seen));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

fn summary(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|seen| format!("{} {}", seen.method, seen.text().chars().take(200).collect::<String>()))
        .collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if !std::thread::panicking() {
            assert!(state.wrong.is_empty(), "the client did wrong: {:#?}", state.wrong);
        }
    }
}

impl Shared {
    fn handle(&self, seen: &Seen, reply: &Reply) {
        if self.stopped.load(Ordering::Acquire) {
            reply.cut();
            return;
        }
        let (behaviour, tokens) = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(seen.clone());
            self.changed.notify_all();
            (state.behaviour.clone(), state.tokens.clone())
        };
        let token = seen.header("authorization").unwrap_or_default();
        if !tokens.is_empty() && !tokens.iter().any(|accepted| token == format!("Bearer {accepted}")) {
            reply.send(401, &[("WWW-Authenticate", "Bearer error=\"invalid_token\"")], b"");
            return;
        }
        if behaviour.is_some_and(|behaviour| behaviour(seen, reply)) {
            return;
        }
        match seen.method.as_str() {
            "POST" if seen.header("mcp-protocol-version") == Some(NEW) => self.modern(seen, reply),
            "POST" => self.old(seen, reply),
            "GET" => self.stream(seen, reply),
            "DELETE" => {
                let id = seen.header("mcp-session-id").unwrap_or_default();
                let known = self.state.lock().unwrap().sessions.remove(id).is_some();
                reply.send(if known { 204 } else { 404 }, &[], b"");
            }
            _ => reply.send(405, &[], b""),
        }
    }

    fn wrong(&self, what: &str, seen: &Seen) {
        self.state.lock().unwrap().wrong.push(format!(
            "{what}: {} {:?} {}",
            seen.method,
            seen.headers,
            seen.text()
        ));
    }

    /// The rules for every POST.
    fn check_post(&self, seen: &Seen) {
        let accept = seen.header("accept").unwrap_or_default();
        if !accept.contains("application/json") || !accept.contains("text/event-stream") {
            self.wrong("Accept", seen);
        }
        if seen.header("content-type") != Some("application/json") {
            self.wrong("Content-Type", seen);
        }
    }

    fn old(&self, seen: &Seen, reply: &Reply) {
        self.check_post(seen);
        let message = seen.json();
        let id = &message["id"];
        if message["method"] == "initialize" {
            self.initialize(seen, &message, reply);
            return;
        }
        let Some(session) = seen.header("mcp-session-id") else {
            let error = json!({"code": -32000, "message": "Bad Request: no session"});
            reply.json(400, &json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string());
            return;
        };
        let known = self.state.lock().unwrap().sessions.get(session).cloned();
        let Some((version, ready)) = known else {
            let error = json!({"code": -32001, "message": "Session not found"});
            reply.json(404, &json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string());
            return;
        };
        if seen.header("mcp-protocol-version") != Some(version.as_str()) {
            self.wrong("MCP-Protocol-Version", seen);
        }
        if message["method"] == "notifications/initialized" {
            self.state.lock().unwrap().sessions.insert(session.to_owned(), (version, true));
        } else if !ready {
            self.wrong("before the handshake was over", seen);
        }
        if id.is_null() || message["method"].is_null() {
            reply.send(202, &[], b"");
            return;
        }
        answer(&message, reply);
    }

    fn initialize(&self, seen: &Seen, message: &Value, reply: &Reply) {
        if seen.header("mcp-session-id").is_some() {
            self.wrong("a session in initialize", seen);
        }
        let mut state = self.state.lock().unwrap();
        state.begun += 1;
        let session = format!("session-{}", state.begun);
        let version = message["params"]["protocolVersion"].as_str().unwrap_or(OLD).to_owned();
        state.sessions.insert(session.clone(), (version.clone(), false));
        let result = json!({
            "protocolVersion": version,
            "capabilities": state.capabilities,
            "serverInfo": {"name": "strict", "version": "1"},
        });
        drop(state);
        let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
        let headers = [
            ("Content-Type", "application/json"),
            ("Mcp-Session-Id", &session),
            ("Set-Cookie", "lb=machine-1; Path=/"),
        ];
        reply.send(200, &headers, body.as_bytes());
    }

    fn modern(&self, seen: &Seen, reply: &Reply) {
        self.check_post(seen);
        let message = seen.json();
        let (id, params) = (&message["id"], &message["params"]);
        let meta = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        let named = match message["method"].as_str().unwrap_or_default() {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            _ => None,
        };
        let region = params["arguments"]["region"].as_str().filter(|_| params["name"] == "regional");
        let mismatch = [
            ("mcp-protocol-version", meta.as_str()),
            ("mcp-method", message["method"].as_str()),
            ("mcp-name", named),
            ("mcp-param-region", region),
        ];
        if let Some((header, _)) = mismatch.iter().find(|(header, value)| seen.header(header) != *value) {
            let error = json!({"code": -32020, "message": format!("Header mismatch: {header}")});
            reply.json(400, &json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string());
            return;
        }
        if seen.header("mcp-session-id").is_some() {
            self.wrong("a session in the new era", seen);
        }
        answer(&message, reply);
    }

    fn stream(&self, seen: &Seen, reply: &Reply) {
        if seen.header("accept") != Some("text/event-stream") {
            self.wrong("Accept", seen);
        }
        let id = seen.header("mcp-session-id").unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if !state.sessions.contains_key(id) {
            drop(state);
            reply.send(404, &[], b"");
            return;
        }
        let events = reply.events();
        state.streams.push(events);
        self.changed.notify_all();
    }
}

/// The answers of both eras.
fn answer(message: &Value, reply: &Reply) {
    let region =
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    let invalid = json!({"type": "object", "properties": {"n": {"type": "number", "x-mcp-header": "N"}}});
    let result = match message["method"].as_str().unwrap_or_default() {
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => json!({}),
        "server/discover" => json!({"supportedVersions": [NEW]}),
        "tools/list" => json!({"tools": [
            {"name": "echo", "inputSchema": {"type": "object"}},
            {"name": "regional", "inputSchema": region},
            {"name": "invalid", "inputSchema": invalid},
        ]}),
        "tools/call" => {
            json!({"content": [{"type": "text", "text": message["params"]["arguments"].to_string()}]})
        }
        _ => {
            let error = json!({"code": -32601, "message": "Method not found"});
            reply.json(404, &json!({"jsonrpc": "2.0", "id": message["id"], "error": error}).to_string());
            return;
        }
    };
    reply.json(200, &json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string());
}
