//! One behaviour of an endpoint, and how it is played: an endpoint and a project of its own, the real
//! program with `--once`, then the same again at once.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::outcome::{CLIENT_SECRET, LEFT, NEW_ACCESS, NEW_REFRESH, OLD_ACCESS, OLD_REFRESH, Outcome};
use crate::support::{
    Answer, Endpoint, Fault, Finished, Program, Project, Stamp, Step, TokenFile, Who, internals, now,
};

/// What the other end does.
#[derive(Clone, Debug)]
pub(crate) enum Serve {
    /// An endpoint that always does this.
    Always(Step),
    /// An endpoint whose connection goes wrong before anything is read.
    Connection(Fault),
    /// The address in the file; `PORT` is the port of an endpoint that must get no request.
    Address(&'static str),
    /// A TLS endpoint that accepts connections and never says anything.
    SilentTls,
}

/// One row: what the endpoint does, and what must come of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    what: String,
    provider: String,
    machine: bool,
    members: Vec<(&'static str, Value)>,
    providers_json: Option<&'static str>,
    serve: Serve,
    outcome: Outcome,
    says: Vec<String>,
    hides: Vec<String>,
    sent: usize,
    nameless: bool,
}

impl Case {
    /// At an endpoint to which `provider`'s rules apply.
    pub(crate) fn new(what: impl Into<String>, provider: &str, serve: Serve, outcome: Outcome) -> Self {
        let sent = usize::from(matches!(serve, Serve::Always(_)));
        Self {
            what: what.into(),
            provider: provider.to_owned(),
            machine: false,
            members: Vec::new(),
            providers_json: None,
            serve,
            outcome,
            says: Vec::new(),
            hides: Vec::new(),
            sent,
            nameless: false,
        }
    }

    /// An endpoint that always does `step`.
    pub(crate) fn step(what: impl Into<String>, provider: &str, step: Step, outcome: Outcome) -> Self {
        Self::new(what, provider, Serve::Always(step), outcome)
    }

    /// An endpoint that always answers with this status and this JSON text.
    pub(crate) fn json(provider: &str, status: u16, body: &str, outcome: Outcome) -> Self {
        let answer = Answer::new(status, body).header("Content-Type", "application/json");
        let what = format!("{provider}: {status} {}", body.chars().take(120).collect::<String>());
        Self::step(what, provider, Step::answer(answer), outcome)
    }

    /// The application's own token, by client credentials.
    pub(crate) fn machine(mut self) -> Self {
        self.machine = true;
        self
    }

    /// One more member in the token file.
    pub(crate) fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// A `providers.json` in the project.
    pub(crate) fn providers_json(mut self, text: &'static str) -> Self {
        self.providers_json = Some(text);
        self
    }

    /// The message must contain this.
    pub(crate) fn says(mut self, text: impl Into<String>) -> Self {
        self.says.push(text.into());
        self
    }

    /// The same refresh token is sent once more, since its answer was lost.
    pub(crate) fn sent_again(mut self) -> Self {
        self.sent += 1;
        self
    }

    /// The message need not contain the endpoint's address.
    pub(crate) fn nameless(mut self) -> Self {
        self.nameless = true;
        self
    }

    /// Nothing that the program writes for people may contain this.
    pub(crate) fn hides(mut self, text: impl Into<String>) -> Self {
        self.hides.push(text.into());
        self
    }

    fn file(&self, address: &str) -> TokenFile {
        let file = TokenFile::egress(&self.provider, "server")
            .field("unknown", json!({"to us": [1.50, null]}))
            .field("access_token", OLD_ACCESS)
            .expires_in(LEFT)
            .field("token_endpoint", address)
            .field("client_id", "the client")
            .field("client_secret", CLIENT_SECRET);
        let file = if self.machine {
            file.field("grant_type", "client_credentials")
        } else {
            file.field("refresh_token", OLD_REFRESH)
        };
        self.members.iter().fold(file, |file, (name, value)| file.field(name, value.clone()))
    }

    /// Plays it; `limit` is the longest that the program may take.
    fn play(&self, limit: Duration) -> Result<(), String> {
        let endpoint = Endpoint::start();
        match &self.serve {
            Serve::Always(step) => endpoint.always(Who::Anyone, step.clone()),
            Serve::Connection(fault) => endpoint.on_next_connection(*fault),
            Serve::SilentTls => endpoint.on_next_connection(Fault::Silence),
            Serve::Address(_) => {}
        }
        let address = match self.serve {
            Serve::Address(address) => address.replace("PORT", &endpoint.address().port().to_string()),
            Serve::SilentTls => endpoint.url().replace("http:", "https:"),
            _ => endpoint.url(),
        };
        let project = Project::new();
        let file = self.file(&address);
        let path = project.write_token(&file);
        if let Some(text) = self.providers_json {
            project.write("providers.json", text);
        }
        let run = || {
            let began = now();
            let program = Program::new(&project).args("--once --log-level DEBUG").start();
            (program.wait_within(limit), began..=now())
        };
        let before = Stamp::of(&path);

        let (finished, times) = run();
        let refreshed = matches!(self.outcome, Outcome::Refreshed(_));
        expect("exit status", &finished.code(), &Some(i32::from(!refreshed)))?;
        expect("requests", &endpoint.requests().len(), &self.sent)?;
        self.check_shown(&finished, &project)?;
        expect("leftovers", &project.leftovers(), &Vec::<String>::new())?;
        if let Outcome::Refreshed(new) = &self.outcome {
            let file = project.read_token(file.name());
            new.wrong_in(&file, !self.machine, times).map_or(Ok(()), Err)?;
        } else {
            self.check_file(&file, &path, &before)?;
            self.check_trouble(&finished, &project, file.name(), &address, &times)?;
        }

        // Once more at once: what has been answered is not asked again, in whichever way.
        if self.outcome.again().is_none_or(|again| *again.start() > 5) {
            let (again, _) = run();
            // But for a refusal, once after each start: it may have been mended.
            let sent = self.sent + usize::from(self.is_refused());
            expect("requests after a second run", &endpoint.requests().len(), &sent)?;
            expect("exit status of a second run", &again.code(), &Some(i32::from(!refreshed)))?;
            self.check_sent_again(&endpoint)?;
            self.check_shown(&again, &project)?;
        }
        Ok(())
    }

