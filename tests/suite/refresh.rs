//! What is sent, when and as which client, and what becomes of the answer. If something here fails, a
//! user's tokens expire, or a sign-in is spent for nothing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support;
use crate::support::due::{FILE, report, text};
use crate::support::{
    Answer, Client, ClientAuth, Delivery, Due, End, Endpoint, Framing, Outcome, Program, Project, Step,
    TokenFile, Who, due, internals,
};
use serde_json::json;

#[test]
fn a_rotated_refresh_token_is_stored_and_used_the_next_time() {
    let Due { endpoint, project, .. } = due();
    let first = text(&project, FILE, "refresh_token");
    Program::new(&project).once().expect_code(0);
    let second = text(&project, FILE, "refresh_token");
    assert_ne!(first, second);
    assert!(endpoint.is_live(&text(&project, FILE, "access_token")));

    Program::new(&project).arg("--force").once().expect_code(0);
    let sent = endpoint
        .requests()
        .iter()
        .map(|one| one.field("refresh_token").unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(sent, [first, second]);
    assert_eq!(endpoint.reuses(), 0);
    assert_eq!(project.mode(&format!(".oauth-tokens/{FILE}")), 0o600);
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let Due { endpoint, project, .. } = due::due_of(Client::new("app").not_rotating());
    let token = text(&project, FILE, "refresh_token");
    let old = text(&project, FILE, "access_token");
    Program::new(&project).once().expect_code(0);
    assert_eq!(text(&project, FILE, "refresh_token"), token);
    assert_ne!(text(&project, FILE, "access_token"), old);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn the_request_is_one_that_rfc_6749_allows_and_asks_for_json() {
    for auth in [ClientAuth::Post, ClientAuth::Basic, ClientAuth::Public] {
        let client = Client::new("app with a blank").auth(auth);
        let endpoint = Endpoint::start();
        endpoint.register(client.clone());
        let project = Project::new();
        let file = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60);
        project.write_token(&match auth {
            ClientAuth::Post => file,
            ClientAuth::Basic | ClientAuth::RawBasic => {
                file.field("token_endpoint_auth_method", "client_secret_basic")
            }
            ClientAuth::Public => file.without("client_secret"),
        });
        Program::new(&project).once().expect_code(0);
        let requests = endpoint.requests();
        assert_eq!(requests.len(), 1, "{auth:?}");
        assert!(matches!(requests[0].outcome, Outcome::Granted { .. }), "{auth:?}: {requests:#?}");
        assert_eq!(requests[0].request.header("accept"), Some("application/json"));
    }
}

/// A file for a server that does not percent-decode Basic.
fn at_a_server_that_does_not_decode(provider: &str) -> (Endpoint, Project, TokenFile) {
    let client = Client::new("app").auth(ClientAuth::RawBasic);
    let endpoint = Endpoint::start();
    endpoint.register(client.clone());
    let file = TokenFile::signed_in(provider, "repos", &endpoint, &client).expires_in(60);
    (endpoint, Project::new(), file.field("token_endpoint_auth_method", "client_secret_basic"))
}

#[test]
fn a_secret_with_special_letters_reaches_a_server_that_does_not_decode_basic() {
    let rows = r#"{"mastodon": {"title": "M", "client_authentication": ["client_secret_basic"],
        "basic_encoding": "raw"}}"#;
    for (provider, member) in
        [("gitlab", ""), ("GitLab", ""), ("acme", "raw"), ("mastodon", ""), ("github", "raw")]
    {
        let (endpoint, project, file) = at_a_server_that_does_not_decode(provider);
        project.write("providers.json", rows);
        project.write_token(&if member.is_empty() { file } else { file.field("basic_encoding", member) });
        let finished = Program::new(&project).args("--providers providers.json").once().expect_code(0);
        assert_eq!(endpoint.requests().len(), 1, "{provider}: {finished:#?}");
    }
    // The other way round the refusal names what was used and what else there is.
    for (provider, member, used, other) in [
        ("acme", "form", "client_secret_basic, encoded as form", "basic_encoding raw"),
        ("gitlab", "form", "client_secret_basic, encoded as form", "basic_encoding raw"),
        ("github", "", "client_secret_basic, encoded as form", "basic_encoding raw"),
    ] {
        let (_endpoint, project, file) = at_a_server_that_does_not_decode(provider);
        project.write_token(&if member.is_empty() { file } else { file.field("basic_encoding", member) });
        let log = Program::new(&project).once().expect_code(1).log;
        assert!(log.contains("invalid_client") && log.contains(used) && log.contains(other), "{log}");
    }
}

