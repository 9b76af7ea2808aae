//! `token-refresher login` and `revoke` against the strict endpoint; the browser is played by a plain HTTP
//! client. If something here fails, a person signs in for nothing, or another person signs in instead.

mod again;
mod bad_input;
mod browser;
mod discovery;
mod other_ways;
mod sealed;

use crate::support::{self, Daemon, Endpoint, Finished, Program, Project, query_of};

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
        let mut waiting = Self { program: program.start(), address: String::new() };
        waiting.await_another_address();
        waiting
    }

    /// Waits until it shows an address that it has not shown before.
    fn await_another_address(&mut self) {
        let mut shown = None;
        let in_time = support::holds_in_time(|| {
            // In this order: what a program said just before it ended counts.
            let ended = self.program.has_ended();
            let said = self.program.said();
            let addresses = said.lines().map(str::trim).filter(|line| line.contains("client_id="));
            shown = addresses.map(str::to_owned).next_back().filter(|address| *address != self.address);
            shown.is_some() || ended
        });
        let shown =
            shown.unwrap_or_else(|| panic!("no address is shown ({in_time}): {}", self.program.said()));
        self.address = shown;
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