    /// That the file of a failure is as it was, or holds the refresh token of half an answer.
    fn check_file(&self, file: &TokenFile, path: &Path, before: &Stamp) -> Result<(), String> {
        let now = fs::read_to_string(path).unwrap();
        if matches!(self.outcome, Outcome::Half) {
            return expect("token file", &now, &file.text().replace(OLD_REFRESH, NEW_REFRESH));
        }
        expect("token file", &now, &file.text())?;
        expect("token file's stamp", &Stamp::of(path), before)
    }

    /// That the refresh token of half an answer is the one that is sent the next time.
    fn check_sent_again(&self, endpoint: &Endpoint) -> Result<(), String> {
        if !matches!(self.outcome, Outcome::Half) {
            return Ok(());
        }
        let requests = endpoint.requests();
        let sent = requests.last().and_then(|one| one.field("refresh_token"));
        expect("refresh token of a second run", &sent, &Some(NEW_REFRESH))
    }

    /// Whether the endpoint refused a request that was sent.
    fn is_refused(&self) -> bool {
        self.sent > 0 && matches!(self.outcome, Outcome::Configuration | Outcome::Half)
    }

    /// What the status file and the log say of a failure.
    fn check_trouble(
        &self,
        finished: &Finished,
        project: &Project,
        name: &str,
        address: &str,
        times: &std::ops::RangeInclusive<i64>,
    ) -> Result<(), String> {
        let status: Value = serde_json::from_str(&status(project)).unwrap();
        let trouble = &status["files"][name]["trouble"];
        let message = trouble["message"].as_str().unwrap_or_default();
        expect("class", &trouble["kind"].as_str(), &Some(self.outcome.kind()))
            .map_err(|why| format!("{why}: {message}"))?;
        let next = trouble["next_attempt"].as_i64().map(|millis| millis / 1000);
        // What the endpoint refused is asked again after a quarter of an hour.
        let refused = 900..=900;
        let again = if self.is_refused() { Some(&refused) } else { self.outcome.again() };
        match (again, next) {
            (None, None) => {}
            (Some(again), Some(next)) => {
                // From the end of the run: a delay that began with a request of half a minute would be none.
                let (first, last) = (times.end() + again.start() - 5, times.end() + again.end() + 1);
                if !(first..=last).contains(&next) {
                    return Err(format!("next attempt after {} s: {message}", next - times.end()));
                }
            }
            (_, next) => return Err(format!("next attempt at {next:?}: {message}")),
        }
        let shown = address.split('?').next().unwrap_or_default();
        let address = (!self.nameless).then_some(shown);
        for part in self.says.iter().map(String::as_str).chain(address) {
            if !message.contains(part) {
                return Err(format!("{part:?} is missing in {message:?}"));
            }
        }
        let mut line = format!("{} REFRESH: {name}: {message}", self.outcome.level());
        if matches!(self.outcome, Outcome::SignIn) {
            let (credential, dir) = (name.trim_end_matches("-egress.json"), project.root().display());
            line = format!("{line}: token-refresher login {credential} --dir {dir}\n");
        }
        if finished.log.contains(&line) { Ok(()) } else { Err(format!("{line:?} is not in the log")) }
    }

    /// What may never be shown, and that every line of the log has the program's form.
    fn check_shown(&self, finished: &Finished, project: &Project) -> Result<(), String> {
        let status = status(project);
        let shown = [
            ("log", &finished.log),
            ("standard output", &finished.stdout),
            ("standard error", &finished.stderr),
            ("status file", &status),
        ];
        let secrets = [OLD_ACCESS, OLD_REFRESH, NEW_ACCESS, NEW_REFRESH, CLIENT_SECRET];
        for (place, text) in shown {
            let mut hidden = secrets.into_iter().chain(self.hides.iter().map(String::as_str));
            if let Some(secret) = hidden.find(|secret| text.contains(secret)) {
                return Err(format!("{secret:?} is shown in the {place}: {text}"));
            }
        }
        let of_ours = |line: &&str| {
            let begins = line.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
            begins && line.contains(" - [") && !line.chars().any(char::is_control) && line.len() < 1000
        };
        match finished.log.lines().find(|line| !of_ours(line)) {
            Some(line) => Err(format!("a line of the log that is not ours: {line:?}")),
            None => Ok(()),
        }
    }
}

fn status(project: &Project) -> String {
    internals::status_text(project)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should_be: &T) -> Result<(), String> {
    if is == should_be { Ok(()) } else { Err(format!("{what}: {is:?} instead of {should_be:?}")) }
}

/// Plays all of them, a few at a time, and says all that went wrong.
pub(crate) fn play(cases: Vec<Case>) {
    play_with(cases, 8, crate::support::DEADLINE);
}

/// Plays all of them, so many at a time; the program may take as long as `limit` over each.
pub(crate) fn play_with(cases: Vec<Case>, threads: usize, limit: Duration) {
    let queue = Mutex::new(VecDeque::from(cases));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { break };
                    if let Err(why) = case.play(limit) {
                        wrong.lock().unwrap().push(format!("{}\n    {why}", case.what));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n"));
}
