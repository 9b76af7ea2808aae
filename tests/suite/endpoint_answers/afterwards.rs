//! What ends a refusal, and what the daemon does after a failure: here the endpoint is the strict one,
//! so that a refresh token which is sent once too often is noticed.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Answer, Client, Daemon, Delivery, End, Endpoint, Program, Project, Recorded, Signal, Step, TokenFile,
    Who, internals,
};

struct World {
    endpoint: Endpoint,
    client: Client,
    project: Project,
    file: TokenFile,
}

/// A token of `provider` that is due, at an endpoint that first does `steps` and is honest then.
fn due(provider: &str, steps: impl IntoIterator<Item = Step>) -> World {
    let (endpoint, client, project) = (Endpoint::start(), Client::new("app"), Project::new());
    endpoint.register(client.clone());
    endpoint.script(Who::Anyone, steps);
    let file = TokenFile::signed_in(provider, "server", &endpoint, &client).expires_in(1800);
    project.write_token(&file);
    World { endpoint, client, project, file }
}

impl World {
    /// Runs the program once; how many requests came of it.
    fn asked(&self, arguments: &str) -> usize {
        let before = self.endpoint.requests().len();
        let finished = Program::new(&self.project).args(arguments).once();
        assert!(matches!(finished.code(), Some(0 | 1)), "{finished:#?}");
        self.endpoint.requests().len() - before
    }

    fn changed(&self, name: &str, value: &str) -> usize {
        self.project.write_token(&self.file.clone().field(name, value));
        self.asked("")
    }
}

#[test]
fn a_dead_token_is_asked_for_again_after_a_new_sign_in_only() {
    let world = due("github", [Step::error(400, "invalid_grant")]);
    assert_eq!([world.asked(""), world.asked("")], [1, 0]);
    // Another secret does not bring it back to life.
    assert_eq!(world.changed("client_secret", "another"), 0);
    assert_eq!(world.changed("scope", "more"), 0);
    let tokens = world.endpoint.sign_in(world.client.id());
    assert_eq!(world.changed("refresh_token", &tokens.refresh_token), 1);
    assert!(
        world.endpoint.is_live(world.project.read_token(world.file.name())["access_token"].as_str().unwrap())
    );
}

#[test]
fn a_wrong_setting_is_tried_again_when_it_is_another_one() {
    let world = due("github", std::iter::repeat_with(|| Step::error(401, "invalid_client")).take(3));
    let mut daemon = Program::new(&world.project).args("--interval 1").start();
    daemon.wait_for_log("invalid_client");
    let requests = |daemon: &mut Daemon, name: &str, value: &str, count| {
        world.project.write_token(&world.file.clone().field(name, value));
        daemon.wait_until("the request", || world.endpoint.requests().len() >= count);
    };
    // What is not part of the request changes nothing.
    world.project.write_token(&world.file.clone().field("comment", "a remark"));
    let checked = daemon.log().matches("Checked 1 token").count();
    daemon.wait_for_log_times("Checked 1 token", checked + 2);
    assert_eq!(world.endpoint.requests().len(), 1);
    requests(&mut daemon, "client_secret", "another", 2);
    requests(&mut daemon, "audience", "https://api.example", 3);
    requests(&mut daemon, "client_secret", world.client.secret(), 4);
    daemon.wait_for_log("Successfully refreshed");
    assert_eq!(world.endpoint.requests().len(), 4);
    daemon.stop().expect_code(0);
}

#[test]
fn what_an_endpoint_refused_is_asked_again_after_a_start_and_a_signal() {
    for step in [
        || Step::error(401, "invalid_client"),
        || Step::error(400, "something_new"),
        || Step::redirect(302, "https://elsewhere.example/"),
    ] {
        let world = due("acme", std::iter::repeat_with(step).take(5));
        // Each start, and each `--once`, may find it mended.
        assert_eq!([world.asked(""), world.asked("")], [1, 1]);
        let mut daemon = Program::new(&world.project).args("--interval 1").start();
        daemon.wait_until("the start", || world.endpoint.requests().len() == 3);
        daemon.wait_for_log("; next attempt in 28 minutes");
        for (signal, count) in [(Signal::Usr1, 4), (Signal::Hup, 5), (Signal::Usr1, 6)] {
            daemon.signal(signal);
            daemon.wait_until("a signal", || world.endpoint.requests().len() == count);
        }
        daemon.wait_for_log("Successfully refreshed");
        daemon.stop().expect_code(0);
        assert_eq!(world.endpoint.requests().len(), 6);
    }
}

