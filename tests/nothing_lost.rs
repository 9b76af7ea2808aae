//! A rotating refresh token exists once. Here is what once went wrong with it, or nearly did: answers
//! that were lost after they had come, and tokens that were sent a second time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;
use std::time::{Duration, Instant};

use fs2::FileExt as _;
use serde_json::{Value, json};
use support::{Client, Daemon, Endpoint, Outcome, Program, Project, Signal, Step, TokenFile, Who};

const FILE: &str = "github-repos-egress.json";
const RESERVE: &str = ".github-repos-egress.json.refresh";
const STATUS: &str = ".oauth-tokens/.token-refresher/status.json";

/// A project with one token that expires in ten minutes: due under the usual buffer.
fn due() -> (Endpoint, Project, Client) {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    (endpoint, project, client)
}

fn text(project: &Project, name: &str, member: &str) -> String {
    project.read_token(name)[member].as_str().unwrap_or_default().to_owned()
}

/// Whether the file holds the refresh token that the endpoint gave out last, and all is well with it.
fn holds_the_last_answer(endpoint: &Endpoint, project: &Project, name: &str) -> bool {
    let last = endpoint.requests().into_iter().rev().find_map(|request| match request.outcome {
        Outcome::Granted { refresh_token, .. } => refresh_token,
        _ => None,
    });
    let present = text(project, name, "refresh_token");
    last.as_ref() == Some(&present) && !endpoint.is_revoked(&present)
}

/// The program in the middle of a request that the endpoint has judged and not answered.
fn asking<'a>(endpoint: &'a Endpoint, program: Program) -> (support::Hold<'a>, Daemon) {
    let before = endpoint.requests().len();
    let hold = endpoint.hold();
    let daemon = program.start();
    endpoint.wait_for_requests(before + 1);
    (hold, daemon)
}

/// Kills the program in the middle of a request: its refresh token is spent and the answer lost.
fn lose_an_answer(endpoint: &Endpoint, project: &Project) {
    let (hold, daemon) = asking(endpoint, Program::new(project).arg("--once"));
    daemon.signal(Signal::Kill);
    daemon.wait();
    drop(hold);
}

#[test]
fn an_answer_is_stored_though_its_reserve_was_cleaned_away() {
    let (endpoint, project, _) = due();
    let (hold, daemon) = asking(&endpoint, Program::new(&project).arg("--once"));
    fs::remove_file(project.token(RESERVE)).unwrap();
    drop(hold);
    daemon.wait().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

/// The daemon with an answer that it cannot bring into place: a directory stands there.
fn holding(endpoint: &Endpoint, project: &Project) -> Daemon {
    let (hold, mut daemon) = asking(endpoint, Program::new(project));
    fs::rename(project.token(FILE), project.path("aside")).unwrap();
    fs::create_dir(project.token(FILE)).unwrap();
    drop(hold);
    daemon.wait_for_log("cannot be stored");
    daemon
}

fn put_back(project: &Project) {
    fs::remove_dir(project.token(FILE)).unwrap();
    fs::rename(project.path("aside"), project.token(FILE)).unwrap();
}

#[test]
fn a_stop_waits_until_a_held_answer_can_be_stored() {
    let (endpoint, project, _) = due();
    let mut daemon = holding(&endpoint, &project);
    daemon.signal(Signal::Term);
    daemon.wait_for_log("stopping");
    assert!(!daemon.has_ended());
    put_back(&project);
    daemon.wait().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(endpoint.requests().len(), 1);
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn an_answer_that_was_held_to_the_end_is_stored_by_the_next_start() {
    let (endpoint, project, _) = due();
    let mut daemon = holding(&endpoint, &project);
    daemon.signal(Signal::Term);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::Term);
    daemon.wait().expect_code(128 + 15);
    put_back(&project);
    let finished = Program::new(&project).once().expect_code(0);
    assert!(finished.log.contains("finished a refresh that was interrupted"), "{}", finished.log);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
#[ignore = "waits a minute; make faults runs it"]
fn an_answer_that_cannot_be_stored_within_a_minute_stays_for_the_next_start() {
    let (endpoint, project, _) = due();
    let (hold, mut running) = asking(&endpoint, Program::new(&project).arg("--once"));
    fs::rename(project.token(FILE), project.path("aside")).unwrap();
    fs::create_dir(project.token(FILE)).unwrap();
    drop(hold);
    let end = Instant::now() + Duration::from_secs(90);
    while !running.has_ended() && Instant::now() < end {
        thread::sleep(support::POLL);
    }
    let finished = running.wait().expect_code(1);
    assert!(finished.stderr.contains(FILE), "it names the file: {}", finished.stderr);
    put_back(&project);
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_token_in_doubt_is_not_sent_again_whatever_is_on_record() {
    let (endpoint, project, _) = due();
    // A passing failure whose delay is over, on record before the doubt.
    endpoint.script(Who::Anyone, [Step::error(503, "temporarily_unavailable")]);
    Program::new(&project).once().expect_code(1);
    let mut status: Value = serde_json::from_str(&project.text(STATUS)).unwrap();
    status["endpoints"] = json!({});
    let long_ago = (support::now() - 100) * 1000;
    let trouble = &mut status["files"][FILE]["trouble"];
    (trouble["next_attempt"], trouble["last_attempt"]) = (long_ago.into(), (long_ago - 30_000).into());
    project.write(STATUS, status.to_string());
    lose_an_answer(&endpoint, &project);
    assert_eq!(endpoint.requests().len(), 2);
    let at_once = || {
        let several = (0..8).map(|_| Program::new(&project).arg("--once").start()).collect::<Vec<_>>();
        several.into_iter().map(Daemon::wait).collect::<Vec<_>>()
    };
    for finished in at_once() {
        let finished = finished.expect_code(1);
        assert!(finished.log.contains("may be spent"), "{}", finished.log);
    }
    fs::remove_file(project.path(STATUS)).unwrap();
    at_once();
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (2, 0));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn a_doubt_is_resolved_at_the_time_that_its_mark_says() {
    let (endpoint, project, client) = due();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(30));
    lose_an_answer(&endpoint, &project);
    // Less than a minute before its expiry the next try is at the expiry.
    Program::new(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 1);
    let mut document = project.read_token(FILE);
    document["expires_at"] = (support::now() - 1).into();
    project.write_tokens_file(FILE, document.to_string());
    fs::remove_file(project.path(STATUS)).unwrap();
    // The mark is a few seconds old, and the delay after it at most 30 s: the doubt has an end.
    lengthen_the_past(&project);
    Program::new(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 2);
    let status: Value = serde_json::from_str(&project.text(STATUS)).unwrap();
    assert_eq!(status["files"][FILE]["trouble"]["kind"], "sign_in_again");
    assert!(project.text("token_refresher.log").contains("interrupted"), "the doubt is named");
}

/// Makes the mark as old as if the request had been sent two minutes ago.
fn lengthen_the_past(project: &Project) {
    let lock = format!(".oauth-tokens/.token-refresher/{FILE}.lock");
    let note = project.text(&lock);
    let mut words: Vec<String> = note.trim_end().split(' ').map(str::to_owned).collect();
    for word in &mut words[1..=2] {
        *word = format!("{:020}", word.parse::<i64>().unwrap() - 120_000);
    }
    fs::write(project.path(&lock), words.join(" ") + "\n").unwrap();
}

#[test]
fn a_restored_backup_is_never_sent_not_even_by_force() {
    let (endpoint, project, _) = due();
    let backup = fs::read(project.token(FILE)).unwrap();
    Program::new(&project).once().expect_code(0);
    project.write_tokens_file(FILE, &backup);
    for arguments in ["", "--force", ""] {
        let finished = Program::new(&project).args(arguments).once();
        assert!(finished.log.contains("sign in again"), "{}", finished.log);
    }
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0));
}