#[test]
fn a_secret_that_is_not_ascii_is_sent_as_utf_8() {
    use base64::Engine as _;
    for secret in ["geheim-ü", "пароль", "a€b+c/d=e&f%", "密码 🔑"] {
        for method in ["client_secret_post", "client_secret_basic"] {
            let Due { endpoint, project, client } = support::due::none();
            let answer = json!({"access_token": "new", "expires_in": 7200});
            endpoint.script(Who::Anyone, [Step::answer(Answer::json(200, &answer))]);
            let file = TokenFile::signed_in("acme", "server", &endpoint, &client).expires_in(60);
            let file = file.field("client_secret", secret).field("token_endpoint_auth_method", method);
            project.write_token(&file);
            Program::new(&project).once().expect_code(0);
            let request = endpoint.requests().remove(0);
            if method == "client_secret_post" {
                assert_eq!(request.field("client_secret"), Some(secret));
                continue;
            }
            let header = request.request.header("authorization").unwrap().to_owned();
            let pair =
                base64::engine::general_purpose::STANDARD.decode(header.strip_prefix("Basic ").unwrap());
            let pair = String::from_utf8(pair.unwrap()).unwrap();
            assert!(pair.is_ascii(), "{pair}");
            let sent = support::endpoint::form_decode(pair.split_once(':').unwrap().1);
            assert_eq!(sent.as_deref(), Some(secret));
        }
    }
}

#[test]
fn client_credentials_are_found_in_a_file_beside_the_token() {
    let endpoint = Endpoint::start();
    let client = Client::new("mcp-gateway-m2m");
    endpoint.register(client.clone());
    let project = Project::new();
    let old = endpoint.machine_token(client.id());
    let file =
        TokenFile::ingress(&endpoint, &client).without("client_secret").field("access_token", old.as_str());
    project.write_token(&file.expires_in(60));
    let credentials = project.write_client_credentials("mcp-gateway-m2m.json", client.id(), client.secret());
    let before = support::Stamp::of(&credentials);

    Program::new(&project).once().expect_code(0);
    let token = text(&project, "ingress.json", "access_token");
    assert!(token != old && endpoint.is_live(&token));
    assert_eq!(endpoint.requests()[0].field("grant_type"), Some("client_credentials"));
    assert_eq!(support::Stamp::of(&credentials), before, "a client-credential file is read only");
}

#[test]
fn what_is_not_due_or_not_ours_to_refresh_is_not_sent() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    let signed_in = |server: &str| TokenFile::signed_in("github", server, &endpoint, &client);
    project.write_token(&signed_in("fresh").expires_in(7200));
    project.write_token(&signed_in("without-expiry"));
    project.write_token(&signed_in("somebody-elses").expires_in(60).field("refresh", false));
    project.write_token(&signed_in("a-persons").expires_in(60).without("refresh_token"));
    let before = project.stamps();
    Program::new(&project).once().expect_code(0);
    assert_eq!(endpoint.requests().len(), 0);
    let unchanged = project.stamps().into_iter().filter(|stamp| before.contains(stamp)).count();
    assert_eq!(unchanged, before.len());

    Program::new(&project).arg("--force").once().expect_code(0);
    assert_eq!(endpoint.requests().len(), 2, "--force refreshes the first two and only them");
}

