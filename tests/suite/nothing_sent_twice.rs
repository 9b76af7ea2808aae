//! A refresh token that is sent a second time ends a sign-in at a strict provider. Here is what would once
//! have sent one: doubts, old copies, other programs.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::support::due::{FILE, asking, due, holds_the_last_answer, text};
use crate::support::{
    self, Daemon, Due, Endpoint, Program, Project, Signal, Step, TokenFile, Who, internals,
};

/// Kills the program in the middle of a request: its refresh token is spent and the answer lost.
fn lose_an_answer(endpoint: &Endpoint, project: &Project) {
    let (hold, daemon) = asking(endpoint, Program::new(project).arg("--once"));
    daemon.signal(Signal::Kill);
    assert_eq!(daemon.wait().killed_by(), Some(9));
    drop(hold);
}

#[test]
fn a_token_in_doubt_is_not_sent_again_whatever_is_on_record() {
    let Due { endpoint, project, .. } = due();
    // A passing failure whose delay is over, on record before the doubt.
    endpoint.script(Who::Anyone, [Step::error(503, "temporarily_unavailable")]);
    Program::new(&project).once().expect_code(1);
    internals::let_the_delay_end(&project, FILE);
    lose_an_answer(&endpoint, &project);
    assert_eq!(endpoint.requests().len(), 2);
    let at_once = || {
        let several = (0..8).map(|_| Program::new(&project).arg("--once").start()).collect::<Vec<_>>();
        for finished in several.into_iter().map(Daemon::wait) {
            let finished = finished.expect_code(1);
            assert!(finished.log.contains("may be spent"), "{}", finished.log);
        }
    };
    at_once();
    internals::forget_status(&project);
    at_once();
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (2, 0));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn a_doubt_is_resolved_at_the_time_that_its_mark_says() {
    let Due { endpoint, project, client } = due();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(30));
    lose_an_answer(&endpoint, &project);
    // Less than a minute before its expiry the next try is at the expiry.
    Program::new(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 1);
    let mut document = project.read_token(FILE);
    document["expires_at"] = (support::now() - 1).into();
    project.write_tokens_file(FILE, document.to_string());
    internals::forget_status(&project);
    // The mark is a few seconds old, and the delay after it at most 30 s: the doubt has an end.
    internals::age_mark(&project, FILE, Duration::from_mins(2));
    Program::new(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 2);
    assert_eq!(internals::trouble(&project, FILE).kind, "sign_in_again");
    assert!(project.text("token_refresher.log").contains("interrupted"), "the doubt is named");
}

#[test]
fn who_is_killed_while_connecting_is_not_in_doubt() {
    let Due { project, .. } = due();
    // Takes the connection and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut document = project.read_token(FILE);
    document["token_endpoint"] = format!("https://{}/token", silent.local_addr().unwrap()).into();
    project.write_tokens_file(FILE, document.to_string());
    let running = Program::new(&project).arg("--once").start();
    let (connection, _) = silent.accept().unwrap();
    connection.peek(&mut [0]).unwrap();
    running.signal(Signal::Kill);
    assert_eq!(running.wait().killed_by(), Some(9));
    assert!(!internals::is_marked(&project, FILE));
}

#[test]
fn a_restored_backup_is_never_sent_not_even_by_force() {
    let Due { endpoint, project, .. } = due();
    let backup = fs::read(project.token(FILE)).unwrap();
    Program::new(&project).once().expect_code(0);
    project.write_tokens_file(FILE, &backup);
    for arguments in ["", "--force", ""] {
        let finished = Program::new(&project).args(arguments).once().expect_code(1);
        assert!(finished.log.contains("sign in again"), "{}", finished.log);
    }
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0));
}

/// Rotates the token so many times; what the file held before each of them.
fn rotate(project: &Project, times: usize) -> Vec<Vec<u8>> {
    let rotation = |_| {
        let before = fs::read(project.token(FILE)).unwrap();
        Program::new(project).args("--force").once().expect_code(0);
        before
    };
    (0..times).map(rotation).collect()
}

