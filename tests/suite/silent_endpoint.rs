//! An endpoint that takes a request and does not answer for half a minute: what else is due must not wait for it, and
//! what has been refreshed must be used.

use std::time::Duration;

use crate::support::{Client, Endpoint, Program, Project, TokenFile};

/// An endpoint of its own with one due token, `github-NAME`.
fn due_at(project: &Project, name: &str, expires_in: i64) -> Endpoint {
    let endpoint = Endpoint::start();
    let client = Client::new(name);
    endpoint.register(client.clone());
    project.write_token(&TokenFile::signed_in("github", name, &endpoint, &client).expires_in(expires_in));
    endpoint
}

/// Whether `mcp.json` holds an access token that this endpoint has issued.
fn holds_a_live_token(project: &Project, endpoint: &Endpoint) -> bool {
    let text = std::fs::read_to_string(project.token("mcp.json")).unwrap_or_default();
    endpoint.live_tokens().iter().any(|token| text.contains(token))
}

#[test]
fn as_many_silent_endpoints_as_jobs_do_not_keep_another_one_waiting() {
    let project = Project::new();
    let silent = [due_at(&project, "one", 60), due_at(&project, "two", 60)];
    let another = due_at(&project, "another", 600);
    let holds = silent.each_ref().map(Endpoint::hold);
    let running = Program::new(&project).args("--once --jobs 2").start();
    another.wait_for_answers(1);
    assert_eq!(silent.each_ref().map(|endpoint| endpoint.requests().len()), [1, 1]);
    drop(holds);
    running.wait().expect_code(0);
    assert_eq!(silent.each_ref().map(|endpoint| endpoint.requests().len()), [1, 1]);
}

#[test]
fn one_at_a_time_stays_one_at_a_time() {
    let project = Project::new();
    let silent = due_at(&project, "silent", 60);
    let another = due_at(&project, "another", 600);
    silent.set_latency(Duration::from_secs(3));
    Program::new(&project).args("--jobs 1").once().expect_code(0);
    let [first, second] = [silent, another].map(|endpoint| endpoint.requests()[0].arrived);
    assert!(second - first >= Duration::from_secs(3));
}

#[test]
fn what_was_refreshed_is_in_the_configurations_while_another_endpoint_is_silent() {
    for options in ["--once", "--interval 600"] {
        let project = Project::new();
        let silent = due_at(&project, "silent", 60);
        let endpoint = due_at(&project, "repos", 600);
        let hold = silent.hold();
        let mut running = Program::new(&project).args(options).start();
        endpoint.wait_for_answers(1);
        running.wait_until("the new token in mcp.json", || holds_a_live_token(&project, &endpoint));
        let old = project.text(".oauth-tokens/github-silent-egress.json");
        drop(hold);
        let log = running.wait_for_log("Token refresh cycle completed successfully");
        assert!(log.contains("Successfully refreshed token for github-silent"), "{log}");
        let token =
            project.read_token("github-silent-egress.json")["access_token"].as_str().unwrap().to_owned();
        assert!(!old.contains(&token) && project.text(".oauth-tokens/mcp.json").contains(&token), "{log}");
    }
}

#[test]
fn a_silent_endpoint_gets_no_more_requests_at_once_than_another() {
    let project = Project::new();
    let silent = Endpoint::start();
    for number in 0..5 {
        let client = Client::new(&format!("silent-{number}"));
        silent.register(client.clone());
        let file = TokenFile::signed_in("github", &format!("silent-{number}"), &silent, &client);
        project.write_token(&file.expires_in(60));
    }
    let endpoint = due_at(&project, "repos", 600);
    // Longer than the two requests that are first have their places.
    endpoint.set_latency(Duration::from_millis(1_500));
    let hold = silent.hold();
    let running = Program::new(&project).args("--once --jobs 2").start();
    endpoint.wait_for_answers(1);
    silent.wait_for_requests(2);
    assert_eq!(silent.requests().len(), 2);
    drop(hold);
    running.wait().expect_code(0);
    assert_eq!(silent.requests().len(), 5);
}