#[test]
fn a_refresh_token_without_an_access_token_is_due_now() {
    let Due { endpoint, project, client } = due();
    let file = TokenFile::signed_in("github", "repos", &endpoint, &client).without("access_token");
    project.write_token(&file);
    Program::new(&project).once().expect_code(0);
    assert!(endpoint.is_live(&text(&project, FILE, "access_token")));
}

#[test]
fn tokens_nested_under_tokens_are_refreshed_where_they_stand() {
    let Due { endpoint, project, client } = due();
    let tokens = endpoint.sign_in("app");
    let nested = json!({
        "access_token": tokens.access_token, "refresh_token": tokens.refresh_token, "expires_at": support::now() + 60,
    });
    project.write_token(&TokenFile::named(FILE).field("tokens", nested).at(&endpoint, &client));
    Program::new(&project).once().expect_code(0);
    let document = project.read_token(FILE);
    assert!(endpoint.is_live(document["tokens"]["access_token"].as_str().unwrap()));
    assert_eq!(document.get("access_token"), None);
}

#[test]
fn a_file_behind_a_link_is_replaced_where_it_stands_and_the_link_stays() {
    let Due { endpoint, project, .. } = due();
    let target = project.path("elsewhere.json");
    std::fs::rename(project.token(FILE), &target).unwrap();
    std::os::unix::fs::symlink(&target, project.token(FILE)).unwrap();
    Program::new(&project).once().expect_code(0);
    assert!(endpoint.is_live(&text(&project, FILE, "access_token")));
    assert!(std::fs::symlink_metadata(project.token(FILE)).unwrap().is_symlink());
    assert!(std::fs::symlink_metadata(target).unwrap().is_file());
}

