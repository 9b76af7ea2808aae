//! `make bench`: what a call through the bridge costs, beside the same call over one connection of its own, to
//! the same server in the same run. Nothing here fails on a slow machine: it prints, a person judges.
//!
//! `PROGRAM` names another build of the program (a static one).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot measure has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the server offers more than the bench uses")]
#[path = "../tests/support/mcp/mod.rs"]
mod mcp;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mcp::Server;
use serde_json::json;
use support::{Project, TokenFile};

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#
);
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn main() {
    let server = Server::start();
    server.behave(|seen, reply| {
        // The size of the answer is in the name of the tool, and so is its form.
        let text = String::from_utf8_lossy(&seen.body);
        let Some(rest) = text.split(r#""name":"size-"#).nth(1) else { return false };
        let id =
            text.split(r#""id":"#).nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("0").to_owned();
        let size: usize = rest.split(['"', '-']).next().unwrap_or_default().parse().unwrap_or(0);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"text":"{}"}}}}"#, "x".repeat(size));
        if rest.contains("events\"") {
            let events = reply.events();
            events.message(&body);
            events.end();
        } else {
            reply.json(200, &body);
        }
        true
    });
    let project = Project::new();
    project.write(".env", format!("REGISTRY_URL={}\n", server.url()));
    let token = TokenFile::egress("acme", "wiki").field("access_token", "at-1").expires_in(90_000);
    project.write_token(&token);

    let direct = median(9, || timed(|| drop(Direct::ready(&server).call("tools/list", 1, "x"))));
    let bridged = median(9, || timed(|| drop(Bridge::ready(&project).call("tools/list", 1, "x"))));
    println!("start to the first tools/list: {bridged:.2?}, direct {direct:.2?} (budget: 10 ms more)");

    let (mut bridge, mut own) = (Bridge::ready(&project), Direct::ready(&server));
    for (form, budget) in [("json", "0.3 ms"), ("events", "0.4 ms")] {
        let name = format!("size-20-{form}");
        let direct = median(1000, || timed(|| drop(own.call("tools/call", 1, &name))));
        let before = bridge.cpu();
        let bridged = median(1000, || timed(|| drop(bridge.call("tools/call", 1, &name))));
        let cpu = bridge.cpu().saturating_sub(before) / 1000;
        println!(
            "a call ({form}): {bridged:.2?}, direct {direct:.2?} (budget: {budget} more); CPU {cpu:.2?} (0.2 ms)"
        );
    }
    let (count, flights) = (5000, 50);
    let took = timed(|| bridge.many(count, flights));
    println!(
        "{:.0} calls a second with {flights} in flight (budget 2000)",
        f64::from(count) / took.as_secs_f64()
    );
    for (size, form) in [(1, "json"), (10, "json"), (1, "events"), (10, "events")] {
        // A little less than the largest message.
        let name = format!("size-{}-{form}", size * 1_000_000);
        let direct = median(7, || timed(|| drop(own.call("tools/call", 1, &name))));
        let bridged = median(7, || timed(|| drop(bridge.call("tools/call", 1, &name))));
        println!("a result of {size} MB ({form}): {bridged:.2?}, direct {direct:.2?} (budget 2x)");
    }
    println!("memory after that: {}", bridge.memory());
    let bridge = Bridge::ready(&project);
    // Threads of the handshake end after a while.
    std::thread::sleep(Duration::from_secs(5));
    println!("memory when idle: {} (budget: PSS 3 MB, 3 threads)", bridge.memory());
}

fn median(turns: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..turns).map(|_| measure()).collect();
    times.sort_unstable();
    times[turns / 2]
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn request(method: &str, id: usize, name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"name": name}}).to_string()
}

/// One connection to the server, as fast as this machine can.
struct Direct {
    stream: BufReader<TcpStream>,
    session: String,
}

impl Direct {
    fn ready(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut direct = Self { stream: BufReader::with_capacity(64 << 10, stream), session: String::new() };
        direct.post(INITIALIZE);
        let begun = server.calls("initialize").len();
        direct.session = format!("Mcp-Session-Id: session-{begun}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
        direct.post(INITIALIZED);
        direct
    }

    fn call(&mut self, method: &str, id: usize, name: &str) -> Vec<u8> {
        self.post(&request(method, id, name))
    }

    fn post(&mut self, body: &str) -> Vec<u8> {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer at-1\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
        let mut length = None;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = Some(text.trim().parse::<usize>().unwrap());
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = Vec::new();
        if let Some(length) = length {
            body.resize(length, 0);
            self.stream.read_exact(&mut body).unwrap();
            return body;
        }
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let begin = body.len();
            body.resize(begin + size + 2, 0);
            self.stream.read_exact(&mut body[begin..]).unwrap();
            if size == 0 {
                return body;
            }
        }
    }
}

/// The program with its pipes.
struct Bridge {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bridge {
    fn ready(project: &Project) -> Self {
        let program = std::env::var_os("PROGRAM")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_token-refresher")), PathBuf::from);
        let mut command = Command::new(program);
        command.args(["bridge", "wiki"]).env_clear().env("TOKEN_REFRESHER_DIR", project.root());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut bridge = Self { child, input, output: BufReader::with_capacity(64 << 10, output) };
        bridge.send(INITIALIZE);
        bridge.line();
        bridge.send(INITIALIZED);
        bridge
    }

    fn send(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        assert!(self.output.read_until(b'\n', &mut line).unwrap() > 0, "the bridge has ended");
        line
    }

    fn call(&mut self, method: &str, id: usize, name: &str) -> Vec<u8> {
        self.send(&request(method, id, name));
        self.line()
    }

    /// So many calls, with so many under way.
    fn many(&mut self, count: u32, flights: u32) {
        for id in 0..count {
            self.send(&request("tools/call", id as usize, "size-20-json"));
            if id >= flights {
                self.line();
            }
        }
        (0..flights.min(count)).for_each(|_| drop(self.line()));
    }

    /// The processor time that it has used.
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap_or_default();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let own = |path: PathBuf| fs::read_to_string(path.join("schedstat")).unwrap_or(text.clone());
        let nanos =
            |text: String| text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_nanos(tasks.map(|task| nanos(own(task.unwrap().path()))).sum())
    }

    fn memory(&self) -> String {
        let id = self.child.id();
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        let field = |name: &str| {
            let line = rollup.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
        };
        let threads = fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
        format!("PSS {:.1} MB, RSS {:.1} MB, {threads} threads", field("Pss:"), field("Rss:"))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
