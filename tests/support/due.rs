//! One token that is due, and the program in the middle of refreshing it.

use super::{Client, Daemon, Endpoint, Hold, Outcome, Program, Project, TokenFile};

/// The token's file.
pub(crate) const FILE: &str = "github-repos-egress.json";

/// A project with one token that expires in ten minutes: due under the usual buffer.
pub(crate) fn due() -> (Endpoint, Project, Client) {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    (endpoint, project, client)
}

/// A member of a token file that is text.
pub(crate) fn text(project: &Project, name: &str, member: &str) -> String {
    project.read_token(name)[member].as_str().unwrap_or_default().to_owned()
}

/// Whether the file holds the refresh token that the endpoint gave out last, and all is well with it.
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