#[test]
fn a_failure_is_said_and_leaves_the_file_as_it_was_and_the_next_run_tries_again() {
    let html =
        Answer::new(200, "<html>sign in to the hotel's network</html>").header("Content-Type", "text/html");
    let cut = Delivery::CutBody { framing: Framing::Length, keep: 20, end: End::Close };
    let no_token = Answer::json(200, &json!({"token_type": "Bearer", "expires_in": 3600}));
    let empty = Answer::json(200, &json!({"access_token": "", "token_type": "Bearer", "expires_in": 3600}));
    let error_in_200 = Answer::json(200, &json!({"error": "temporarily_unavailable"}));
    for step in [
        Step::error(503, "temporarily_unavailable"),
        Step::answer(Answer::new(500, "")),
        Step::answer(html),
        Step::answer(no_token),
        Step::answer(empty),
        Step::answer(error_in_200),
        Step::answer(Answer::json(200, &json!({"access_token": "new"}))).delivered(cut),
        Step::unspent(Delivery::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        Step::unspent(Delivery::Nothing(End::Reset)),
        Step::redirect(307, "/elsewhere/token"),
    ] {
        let Due { endpoint, project, .. } = due();
        let before = project.stamp(&format!(".oauth-tokens/{FILE}"));
        endpoint.script(Who::Anyone, [step.clone()]);
        let failed = Program::new(&project).once().expect_code(1);
        let said = failed.log.lines().any(|line| {
            (line.contains("[WARNING] REFRESH: ") || line.contains("[ERROR] REFRESH: "))
                && line.contains("github-repos")
        });
        assert!(said, "{step:?}: {failed:#?}");
        assert_eq!(project.stamp(&format!(".oauth-tokens/{FILE}")), before, "{step:?}");
        assert_eq!(project.leftovers(), Vec::<String>::new(), "{step:?}");
        assert_eq!(endpoint.requests().len(), 1, "{step:?}: asked once, and no redirect followed");
        failed.expect_none_of(&endpoint.secrets());

        Program::new(&project).arg("--force").once().expect_code(0);
        assert!(endpoint.is_live(&text(&project, FILE, "access_token")), "{step:?}");
    }
}

#[test]
fn no_secret_is_shown_at_any_level_even_where_the_endpoint_echoes_one() {
    let Due { endpoint, project, client } = due();
    let refresh_token = text(&project, FILE, "refresh_token");
    let echo = format!("bad token {refresh_token} of client with {}\r\n\u{1b}[31mred", client.secret());
    let answer = Answer::json(400, &json!({"error": "invalid_grant", "error_description": echo}));
    endpoint.script(Who::Anyone, [Step::answer(answer)]);
    for (arguments, code) in [("--log-level DEBUG", 1), ("--log-level DEBUG --force", 0)] {
        let finished = Program::new(&project).args(arguments).once().expect_code(code);
        finished.expect_none_of(&endpoint.secrets());
        assert!(!finished.log.contains('\u{1b}'), "{}", finished.log);
    }
    assert!(endpoint.is_live(&text(&project, FILE, "access_token")));
}

#[test]
fn the_token_that_expires_first_is_asked_for_first() {
    let endpoint = Endpoint::start();
    let project = Project::new();
    for (name, seconds) in [("a", 900), ("b", 100), ("c", 500), ("d", 300)] {
        let client = Client::new(name);
        endpoint.register(client.clone());
        project.write_token(&TokenFile::signed_in("github", name, &endpoint, &client).expires_in(seconds));
    }
    Program::new(&project).args("--jobs 1").once().expect_code(0);
    let order =
        endpoint.requests().iter().map(|one| one.field("client_id").unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(order, ["b", "d", "c", "a"]);
}

#[test]
fn due_tokens_do_not_wait_for_each_other() {
    let Due { endpoint, project, .. } = due::many(4);
    let hold = endpoint.hold();
    let running = Program::new(&project).args("--once --jobs 4").start();
    // All four are there while none has been answered.
    endpoint.wait_for_requests(4);
    drop(hold);
    running.wait().expect_code(0);
}

#[test]
fn many_at_once_spend_a_refresh_token_once() {
    let Due { endpoint, project, .. } = due();
    endpoint.set_latency(Duration::from_millis(200));
    let programs = (0..8).map(|_| Program::new(&project).arg("--once").start()).collect::<Vec<_>>();
    for program in programs {
        program.wait().expect_code(0);
    }
    assert_eq!(endpoint.requests().len(), 1);
    assert!(endpoint.is_live(&text(&project, FILE, "access_token")));
}

/// A local failure of every one of many files once rewrote the whole status file for each, under one lock: a cycle over
/// two thousand took two minutes.
#[test]
fn many_files_in_a_directory_that_is_refused_cost_one_status_file() {
    const FILES: usize = 200;
    let project = Project::new();
    for index in 0..FILES {
        let file = TokenFile::egress("github", &format!("s{index}"))
            .field("access_token", "a")
            .field("refresh_token", format!("refresh-{index}"))
            .field("token_endpoint", "http://127.0.0.1:9/token")
            .field("client_id", "c")
            .expires_in(600);
        project.write_token(&file);
    }
    fs::set_permissions(project.token(""), fs::Permissions::from_mode(0o777)).unwrap();
    let status = internals::own(&project, "status.json");
    let done = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let look = || {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::SeqCst) {
                seen.extend(fs::metadata(&status).map(|file| (file.ino(), file.mtime_nsec())));
                thread::sleep(Duration::from_millis(1));
            }
            seen.len()
        };
        let watcher = scope.spawn(look);
        Program::new(&project).once().expect_code(1);
        done.store(true, Ordering::SeqCst);
        watcher.join().unwrap()
    });
    assert!(written <= 3, "the status file was written {written} times");
    let report = report(&project);
    let failures = report["tokens"].as_array().unwrap().iter().map(|token| token["failures"].as_u64());
    assert!(failures.eq(std::iter::repeat_n(Some(1), FILES)), "{report}");
}
