//! The program against the authorization servers that people run in Python: the official MCP SDK's and
//! django-oauth-toolkit (see `tests/interop/python`). If something here fails, a lost answer, a restart or a crash
//! costs a sign-in that these servers would have kept.
//!
//! Needs Python 3.11 or newer and the packages of tests/interop/python: `make interop-python` brings them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};
use support::due::text;
use support::{DEADLINE, Program, Project, Signal, TokenFile, internals};

/// How often each sign-in is refreshed in a row.
const ROUNDS: usize = 10;

/// The scripts with their arguments after state and port.
const MCP: (&str, &str) = ("mcp_sdk.py", "");
const DJANGO: (&str, &str) = ("django_toolkit.py", "0");
const DJANGO_WITH_GRACE: (&str, &str) = ("django_toolkit.py", "120");

/// A client as the server knows it, and how it authenticates.
struct Registered {
    id: String,
    secret: Option<String>,
    method: &'static str,
}

/// The running server; it ends when its standard input is closed, which a drop does.
struct Server {
    script: (&'static str, &'static str),
    state: PathBuf,
    process: Child,
    base: String,
    token_endpoint: String,
    secret: String,
    agent: ureq::Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(script: (&str, &str), state: &Path, port: u16) -> (Child, Value) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python");
    let python = here.join("venv/bin/python");
    assert!(python.exists(), "its packages are not installed: run make interop-python");
    let mut process = Command::new(python)
        .arg(here.join(script.0))
        .arg(state)
        .arg(port.to_string())
        .args(script.1.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, serde_json::from_str(&line).expect("the server starts"))
}

impl Server {
    fn start(script: (&'static str, &'static str), project: &Project) -> Self {
        let state = project.outside().to_owned();
        let (process, said) = launch(script, &state, 0);
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let (base, token_endpoint, secret) = (text("base"), text("token_endpoint"), text("secret"));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Self { script, state, process, base, token_endpoint, secret, agent }
    }

