//! A strict OAuth token endpoint on 127.0.0.1, on a port of its own, with a thread per connection. The drop closes
//! everything.
//!
//! * `POST /token` (any path that ends so): RFC 6749, judged by [`authority`].
//! * `/mcp`, `/.well-known/...`, `/as/...`: an MCP server and where people sign in, see [`sign_in`].
//! * `GET /protected`: a resource server; 200 while the Bearer token is good, else 401.
//!
//! A request is recorded and judged when its last byte has arrived. Only its *answer* waits for a [`Hold`] or a
//! latency. So a held refresh has spent its token already.

mod authority;
mod http;
mod script;
mod sign_in;
mod sign_in_pages;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use authority::{Client, ClientAuth, Outcome, Tokens};
pub(crate) use http::{Answer, Delivery, End, Framing, Request, form_decode, parse_form};
pub(crate) use script::{Content, Fault, Step, Who};
pub(crate) use sign_in::{Decision, DeviceAnswer, SignIns, query_of};

use super::DEADLINE;
use authority::Authority;
use script::{Scripts, ends_in_reset};

/// One request and its result.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub request: Request,
    /// The decoded form; empty where the body is no form.
    pub form: Vec<(String, String)>,
    /// The number of the connection, counted from 0. Requests on one connection have the same number.
    pub connection: usize,
    pub arrived: Instant,
    /// When the last byte of the answer had been given to the kernel.
    pub answered: Option<Instant>,
    pub outcome: Outcome,
}

impl Recorded {
    /// The value of a form field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct State {
    stopping: bool,
    holds: usize,
    latency: Duration,
    close_after_each: bool,
    authority: Authority,
    scripts: Scripts,
    faults: VecDeque<Fault>,
    requests: Vec<Recorded>,
    /// A second handle of every open connection, to end it from outside.
    connections: HashMap<usize, TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// A panic in one test thread must not hide the state from the thread that reports the panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits so long; `false` as soon as the endpoint is being stopped.
    fn pause(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.stopping);
        !waited.unwrap_or_else(std::sync::PoisonError::into_inner).0.stopping
    }
}

/// The running endpoint.
pub(crate) struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// Delays all answers until it is dropped.
pub(crate) struct Hold<'a>(&'a Endpoint);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().holds -= 1;
        self.0.shared.changed.notify_all();
    }
}

impl Endpoint {
    /// Starts an endpoint without clients.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let address = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared::default());
        shared.lock().authority.sign_ins = SignIns::at(format!("http://{address}"));
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The token endpoint's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The address on which the endpoint listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers a client, and replaces another one with the same id.
    pub(crate) fn register(&self, client: Client) {
        self.shared.lock().authority.register(client);
    }

    /// The tokens of a new sign-in; the access token lives as long as the client's tokens do.
    pub(crate) fn sign_in(&self, client_id: &str) -> Tokens {
        self.shared.lock().authority.sign_in(client_id, None, Instant::now())
    }

    /// The tokens of a sign-in so long ago that the access token lives only for `left` from now.
    pub(crate) fn signed_in_earlier(&self, client_id: &str, left: Duration) -> Tokens {
        self.shared.lock().authority.sign_in(client_id, Some(left), Instant::now())
    }

    /// An access token of the client for its own credentials, issued without a request.
    pub(crate) fn machine_token(&self, client_id: &str) -> String {
        self.shared.lock().authority.machine_token(client_id, Instant::now())
    }

    /// Whether `/protected` would accept this access token now.
    pub(crate) fn is_live(&self, access_token: &str) -> bool {
        self.shared.lock().authority.is_live(access_token, Instant::now())
    }

    /// Every access token that `/protected` would accept now.
    pub(crate) fn live_tokens(&self) -> Vec<String> {
        self.shared.lock().authority.live_tokens(Instant::now())
    }

    /// How often a spent refresh token was sent again. Each time a person would have to sign in.
    pub(crate) fn reuses(&self) -> usize {
        self.shared.lock().authority.reuses()
    }