/// A year of backups: only the hash of each replaced token tells that its copy is old.
#[test]
fn a_copy_from_long_ago_is_never_sent() {
    let Due { endpoint, project, .. } = due();
    let copies = rotate(&project, 12);
    let present = text(&project, FILE, "refresh_token");
    let (first, third) = ("github-first-egress.json", "oauth-third.json");
    project.write_tokens_file(first, &copies[0]);
    project.write_tokens_file(third, &copies[2]);
    // The history alone tells it.
    internals::forget_status(&project);
    let finished = Program::new(&project).once().expect_code(0);
    for name in [first, third] {
        assert!(finished.log.contains(&format!("{name}: was an old copy of ")), "{}", finished.log);
        assert_eq!(text(&project, name, "refresh_token"), text(&project, FILE, "refresh_token"));
    }
    assert_ne!(text(&project, FILE, "refresh_token"), present, "the chain of all three was refreshed");
    // Where no file holds the present token, it says so, and neither a start nor a person's word sends it.
    fs::remove_file(project.token(third)).unwrap();
    fs::remove_file(project.token(FILE)).unwrap();
    project.write_tokens_file(first, &copies[1]);
    let requests = endpoint.requests().len();
    for arguments in ["", "--force", ""] {
        let finished = Program::new(&project).args(arguments).once().expect_code(1);
        assert!(finished.log.contains("it is an old copy"), "{}", finished.log);
        assert!(finished.log.contains("it is never sent: put the newest copy back"), "{}", finished.log);
    }
    let status = Program::new(&project).arg("status").run();
    assert!(status.stdout.contains("it is an old copy"), "{status:#?}");
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (requests, 0));
}

#[test]
fn a_daemon_knows_a_copy_from_before_its_start() {
    let Due { endpoint, project, .. } = due();
    let copies = rotate(&project, 11);
    let mut daemon = Program::new(&project).args("--interval 1").start();
    daemon.wait_for_log("Checked 1 token");
    project.write_tokens_file("github-first-egress.json", &copies[0]);
    daemon.wait_for_log(&format!("github-first-egress.json: was an old copy of {FILE}"));
    // The cycle that found it has ended, so both files have the present token after the next rotation.
    daemon.wait_for_log("Checked 2 tokens");
    // What another process replaces meanwhile is known too.
    let before = rotate(&project, 1);
    fs::remove_file(project.token("github-first-egress.json")).unwrap();
    project.write_tokens_file("github-second-egress.json", &before[0]);
    daemon.wait_for_log("github-second-egress.json: was an old copy of");
    daemon.stop().expect_code(0);
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn a_year_of_rotations_does_not_make_the_status_file_grow() {
    let Due { endpoint, project, .. } = due();
    rotate(&project, 10);
    let (size, lines) = (internals::status_size(&project), internals::replaced_tokens(&project));
    rotate(&project, 10);
    assert!(internals::status_size(&project).abs_diff(size) < 16, "{size}");
    assert_eq!((lines, internals::replaced_tokens(&project)), (10, 20));
    assert_eq!(endpoint.reuses(), 0);
    // Two files of one sign-in are one line.
    fs::copy(project.token(FILE), project.token("oauth-same.json")).unwrap();
    rotate(&project, 1);
    assert_eq!(internals::replaced_tokens(&project), 21);
}

#[test]
fn a_history_that_cannot_be_kept_is_said_and_costs_no_refresh() {
    let Due { endpoint, project, .. } = due();
    fs::create_dir_all(internals::own(&project, "replaced")).unwrap();
    project.set_mode(".oauth-tokens/.token-refresher", 0o700);
    let finished = Program::new(&project).once().expect_code(1);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert!(
        finished.log.contains("the history of replaced refresh tokens cannot be kept"),
        "{}",
        finished.log
    );
}

#[test]
fn a_copy_that_turns_up_gets_the_present_token_whether_it_is_due_or_not() {
    for seconds in [600, 7200] {
        let Due { endpoint, project, .. } = due();
        let mut copy = project.read_token(FILE);
        Program::new(&project).once().expect_code(0);
        copy["expires_at"] = (support::now() + seconds).into();
        project.write_tokens_file("github-copy-egress.json", copy.to_string());
        let finished = Program::new(&project).once().expect_code(0);
        assert!(finished.log.contains("github-copy-egress.json: was an old copy"), "{}", finished.log);
        let token = |name| text(&project, name, "refresh_token");
        assert_eq!(token("github-copy-egress.json"), token(FILE));
        assert!(holds_the_last_answer(&endpoint, &project, FILE));
        assert_eq!(endpoint.reuses(), 0);
        assert_eq!(endpoint.requests().len(), if seconds == 600 { 2 } else { 1 });
    }
}

#[test]
fn copies_that_other_tools_make_are_passed_over_with_a_line_and_never_sent() {
    let Due { endpoint, project, .. } = due();
    let text = project.text(&format!(".oauth-tokens/{FILE}"));
    let copies = [
        "github-repos-egress.sync-conflict-20260101-120000-ABCDEFG.json",
        "github-repos-egress (conflicted copy 2026-01-01).json",
        "github-repos-egress.json.bak",
        "Copy of github-repos-egress.json",
        "github-repos-egress (1).json",
    ];
    for name in copies {
        project.write_tokens_file(name, &text);
    }
    let finished = Program::new(&project).once().expect_code(0);
    for name in copies {
        let said = finished.log.matches(&format!("{name}: is passed over")).count();
        assert_eq!(said, 1, "{name}: {}", finished.log);
        assert_eq!(project.text(&format!(".oauth-tokens/{name}")), text, "{name}");
    }
    assert_eq!(endpoint.requests().len(), 1);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
}

#[test]
fn a_sign_in_right_after_a_refresh_is_refreshed_where_it_is_due() {
    let Due { endpoint, project, client } = due();
    for count in 1..=3 {
        Program::new(&project).once().expect_code(0);
        assert_eq!(endpoint.requests().len(), count);
        project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    }
}

#[test]
fn a_refresh_that_a_local_problem_held_back_is_tried_again_as_soon_as_it_is_solved() {
    let Due { endpoint, project, .. } = due();
    project.set_mode(".oauth-tokens", 0o777);
    Program::new(&project).once().expect_code(1);
    project.set_mode(".oauth-tokens", 0o700);
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
}

#[test]
fn another_program_that_refreshes_the_same_credential_is_said_once() {
    let Due { endpoint, project, client } = due();
    let write =
        || project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(7200));
    write();
    let cycle_ends = "REFRESH: Token refresh cycle completed successfully";
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(cycle_ends);
    for count in 2..=3 {
        write();
        daemon.signal(Signal::Usr1);
        daemon.wait_for_log_times(cycle_ends, count);
    }
    let finished = daemon.stop().expect_code(0);
    assert_eq!(finished.log.matches("another program also refreshes this credential").count(), 1);
}

