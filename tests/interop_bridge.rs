//! The official MCP SDKs of both eras, as client and as server: every feature once directly and once through
//! the bridge, and the messages that the client sent and got are the same.
//!
//! Run by `make interop-bridge`, which installs the SDKs (pinned in `tests/interop/bridge/`) first; they need
//! Node.js and nothing from the network.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::daemon::built_program;
use support::messages::{expect_the_same, messages};
use support::{Project, TokenFile};

/// Where the SDKs are installed.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bridge")
}

/// A program of the SDKs, ended on drop.
struct Node(Child);

impl Node {
    fn start(script: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("node");
        command.arg(directory().join(script)).stdin(Stdio::piped()).stdout(Stdio::piped());
        configure(&mut command);
        Self(command.spawn().expect("node starts"))
    }

    fn output(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server of this kind with a project whose one token it takes.
struct Scene {
    _server: Node,
    url: String,
    project: Project,
}

impl Scene {
    fn new(kind: &str) -> Self {
        let mut server = Node::start("server.mjs", |command| {
            command.arg(kind);
        });
        let mut url = String::new();
        server.output().read_line(&mut url).unwrap();
        let scene = Self { _server: server, url: url.trim().to_owned(), project: Project::new() };
        scene.project.write(".env", format!("REGISTRY_URL={}\n", scene.url));
        scene.rotate("at-1");
        scene
    }

    /// From now on this token is the only one.
    fn rotate(&self, token: &str) {
        self.control(&json!({"token": token}));
        let file = TokenFile::egress("acme", "wiki").field("access_token", token).expires_in(7200);
        self.project.write_token(&file);
    }

    /// Tells the server something; gives back what it knows.
    fn control(&self, what: &Value) -> Value {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let body = what.to_string();
        let length = body.len();
        write!(stream, "POST /control HTTP/1.0\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// A client that talks to the server itself.
    fn direct(&self, kind: &str) -> Node {
        Node::start("client.mjs", |command| {
            command.args([kind, &format!("{}/mcp/wiki/mcp", self.url), "at-1"]);
        })
    }

    /// A client that starts the bridge.
    fn through_bridge(&self, kind: &str, waits: bool) -> Node {
        Node::start("client.mjs", |command| {
            command.args([kind, "--"]).arg(built_program()).args(["bridge", "wiki"]);
            command.env("TOKEN_REFRESHER_DIR", self.project.root());
            if waits {
                command.env("WAIT", "1");
            }
        })
    }
}

/// Compares one pair of client and server.
fn compare(client: &str, server: &str) {
    let scene = Scene::new(server);
    let modern = client == "v2-2026";
    let direct = messages(&mut scene.direct(client).output());
    let bridged = messages(&mut scene.through_bridge(client, false).output());
    expect_the_same(&direct, &bridged, modern, &format!("{client} to {server}"));
    assert!(
        support::holds_in_time(|| scene.control(&json!({}))["cancelled"] == 2),
        "both cancellations arrived"
    );
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn the_line_of_2025_with_itself() {
    compare("v1", "v1");
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn the_line_of_2026_in_the_revision_of_2025() {
    compare("v2-2025", "v2-2025");
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn the_line_of_2026_in_its_own_revision() {
    compare("v2-2026", "v2-2026");
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn the_two_lines_with_each_other() {
    compare("v1", "v2-2025");
    compare("v2-2025", "v1");
}

/// A proxy that knows where every name leads: to this machine. Says how many connections it made.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, own) = (client.unwrap(), Arc::clone(&own));
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let port = head.split([' ', ':']).nth(2).unwrap().parse::<u16>().unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                own.fetch_add(1, Ordering::AcqRel);
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut server, &mut client);
            });
        }
    });
    (address, count)
}

/// An authority, and a server's certificate from it.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let command = Command::new("openssl").current_dir(directory).args(arguments.split('|')).output();
        let output = command.expect("openssl is needed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey|ec|-pkeyopt|ec_paramgen_curve:P-256|-nodes";
    openssl(&format!(
        "req|-x509|{key}|-keyout|authority.key|-out|authority.pem|-days|2|-subj|/CN=an authority of our own|\
         -addext|keyUsage=critical,keyCertSign"
    ));
    openssl(&format!(
        "req|-new|{key}|-keyout|leaf.key|-out|leaf.csr|-subj|/CN=the server|-addext|subjectAltName=DNS:mcp.test"
    ));
    let authority = "-CA|authority.pem|-CAkey|authority.key";
    openssl(&format!("x509|-req|-in|leaf.csr|{authority}|-days|2|-copy_extensions|copy|-out|leaf.pem"));
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn a_private_authority_and_a_proxy_are_those_of_the_daemon() {
    let project = Project::new();
    make_certificates(project.outside());
    let mut server = Node::start("server.mjs", |command| {
        command.arg("v2-2025").env("TLS", project.outside());
    });
    let mut url = String::new();
    server.output().read_line(&mut url).unwrap();
    let port = url.trim().rsplit(':').next().unwrap().to_owned();
    project.write(".env", format!("REGISTRY_URL=https://mcp.test:{port}\n"));
    project.write_token(&TokenFile::egress("acme", "wiki").field("access_token", "at-1").expires_in(7200));
    let authority = project.outside().join("authority.pem");
    let (proxy, count) = proxy();
    let client = |variables: &[(&str, &str)]| {
        let mut client = Node::start("client.mjs", |command| {
            command.args(["v2-2025", "--"]).arg(built_program()).args(["bridge", "wiki"]);
            command.env("TOKEN_REFRESHER_DIR", project.root()).envs(variables.iter().copied());
            command.stderr(Stdio::piped());
        });
        let mut text = String::new();
        client.output().read_to_string(&mut text).unwrap();
        let mut errors = String::new();
        client.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (text, errors)
    };
    let (text, errors) = client(&[("SSL_CERT_FILE", authority.to_str().unwrap()), ("HTTPS_PROXY", &proxy)]);
    assert!(text.contains("\"done\""), "{text} {errors}");
    assert!(count.load(Ordering::Acquire) > 0);
    // Without the authority the certificate is refused, and the message names the cure.
    let (_, errors) = client(&[("HTTPS_PROXY", &proxy)]);
    assert!(errors.contains("SSL_CERT_FILE"), "{errors}");
}

#[test]
#[ignore = "needs the SDKs: make interop-bridge"]
fn a_client_works_on_after_a_rotation_and_after_a_restart_of_all_sessions() {
    for (kind, forget) in [("v1", false), ("v1", true), ("v2-2025", true), ("v2-2026", false)] {
        let scene = Scene::new(kind);
        let mut client = scene.through_bridge(kind, true);
        let mut output = client.output();
        messages(&mut output);
        scene.rotate("at-2");
        scene.control(&json!({"forget": forget}));
        writeln!(client.0.stdin.as_mut().unwrap(), "go on").unwrap();
        let mut line = String::new();
        // Messages that the client logs come first.
        while !line.contains("\"rotated\"") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "{kind}: the client ended");
        }
        assert!(line.contains("after the rotation"), "{kind} {forget}: {line}");
    }
}
