//! `make demo`: watch tokens being refreshed before they expire.
//!
//! A strict token endpoint of our own (it rotates refresh tokens and revokes a sign-in whose spent
//! token comes again), a project directory as a user has it, and the real program. All the while
//! every token in both configurations is held against the endpoint: would it be accepted *now*?
//! The last line says what was proved; the exit status is 0 only if all of it happened.
//!
//! `demo [PROGRAM]`: without an argument the program one directory above this one.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Client, ClientAuth, Daemon, Endpoint, Outcome, Program, Project, TokenFile};

/// Short enough to see several lives of a token in under a minute; refreshed at half of it.
const LIFETIME: Duration = Duration::from_secs(8);
/// How often each token is refreshed before the demo ends: more than once, as it promises.
const ROUNDS: usize = 3;
/// The demo gives up after this.
const PATIENCE: Duration = Duration::from_secs(45);
/// Time between two looks at the configurations.
const LOOK: Duration = Duration::from_millis(20);
/// Both generated files.
const CONFIGURATIONS: [&str; 2] = ["mcp.json", "vscode_mcp.json"];
/// The servers that both must hold.
const SERVERS: [&str; 5] = ["atlassian", "currenttime", "mcpgw", "realserverfaketools", "sre-gateway"];

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match demonstrate() {
        Ok(proved) => {
            println!("\nproved: {proved}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("\ndemo: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Everything between the first line and the last. What it starts and lays out ends with it, also
/// when it fails or is interrupted.
fn demonstrate() -> Result<String, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let program = program()?;
    let stage = Stage::set()?;
    let root = stage.project.root().to_owned();
    heading(&format!("A project in {}", root.display()))?;
    say("two OAuth services, a gateway token and three no-auth servers;")?;
    say(&format!("every token lives {} seconds and is due after half of them", LIFETIME.as_secs()))?;

    heading(&format!("{} (its log)", program.display()))?;
    let mut daemon = Program::at(&program, &stage.project).start();
    let begin = Instant::now();
    let mut watch = Watch::default();
    while !stage.is_done(&daemon.log()) {
        thread::sleep(LOOK);
        if interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        watch.follow_log(&daemon)?;
        if daemon.has_ended() {
            return Err(format!("the program ended by itself\n{}", daemon.wait().stderr).into());
        }
        watch.look(&stage)?;
        if begin.elapsed() > PATIENCE {
            return Err(format!("not done within {} seconds", PATIENCE.as_secs()).into());
        }
    }

    for name in CONFIGURATIONS {
        heading(&format!(".oauth-tokens/{name} (tokens masked)"))?;
        say(&stage.masked(&fs::read_to_string(stage.project.token(name))?))?;
    }

    heading("SIGTERM")?;
    let seconds = begin.elapsed().as_secs();
    daemon.signal(support::Signal::Term);
    let pid_file = stage.project.path(support::daemon::PID_FILE);
    let finished = daemon.wait();
    watch.rest_of_log(&finished.log)?;
    let proved = stage.verdict(&watch, finished.code(), seconds)?;
    if pid_file.exists() {
        return Err("the pid file is left behind".into());
    }
    drop(stage);
    if root.exists() {
        return Err(format!("{} is left behind", root.display()).into());
    }
    Ok(proved)
}

/// The program to run.
fn program() -> Result<PathBuf, Failure> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        // target/debug/examples/demo is beside target/debug/token-refresher, one directory down.
        None => std::env::current_exe()?.with_file_name("../token-refresher"),
    };
    fs::canonicalize(&path).map_err(|error| format!("{}: {error}; run `make demo`", path.display()).into())
}

/// The endpoint, the project and the tokens it begins with.
struct Stage {
    endpoint: Endpoint,
    project: Project,
    clients: Vec<Client>,
    first_tokens: Vec<String>,
}

impl Stage {
    fn set() -> Result<Self, Failure> {
        let endpoint = Endpoint::start();
        endpoint.set_latency(Duration::from_millis(100));
        // Each authenticates as its provider wants it: AgentCore's in the Basic header.
        let clients = [
            ("atlassian-app", ClientAuth::Post),
            ("sre-gateway-app", ClientAuth::Basic),
            ("mcp-gateway-m2m", ClientAuth::Post),
        ];
        let clients = clients.map(|(id, auth)| Client::new(id).auth(auth).lifetime(LIFETIME)).to_vec();
        for client in &clients {
            endpoint.register(client.clone());
        }
        let project = Project::new();
        project.write(".env", "REGISTRY_URL=https://gateway.example.com\n");
        for server in ["currenttime", "mcpgw", "realserverfaketools"] {
            project.no_auth_server(server);
        }
        let seconds = i64::try_from(LIFETIME.as_secs())?;
        let mut first_tokens = Vec::new();
        for ((provider, server), client) in
            [("atlassian", "atlassian"), ("bedrock-agentcore", "sre-gateway")].into_iter().zip(&clients)
        {
            let tokens = endpoint.sign_in(client.id());
            first_tokens.push(tokens.access_token.clone());
            let file = TokenFile::egress(provider, server).tokens(&tokens).at(&endpoint, client);
            project.write_token(&file.fresh_for(seconds));
        }
        // The gateway's own token: client credentials, with the secret in a file beside it.
        let gateway = &clients[2];
        let token = endpoint.machine_token(gateway.id());
        first_tokens.push(token.clone());
        let file = TokenFile::ingress(&endpoint, gateway).without("client_secret");
        project.write_token(&file.field("access_token", token).fresh_for(seconds));
        project.write_client_credentials("mcp-gateway-m2m.json", gateway.id(), gateway.secret());
        Ok(Self { endpoint, project, clients, first_tokens })
    }