#[test]
fn what_we_refresh_ourselves_is_no_other_program() {
    let Due { endpoint, project, .. } = due();
    let mut daemon = Program::new(&project).start();
    endpoint.wait_for_answers(1);
    for count in 2..=4 {
        Program::new(&project).arg("--force").once().expect_code(0);
        daemon.signal(Signal::Usr1);
        daemon.wait_until("another cycle", || {
            project.text("token_refresher.log").matches("cycle completed").count() >= 2 * count - 1
        });
    }
    let finished = daemon.stop().expect_code(0);
    assert!(!finished.log.contains("another program"), "{}", finished.log);
}

#[test]
fn a_file_that_leads_elsewhere_sends_nothing_there() {
    let Due { endpoint, project, client } = due();
    Program::new(&project).once().expect_code(0);
    let thief = Endpoint::start();
    let lead = |url: String, name: &str| {
        let mut document = project.read_token(FILE);
        document[name] = url.into();
        // Without an access token it is due at once.
        document.as_object_mut().unwrap().remove("access_token");
        project.write_tokens_file(FILE, document.to_string());
    };
    lead(thief.url(), "token_endpoint");
    for _ in 0..2 {
        let finished = Program::new(&project).once().expect_code(1);
        for origin in [endpoint.address(), thief.address()] {
            assert!(finished.log.contains(&format!("http://{origin}")), "{}", finished.log);
        }
        // Nothing is wrong yet: a person should look.
        assert!(finished.log.contains(&format!("[WARNING] REFRESH: {FILE}: leads to")), "{}", finished.log);
    }
    assert_eq!((endpoint.requests().len(), thief.requests().len()), (1, 0));
    // The old endpoint ends it.
    lead(endpoint.url(), "token_endpoint");
    Program::new(&project).once().expect_code(0);
    assert_eq!((endpoint.requests().len(), thief.requests().len()), (2, 0));
    // So does a word of the user.
    let moved = Endpoint::start();
    moved.register(client.clone());
    lead(moved.url(), "token_endpoint");
    Program::new(&project).args("--force").once().expect_code(1);
    assert_eq!(moved.requests().len(), 1);
    // And a new sign-in. Both endpoints count their tokens from one, so this one must be further on.
    for _ in 0..5 {
        moved.sign_in(client.id());
    }
    let file = TokenFile::signed_in("github", "repos", &moved, &client).expires_in(60);
    project.write_token(&file);
    Program::new(&project).once().expect_code(0);
    assert_eq!((moved.requests().len(), thief.requests().len()), (2, 0));
}

