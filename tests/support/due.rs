//! Projects with due tokens, and the program in the middle of refreshing one.

use serde_json::Value;

use super::{Client, Daemon, Endpoint, Hold, Outcome, Program, Project, TokenFile};

/// The token's file.
pub(crate) const FILE: &str = "github-repos-egress.json";

/// An endpoint, a client that is registered there, and a project.
pub(crate) struct Due {
    pub endpoint: Endpoint,
    pub project: Project,
    pub client: Client,
}

/// A project without tokens yet.
pub(crate) fn none() -> Due {
    of(Client::new("app"))
}

/// A project without tokens yet, and this client.
pub(crate) fn of(client: Client) -> Due {
    let endpoint = Endpoint::start();
    endpoint.register(client.clone());
    Due { endpoint, project: Project::new(), client }
}

/// A project with one token that expires in ten minutes: due under the usual buffer.
pub(crate) fn due() -> Due {
    due_of(Client::new("app"))
}

/// Like [`due`], for this client.
pub(crate) fn due_of(client: Client) -> Due {
    let due = of(client);
    due.sign_in("github", "repos", 600);
    due
}

/// A project with `count` due tokens of one client: `github-s0` and so on.
pub(crate) fn many(count: usize) -> Due {
    let due = none();
    for index in 0..count {
        due.sign_in("github", &format!("s{index}"), 600);
    }
    due
}

impl Due {
    /// The file of a new sign-in at the client, without an expiry yet.
    pub(crate) fn signed_in(&self, provider: &str, server: &str) -> TokenFile {
        TokenFile::signed_in(provider, server, &self.endpoint, &self.client)
    }

    /// Writes the file of a new sign-in whose access token expires in so many seconds.
    pub(crate) fn sign_in(&self, provider: &str, server: &str, seconds: i64) {
        self.project.write_token(&self.signed_in(provider, server).expires_in(seconds));
    }
}

/// A member of a token file that is text.
pub(crate) fn text(project: &Project, name: &str, member: &str) -> String {
    project.read_token(name)[member].as_str().unwrap_or_default().to_owned()
}

/// The output of `status --json`.
pub(crate) fn report(project: &Project) -> Value {
    let finished = Program::new(project).args("status --json").run().expect_code(0);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

/// Whether the file holds the refresh token that the endpoint issued last, without a failure on record.
pub(crate) fn holds_the_last_answer(endpoint: &Endpoint, project: &Project, name: &str) -> bool {
    let last = endpoint.requests().into_iter().rev().find_map(|request| match request.outcome {
        Outcome::Granted { refresh_token, .. } => refresh_token,
        _ => None,
    });
    let present = text(project, name, "refresh_token");
    last.as_ref() == Some(&present) && !endpoint.is_revoked(&present)
}

/// The program in the middle of a request that the endpoint has judged and not answered.
pub(crate) fn asking(endpoint: &Endpoint, program: Program) -> (Hold<'_>, Daemon) {
    let before = endpoint.requests().len();
    let hold = endpoint.hold();
    let daemon = program.start();
    endpoint.wait_for_requests(before + 1);
    (hold, daemon)
}
