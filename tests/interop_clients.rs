//! Real MCP clients connect with the files that the program keeps for them, to a server that takes live
//! tokens only: before a rotation, after it, and not with what stood in the file before the token was
//! revoked.
//!
//! Run by `make interop-clients`, which installs the clients (pinned in `tests/interop/clients/`) first;
//! they need Node.js and nothing from the network.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Client, Endpoint, Program, Project, TokenFile};

/// Where the clients are installed.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients")
}

/// The MCP server, ended on drop.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(endpoint: &Endpoint) -> Self {
        let mut process = Command::new("node")
            .arg(clients().join("server.mjs"))
            .arg(format!("http://{}/protected", endpoint.address()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }

    /// The SHA-256 of the tokens that were served since the last call.
    fn accepted(&self) -> Vec<String> {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!("GET /accepted HTTP/1.0\r\nHost: {address}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A project with one service behind the server, and a home directory for the clients.
struct Scene {
    endpoint: Endpoint,
    project: Project,
    server: Server,
    home: PathBuf,
}

/// The file of the service's token.
const TOKEN: &str = "acme-wiki-egress.json";

impl Scene {
    fn new() -> Self {
        let endpoint = Endpoint::start();
        let client = Client::new("app");
        endpoint.register(client.clone());
        let project = Project::new();
        project.write_token(&TokenFile::signed_in("acme", "wiki", &endpoint, &client).fresh_for(3600));
        let server = Server::start(&endpoint);
        let home = project.outside().join("home");
        fs::create_dir(&home).unwrap();
        Self { endpoint, project, server, home }
    }

    fn program(&self, client: &str) -> Program {
        let url = &self.server.url;
        Program::new(&self.project).args("--registry-url").arg(url).args("--client").arg(client)
    }

    /// Runs a client in the project.
    fn run(&self, client: &[&str]) -> Output {
        let (program, arguments) = client.split_first().unwrap();
        let path = clients().join("node_modules").join(program);
        assert!(path.exists(), "{program} is not installed: run make interop-clients");
        Command::new("node")
            .arg(path)
            .args(arguments)
            .current_dir(self.project.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.home)
            .env("CI", "true")
            // Claude Code: nothing from the network but our server.
            .env("DISABLE_AUTOUPDATER", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .stdin(Stdio::null())
            .output()
            .expect("node starts")
    }

    fn token(&self) -> String {
        self.project.read_token(TOKEN)["access_token"].as_str().unwrap().to_owned()
    }

    /// The client connects with the present token and gets `wanted` from the server, and again after the
    /// token has been replaced, and not any more once it is revoked.
    fn holds_for(&self, client: &str, command: &[&str], wanted: &str) {
        let mut tokens = Vec::new();
        for round in ["--once", "--once --force"] {
            let finished = self.program(client).args(round).run().expect_code(0);
            assert!(finished.log.contains("config with 1 server"), "{}", finished.log);
            tokens.push(self.token());
            let output = self.run(command);
            assert!(shown(&output).contains(wanted), "{command:?} {round}: {output:?}");
            let served = self.server.accepted();
            let hash = sha256(&self.token());
            assert!(
                !served.is_empty() && served.iter().all(|token| *token == hash),
                "{command:?}: {served:?}"
            );
        }
        assert_ne!(tokens[0], tokens[1], "the token was not replaced");
        let refresh_token = self.project.read_token(TOKEN)["refresh_token"].as_str().unwrap().to_owned();
        self.endpoint.revoke(&refresh_token);
        let output = self.run(command);
        assert!(!shown(&output).contains(wanted), "it connects with a token that is dead: {output:?}");
        assert_eq!(self.server.accepted(), Vec::<String>::new());
    }
}

fn shown(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// As `node server.mjs` counts, so that no token is shown.
fn sha256(text: &str) -> String {
    let script =
        "process.stdout.write(require('crypto').createHash('sha256').update(process.argv[1]).digest('hex'))";
    let output = Command::new("node").args(["-e", script, text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn inspector() {
    let scene = Scene::new();
    let config = scene.project.token("mcp-inspector.json").display().to_string();
    let command =
        [".bin/mcp-inspector", "--cli", "--config", &config, "--server", "wiki", "--method", "tools/list"];
    scene.holds_for("inspector", &command, "\"greet\"");
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn mcporter() {
    let scene = Scene::new();
    fs::create_dir(scene.project.path("config")).unwrap();
    let command = [".bin/mcporter", "call", "wiki.greet"];
    scene.holds_for("mcporter=config/mcporter.json", &command, "hello from interop");
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn gemini() {
    let scene = Scene::new();
    let folder = scene.home.join(".gemini");
    fs::create_dir(&folder).unwrap();
    let trusted = json!({ scene.project.root().to_str().unwrap(): "TRUST_FOLDER" });
    fs::write(folder.join("trustedFolders.json"), trusted.to_string()).unwrap();
    // The user's own settings, which the client must find as they were.
    let settings = folder.join("settings.json");
    fs::write(&settings, r#"{"ui":{"theme":"GitHub"}}"#).unwrap();
    let client = format!("gemini={}", settings.display());
    scene.holds_for(&client, &[".bin/gemini", "mcp", "list"], "- Connected");
    let after: Value = serde_json::from_str(&fs::read_to_string(&settings).unwrap()).unwrap();
    assert_eq!(after["ui"]["theme"], "GitHub");
}

/// Its file holds no token: it runs `token-refresher headers`.
#[test]
#[ignore = "needs the clients: make interop-clients"]
fn claude_code() {
    let scene = Scene::new();
    let settings = scene.home.join(".claude.json");
    fs::write(&settings, r#"{"theme":"dark"}"#).unwrap();
    let client = format!("claude-code={}", settings.display());
    // Not through its link in .bin, which an install script would have to complete.
    let command = ["@anthropic-ai/claude-code/cli-wrapper.cjs", "mcp", "list"];
    scene.holds_for(&client, &command, "Connected");
    // The client has written it too meanwhile, with its members in another order.
    let text = fs::read_to_string(&settings).unwrap();
    let after: Value = serde_json::from_str(&text).unwrap();
    assert!(
        after["userID"].is_string() && after["mcpServers"]["wiki"]["headersHelper"].is_string(),
        "{text}"
    );
    assert!(!text.contains(&scene.token()));
}