/// A built-in row whose address has a variable: a newer version of the program may know another address, while another
/// value is the file's doing.
#[test]
fn an_address_that_a_newer_version_makes_of_the_same_values_is_no_other_place() {
    let Due { endpoint, project, .. } = due();
    let lead = |url: &str| {
        let mut document = project.read_token(FILE);
        let members = document.as_object_mut().unwrap();
        members.remove("token_endpoint");
        members.remove("access_token");
        for (name, value) in [
            ("provider", "keycloak"),
            ("keycloak_url", url),
            ("realm", "r"),
            ("token_endpoint_auth_method", "client_secret_post"),
        ] {
            members.insert(name.to_owned(), value.into());
        }
        project.write_tokens_file(FILE, document.to_string());
    };
    let url = format!("http://{}", endpoint.address());
    lead(&url);
    Program::new(&project).once().expect_code(0);
    // An older version of the program made another address of them.
    internals::set_origin(&project, FILE, "https://older.example");
    lead(&url);
    Program::new(&project).once().expect_code(0);
    assert_eq!(endpoint.requests().len(), 2);
    let thief = Endpoint::start();
    lead(&format!("http://{}", thief.address()));
    let finished = Program::new(&project).once().expect_code(1);
    assert!(finished.log.contains("nothing was sent"), "{}", finished.log);
    assert_eq!((endpoint.requests().len(), thief.requests().len()), (2, 0));
}

#[test]
fn a_row_of_the_user_in_place_of_our_own_is_said_at_the_start() {
    let project = Project::new();
    let row = json!({"github": {"token_endpoint": "https://mirror.example/token"}, "acme": {"title": "A"}});
    project.write("providers.json", row.to_string());
    let mut daemon = Program::new(&project).start();
    let told = "takes the place of built-in endpoints, and tokens are sent there: github";
    let log = daemon.wait_for_log(told);
    let line = log.lines().find(|line| line.ends_with(told)).unwrap();
    assert!(line.contains("[WARNING] CONFIG: ") && line.contains("providers.json "), "{line}");
    // And when it is read again.
    daemon.wait_for_log("cycle completed");
    daemon.signal(Signal::Hup);
    daemon.wait_for_log_times(told, 2);
    daemon.stop().expect_code(0);
}

#[test]
fn a_row_of_the_user_that_leads_elsewhere_sends_nothing_there() {
    let Due { endpoint, project, .. } = due();
    let mut document = project.read_token(FILE);
    document["provider"] = "acme".into();
    document.as_object_mut().unwrap().remove("token_endpoint");
    project.write_tokens_file(FILE, document.to_string());
    let row = |url: String| {
        let row = json!({"acme": {"token_endpoint": url, "client_authentication": ["client_secret_post"]}});
        project.write("providers.json", row.to_string());
    };
    row(endpoint.url());
    Program::new(&project).once().expect_code(0);
    let thief = Endpoint::start();
    row(thief.url());
    let mut document = project.read_token(FILE);
    document.as_object_mut().unwrap().remove("access_token");
    project.write_tokens_file(FILE, document.to_string());
    let finished = Program::new(&project).once().expect_code(1);
    assert!(finished.log.contains("nothing was sent"), "{}", finished.log);
    assert_eq!((endpoint.requests().len(), thief.requests().len()), (1, 0));
}