    fn port(&self) -> u16 {
        self.base.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// SIGKILL, as a crash would end it.
    fn crash(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.process = launch(self.script, &self.state, self.port()).0;
    }

    fn counts(&self, access_token: &str) -> Value {
        let answer = self.agent.get(format!("{}/counts", self.base)).query("token", access_token).call();
        json_of(answer.unwrap())
    }

    fn count(&self, what: &str) -> u64 {
        self.counts("")[what].as_u64().unwrap()
    }

    /// Whether the server itself takes an access token.
    fn takes(&self, access_token: &str) -> bool {
        self.counts(access_token)["good"] == true
    }

    /// Registers a client and signs in as it: a token file, due in a minute.
    fn sign_in(&self, method: &'static str) -> TokenFile {
        let (client, tokens) = if self.script.0 == MCP.0 { self.sdk(method) } else { self.django(method) };
        let word = |name: &str| tokens[name].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned();
        let file = TokenFile::egress("python", method)
            .field("access_token", word("access_token"))
            .field("refresh_token", word("refresh_token"))
            .field("client_id", client.id)
            .field("token_endpoint_auth_method", client.method)
            .field("token_endpoint", self.token_endpoint.as_str())
            .expires_in(60);
        match client.secret {
            Some(secret) => file.field("client_secret", secret),
            None => file,
        }
    }

    /// RFC 7591, then the authorization code grant with PKCE, as an MCP client does it.
    fn sdk(&self, method: &'static str) -> (Registered, Value) {
        let back = "http://127.0.0.1:1/back";
        let asked = json!({"redirect_uris": [back], "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]});
        let request = self.agent.post(format!("{}/register", self.base));
        let answer = json_of(request.content_type("application/json").send(asked.to_string()).unwrap());
        let id = answer["client_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let secret = answer["client_secret"].as_str().map(str::to_owned);
        // The example of RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let asked = [
            ("response_type", "code"),
            ("client_id", id.as_str()),
            ("redirect_uri", back),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        let answer = self.agent.get(format!("{}/authorize", self.base)).query_pairs(asked).call().unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let code = location.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", back),
            ("code_verifier", verifier),
            ("client_id", id.as_str()),
        ];
        let mut request = self.agent.post(self.token_endpoint.as_str());
        if let Some(secret) = &secret {
            if method == "client_secret_basic" {
                let both = base64(&format!("{id}:{secret}"));
                request = request.header("authorization", format!("Basic {both}"));
            } else {
                form.push(("client_secret", secret.as_str()));
            }
        }
        let tokens = json_of(request.send_form(form).unwrap());
        (Registered { id, secret, method }, tokens)
    }

    /// The resource owner password grant.
    fn django(&self, method: &'static str) -> (Registered, Value) {
        let id = match method {
            "client_secret_post" => "post",
            "client_secret_basic" => "basic client: 100%",
            _ => "public",
        };
        let secret = (id != "public").then(|| self.secret.clone());
        let mut form = vec![
            ("grant_type", "password"),
            ("username", "person"),
            ("password", "person"),
            ("scope", "read"),
            ("client_id", id),
        ];
        form.extend(secret.as_deref().map(|secret| ("client_secret", secret)));
        let tokens = json_of(self.agent.post(self.token_endpoint.as_str()).send_form(form).unwrap());
        (Registered { id: id.to_owned(), secret, method }, tokens)
    }
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

fn json_of(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let text = answer.body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a connection between the program and the server does with the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Pass,
    /// The server's first answer is lost, and the next pass.
    LoseOne,
    /// The answers wait until the program ends.
    Hold,
}

/// A connection to the server that can go wrong after the server has judged a request.
struct Line {
    address: SocketAddr,
    shared: Arc<(Mutex<(Answers, usize)>, Condvar)>,
}

impl Line {
    fn to(server: &Server, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new((Mutex::new((answers, 0)), Condvar::new())),
        };
        let (shared, port) = (Arc::clone(&line.shared), server.port());
        thread::spawn(move || {
            for program in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || carry(program.unwrap(), port, &shared));
            }
        });
        line
    }

    /// The token file, with its requests on this line.
    fn carries(&self, server: &Server, file: TokenFile) -> TokenFile {
        let here = server
            .token_endpoint
            .replace(&format!(":{}", server.port()), &format!(":{}", self.address.port()));
        file.field("token_endpoint", here)
    }

    /// Waits until the server has answered so many requests on this line.
    fn wait_for_answers(&self, count: usize) {
        let (state, changed) = &*self.shared;
        let (state, late) =
            changed.wait_timeout_while(state.lock().unwrap(), DEADLINE, |(_, seen)| *seen < count).unwrap();
        assert!(!late.timed_out(), "{} answers instead of {count}", state.1);
    }

    fn answers(&self) -> usize {
        self.shared.0.lock().unwrap().1
    }

    fn set(&self, answers: Answers) {
        self.shared.0.lock().unwrap().0 = answers;
    }
}

fn carry(mut program: TcpStream, port: u16, shared: &(Mutex<(Answers, usize)>, Condvar)) {
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut from, mut to) = (program.try_clone().unwrap(), server.try_clone().unwrap());
    // Ends when the program or the server closes.
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut bytes = [0; 16_384];
    let length = server.read(&mut bytes).unwrap_or(0);
    if length == 0 {
        return;
    }
    let answers = {
        let mut state = shared.0.lock().unwrap();
        state.1 += 1;
        let answers = state.0;
        if answers == Answers::LoseOne {
            state.0 = Answers::Pass;
        }
        shared.1.notify_all();
        answers
    };
    match answers {
        Answers::Pass => {
            program.write_all(&bytes[..length]).unwrap();
            // Ends when either closes; the program may close first.
            let _ = std::io::copy(&mut server, &mut program);
            // The answer of HTTP/1.0 ends with the connection; fails where the program has closed it.
            let _ = program.shutdown(Shutdown::Both);
        }
        Answers::LoseOne => program.shutdown(Shutdown::Both).unwrap(),
        // The program's end closes the connection.
        Answers::Hold => while matches!(server.read(&mut bytes), Ok(1..)) {},
    }
}

