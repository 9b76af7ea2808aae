//! Faults of every kind, many times over: kill -9, a failure of every system call, many processes at
//! once, full and read-only disks, hundreds of tokens that live for seconds. Each test prints what it
//! counted, in one line. They take minutes, so they run only with `--ignored`:
//!
//!     make faults                                  a full run: 1,000 kills of each kind, five minutes of short lives
//!     make faults FAULT_TRIALS=300 FAULT_SECONDS=60      as `.ci/run` does
//!     make faults FAULT_SEALED=1                   the same with token files that are sealed
//!     PROGRAM=target/release/token-refresher make faults      another build of the program
//!
//! The promises are the same everywhere: no torn file, none open to others, nothing left behind after the
//! next cycle, no refresh token sent twice, and none lost but where no program could have kept it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod kill;
mod many;
mod reader;
mod short_lives;
mod system_calls;
mod window;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Client, Endpoint, Outcome, Program, Project, TokenFile, jwe};

/// The token file of [`Bench`].
const FILE: &str = "github-repos-egress.json";

/// How many trials of each kind.
fn trials() -> usize {
    number("FAULT_TRIALS", 1000)
}

/// How long the short lives are watched.
fn seconds() -> u64 {
    number("FAULT_SECONDS", 300)
}

fn number<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => otherwise,
    }
}

/// Random numbers that are good enough to be anywhere: xorshift64*.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(u64::from(now.subsec_nanos()) << 20 | now.as_secs() | 1)
    }

    /// From 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are kept, which is what an f64 holds")]
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A part of `longest`.
    fn part_of(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.unit())
    }
}

/// A project and an endpoint in which the same is done many times.
struct Bench {
    project: Project,
    endpoint: Endpoint,
    client: Client,
    /// The file with the key that seals its token files, where they are sealed.
    key: Option<PathBuf>,
}

/// Writes the key that seals the token files of a project beside it, where they are to be sealed.
fn sealing_key(project: &Project, sealed: bool) -> Option<PathBuf> {
    let path = project.outside().join("key");
    sealed.then(|| {
        std::fs::write(&path, jwe::KEY).unwrap();
        // Some tests run the program as another user.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        path
    })
}

/// The program with that key.
fn with_key(program: Program, key: Option<&PathBuf>) -> Program {
    match key {
        Some(path) => program.env("TOKEN_REFRESHER_KEY_FILE", path.to_str().unwrap()),
        None => program,
    }
}

/// Whether the token files are sealed: `FAULT_SEALED=1`.
fn sealed() -> bool {
    number("FAULT_SEALED", 0) == 1
}

impl Bench {
    fn new() -> Self {
        Self::with(sealed())
    }

    fn with(sealed: bool) -> Self {
        let (project, endpoint, client) = (Project::new(), Endpoint::start(), Client::new("app"));
        endpoint.register(client.clone());
        let key = sealing_key(&project, sealed);
        Self { project, endpoint, client, key }
    }

    /// The program, with the key where the files are sealed.
    fn program(&self) -> Program {
        with_key(Program::new(&self.project), self.key.as_ref())
    }

    /// One more sign-in, due in ten minutes, put there as a careful tool does: by rename.
    fn sign_in(&self) {
        self.put(&self.file());
    }

    /// The same, written in place, for a tokens directory on a file system of its own.
    fn sign_in_place(&self) {
        self.project.write_token(&self.file());
    }

    fn file(&self) -> TokenFile {
        let file = TokenFile::signed_in("github", "repos", &self.endpoint, &self.client).expires_in(600);
        if self.key.is_none() {
            return file;
        }
        let document: serde_json::Value = serde_json::from_str(&file.text()).unwrap();
        let origin = format!("http://{}", self.endpoint.address());
        ["refresh_token", "client_secret"].into_iter().fold(file, |file, member| {
            let secret = document[member].as_str().unwrap();
            file.field(member, jwe::seal(secret, member, &origin, self.client.id(), jwe::KEY))
        })
    }

    fn put(&self, file: &TokenFile) {
        let new = self.project.outside().join("new");
        std::fs::write(&new, file.text()).unwrap();
        std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&new, self.project.token(file.name())).unwrap();
    }

    fn refresh_token(&self, name: &str) -> String {
        let text = self.project.read_token(name)["refresh_token"].as_str().unwrap().to_owned();
        if jwe::is_sealed(&text) { jwe::open(&text, jwe::KEY) } else { text }
    }

    /// The refresh token that the endpoint gave out last, and when its answer had left.
    fn last_answer(&self) -> Option<(String, Option<std::time::Instant>)> {
        self.endpoint.requests().into_iter().rev().find_map(|request| match request.outcome {
            Outcome::Granted { refresh_token: Some(token), .. } => Some((token, request.answered)),
            _ => None,
        })
    }

    /// Nothing of an interrupted refresh may stand there after a cycle.
    fn expect_tidy(&self, after: &str) {
        assert_eq!(self.project.leftovers(), Vec::<String>::new(), "after {after}");
        assert_eq!(self.project.mode(&format!(".oauth-tokens/{FILE}")), 0o600, "after {after}");
    }
}

/// Whether this process may mount file systems and become another user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

/// The middle one of several times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
