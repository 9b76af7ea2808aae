//! `make demo`: the whole way, from an empty directory to an assistant whose session outlives its tokens.
//!
//! The real program, a strict token endpoint (it rotates refresh tokens, and revokes a sign-in whose spent token
//! comes again), an MCP server that lets in nothing but a token that is good at that moment, and an assistant that
//! starts what its own configuration says. Each act shows the command, what it printed, and what happened. The last
//! line says what was proved; the exit status is 0 only if all of it happened.
//!
//! `demo [PROGRAM]`: without an argument the program one directory above this one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the demo fails where something is not as it should be"
)]

mod assistant;
mod show;
mod stage;

#[path = "../../tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the server offers more than the demo uses")]
#[path = "../../tests/support/mcp/mod.rs"]
mod mcp;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assistant::Assistant;
use show::{act, command, remark, say};
use stage::Stage;
use support::{Daemon, Finished, Program, Signal, browser};

/// The name of the server and of its token.
const NAME: &str = "notes";
/// The assistant's own file. This assistant reads its configuration once, at its start.
const ASSISTANT_FILE: &str = "claude_desktop_config.json";
/// Each act is given up after this.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time between two calls of the assistant.
const PAUSE: Duration = Duration::from_millis(250);

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

/// Everything between the first line and the last. What the demo starts and lays out ends with it, also when it
/// fails or is interrupted.
fn demonstrate() -> Result<String, Failure> {
    let begin = Instant::now();
    let play = Play::new(program()?)?;
    let root = play.stage.project.root().to_owned();
    play.sign_in()?;
    let mut daemon = play.start()?;
    let mut assistant = play.connect(&mut daemon)?;
    play.outlive(&mut daemon, &mut assistant)?;
    play.look()?;
    daemon = play.kill_in_mid_refresh(daemon, &mut assistant)?;
    let proved = play.end(daemon, assistant, begin)?;
    drop(play);
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

/// The acts.
struct Play {
    program: PathBuf,
    stage: Stage,
    interrupted: Arc<AtomicBool>,
}

impl Play {
    fn new(program: PathBuf) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self { program, stage: Stage::set(), interrupted })
    }

    fn program(&self, arguments: &str) -> Program {
        Program::at(&self.program, &self.stage.project).args(arguments)
    }

    /// Runs a command to its end, and shows it.
    fn run(&self, arguments: &str) -> Result<Finished, Failure> {
        command(arguments)?;
        let finished = self.program(arguments).run();
        say(&self.stage.masked(&(finished.stdout.clone() + &finished.stderr)))?;
        Ok(finished)
    }

    /// Waits for what the act is about.
    fn wait(&self, what: &str, mut condition: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
        let begin = Instant::now();
        while !condition()? {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("{what}: not within {} seconds", PATIENCE.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn sign_in(&self) -> Result<(), Failure> {
        act("1", "an empty directory, and a first sign-in")?;
        let arguments = format!("login {} --name {NAME}", self.stage.server());
        command(&arguments)?;
        let mut login = self.program(&arguments).start();
        let mut address = None;
        self.wait("the address to open", || {
            let shown = login.said();
            address =
                shown.lines().map(str::trim).find(|line| line.contains("client_id=")).map(str::to_owned);
            if login.has_ended() && address.is_none() {
                return Err(format!("the sign-in ended: {shown}").into());
            }
            Ok(address.is_some())
        })?;
        let shown_before = login.said();
        say(&show::shortened(&shown_before))?;
        remark("(the demo's browser opens that address, and its person says yes)")?;
        browser::sign_in(&address.unwrap_or_default());
        let finished = login.wait().expect_code(0);
        say(finished.stderr.strip_prefix(&shown_before).unwrap_or(&finished.stderr))?;
        say(&finished.stdout)?;
        remark("The program found the authorization server from that address, and registered itself there.")
    }

    fn start(&self) -> Result<Daemon, Failure> {
        act("2", "the program keeps the token, and the assistant's file")?;
        let arguments = format!("--client claude-desktop={ASSISTANT_FILE}");
        command(&arguments)?;
        let mut daemon = self.program(&arguments).start();
        let file = self.stage.project.path(ASSISTANT_FILE);
        self.wait("the assistant's file", || {
            Self::alive(&mut daemon)?;
            Ok(file.exists() && daemon.log().contains("cycle completed"))
        })?;
        say(&self.stage.masked(&daemon.log()))?;
        remark(&format!(
            "{ASSISTANT_FILE}, as this assistant reads it once, at its start; no token is in it:"
        ))?;
        say(&self.stage.masked(&fs::read_to_string(file)?))?;
        Ok(daemon)
    }

    fn connect(&self, daemon: &mut Daemon) -> Result<Assistant, Failure> {
        act("3", "the assistant starts what its file says, and has its tools")?;
        Self::alive(daemon)?;
        let mut assistant = Assistant::start(&self.stage.project.path(ASSISTANT_FILE), NAME)?;
        let tools = assistant.connect()?;
        remark(&format!("MCP over standard input and output; tools: {}", tools.join(", ")))?;
        assistant.call()?;
        remark(&format!("first call answered, with token {}", self.stage.token_in_use()))?;
        Ok(assistant)
    }

    fn outlive(&self, daemon: &mut Daemon, assistant: &mut Assistant) -> Result<(), Failure> {
        let life = stage::LIFETIME.as_secs();
        act("4", &format!("tokens live {life} seconds here; the session goes on over three of them"))?;
        let mut shown = daemon.log().len();
        self.wait("two more tokens", || {
            Self::alive(daemon)?;
            std::thread::sleep(PAUSE);
            let before = self.stage.tokens_used().len();
            assistant.call()?;
            if self.stage.tokens_used().len() > before {
                let log = daemon.log();
                let new = log.get(shown..).unwrap_or_default().lines().filter(|line| line.contains(NAME));
                say(&self.stage.masked(&new.collect::<Vec<_>>().join("\n")))?;
                shown = log.len();
                remark(&format!(
                    "call {} answered, with token {}",
                    assistant.calls(),
                    self.stage.token_in_use()
                ))?;
            }
            // Three tokens, and the first of them dead: an assistant that still held it would get a 401 by now.
            Ok(self.stage.tokens_used().len() >= 3 && self.stage.first_is_dead())
        })?;
        remark(&format!("{} calls in one session; the first token has expired meanwhile", assistant.calls()))
    }

    fn look(&self) -> Result<(), Failure> {
        act("5", "what a person and a monitoring system see")?;
        self.run("status")?.expect_code(0);
        let check = self.run("check")?;
        if check.code() != Some(0) {
            return Err(format!("check ended with {:?}", check.code()).into());
        }
        Ok(())
    }

    /// The worst moment: the endpoint has replaced the refresh token, and the answer is on its way.
    fn kill_in_mid_refresh(&self, mut daemon: Daemon, assistant: &mut Assistant) -> Result<Daemon, Failure> {
        act("6", "kill -9 in the middle of a refresh, and a clean start")?;
        let hold = self.stage.endpoint.hold();
        let before = self.stage.grants();
        self.wait("a refresh under way", || {
            Self::alive(&mut daemon)?;
            assistant.call()?;
            std::thread::sleep(PAUSE);
            Ok(self.stage.grants() > before)
        })?;
        remark(&format!(
            "the refresh token is replaced, the answer is on its way: kill -9 {}",
            daemon.pid()
        ))?;
        daemon.kill_now();
        drop(hold);
        let shown = fs::read_to_string(self.stage.project.path(support::daemon::LOG))?.len();
        let arguments = format!("--client claude-desktop={ASSISTANT_FILE}");
        command(&arguments)?;
        let mut daemon = self.program(&arguments).start();
        self.wait("the refresh that follows", || {
            Self::alive(&mut daemon)?;
            let log = daemon.log();
            Ok(log.get(shown..).is_some_and(|log| log.contains("Successfully refreshed")))
        })?;
        let log = daemon.log();
        let new = log.get(shown..).unwrap_or_default().lines().filter(|line| line.contains(NAME));
        say(&self.stage.masked(&new.collect::<Vec<_>>().join("\n")))?;
        let before = self.stage.tokens_used().len();
        assistant.call()?;
        let new = if self.stage.tokens_used().len() > before { "the new token" } else { "a token" };
        remark(&format!(
            "call {} answered, in the same session, with {new} {}",
            assistant.calls(),
            self.stage.token_in_use()
        ))?;
        Ok(daemon)
    }

    fn end(&self, daemon: Daemon, assistant: Assistant, begin: Instant) -> Result<String, Failure> {
        act("7", "the assistant closes, the program is asked to stop")?;
        let calls = assistant.calls();
        assistant.close()?;
        daemon.signal(Signal::Term);
        let finished = daemon.wait();
        let tail: Vec<&str> = finished.log.lines().rev().take(2).collect();
        tail.iter().rev().try_for_each(|line| say(line))?;
        self.stage.verdict(&finished, calls, begin.elapsed().as_secs())
    }

    fn alive(daemon: &mut Daemon) -> Result<(), Failure> {
        if !daemon.has_ended() {
            return Ok(());
        }
        Err(format!("the program ended by itself\n{}{}", daemon.log(), daemon.said()).into())
    }
}