#[test]
fn a_copy_that_turns_up_gets_the_present_token_whether_it_is_due_or_not() {
    for seconds in [600, 7200] {
        let (endpoint, project, _) = due();
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
fn a_copy_is_known_after_the_process_that_replaced_it_was_killed() {
    let (endpoint, project, _) = due();
    let backup = fs::read(project.token(FILE)).unwrap();
    let mut daemon = holding(&endpoint, &project);
    daemon.signal(Signal::Kill);
    assert!(support::holds_in_time(|| daemon.has_ended()));
    put_back(&project);
    Program::new(&project).once().expect_code(0);
    project.write_tokens_file("github-copy-egress.json", &backup);
    Program::new(&project).once().expect_code(0);
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn a_link_that_is_turned_meanwhile_is_followed_where_it_leads_to_the_same_sign_in() {
    let (endpoint, project, _) = due();
    let (one, two) = (project.path("one.json"), project.path("two.json"));
    fs::rename(project.token(FILE), &one).unwrap();
    symlink(&one, project.token(FILE)).unwrap();
    let (hold, daemon) = asking(&endpoint, Program::new(&project).arg("--once"));
    fs::copy(&one, &two).unwrap();
    fs::remove_file(project.token(FILE)).unwrap();
    symlink(&two, project.token(FILE)).unwrap();
    drop(hold);
    daemon.wait().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert!(fs::symlink_metadata(project.token(FILE)).unwrap().is_symlink());
    let left = fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".refresh")));
}