#[test]
fn a_persons_word_overrides_every_class() {
    for (class, step) in [
        ("sign in", Step::error(400, "invalid_grant")),
        ("configuration", Step::error(401, "invalid_client")),
        ("passing", Step::error(503, "temporarily_unavailable")),
        ("in doubt", Step::answer(Answer::new(504, ""))),
    ] {
        let world = due("github", [step]);
        // A refusal may have been mended by the next start.
        let again = usize::from(class == "configuration");
        assert_eq!([world.asked(""), world.asked(""), world.asked("--force")], [1, again, 1]);
        assert_eq!(world.endpoint.reuses(), 0);
    }
}

/// Lets the delay end and runs the program once more; what it said.
fn refused_again(world: &World) -> String {
    internals::let_the_delay_end(&world.project, world.file.name());
    Program::new(&world.project).once().expect_code(1).log
}

#[test]
fn refusals_without_a_reason_are_said_as_what_they_probably_are() {
    for (status, body) in [(401, ""), (400, "<html>Bad Request</html>"), (403, r#"{"message":"Forbidden"}"#)]
    {
        let world = due("acme", []);
        world.endpoint.always(Who::client("app"), Step::answer(Answer::new(status, body)));
        let other = Client::new("other");
        world.endpoint.register(other.clone());
        assert_eq!(world.asked(""), 1);
        // The endpoint is well for another one.
        let file = TokenFile::signed_in("acme", "well", &world.endpoint, &other).expires_in(1800);
        world.project.write_token(&file);
        assert!(!refused_again(&world).contains("probably"));
        let third = refused_again(&world);
        for words in [
            "answered so several times in a row, and has refreshed other tokens meanwhile",
            "probably the sign-in was revoked or the client's secret is wrong",
            "check client_id and client_secret for acme-server-egress.json, or sign in",
        ] {
            assert!(third.contains(words), "{status}: {third}");
        }
        // It is retried all the same, and said no more until it changes.
        assert_eq!(internals::trouble(&world.project, world.file.name()).kind, "passing");
        let check = Program::new(&world.project).arg("check").run();
        assert!(check.stdout.contains("acme-server"), "{check:#?}");
        world.endpoint.forget_scripts();
        internals::let_the_delay_end(&world.project, world.file.name());
        Program::new(&world.project).once().expect_code(0);
    }
}

#[test]
fn refusals_without_a_reason_need_more_where_no_other_token_tells() {
    let world = due("acme", []);
    world.endpoint.always(Who::Anyone, Step::answer(Answer::new(401, "")));
    assert_eq!(world.asked(""), 1);
    for count in 2..=6 {
        let log = refused_again(&world);
        assert_eq!(log.contains("probably"), count == 6, "{count}: {log}");
    }
    // Another failure between them begins the run anew.
    let world = due("acme", []);
    world.endpoint.always(Who::Anyone, Step::answer(Answer::new(401, "")));
    for count in 1..=8 {
        if count == 5 {
            world.endpoint.script(Who::Anyone, [Step::error(503, "temporarily_unavailable")]);
        }
        if count == 1 {
            world.asked("");
        } else {
            assert!(!refused_again(&world).contains("probably"), "{count}");
        }
    }
}

#[test]
fn a_sign_in_that_two_use_is_said_to_be_used_by_two() {
    let world = due("acme", []);
    // Another machine with a copy of the directory.
    let copy = Project::new();
    copy.write_token(&world.file);
    Program::new(&copy).once().expect_code(0);
    let finished = Program::new(&world.project).once().expect_code(1);
    let words = "unless it was revoked, another program probably uses the same refresh token";
    assert!(finished.log.contains(words), "{}", finished.log);
    // The copy finds the sign-in revoked, which it had refreshed a moment ago.
    let mut document = copy.read_token(world.file.name());
    document["expires_at"] = (crate::support::now() + 600).into();
    document["issued_at"] = (crate::support::now() - 3600).into();
    copy.write_tokens_file(world.file.name(), document.to_string());
    let finished = Program::new(&copy).arg("--force").once().expect_code(1);
    assert!(finished.log.contains(words), "{}", finished.log);
    // An endpoint that says so leaves no doubt.
    for (status, body) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Maximum allowed refresh token reuse exceeded"}"#,
        ),
        (401, r#"{"error":"invalid_grant","error_description":"The refresh token has already been used."}"#),
    ] {
        let world = due("acme", [Step::answer(Answer::new(status, body))]);
        let finished = Program::new(&world.project).once().expect_code(1);
        assert!(finished.log.contains("(another program probably uses"), "{}", finished.log);
    }
    // Who was away for a month, or has been told the end, knows why.
    for (name, value) in [("expires_at", -30 * 86_400), ("refresh_expires_at", -60)] {
        let world = due("acme", [Step::error(400, "invalid_grant")]);
        let file = world.file.clone().field(name, crate::support::now() + value);
        world.project.write_token(&file);
        let finished = Program::new(&world.project).once().expect_code(1);
        assert!(!finished.log.contains("another program"), "{name}: {}", finished.log);
    }
}

/// The times between the requests.
fn gaps(requests: &[Recorded]) -> Vec<Duration> {
    requests.windows(2).map(|two| two[1].arrived - two[0].arrived).collect()
}

#[test]
fn inside_a_grace_the_same_token_is_sent_again_soon() {
    let lost = || Step::unspent(Delivery::Nothing(End::Close));
    let world = due("atlassian", [lost(), lost()]);
    let daemon = Program::new(&world.project).start();
    let requests = world.endpoint.wait_for_answers(3);
    daemon.stop().expect_code(0);
    let sent = |one: &Recorded| one.field("refresh_token").unwrap().to_owned();
    assert!(requests.iter().all(|one| sent(one) == sent(&requests[0])));
    let (first, second) = (gaps(&requests)[0], gaps(&requests)[1]);
    assert!(first >= Duration::from_secs(1) && second >= Duration::from_secs(2), "{first:?} {second:?}");
    assert_eq!(world.endpoint.reuses(), 0);
}

/// Takes half a minute: run by [`silence`](super::silence).
pub(crate) fn after_a_passing_failure_the_daemon_comes_back_by_itself() {
    let busy = Answer::json(503, &json!({"error": "temporarily_unavailable"}));
    let world = due("github", [Step::answer(busy)]);
    let daemon = Program::new(&world.project).args("--interval 86400").start();
    let begun = std::time::Instant::now();
    while world.endpoint.requests().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(45), "it did not come back");
        std::thread::sleep(crate::support::POLL);
    }
    daemon.stop().expect_code(0);
    let gap = gaps(&world.endpoint.requests())[0];
    assert!((15..=33).contains(&gap.as_secs()), "{gap:?}");
}

