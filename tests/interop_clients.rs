//! Real MCP clients connect with the files that the program keeps for them, to a server that takes live
//! tokens only: before a rotation, after it, and not with what stood in the file before the token was
//! revoked. With the entry that starts the bridge nothing in the file changes, and two clients go on through a
//! rotation without a restart.
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
        run_client(client, self.project.root(), &self.home)
    }

    /// A client that runs in the project.
    fn command(&self, client: &[&str]) -> Command {
        client_command(client, self.project.root(), &self.home)
    }

    /// Writes the file of `client` with an entry that starts the bridge. Gives back its text.
    fn write_bridge_entry(&self, client: &str, file: &Path) -> String {
        let finished = self.program(client).args("--client-secrets bridge --once").run().expect_code(0);
        assert!(finished.log.contains("config with 1 server"), "{}", finished.log);
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("\"bridge\"") && !text.contains(&self.token()), "{text}");
        text
    }

    /// Replaces the token, and the entry in `file` stays as it is.
    fn rotate(&self, client: &str, file: &Path, text: &str) {
        let before = self.token();
        self.program(client).args("--client-secrets bridge --once --force").run().expect_code(0);
        assert_ne!(self.token(), before);
        assert_eq!(fs::read_to_string(file).unwrap(), text);
    }

    /// What was served since the last look was served to the present token.
    fn served_the_present_token(&self) {
        let (served, hash) = (self.server.accepted(), sha256(&self.token()));
        assert!(!served.is_empty() && served.iter().all(|token| *token == hash), "{served:?}");
    }

    /// The client connects through the bridge with an entry that stays the same: before a rotation, after it, and not
    /// any more once the token is revoked.
    fn holds_through_the_bridge(&self, client: &str, file: &Path, command: &[&str], wanted: &str) {
        let text = self.write_bridge_entry(client, file);
        for rotated in [false, true] {
            if rotated {
                self.rotate(client, file, &text);
            }
            let output = self.run(command);
            assert!(shown(&output).contains(wanted), "{command:?}: {output:?}");
            self.served_the_present_token();
        }
        let refresh_token = self.project.read_token(TOKEN)["refresh_token"].as_str().unwrap().to_owned();
        self.endpoint.revoke(&refresh_token);
        let output = self.run(command);
        assert!(!shown(&output).contains(wanted), "it connects with a token that is dead: {output:?}");
        assert_eq!(self.server.accepted(), Vec::<String>::new());
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

/// Runs a client to its end.
fn run_client(client: &[&str], directory: &Path, home: &Path) -> Output {
    client_command(client, directory, home).stdin(Stdio::null()).output().expect("node starts")
}

fn client_command(client: &[&str], directory: &Path, home: &Path) -> Command {
    let (program, arguments) = client.split_first().unwrap();
    let path = clients().join("node_modules").join(program);
    assert!(path.exists(), "{program} is not installed: run make interop-clients");
    let mut command = Command::new("node");
    command
        .arg(path)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("CI", "true")
        // Claude Code: nothing from the network but our server.
        .env("DISABLE_AUTOUPDATER", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    command
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

/// Gemini CLI's settings file with this text, in the home of a user who trusts the project.
fn gemini_settings(scene: &Scene, text: &str) -> PathBuf {
    let folder = scene.home.join(".gemini");
    fs::create_dir(&folder).unwrap();
    let trusted = json!({ scene.project.root().to_str().unwrap(): "TRUST_FOLDER" });
    fs::write(folder.join("trustedFolders.json"), trusted.to_string()).unwrap();
    let settings = folder.join("settings.json");
    fs::write(&settings, text).unwrap();
    settings
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn gemini() {
    let scene = Scene::new();
    // The user's own settings, which the client must find as they were.
    let settings = gemini_settings(&scene, r#"{"ui":{"theme":"GitHub"}}"#);
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

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn inspector_through_the_bridge() {
    let scene = Scene::new();
    let file = scene.project.token("mcp-inspector.json");
    let config = file.display().to_string();
    let command =
        [".bin/mcp-inspector", "--cli", "--config", &config, "--server", "wiki", "--method", "tools/list"];
    scene.holds_through_the_bridge("inspector", &file, &command, "\"greet\"");
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn claude_code_through_the_bridge() {
    let scene = Scene::new();
    let settings = scene.home.join(".claude.json");
    fs::write(&settings, r#"{"theme":"dark"}"#).unwrap();
    let client = format!("claude-code={}", settings.display());
    // It writes its settings too, so only the entry is compared.
    scene.write_bridge_entry(&client, &settings);
    let entry = || {
        let text = fs::read_to_string(&settings).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["wiki"].clone()
    };
    let first = entry();
    let command = ["@anthropic-ai/claude-code/cli-wrapper.cjs", "mcp", "list"];
    for round in ["--once", "--once --force"] {
        scene.program(&client).args("--client-secrets bridge").args(round).run().expect_code(0);
        let output = scene.run(&command);
        assert!(shown(&output).contains("Connected"), "{output:?}");
        scene.served_the_present_token();
        assert_eq!(entry(), first);
    }
}

/// Its connections stay open over all commands, in a daemon of its own.
#[test]
#[ignore = "needs the clients: make interop-clients"]
fn inspector_goes_on_through_a_rotation_without_a_restart() {
    let scene = Scene::new();
    let file = scene.project.token("mcp-inspector.json");
    let text = scene.write_bridge_entry("inspector", &file);
    let run = |arguments: &[&str]| scene.run(&[&[".bin/mcpdo"], arguments].concat());
    let connected = run(&["connect", "wiki", "--config", &file.display().to_string()]);
    assert!(connected.status.success(), "{connected:?}");
    let mut bridges = Vec::new();
    for rotated in [false, true, true] {
        if rotated {
            scene.rotate("inspector", &file, &text);
        }
        let output = run(&["@wiki", "tools/call", "greet"]);
        assert!(shown(&output).contains("hello from interop"), "{output:?}");
        scene.served_the_present_token();
        bridges.push(bridges_of(scene.project.root()));
    }
    run(&["daemon", "stop"]);
    assert_eq!(bridges[0].len(), 1, "{bridges:?}");
    assert!(bridges.iter().all(|now| *now == bridges[0]), "the bridge was started anew: {bridges:?}");
    assert!(
        support::holds_in_time(|| bridges_of(scene.project.root()).is_empty()),
        "it ends with its client"
    );
}

/// Its daemon keeps the bridge running over all calls.
#[test]
#[ignore = "needs the clients: make interop-clients"]
fn mcporter_goes_on_through_a_rotation_without_a_restart() {
    let scene = Scene::new();
    fs::create_dir(scene.project.path("config")).unwrap();
    let (client, file) = ("mcporter=config/mcporter.json", scene.project.path("config/mcporter.json"));
    let text = scene.write_bridge_entry(client, &file);
    let mut daemon = scene
        .command(&[".bin/mcporter", "daemon", "start", "--foreground"])
        .env("MCPORTER_KEEPALIVE", "wiki")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("node starts");
    let call = || {
        let mut call = scene.command(&[".bin/mcporter", "call", "wiki.greet"]);
        call.env("MCPORTER_KEEPALIVE", "wiki").stdin(Stdio::null()).output().expect("node starts")
    };
    let mut bridges = Vec::new();
    for rotated in [false, true, true] {
        if rotated {
            scene.rotate(client, &file, &text);
        }
        let output = call();
        assert!(shown(&output).contains("hello from interop"), "{output:?}");
        scene.served_the_present_token();
        bridges.push(bridges_of(scene.project.root()));
    }
    let _ = scene.command(&[".bin/mcporter", "daemon", "stop"]).output();
    let _ = daemon.kill();
    let _ = daemon.wait();
    assert_eq!(bridges[0].len(), 1, "{bridges:?}");
    assert!(bridges.iter().all(|now| *now == bridges[0]), "the bridge was started anew: {bridges:?}");
}

/// A whole conversation of a client, with a model that plays by a script: a call of the tool, a rotation, and another
/// call in the same process, which speaks through the same bridge.
fn converse(scene: &Scene, client: &str, model: [&str; 2], words: &[&str], variables: &[(&str, &str)]) {
    let [script, tool] = model;
    let mut model = Command::new("node")
        .arg(clients().join(script))
        .arg(tool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut said = BufReader::new(model.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = said.next().unwrap();
    let running = scene
        .command(words)
        .envs(variables.iter().map(|(name, value)| (name, value.replace("MODEL", &address))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts");
    assert_eq!(said.next().as_deref(), Some("between"));
    scene.served_the_present_token();
    let (before, bridges) = (scene.token(), bridges_of(scene.project.root()));
    scene.program(client).args("--client-secrets bridge --once --force").run().expect_code(0);
    assert_ne!(scene.token(), before);
    assert_eq!((bridges.len(), bridges_of(scene.project.root())), (1, bridges));
    // It ends when its input does.
    let mut input = model.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"go\n").unwrap();
    let output = running.wait_with_output().unwrap();
    drop(input);
    let _ = model.kill();
    let _ = model.wait();
    let told = shown(&output);
    assert_eq!(told.matches("hello from interop").count(), 2, "{output:?}");
    scene.served_the_present_token();
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn claude_code_goes_on_through_a_rotation_without_a_restart() {
    let scene = Scene::new();
    let settings = scene.home.join(".claude.json");
    fs::write(&settings, r#"{"hasCompletedOnboarding":true}"#).unwrap();
    let client = format!("claude-code={}", settings.display());
    scene.write_bridge_entry(&client, &settings);
    let program = "@anthropic-ai/claude-code/cli-wrapper.cjs";
    let words = [program, "-p", "call the tool twice", "--allowedTools", "mcp__wiki__greet"];
    let variables = [("ANTHROPIC_BASE_URL", "MODEL"), ("ANTHROPIC_API_KEY", "none")];
    converse(&scene, &client, ["model.mjs", "mcp__wiki__greet"], &words, &variables);
}

#[test]
#[ignore = "needs the clients: make interop-clients"]
fn gemini_goes_on_through_a_rotation_without_a_restart() {
    let scene = Scene::new();
    let settings = gemini_settings(&scene, r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#);
    let client = format!("gemini={}", settings.display());
    scene.write_bridge_entry(&client, &settings);
    let words = [".bin/gemini", "-p", "call the tool twice", "--yolo", "-m", "gemini-2.5-flash"];
    let variables = [("GOOGLE_GEMINI_BASE_URL", "MODEL"), ("GEMINI_API_KEY", "none")];
    converse(&scene, &client, ["gemini.mjs", "mcp_wiki_greet"], &words, &variables);
}

/// The whole way: from the address of a protected MCP server to Inspector, which lists its tools with the entry that
/// a running daemon has written, and goes on to while the daemon rotates the tokens of two seconds.
#[test]
#[ignore = "needs the clients: make interop-clients"]
fn from_an_address_to_inspector_and_through_rotations() {
    let mut server = Command::new("node")
        .arg(clients().join("authorization.mjs"))
        .arg("6")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let said = BufReader::new(server.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let (address, admin) = (said["server"].as_str().unwrap(), said["admin"].as_str().unwrap());
    let counts = || -> Value {
        let text = support::browser::open(admin).text;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    for secrets in ["inline", "bridge"] {
        let project = Project::bare();
        let mut daemon =
            Program::new(&project).args("--client inspector --client-secrets").arg(secrets).start();
        daemon.wait_for_log("Token refresh cycle completed");
        let mut login = Program::new(&project).arg("login").arg(address).args("--name demo").start();
        let page = shown_address(&mut login);
        assert_eq!(support::browser::Cookies::default().follow(&page, None).status, 200);
        let finished = login.wait().expect_code(0);
        assert!(finished.stdout.contains("has been told"), "{finished:#?}");
        let config = project.token("mcp-inspector.json");
        daemon.wait_until("the entry", || {
            fs::read_to_string(&config).is_ok_and(|text| text.contains("\"demo\""))
        });
        let config = config.display().to_string();
        let command = [
            ".bin/mcp-inspector",
            "--cli",
            "--config",
            &config,
            "--server",
            "demo",
            "--method",
            "tools/list",
        ];
        let before = counts()["rotations"].as_u64().unwrap();
        for round in 1..=3 {
            let rotated = || counts()["rotations"].as_u64().unwrap() >= before + round;
            daemon.wait_until("a rotation", rotated);
            let output = run_client(&command, project.root(), project.outside());
            assert!(shown(&output).contains("\"greet\""), "{secrets} {round}: {output:?}");
        }
        daemon.stop().expect_code(0);
    }
    assert_eq!(counts()["reuses"], 0);
    let _ = server.kill();
    let _ = server.wait();
}

/// The address that a sign-in shows to a person.
fn shown_address(login: &mut support::Daemon) -> String {
    let mut found = None;
    let in_time = support::holds_in_time(|| {
        found =
            login.said().lines().map(str::trim).find(|line| line.contains("client_id=")).map(str::to_owned);
        found.is_some() || login.has_ended()
    });
    found.unwrap_or_else(|| panic!("no address ({in_time}): {}", login.said()))
}

/// The processes of the bridge that serve this project.
fn bridges_of(project: &Path) -> Vec<String> {
    let directory = format!("TOKEN_REFRESHER_DIR={}", project.display());
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let read = |path: PathBuf| fs::read(path).unwrap_or_default();
    processes
        .filter(|path| {
            let words = read(path.join("cmdline"));
            let environment = read(path.join("environ"));
            words.split(|byte| *byte == 0).any(|word| word == b"bridge")
                && environment.split(|byte| *byte == 0).any(|variable| variable == directory.as_bytes())
        })
        .map(|path| path.display().to_string())
        .collect()
}
