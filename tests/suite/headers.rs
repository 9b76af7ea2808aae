//! `token-refresher headers SERVER`: what a client gets that runs a command for its headers. If something
//! here fails, an assistant sends a dead token, or none.

use std::time::{Duration, Instant};

use crate::support::{Client, Endpoint, Finished, Program, Project, TokenFile, due};
use serde_json::{Value, json};

fn service(server: &str, token: &str) -> TokenFile {
    TokenFile::egress("acme", server).field("access_token", token).expires_in(7200)
}

/// As clients run it: by its whole path, in a directory of its own, with an empty environment.
fn ask(project: &Project, arguments: &str) -> Finished {
    let dir = format!("--dir={}", project.root().display());
    Program::new(project)
        .below(&["/usr/bin/env", "-C", "/", "-i"])
        .arg("headers")
        .args(arguments)
        .arg(dir)
        .run()
}

fn headers(project: &Project, server: &str) -> Value {
    let finished = ask(project, server).expect_code(0);
    assert_eq!(finished.stderr, "");
    assert_eq!(finished.stdout.lines().count(), 1);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn the_headers_of_one_server_and_nothing_else() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write_token(&service("-dash", "at-2"));
    project.write_token(
        &TokenFile::egress("atlassian", "jira").field("access_token", "at-3").field("cloud_id", "c-1"),
    );
    project.no_auth_server("currenttime");
    assert_eq!(headers(&project, "wiki"), json!({"Authorization": "Bearer at-1"}));
    assert_eq!(headers(&project, "currenttime"), json!({}));
    let atlassian = json!({"Authorization": "Bearer at-3", "X-Atlassian-Cloud-Id": "c-1"});
    assert_eq!(headers(&project, "jira"), atlassian);
    let dash = Program::new(&project).args("headers --dir . -- -dash").run().expect_code(0);
    assert_eq!(dash.stdout, "{\"Authorization\": \"Bearer at-2\"}\n");

    let gateway = TokenFile::named("ingress.json").field("provider", "cognito").field("access_token", "at-g");
    project.write_token(&gateway.field("client_id", "m2m").expires_in(7200));
    assert_eq!(
        headers(&project, "wiki"),
        json!({"Authorization": "Bearer at-1", "X-Authorization": "Bearer at-g", "X-Client-Id": "m2m"})
    );
    assert_eq!(
        headers(&project, "currenttime"),
        json!({"X-Authorization": "Bearer at-g", "X-Client-Id": "m2m"})
    );
}

#[test]
fn nothing_is_written() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    assert_eq!(headers(&project, "wiki"), json!({"Authorization": "Bearer at-1"}));
    ask(&project, "nosuch").expect_code(1);
    assert_eq!(project.names(), ["acme-wiki-egress.json"], "not even our own directory");
    assert!(!project.path("token_refresher.log").exists());

    Program::new(&project).once().expect_code(0);
    let before = (
        project.stamps(),
        project.stamp(".oauth-tokens/.token-refresher"),
        project.text("token_refresher.log"),
    );
    headers(&project, "wiki");
    ask(&project, "nosuch").expect_code(1);
    let after = (
        project.stamps(),
        project.stamp(".oauth-tokens/.token-refresher"),
        project.text("token_refresher.log"),
    );
    assert_eq!(before, after);
}

#[test]
fn the_daemons_settings_come_from_the_status_file() {
    let project = Project::new();
    project.write("elsewhere/time.json", json!({"path": "/currenttime", "auth_type": "none"}).to_string());
    project.write(".env", "AUTH_PROVIDER=keycloak\n");
    let gateway =
        |name: &str, token: &str| TokenFile::named(name).field("access_token", token).expires_in(7200);
    project.write_token(&gateway("ingress.json", "at-ingress"));
    project.write_token(&gateway("agent-ai-coding-assistant-m2m-token.json", "at-agent"));
    ask(&project, "currenttime").expect_code(1);

    let mut daemon = Program::new(&project).args("--servers-dir elsewhere").start();
    daemon.wait_for_log("cycle completed");
    assert_eq!(headers(&project, "currenttime"), json!({"X-Authorization": "Bearer at-agent"}));
    // A run beside the daemon does not change what it said.
    Program::new(&project).args("--servers-dir registry/servers").once().expect_code(0);
    assert_eq!(headers(&project, "currenttime"), json!({"X-Authorization": "Bearer at-agent"}));
    daemon.stop().expect_code(0);
    // Where none runs, it does.
    Program::new(&project).args("--servers-dir registry/servers").once().expect_code(0);
    ask(&project, "currenttime").expect_code(1);
    // A setting that the daemon would not start with is not in the way.
    project.write(".env", "TOKEN_REFRESH_INTERVAL=never\n");
    project.write_token(&service("wiki", "at-1"));
    assert_eq!(headers(&project, "wiki")["Authorization"], "Bearer at-1");
}