    /// How often the endpoint has issued new tokens to this client.
    fn refreshes(&self, client: &Client) -> usize {
        let granted = |outcome: &Outcome| matches!(outcome, Outcome::Granted { .. });
        let requests = self.endpoint.requests_of(client.id());
        requests.iter().filter(|one| one.answered.is_some() && granted(&one.outcome)).count()
    }

    /// Every token was refreshed often enough and stored, and those it all began with are dead by now.
    fn is_done(&self, log: &str) -> bool {
        log.matches("Successfully refreshed token").count() >= ROUNDS * self.clients.len()
            && self.clients.iter().all(|client| self.refreshes(client) >= ROUNDS)
            && self.first_tokens.iter().all(|token| !self.endpoint.is_live(token))
    }

    /// The text without any token.
    fn masked(&self, text: &str) -> String {
        self.endpoint.secrets().iter().fold(text.to_owned(), |text, secret| text.replace(secret, "********"))
    }

    fn verdict(&self, watch: &Watch, code: Option<i32>, seconds: u64) -> Result<String, Failure> {
        let refreshes = self.clients.iter().map(|client| self.refreshes(client)).sum::<usize>();
        let (expired, looks, reuses) = (watch.expired, watch.looks, self.endpoint.reuses());
        let leftovers = self.project.leftovers();
        let status = code.map_or("a signal".to_owned(), |code| format!("status {code}"));
        let verdict = format!(
            "{refreshes} refreshes of 3 credentials in {seconds} s, {expired} expired moments in {looks} looks, \
             {reuses} reuses, ended by SIGTERM with {status}, {} files left behind",
            leftovers.len()
        );
        let as_it_should =
            expired == 0 && looks > 0 && reuses == 0 && code == Some(0) && leftovers.is_empty();
        if as_it_should { Ok(verdict) } else { Err(format!("not as it should be: {verdict}").into()) }
    }
}

/// What the reader has been shown, and what was seen in the configurations.
#[derive(Default)]
struct Watch {
    shown: usize,
    looks: usize,
    expired: usize,
    /// The expired tokens that the reader has been told of.
    reported: BTreeSet<String>,
}

impl Watch {
    /// Shows the lines that the log has got since.
    fn follow_log(&mut self, daemon: &Daemon) -> io::Result<()> {
        let log = daemon.log();
        let complete = log.rfind('\n').map_or(0, |at| at + 1);
        self.rest_of_log(&log[..complete])
    }

    fn rest_of_log(&mut self, log: &str) -> io::Result<()> {
        for line in log.get(self.shown..).unwrap_or_default().lines() {
            say(line)?;
        }
        self.shown = log.len();
        Ok(())
    }

    /// Reads both configurations as a client would, and asks whether each token in them is good now.
    fn look(&mut self, stage: &Stage) -> Result<(), Failure> {
        if !CONFIGURATIONS.iter().all(|name| stage.project.token(name).exists()) {
            return Ok(()); // The program has just been started.
        }
        self.looks += 1;
        for name in CONFIGURATIONS {
            let text = fs::read_to_string(stage.project.token(name))?;
            let document: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
            let servers = document["mcpServers"].as_object().ok_or(format!("{name}: no mcpServers"))?;
            if servers.keys().map(String::as_str).collect::<BTreeSet<_>>() != BTreeSet::from(SERVERS) {
                return Err(format!("{name} holds {:?}", servers.keys()).into());
            }
            let tokens = bearer_tokens(&text);
            if tokens.len() < 3 {
                return Err(format!("{name} holds {} tokens instead of three", tokens.len()).into());
            }
            for token in tokens.iter().filter(|token| !stage.endpoint.is_live(token)) {
                self.expired += 1;
                if self.reported.insert((*token).to_owned()) {
                    say(&format!("*** {name} holds an expired token"))?;
                }
            }
        }
        Ok(())
    }
}

/// Every different token behind the word Bearer.
fn bearer_tokens(text: &str) -> BTreeSet<&str> {
    let end = |rest: &str| rest.find(['"', '\\']).unwrap_or(rest.len());
    text.split("Bearer ").skip(1).map(|rest| &rest[..end(rest)]).collect()
}

fn heading(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "\n== {text}")
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    text.lines().try_for_each(|line| writeln!(out, "   {line}"))
}
