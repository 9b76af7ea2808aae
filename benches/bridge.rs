//! `make bench`: the cost of a call through the bridge, beside the same call over one direct connection to the same
//! server. A slow machine causes no failure: a person judges the output.
//!
//! `PROGRAM` names another build of the program (a static one).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot measure has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the server offers more than the bench uses")]
#[path = "../tests/support/mcp/mod.rs"]
mod mcp;

use std::fmt;
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
        // The name of the tool gives the size and the form of the answer.
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

    let start = Spread::of(|| {
        let direct = timed(|| drop(Direct::ready(&server).call("tools/list", 1, "x")));
        let bridged = timed(|| drop(Bridge::ready(&project).call("tools/list", 1, "x")));
        milliseconds(bridged) - milliseconds(direct)
    });
    println!("start to the first tools/list, beyond direct: {start:.2} ms (budget 10)");
    let (mut bridge, mut own) = (Bridge::ready(&project), Direct::ready(&server));
    for form in ["json", "events"] {
        calls(form, &mut bridge, &mut own);
    }
    let (count, flights) = (5000, 50);
    let many = Spread::of(|| f64::from(count) / timed(|| bridge.many(count, flights)).as_secs_f64());
    println!("calls a second with {flights} in flight: {many:.0} (budget 2000)");
    for (size, form) in [(1, "json"), (10, "json"), (1, "events"), (10, "events")] {
        // A little less than the largest message.
        let name = format!("size-{}-{form}", size * 1_000_000);
        bridge.forget_peak();
        let before = bridge.memory("VmRSS");
        let ratio = Spread::of(|| {
            let direct = median(5, || timed(|| drop(own.call("tools/call", 1, &name))));
            let bridged = median(5, || timed(|| drop(bridge.call("tools/call", 1, &name))));
            bridged.as_secs_f64() / direct.as_secs_f64()
        });
        let budget = if size == 10 { " (budget 2)" } else { "" };
        println!("a result of {size} MB ({form}), to direct: {ratio:.2}{budget}");
        let copies = (bridge.memory("VmHWM") - before) / f64::from(size);
        println!("  its memory, in copies of the result: {copies:.2} (budget 2)");
    }
    let bridge = Bridge::ready(&project);
    // Threads of the handshake end after a while.
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "idle: PSS {:.1} MB (budget 3), RSS {:.1} MB, {} threads (3)",
        bridge.memory("Pss"),
        bridge.memory("VmRSS"),
        bridge.threads()
    );
}

/// Calls with small answers, one after the other.
fn calls(form: &str, bridge: &mut Bridge, own: &mut Direct) {
    const TURNS: usize = 500;
    let name = format!("size-20-{form}");
    let (mut more, mut cpu) = (Spread::default(), Spread::default());
    for _ in 0..REPETITIONS {
        let direct = median(TURNS, || timed(|| drop(own.call("tools/call", 1, &name))));
        let before = bridge.cpu();
        let bridged = median(TURNS, || timed(|| drop(bridge.call("tools/call", 1, &name))));
        cpu.0.push(milliseconds(bridge.cpu().saturating_sub(before)) / 500.0);
        more.0.push(milliseconds(bridged) - milliseconds(direct));
    }
    println!("a call ({form}), beyond direct: {more:.3} ms (budget 0.3)");
    println!("  its processor time: {cpu:.3} ms (budget 0.2)");
}

/// How often each measurement is made, since the machine may be busy during one of them.
const REPETITIONS: usize = 7;

/// The results of a measurement's repetitions.
#[derive(Default)]
struct Spread(Vec<f64>);

impl Spread {
    fn of(measure: impl FnMut() -> f64) -> Self {
        Self(std::iter::repeat_with(measure).take(REPETITIONS).collect())
    }
}

/// The median, the smallest and the largest.
impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.0.clone();
        all.sort_unstable_by(f64::total_cmp);
        let digits = out.precision().unwrap_or(2);
        let (median, least, most) = (all[all.len() / 2], all[0], all[all.len() - 1]);
        write!(out, "{median:.digits$}, {least:.digits$} to {most:.digits$}")
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
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

/// One direct connection to the server, as fast as this machine allows.
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

    /// The processor time so far.
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap_or_default();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let own = |path: PathBuf| fs::read_to_string(path.join("schedstat")).unwrap_or(text.clone());
        let nanos =
            |text: String| text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_nanos(tasks.map(|task| nanos(own(task.unwrap().path()))).sum())
    }

    /// A field of the kernel's record of the memory, in megabytes.
    fn memory(&self, field: &str) -> f64 {
        let file = if field == "Pss" { "smaps_rollup" } else { "status" };
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0
    }

    /// Makes the kernel measure the most memory, `VmHWM`, from now on.
    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.child.id())).map_or(0, Iterator::count)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