#[test]
fn an_unknown_server_is_told_which_there_are() {
    let project = Project::new();
    let finished = ask(&project, "wiki").expect_code(1);
    assert_eq!(finished.stderr, "token-refresher: no server is called \"wiki\"; known are: none\n");
    project.write_token(&service("tasks", "at-1"));
    project.no_auth_server("currenttime");
    project.write_tokens_file("acme-wiki-egress.json", "{");
    let finished = ask(&project, "wiki").expect_code(1);
    let said =
        "no server is called \"wiki\"; known are: currenttime, tasks; acme-wiki-egress.json cannot be used: ";
    assert!(finished.stderr.contains(said) && finished.stdout.is_empty(), "{}", finished.stderr);
    let finished = ask(&project, "").expect_code(2);
    assert!(finished.stderr.contains("headers: needs a SERVER"), "{}", finished.stderr);
    let finished = ask(&project, "tasks --tokens-dir none").expect_code(1);
    assert!(finished.stderr.contains("none cannot be read: no such file"), "{}", finished.stderr);
}

#[test]
fn a_token_that_has_expired_is_not_printed() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1").expires_in(-600));
    project.write_token(&service("tasks", "at-2"));
    let begun = Instant::now();
    let finished = ask(&project, "wiki").expect_code(1);
    assert!(begun.elapsed() < Duration::from_secs(2), "nobody is about to refresh it");
    assert_eq!(finished.stdout, "");
    let said = "acme-wiki-egress.json: its token expired 10 minutes ago: no token-refresher runs for ";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    finished.expect_none_of(&["at-1".to_owned()]);
    headers(&project, "tasks");

    // The gateway's is needed by all.
    project.write_token(&TokenFile::named("ingress.json").field("access_token", "at-g").expires_in(-600));
    let finished = ask(&project, "tasks").expect_code(1);
    assert!(finished.stderr.contains("ingress.json: its token expired"), "{}", finished.stderr);
}

#[test]
fn why_it_could_not_be_refreshed_is_said() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    let file = TokenFile::signed_in("acme", "wiki", &endpoint, &client).expires_in(-600);
    project.write_token(&file);
    let refresh_token = project.read_token(file.name())["refresh_token"].as_str().unwrap().to_owned();
    endpoint.revoke(&refresh_token);
    Program::new(&project).once().expect_code(1);
    let finished = ask(&project, "wiki").expect_code(1);
    assert!(
        finished.stderr.contains("expired 10 minutes ago: ")
            && finished.stderr.contains("sign in to acme again")
            && finished.stderr.contains(": token-refresher login acme-wiki --dir /"),
        "{}",
        finished.stderr
    );
    finished.expect_none_of(&endpoint.secrets());
}

#[test]
fn a_refresh_that_is_under_way_is_waited_for() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    // Still good for a while, and expired a moment ago: both may be dead at any moment.
    for seconds in [60, -1] {
        let project = Project::new();
        let file = TokenFile::signed_in("acme", "wiki", &endpoint, &client).expires_in(seconds);
        project.write_token(&file);
        let token = || project.read_token(file.name())["access_token"].as_str().unwrap().to_owned();
        let old = token();
        let before = endpoint.requests().len();
        let hold = endpoint.hold();
        let refreshing = Program::new(&project).arg("--once").start();
        endpoint.wait_for_requests(before + 1);
        let asking = std::thread::scope(|scope| {
            let asking = scope.spawn(|| headers(&project, "wiki"));
            // Long enough to be seen waiting, far from its patience.
            std::thread::sleep(Duration::from_millis(300));
            assert!(!asking.is_finished(), "it did not wait");
            drop(hold);
            asking.join().unwrap()
        });
        refreshing.wait().expect_code(0);
        assert_ne!(token(), old);
        assert_eq!(asking, json!({"Authorization": format!("Bearer {}", token())}));
    }
}

#[test]
fn a_refresh_that_takes_long_is_not_waited_for_and_a_good_token_is_printed() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    let file = TokenFile::signed_in("acme", "wiki", &endpoint, &client).expires_in(60);
    project.write_token(&file);
    let token = project.read_token(file.name())["access_token"].as_str().unwrap().to_owned();
    let hold = endpoint.hold();
    let refreshing = Program::new(&project).arg("--once").start();
    endpoint.wait_for_requests(1);
    let begun = Instant::now();
    assert_eq!(headers(&project, "wiki"), json!({"Authorization": format!("Bearer {token}")}));
    assert!((1..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    drop(hold);
    refreshing.wait().expect_code(0);
}

#[test]
fn token_prints_the_present_token_alone_and_no_stale_one() {
    let due = due::none();
    due.sign_in("github", "repos", 7200);
    due.sign_in("github", "wiki", -600);
    let present = due.project.read_token("github-repos-egress.json")["access_token"].clone();
    for name in ["github-repos", "github-repos-egress.json"] {
        let finished = Program::new(&due.project).args(&format!("token {name}")).run().expect_code(0);
        assert_eq!(finished.stdout, format!("{}\n", present.as_str().unwrap()));
        assert_eq!(finished.stderr, "");
    }
    for (arguments, said) in [
        (
            "token github-wiki",
            "github-wiki-egress.json: its token expired 10 minutes ago: no token-refresher runs",
        ),
        ("token wat", "no token file is called \"wat\"; known are: github-repos, github-wiki"),
    ] {
        let finished = Program::new(&due.project).args(arguments).run().expect_code(1);
        assert!(finished.stderr.contains(said) && finished.stdout.is_empty(), "{finished:#?}");
    }
    Program::new(&due.project).args("token").run().expect_code(2);
}