#[test]
fn a_sign_in_meanwhile_stays_and_is_said() {
    for by_rename in [false, true] {
        let (endpoint, project, client) = due();
        let (hold, daemon) = asking(&endpoint, Program::new(&project).arg("--once"));
        let new = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(7200);
        if by_rename {
            fs::write(project.path("new"), new.text()).unwrap();
            fs::rename(project.path("new"), project.token(FILE)).unwrap();
        } else {
            project.write_token(&new);
        }
        drop(hold);
        let finished = daemon.wait().expect_code(0);
        assert!(finished.log.contains("[WARN] REFRESH: github-repos-egress.json: somebody signed in"));
        assert_eq!(fs::read_to_string(project.token(FILE)).unwrap(), new.text());
        assert_eq!(project.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn a_sign_in_right_after_a_refresh_is_refreshed_where_it_is_due() {
    let (endpoint, project, client) = due();
    for count in 1..=3 {
        Program::new(&project).once().expect_code(0);
        assert_eq!(endpoint.requests().len(), count);
        project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600));
    }
}

#[test]
fn a_refresh_that_a_local_problem_held_back_is_tried_again_as_soon_as_it_is_solved() {
    let (endpoint, project, _) = due();
    project.set_mode(".oauth-tokens", 0o777);
    Program::new(&project).once().expect_code(1);
    project.set_mode(".oauth-tokens", 0o700);
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
}

#[test]
fn another_program_that_refreshes_the_same_credential_is_said_once() {
    let (endpoint, project, client) = due();
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
    let (endpoint, project, _) = due();
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
fn a_stop_says_for_how_many_it_waits_and_begins_nothing_new() {
    let endpoint = Endpoint::start();
    let project = Project::new();
    for number in 0..4 {
        let client = Client::new(&format!("app-{number}"));
        endpoint.register(client.clone());
        let server = format!("server-{number}");
        project.write_token(&TokenFile::signed_in("github", &server, &endpoint, &client).expires_in(60));
    }
    let hold = endpoint.hold();
    let mut daemon = Program::new(&project).args("--jobs 2").start();
    endpoint.wait_for_requests(2);
    daemon.signal(Signal::Term);
    daemon.wait_for_log("told to stop; waiting for 2 refreshes in flight");
    drop(hold);
    daemon.wait().expect_code(0);
    assert_eq!(endpoint.requests().len(), 2);
    Program::new(&project).once().expect_code(0);
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (4, 0));
}

#[test]
fn a_stop_does_not_wait_for_a_lock_that_another_process_holds() {
    let (endpoint, project, _) = due();
    let directory = project.token(".token-refresher");
    fs::create_dir(&directory).unwrap();
    let lock = fs::File::create(directory.join(format!("{FILE}.lock"))).unwrap();
    lock.lock_exclusive().unwrap();
    let mut running = Program::new(&project).arg("--once").start();
    running.wait_for_log("refreshing...");
    running.signal(Signal::Term);
    let began = Instant::now();
    running.wait().expect_code(1);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn one_file_of_a_chain_that_cannot_be_replaced_holds_all_of_it_back() {
    let (endpoint, project, _) = due();
    let open = project.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    fs::copy(project.token(FILE), open.join("b.json")).unwrap();
    symlink(open.join("b.json"), project.token("oauth-github-b.json")).unwrap();
    let finished = Program::new(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 0);
    let line = |name: &str| {
        let begins = format!("[ERROR] REFRESH: {name}: ");
        finished.log.lines().find(|line| line.contains(&begins)).unwrap_or_else(|| panic!("{}", finished.log))
    };
    assert!(line("oauth-github-b.json").contains("users other than the owner may write to"));
    assert!(line(FILE).contains("also stands in oauth-github-b.json"));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn a_chain_is_refreshed_without_the_file_that_is_gone_or_broken() {
    for broken in [false, true] {
        let (endpoint, project, _) = due();
        fs::copy(project.token(FILE), project.token("oauth-github-b.json")).unwrap();
        let directory = project.token(".token-refresher");
        fs::create_dir(&directory).unwrap();
        let lock = fs::File::create(directory.join(format!("{FILE}.lock"))).unwrap();
        lock.lock_exclusive().unwrap();
        let mut running = Program::new(&project).arg("--once").start();
        // The directory has been looked through, and the chain waits for its lock.
        running.wait_for_log("refreshing...");
        if broken {
            project.write_tokens_file("oauth-github-b.json", "{\"access_token\": ");
        } else {
            fs::remove_file(project.token("oauth-github-b.json")).unwrap();
        }
        drop(lock);
        running.wait().expect_code(i32::from(broken));
        assert!(holds_the_last_answer(&endpoint, &project, FILE));
        assert_eq!(endpoint.requests().len(), 1);
    }
}

#[test]
fn what_a_crash_left_is_gone_after_the_next_cycle_whatever_became_of_the_file() {
    let (endpoint, project, client) = due();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(7200));
    project
        .write_token(&TokenFile::signed_in("github", "theirs", &endpoint, &client).field("refresh", false));
    for name in [FILE, "github-theirs-egress.json", "github-gone-egress.json"] {
        project.write_tokens_file(&format!(".{name}.refresh"), [0; 100]);
    }
    let elsewhere = project.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(project.token(FILE), elsewhere.join("x.json")).unwrap();
    symlink(elsewhere.join("x.json"), project.token("oauth-linked.json")).unwrap();
    fs::write(elsewhere.join(".x.json.refresh"), [0; 100]).unwrap();
    Program::new(&project).once().expect_code(0);
    assert_eq!(project.leftovers(), Vec::<String>::new());
    assert!(!elsewhere.join(".x.json.refresh").exists());
    assert_eq!(endpoint.requests().len(), 0);
}