/// Every client authentication, ten refreshes in a row each: the server sees no token twice.
fn rotate(server: &Server, methods: &[&'static str]) {
    let project = Project::new();
    let names: Vec<String> = methods
        .iter()
        .map(|&method| {
            let file = server.sign_in(method);
            project.write_token(&file);
            file.name().to_owned()
        })
        .collect();
    let (mut seen, before) = (BTreeSet::new(), server.count("grants"));
    for round in 0..ROUNDS {
        Program::new(&project).arg("--force").once().expect_code(0);
        for name in &names {
            assert!(seen.insert(text(&project, name, "refresh_token")), "{name} in round {round}");
            assert!(server.takes(&text(&project, name, "access_token")), "{name} in round {round}");
        }
    }
    let granted = usize::try_from(server.count("grants") - before).unwrap();
    assert_eq!((granted, server.count("reuses")), (ROUNDS * names.len(), 0));
}

/// While the server is away nothing is sent; the same sign-in goes on after its restart.
fn restart(server: &mut Server) {
    let project = Project::new();
    let file = server.sign_in("client_secret_post");
    project.write_token(&file);
    Program::new(&project).once().expect_code(0);
    server.crash();
    Program::new(&project).arg("--force").once().expect_code(1);
    let trouble = internals::trouble(&project, file.name());
    assert!(trouble.kind == "passing" && trouble.message.contains("nothing was sent"), "{trouble:?}");
    server.start_again();
    Program::new(&project).arg("--force").once().expect_code(0);
    assert!(server.takes(&text(&project, file.name(), "access_token")));
}

/// A server without a grace: the sign-in was lost with its answer. The same token is sent once more at once, which a
/// server with a grace would have answered; then the server's word counts, and nothing more is sent.
fn lose_without_grace(server: &Server, killed: bool) {
    let project = Project::new();
    let before = server.count("reuses");
    let line = Line::to(server, if killed { Answers::Hold } else { Answers::LoseOne });
    let file = line.carries(server, server.sign_in("client_secret_post"));
    project.write_token(&file);
    if killed {
        let daemon = Program::new(&project).start();
        line.wait_for_answers(1);
        daemon.signal(Signal::Kill);
        assert_eq!(daemon.wait().killed_by(), Some(9));
        line.set(Answers::Pass);
    }
    for _ in 0..3 {
        Program::new(&project).once().expect_code(1);
        assert_eq!(internals::trouble(&project, file.name()).kind, "sign_in_again");
        assert_eq!((line.answers(), server.count("reuses")), (2, before + 1));
    }
}

/// A server with a grace gives its answer again.
fn lose_within_grace(server: &Server, killed: bool) {
    let project = Project::new();
    let before = server.count("reuses");
    project.write("providers.json", json!({"python": {"grace_seconds": 120}}).to_string());
    let line = Line::to(server, if killed { Answers::Hold } else { Answers::LoseOne });
    let file = line.carries(server, server.sign_in("client_secret_post"));
    project.write_token(&file);
    let mut daemon = Program::new(&project).start();
    line.wait_for_answers(1);
    if killed {
        daemon.signal(Signal::Kill);
        assert_eq!(daemon.wait().killed_by(), Some(9));
        line.set(Answers::Pass);
        daemon = Program::new(&project).start();
    }
    daemon.wait_for_log("Successfully refreshed token for python-client_secret_post");
    daemon.stop().expect_code(0);
    assert!(server.takes(&text(&project, file.name(), "access_token")));
    assert_eq!(server.count("reuses"), before + 1);
    // The sign-in lives.
    Program::new(&project).arg("--force").once().expect_code(0);
    assert!(server.takes(&text(&project, file.name(), "access_token")));
}

#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn the_mcp_sdks_authorization_server() {
    let state = Project::bare();
    let mut server = Server::start(MCP, &state);
    rotate(&server, &["client_secret_post", "none"]);
    restart(&mut server);
    lose_without_grace(&server, false);
    println!("MCP Python SDK: {} grants, all as it should be", server.count("grants"));
}

#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn the_mcp_sdks_authorization_server_and_a_kill() {
    let state = Project::bare();
    lose_without_grace(&Server::start(MCP, &state), true);
}

#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn django_oauth_toolkit() {
    let state = Project::bare();
    let mut server = Server::start(DJANGO, &state);
    rotate(&server, &["client_secret_post", "client_secret_basic", "none"]);
    restart(&mut server);
    lose_without_grace(&server, false);
    lose_without_grace(&server, true);
    println!("django-oauth-toolkit: {} grants, all as it should be", server.count("grants"));
}

