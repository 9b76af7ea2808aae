//! A provider that swallows requests, with more tokens than there are threads, all of them due before
//! those of any other: no other provider's token waits for it. Run by [`silence`](super::silence).

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::outcome::{NEW_ACCESS, NEW_REFRESH};
use crate::support::{Answer, Delivery, End, Endpoint, Program, Project, Step, TokenFile, Who};

/// More than the threads of these runs, so that the queue is long enough to hold a connection up.
const SWALLOWED: usize = 5;

/// Tokens of one host that stand under an address each, as Keycloak's realms and Entra's tenants do.
fn swallowed(project: &Project, host: SocketAddr) {
    for realm in 0..SWALLOWED {
        let file = TokenFile::egress("acme", &format!("realm-{realm}"))
            .field("access_token", format!("at-{realm}"))
            .field("refresh_token", format!("rt-{realm}"))
            .field("token_endpoint", format!("http://{host}/realms/{realm}/token"))
            .field("client_id", "c");
        project.write_token(&file.expires_in(60));
    }
}

/// A token at an endpoint that is well; it expires after all those of the black hole.
fn healthy(project: &Project) -> Endpoint {
    let endpoint = Endpoint::start();
    let body =
        format!(r#"{{"access_token":"{NEW_ACCESS}","refresh_token":"{NEW_REFRESH}","expires_in":3600}}"#);
    endpoint.always(Who::Anyone, Step::answer(Answer::new(200, body)));
    let file = TokenFile::egress("github", "healthy")
        .field("access_token", "at-healthy")
        .field("refresh_token", "rt-healthy")
        .field("token_endpoint", endpoint.url())
        .field("client_id", "c");
    project.write_token(&file.expires_in(600));
    endpoint
}

/// Runs the program with two threads; how long the healthy token had to wait.
fn wait_of_the_healthy(host: SocketAddr, timeout: Duration) {
    let project = Project::new();
    swallowed(&project, host);
    let endpoint = healthy(&project);
    let began = std::time::Instant::now();
    let program = Program::new(&project).args("--once --jobs 2").start();
    let finished = program.wait_within(timeout * 3).expect_code(1);
    let waited = endpoint.requests()[0].arrived - began;
    assert!(waited < timeout / 2, "it waited for {waited:?}");
    assert!(finished.log.contains("Successfully refreshed token for github-healthy"), "{finished:#?}");
    assert_eq!(finished.log.matches("in trouble; next attempt in").count(), SWALLOWED - 2, "{finished:#?}");
}

/// It accepts and never answers.
pub(crate) fn an_endpoint_that_never_answers() {
    let silent = Endpoint::start();
    silent.always(Who::Anyone, Step::unspent(Delivery::Nothing(End::Silence)));
    wait_of_the_healthy(silent.address(), Duration::from_secs(30));
    // Each of the two that were sent once more.
    assert_eq!(silent.requests().len(), 4);
}

/// It does not even accept.
pub(crate) fn a_host_that_drops_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    // No process accepts: when the queue is full, the kernel drops what comes, as a firewall would.
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&host, Duration::from_millis(500)) {
        queue.push(stream);
        assert!(queue.len() < 10_000, "the queue does not fill");
    }
    wait_of_the_healthy(host, Duration::from_secs(10));
}
