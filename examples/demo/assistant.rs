//! An assistant: it reads its configuration once, starts what its file names, and speaks MCP with it by pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use super::Failure;

/// An answer must come within this.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Assistant {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    next_id: u64,
    calls: usize,
}

impl Assistant {
    /// Starts the server of this name, as its file says.
    pub(super) fn start(file: &Path, name: &str) -> Result<Self, Failure> {
        let document: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let entry = &document["mcpServers"][name];
        let program =
            entry["command"].as_str().ok_or(format!("{}: no command for {name}", file.display()))?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command.args(entry["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
        for (variable, value) in entry["env"].as_object().into_iter().flatten() {
            command.env(variable, value.as_str().unwrap_or_default());
        }
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return; // The assistant is gone.
                }
            }
        });
        Ok(Self { child, input, lines, next_id: 0, calls: 0 })
    }

    /// The handshake; gives back the names of the tools.
    pub(super) fn connect(&mut self) -> Result<Vec<String>, Failure> {
        let about = json!({"name": "demo", "version": "1"});
        self.request(
            "initialize",
            &json!({"protocolVersion": super::mcp::OLD, "capabilities": {}, "clientInfo": about}),
        )?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        let result = self.request("tools/list", &json!({}))?;
        let tools = result["tools"].as_array().into_iter().flatten();
        Ok(tools.filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect())
    }

    /// Calls a tool.
    pub(super) fn call(&mut self) -> Result<(), Failure> {
        self.request("tools/call", &json!({"name": "echo", "arguments": {"call": self.calls}}))?;
        self.calls += 1;
        Ok(())
    }

    /// How many calls were answered.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// Closes the pipe; what was started must end by itself.
    pub(super) fn close(mut self) -> Result<(), Failure> {
        drop(self.input);
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the bridge ended with {status}").into()) }
    }

    /// Sends a request and waits for its result.
    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|_| format!("{method}: no answer"))?;
            let answer: Value = serde_json::from_str(&line)?;
            if answer["id"] == id {
                let result = answer.get("result").cloned();
                return result.ok_or_else(|| format!("{method}: {}", answer["error"]).into());
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), Failure> {
        Ok(self.input.write_all(format!("{message}\n").as_bytes())?)
    }
}
