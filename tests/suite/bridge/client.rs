//! An MCP client that starts the bridge as any client does: as a child, with pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::mcp::{NEW, OLD, Server};
use crate::support::daemon::built_program;
use crate::support::{DEADLINE, Project, TokenFile};

/// A project with one server, `wiki`, that lives in `server`.
pub(crate) fn project(server: &Server) -> Project {
    let project = Project::new();
    project.write(".env", format!("REGISTRY_URL={}\n", server.url()));
    write_token(&project, "at-1");
    project
}

/// Gives `wiki` this token.
pub(crate) fn write_token(project: &Project, token: &str) {
    let file = TokenFile::egress("acme", "wiki").field("access_token", token).expires_in(7200);
    // As sign-in tools do: beside it, and renamed over it.
    let beside = project.write(".oauth-tokens/.new", file.text());
    std::fs::set_permissions(&beside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(beside, project.token(file.name())).unwrap();
}

/// The bridge, and what came from it.
pub(crate) struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    came: Arc<(Mutex<Came>, Condvar)>,
    next_id: u64,
}

#[derive(Default)]
struct Came {
    lines: Vec<String>,
    log: String,
    ended: bool,
}

/// How to start it.
pub(crate) fn command(project: &Project) -> Command {
    let mut command = Command::new(built_program());
    command
        .args(["bridge", "wiki", "--log-level", "DEBUG"])
        .env_clear()
        .env("TZ", "UTC")
        .env("TOKEN_REFRESHER_DIR", project.root())
        .current_dir("/");
    command
}

impl Bridge {
    /// Starts it for `wiki`.
    pub(crate) fn start(project: &Project) -> Self {
        Self::spawn(&mut command(project))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let came = Arc::new((Mutex::new(Came::default()), Condvar::new()));
        let (output, log) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let own = Arc::clone(&came);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                own.0.lock().unwrap().lines.push(line);
                own.1.notify_all();
            }
            own.0.lock().unwrap().ended = true;
            own.1.notify_all();
        });
        let own = Arc::clone(&came);
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines() {
                let Ok(line) = line else { break };
                own.0.lock().unwrap().log.extend([line.as_str(), "\n"]);
                own.1.notify_all();
            }
        });
        let input = child.stdin.take();
        Self { child, input, came, next_id: 0 }
    }

    /// Starts it and makes the handshake of 2025.
    pub(crate) fn ready(project: &Project) -> Self {
        let mut bridge = Self::start(project);
        bridge.handshake(OLD);
        // The answer to a ping shows that the server has taken the end of the handshake.
        let ping = bridge.request("ping", &json!({}));
        bridge.answer(ping);
        bridge
    }

    /// Makes the handshake; gives back the result.
    pub(crate) fn handshake(&mut self, version: &str) -> Value {
        let id = self.request(
            "initialize",
            &json!({
                "protocolVersion": version,
                "capabilities": {"elicitation": {}},
                "clientInfo": {"name": "test", "version": "1"},
            }),
        );
        let answer = self.answer(id);
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        answer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line.
    pub(crate) fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends a request; gives back its id.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        id
    }

    /// Calls a tool; gives back the id.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// A request of the new era.
    pub(crate) fn modern(&mut self, method: &str, params: &Value) -> u64 {
        let mut params = params.clone();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": NEW,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        self.request(method, &params)
    }

    /// Waits for the answer.
    pub(crate) fn answer(&self, id: u64) -> Value {
        self.answer_within(id, DEADLINE)
    }

    pub(crate) fn answer_within(&self, id: u64, limit: Duration) -> Value {
        let line = self.line(&format!("the answer to {id}"), limit, |message| {
            message["id"] == id && message["method"].is_null()
        });
        serde_json::from_str(&line).unwrap()
    }

    /// Calls `echo` and expects that it works.
    #[track_caller]
    pub(crate) fn works(&mut self) {
        let id = self.call("echo", &json!({"n": self.next_id}));
        let answer = self.answer(id);
        assert!(answer["result"]["content"].is_array(), "{answer}\n{}", self.log());
    }

    /// Waits for a notification or request of the server.
    pub(crate) fn message(&self, method: &str) -> Value {
        let line = self.line(method, DEADLINE, |message| message["method"] == method);
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for a line.
    pub(crate) fn line(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> String {
        let (came, changed) = &*self.came;
        let until = Instant::now() + limit;
        let mut came = came.lock().unwrap();
        let mut looked = 0;
        loop {
            while let Some(line) = came.lines.get(looked) {
                looked += 1;
                if serde_json::from_str(line).is_ok_and(|message: Value| wanted(&message)) {
                    return line.clone();
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || came.ended {
                let lines: Vec<String> =
                    came.lines.iter().map(|line| line.chars().take(300).collect()).collect();
                panic!("waited for {what}; came: {lines:#?}\n{}", came.log);
            }
            came = changed.wait_timeout(came, left).unwrap().0;
        }
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.came.0.lock().unwrap().lines.clone()
    }

    /// How many answers came to this request.
    pub(crate) fn answers(&self, id: u64) -> usize {
        let is = |line: &String| serde_json::from_str(line).is_ok_and(|message: Value| message["id"] == id);
        self.lines().iter().filter(|line| is(line)).count()
    }

    pub(crate) fn log(&self) -> String {
        self.came.0.lock().unwrap().log.clone()
    }

    /// Closes its input.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it has not ended within {limit:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let lines = self.lines();
            let other = lines.iter().find(|line| serde_json::from_str::<Value>(line).is_err());
            assert_eq!(other, None, "something else than a message on standard output");
        }
    }
}
