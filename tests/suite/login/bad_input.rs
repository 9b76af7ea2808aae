//! What goes wrong on the way back from the browser: each is a clear line, and nothing is written.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::{Waiting, expect_clean};
use crate::support::{
    Decision, DeviceAnswer, Endpoint, Finished, Program, Project, Signal, browser, holds_in_time,
};

/// A sign-in at an MCP server that waits for the person.
fn waiting(project: &Project, endpoint: &Endpoint, arguments: &str) -> Waiting {
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    Waiting::start(project, &format!("{server} --name wiki {arguments}"))
}

/// Fails unless the sign-in ended with 1, said this, and left no token file.
#[track_caller]
fn expect_failure(finished: Finished, said: &str, endpoint: &Endpoint, project: &Project) {
    let finished = finished.expect_code(1);
    expect_clean(&finished, endpoint, project);
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("token-refresher: ") && last.contains(said), "{said:?} is not said: {last}");
    assert!(!project.token("wiki-egress.json").exists());
}

/// Everything that a browser gets for these bytes.
fn answer(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // Fails where the answer came before all was sent.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn port(waiting: &Waiting) -> u16 {
    let uri = waiting.redirect_uri();
    uri.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap()
}

#[test]
fn a_redirect_that_is_not_ours_ends_the_sign_in() {
    for (decision, said) in [
        (
            Decision::Refuse("access_denied".to_owned()),
            "refused the sign-in: access_denied (the person said no)",
        ),
        (Decision::OtherState, "belongs to another sign-in"),
        (
            Decision::OtherIssuer(Some("https://evil.example".to_owned())),
            "it comes from https://evil.example",
        ),
        (Decision::OtherIssuer(None), "it does not say where it comes from"),
    ] {
        let (project, endpoint) = (Project::bare(), Endpoint::start());
        endpoint.sign_ins(|sign_ins| sign_ins.decision = decision);
        let waiting = waiting(&project, &endpoint, "");
        let shown = browser::sign_in(&waiting.address);
        assert_eq!(shown.status, 400);
        expect_failure(waiting.program.wait(), said, &endpoint, &project);
    }
}

#[test]
fn what_is_no_redirect_is_answered_and_forgotten() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let waiting = waiting(&project, &endpoint, "");
    let port = port(&waiting);
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let megabytes = "x".repeat(5 << 20);
    // A port scanner: connects and says nothing, or goes.
    let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    for (request, status) in [
        (format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET /callback HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET /callback?state=x HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("HEAD /callback?code=a&state=b HTTP/1.1\r\n{host}\r\n"), "405"),
        (
            format!(
                "POST /callback HTTP/1.1\r\n{host}Content-Length: {}\r\n\r\n{megabytes}",
                megabytes.len()
            ),
            "405",
        ),
        ("GET /callback?code=a&state=b HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
        ("\x16\x03\x01 hello\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), "431"),
    ] {
        let answer = answer(port, request.as_bytes());
        let shown: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
    }
    let finished = waiting.signed_in();
    expect_clean(&finished, &endpoint, &project);
    drop(silent);
}

#[test]
fn a_second_redirect_changes_nothing() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let waiting = waiting(&project, &endpoint, "");
    let hold = endpoint.hold();
    let first = std::thread::scope(|scope| {
        // The authorization endpoint is held too, so the codes are fetched before.
        drop(hold);
        let one = browser::open(&waiting.address).location.unwrap();
        let two = browser::open(&waiting.address).location.unwrap();
        let _held = endpoint.hold();
        assert_eq!(browser::open(&one).status, 200);
        let second = scope.spawn(move || browser::open(&two).status);
        let second = second.join().unwrap();
        assert_eq!(second, 409);
        one
    });
    let finished = waiting.program.wait().expect_code(0);
    expect_clean(&finished, &endpoint, &project);
    assert!(!finished.stderr.contains(&first));
    let asked = endpoint.requests().iter().filter(|one| one.field("code").is_some()).count();
    assert_eq!(asked, 1);
}

#[test]
fn nobody_comes() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let waiting = waiting(&project, &endpoint, "--wait 1");
    expect_failure(waiting.program.wait(), "nobody signed in within 1 second", &endpoint, &project);
}

#[test]
fn ctrl_c_while_waiting_is_130() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let waiting = waiting(&project, &endpoint, "");
    waiting.program.signal(Signal::Int);
    let finished = waiting.program.wait().expect_code(130);
    expect_clean(&finished, &endpoint, &project);
    assert!(finished.stderr.ends_with("interrupted; nothing was changed\n"), "{}", finished.stderr);
    assert!(!project.token("wiki-egress.json").exists());
}

#[test]
fn ctrl_c_while_the_server_is_asked_or_a_device_is_waited_for_is_130() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let server = endpoint.sign_ins(|sign_ins| {
        sign_ins.device_answers = vec![DeviceAnswer::Pending; 99];
        sign_ins.server()
    });
    let login =
        |more: &str| Program::new(&project).args(&format!("login {server} --name wiki {more}")).start();
    let interrupted = |program: crate::support::Daemon| {
        program.signal(Signal::Int);
        let finished = program.wait().expect_code(130);
        expect_clean(&finished, &endpoint, &project);
        assert!(finished.stderr.ends_with("interrupted; nothing was changed\n"), "{}", finished.stderr);
        assert!(!project.token("wiki-egress.json").exists());
    };
    let hold = endpoint.hold();
    let program = login("");
    endpoint.wait_for_requests(1);
    interrupted(program);
    drop(hold);
    let mut program = login("--device");
    program.wait_until("a look at the device", || {
        endpoint.requests().iter().any(|one| one.field("device_code").is_some())
    });
    interrupted(program);
}

#[test]
fn ctrl_c_while_the_code_is_redeemed_waits_for_the_file() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let waiting = waiting(&project, &endpoint, "");
    let location = browser::open(&waiting.address).location.unwrap();
    let hold = endpoint.hold();
    let before = endpoint.requests().len();
    assert_eq!(browser::open(&location).status, 200);
    endpoint.wait_for_requests(before + 1);
    waiting.program.signal(Signal::Int);
    let is_heard = || waiting.program.said().contains("ending when the answer is stored");
    assert!(holds_in_time(is_heard), "{}", waiting.program.said());
    drop(hold);
    let finished = waiting.program.wait().expect_code(130);
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("wiki-egress.json");
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    assert!(finished.stderr.contains("interrupted; signed in to "), "{}", finished.stderr);
}

#[test]
fn a_directory_that_others_may_write_to_is_found_out_before_the_person_signs_in() {
    let (project, endpoint) = (Project::new(), Endpoint::start());
    project.set_mode(".oauth-tokens", 0o777);
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let finished = Program::new(&project).arg("login").arg(&server).arg("--name=wiki").run();
    expect_failure(finished, "users other than the owner may write to", &endpoint, &project);
    assert!(endpoint.requests().iter().all(|one| one.request.target != "/as/register"));
}

#[test]
fn an_answer_without_a_refresh_token_is_stored_and_said() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    endpoint.sign_ins(|sign_ins| sign_ins.gives_refresh_token = false);
    let finished = waiting(&project, &endpoint, "").signed_in();
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("wiki-egress.json");
    assert_eq!(file.get("refresh_token"), None);
    assert!(file["access_token"] != json!(null));
    assert!(finished.stdout.contains("without a refresh token"), "{}", finished.stdout);
    assert!(finished.stdout.contains("token-refresher login wiki"), "{}", finished.stdout);
}