#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn django_oauth_toolkit_with_a_grace() {
    let state = Project::bare();
    let server = Server::start(DJANGO_WITH_GRACE, &state);
    lose_within_grace(&server, false);
    lose_within_grace(&server, true);
}

/// `token-refresher login` with nothing but the address of an MCP server of the SDK, then a row of refreshes.
#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn a_first_sign_in_with_the_sdk_and_its_refreshes() {
    let project = Project::bare();
    let server = Server::start(MCP, &project);
    let address = format!("{}/mcp", server.base);
    let mut program = Program::new(&project).arg("login").arg(&address).args("--name sdk").start();
    let mut shown = None;
    program.wait_until("the address to open", || {
        let said = std::fs::read_to_string(project.outside().join("stderr.0")).unwrap_or_default();
        shown = said.lines().map(str::trim).find(|line| line.contains("client_id=")).map(str::to_owned);
        shown.is_some()
    });
    assert_eq!(support::browser::sign_in(&shown.unwrap()).status, 200);
    program.wait().expect_code(0);
    let name = "sdk-egress.json";
    let token = |project: &Project| project.read_token(name)["access_token"].as_str().unwrap().to_owned();
    assert!(server.takes(&token(&project)));
    let asks = |token: &str| {
        let request = server.agent.get(&address).header("authorization", format!("Bearer {token}"));
        request.call().unwrap().status().as_u16()
    };
    assert_eq!((asks(&token(&project)), asks("made up")), (200, 401));
    for round in 1..=ROUNDS {
        let before = token(&project);
        Program::new(&project).args("--once --force").run().expect_code(0);
        assert_ne!(token(&project), before, "round {round}");
        assert_eq!(asks(&token(&project)), 200);
    }
    assert_eq!((server.count("grants"), server.count("reuses")), (ROUNDS as u64, 0));
    // The SDK's revocation endpoint wants the secret that a public client does not have: that is said, and nothing
    // is lost.
    let finished = Program::new(&project).args("revoke sdk").run().expect_code(1);
    assert!(finished.stderr.contains("client_secret: Field required"), "{}", finished.stderr);
    assert_eq!(asks(&token(&project)), 200);
    println!("login at the SDK's server and {ROUNDS} refreshes in a row: no token sent twice");
}

/// The SDK's client and its server, directly and with the bridge between them: the same messages, in both eras.
#[test]
#[ignore = "needs Python and its packages: make interop-python"]
fn the_sdks_client_and_server_with_the_bridge_between_them() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python");
    let script = |name: &str| {
        let mut command = Command::new(here.join("venv/bin/python"));
        command.arg(here.join(name)).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    };
    let mut server = script("bridge_server.py");
    // It logs the failure of a tool that should fail.
    let mut server =
        server.arg("at-1").stderr(Stdio::null()).spawn().expect("run make interop-python before");
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).expect("the server starts");
    let url = said["url"].as_str().unwrap();
    let project = Project::new();
    let file = TokenFile::egress("acme", "wiki").field("access_token", "at-1").field("server_url", url);
    project.write_token(&file.expires_in(7200));
    let heard = |client: &mut Command| {
        let mut client = client.spawn().unwrap();
        let mut output = BufReader::new(client.stdout.take().unwrap());
        let heard = support::messages::messages(&mut output);
        // What comes behind the last message must find a reader.
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        assert!(client.wait().unwrap().success());
        heard
    };
    for mode in ["legacy", "2026-07-28"] {
        let direct = heard(script("bridge_client.py").args([mode, url, "at-1"]));
        let bridged = heard(
            script("bridge_client.py")
                .args([mode, "--"])
                .arg(support::daemon::built_program())
                .args(["bridge", "wiki"])
                .env("TOKEN_REFRESHER_DIR", project.root()),
        );
        support::messages::expect_the_same(&direct, &bridged, mode != "legacy", mode);
        println!("{mode}: {} messages directly, {} through the bridge", direct.len(), bridged.len());
    }
    let _ = server.kill();
    let _ = server.wait();
}
