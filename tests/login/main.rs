//! `token-refresher login` and `revoke` against the strict endpoint; the browser is played by a plain HTTP
//! client. If something here fails, a person signs in for nothing, or another person signs in instead.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod browser;

use support::{Daemon, Endpoint, Finished, Program, Project, query_of};

/// A sign-in that waits for the person.
struct Waiting {
    program: Daemon,
    /// The address that the person is to open.
    address: String,
}

impl Waiting {
    /// Starts `login` with these arguments and waits until it shows an address.
    fn start(project: &Project, arguments: &str) -> Self {
        Self::of(Program::new(project).arg("login").args(arguments))
    }

    /// The same for a program with more about it.
    fn of(program: Program) -> Self {
        let mut program = program.start();
        let mut address = None;
        let end = std::time::Instant::now() + support::DEADLINE;
        while address.is_none() {
            let said = program.said();
            address = said.lines().map(str::trim).find(|line| line.contains("client_id=")).map(str::to_owned);
            assert!(!program.has_ended() || address.is_some(), "it ended: {}", program.said());
            assert!(std::time::Instant::now() < end, "no address is shown: {said}");
            std::thread::sleep(support::POLL);
        }
        Self { program, address: address.unwrap() }
    }

    /// The redirect address of the request.
    fn redirect_uri(&self) -> String {
        query_of(&self.address)["redirect_uri"].clone()
    }

    /// The person signs in; the program ends well.
    fn signed_in(self) -> Finished {
        let shown = support::browser::sign_in(&self.address);
        assert_eq!(shown.status, 200, "{shown:?}");
        self.program.wait().expect_code(0)
    }
}

/// Fails where a secret of the endpoint is shown, or anything half-written in the directory.
#[track_caller]
fn expect_clean(finished: &Finished, endpoint: &Endpoint, project: &Project) {
    finished.expect_none_of(&endpoint.secrets());
    if project.path(".oauth-tokens").is_dir() {
        assert_eq!(project.leftovers(), Vec::<String>::new());
    }
}