    /// Whether the sign-in that this refresh token (spent or not) belongs to has been revoked.
    pub(crate) fn is_revoked(&self, refresh_token: &str) -> bool {
        self.shared.lock().authority.is_revoked(refresh_token)
    }

    /// Ends a sign-in from the provider's side.
    pub(crate) fn revoke(&self, refresh_token: &str) {
        self.shared.lock().authority.revoke(refresh_token);
    }

    /// Every text that must never be in a log, an error or an argument list.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.shared.lock().authority.secrets()
    }

    /// Sets or reads the state of sign-ins.
    pub(crate) fn sign_ins<T>(&self, act: impl FnOnce(&mut SignIns) -> T) -> T {
        act(&mut self.shared.lock().authority.sign_ins)
    }

    /// Forgets a client, like a server that purges registrations.
    pub(crate) fn forget(&self, client_id: &str) {
        self.shared.lock().authority.forget(client_id);
    }

    /// Delays all answers until the guard is dropped.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.shared.lock().holds += 1;
        Hold(self)
    }

    /// Delays every answer by this time.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// `false`: every connection is closed after one answer. `true`: as in HTTP/1.1.
    pub(crate) fn set_keep_alive(&self, keep_alive: bool) {
        self.shared.lock().close_after_each = !keep_alive;
    }

    /// The next requests of `who` are answered by these steps, one each.
    pub(crate) fn script(&self, who: Who, steps: impl IntoIterator<Item = Step>) {
        self.shared.lock().scripts.queue(who, steps);
    }

    /// Requests of `who` are answered by this step, once the queued ones are used up.
    pub(crate) fn always(&self, who: Who, step: Step) {
        self.shared.lock().scripts.always(who, step);
    }

    /// From now on the endpoint answers honestly again.
    pub(crate) fn forget_scripts(&self) {
        self.shared.lock().scripts.clear();
    }

    /// Breaks the next new connection before a byte is read from it. Such a connection is not recorded.
    pub(crate) fn on_next_connection(&self, fault: Fault) {
        self.shared.lock().faults.push_back(fault);
    }

    /// All requests so far, in the order in which they arrived.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.clone()
    }

    /// The requests to the token endpoint that name this client.
    pub(crate) fn requests_of(&self, client_id: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests
            .retain(|recorded| client_of(&recorded.request, &recorded.form).as_deref() == Some(client_id));
        requests
    }

    /// Waits until so many requests have arrived, answered or not.
    pub(crate) fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        self.wait_for(&format!("{count} requests"), |requests| requests.len() >= count)
    }

    /// Waits until so many answers have been given to the kernel.
    pub(crate) fn wait_for_answers(&self, count: usize) -> Vec<Recorded> {
        let answered = |all: &[Recorded]| all.iter().filter(|one| one.answered.is_some()).count();
        self.wait_for(&format!("{count} answers"), |requests| answered(requests) >= count)
    }

    fn wait_for(&self, what: &str, reached: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let state = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(state, DEADLINE, |state| !reached(&state.requests));
        let (state, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let requests = state.requests.clone();
        drop(state);
        assert!(!timeout.timed_out(), "{what} expected within {DEADLINE:?}; there were {requests:#?}");
        requests
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        for stream in state.connections.values() {
            // Fails if the client was faster, which is no problem.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept() else { break };
        let mut state = shared.lock();
        if state.stopping {
            break;
        }
        let Ok(handle) = stream.try_clone() else { continue };
        state.connections.insert(number, handle);
        let fault = state.faults.pop_front();
        drop(state);
        let shared = Arc::clone(shared);
        threads.push(thread::spawn(move || {
            // An error here comes from a client that has gone, which the test judges.
            let _ = match fault {
                Some(fault) => break_connection(&shared, stream, number, fault),
                None => converse(&shared, stream, number),
            };
            shared.lock().connections.remove(&number);
        }));
        threads.retain(|thread| !thread.is_finished());
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn break_connection(shared: &Shared, mut stream: TcpStream, number: usize, fault: Fault) -> io::Result<()> {
    match fault {
        Fault::Close => {
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream, &mut io::sink()).map(drop)
        }
        Fault::Reset => {
            stream.peek(&mut [0])?;
            shared.lock().connections.remove(&number);
            Ok(())
        }
        Fault::Silence => {
            shared.pause(Duration::MAX);
            Ok(())
        }
    }
}

/// Reads and answers requests until one side closes.
fn converse(shared: &Shared, mut stream: TcpStream, number: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(request) = http::read_request(&mut stream)? {
        let closes = request.closes();
        let (index, step, answer) = judge(shared, request, number);
        if !answer_is_due(shared, step.delay) {
            return Ok(());
        }
        let reset = ends_in_reset(&step.delivery);
        if !reset {
            http::take_last_byte(&mut stream)?;
        }
        let keep_alive = !closes && !shared.lock().close_after_each;
        let delivered =
            http::deliver(&mut stream, &answer, &step.delivery, keep_alive, &|time| shared.pause(time));
        shared.lock().requests[index].answered = Some(Instant::now());
        shared.changed.notify_all();
        delivered?;
        if !step.delivery.keeps_open() && step.delivery.end() == End::Silence {
            // Until the client closes the connection.
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        if reset {
            // The other handle would keep the socket open, and only the last close sends the RST.
            shared.lock().connections.remove(&number);
        }
        if !(keep_alive && step.delivery.keeps_open()) {
            return Ok(());
        }
    }
    Ok(())
}

/// Records the request and decides about it under one lock, so that `requests()` shows judged requests only.
fn judge(shared: &Shared, request: Request, connection: usize) -> (usize, Step, Answer) {
    let arrived = Instant::now();
    let mut state = shared.lock();
    let form = parse_form(&request.body).unwrap_or_default();
    let path = request.target.split('?').next().unwrap_or_default().to_owned();
    let (step, (answer, outcome)) = match path.as_str() {
        "/protected" if request.method == "GET" => {
            (Step::honest(), state.authority.resource(&request, arrived))
        }
        path if path.ends_with("/token") => {
            let client = client_of(&request, &form);
            let step = state.scripts.next(client.as_deref()).unwrap_or_else(Step::honest);
            let judged = match &step.content {
                Content::Honest => state.authority.token(&request, arrived),
                Content::Fixed(answer) => (answer.clone(), Outcome::Scripted),
            };
            (step, judged)
        }
        path if path.starts_with("/as/")
            || path.starts_with("/.well-known/")
            || path == "/mcp"
            || path == "/named-by-the-challenge" =>
        {
            (Step::honest(), state.authority.sign_in_page(&request, arrived))
        }
        _ => {
            let refused = Outcome::Refused { status: 404, error: "not_found" };
            (Step::honest(), (Answer::new(404, "nothing here\n"), refused))
        }
    };
    let index = state.requests.len();
    state.requests.push(Recorded { request, form, connection, arrived, answered: None, outcome });
    drop(state);
    shared.changed.notify_all();
    (index, step, answer)
}

/// Waits for the latency and for every hold; `false` when the endpoint is being stopped.
fn answer_is_due(shared: &Shared, delay: Duration) -> bool {
    let time = shared.lock().latency + delay;
    if !time.is_zero() && !shared.pause(time) {
        return false;
    }
    let released = shared.changed.wait_while(shared.lock(), |state| state.holds > 0 && !state.stopping);
    !released.unwrap_or_else(std::sync::PoisonError::into_inner).stopping
}

/// The client that a request names, whether or not it can prove it.
fn client_of(request: &Request, form: &[(String, String)]) -> Option<String> {
    let named = form.iter().find(|(key, _)| key == "client_id").map(|(_, value)| value.clone());
    let basic = || authority::basic_credentials(request.header("authorization")?).map(|(id, _)| id);
    named.or_else(basic)
}