/// A token that is due, whose provider nothing is known of, at a server that rotates with a grace of a few seconds.
fn due_with_grace(step: Step) -> World {
    let (endpoint, project) = (Endpoint::start(), Project::new());
    let client = Client::new("app").grace(Duration::from_secs(10));
    endpoint.register(client.clone());
    endpoint.script(Who::Anyone, [step]);
    let file = TokenFile::signed_in("acme", "server", &endpoint, &client).expires_in(1800);
    project.write_token(&file);
    World { endpoint, client, project, file }
}

#[test]
fn a_lost_answer_is_asked_for_once_more_at_once() {
    let gateway = |status| {
        Step::spent(Delivery::Raw(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").into()))
    };
    for (what, step) in [
        ("closed", Step::spent(Delivery::Nothing(End::Close))),
        ("reset", Step::spent(Delivery::Nothing(End::Reset))),
        ("502", gateway(502)),
        ("504", gateway(504)),
    ] {
        let world = due_with_grace(step);
        let finished = Program::new(&world.project).once().expect_code(0);
        assert!(
            finished.log.contains("Successfully refreshed token for acme-server"),
            "{what}: {}",
            finished.log
        );
        let sent: Vec<String> = world
            .endpoint
            .requests()
            .iter()
            .map(|one| one.field("refresh_token").unwrap().to_owned())
            .collect();
        assert_eq!((sent.len(), world.endpoint.reuses()), (2, 0), "{what}");
        assert_eq!(sent[0], sent[1], "{what}");
        let requests = world.endpoint.requests();
        let between = requests[1].arrived - requests[0].arrived;
        assert!(between >= Duration::from_millis(900), "{what}: {between:?}");
    }
}

#[test]
fn a_lost_answer_is_asked_for_once_more_only_once_and_not_where_the_old_token_is_dead_at_once() {
    let lost = || Step::unspent(Delivery::Nothing(End::Close));
    let world = due("acme", [lost(), lost(), lost()]);
    assert_eq!([world.asked(""), world.asked("")], [2, 0]);
    let world = due("github", [lost(), lost()]);
    assert_eq!([world.asked(""), world.asked("")], [1, 0]);
}

#[test]
fn a_process_that_died_just_now_left_a_token_that_is_sent_once_more() {
    let world = due_with_grace(Step::spent(Delivery::Nothing(End::Silence)));
    let daemon = Program::new(&world.project).arg("--once").start();
    world.endpoint.wait_for_requests(1);
    daemon.signal(Signal::Kill);
    daemon.wait();
    assert_eq!([world.asked(""), world.asked("")], [1, 0]);
    assert!(
        world.endpoint.is_live(world.project.read_token(world.file.name())["access_token"].as_str().unwrap())
    );
    assert_eq!(world.endpoint.reuses(), 0);
}
