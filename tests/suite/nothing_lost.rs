//! A rotating refresh token exists once. Here is what once lost the answer that replaced one, or nearly
//! did: disks, locks, crashes and stops at a bad moment.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::due::{FILE, asking, due, holds_the_last_answer, many, text};
use crate::support::internals::{self, OWN, is_reserve, lock, reserve};
use crate::support::{self, Answer, Daemon, Due, Endpoint, Program, Project, Signal, Step, TokenFile, Who};

#[test]
fn an_answer_is_stored_though_its_reserve_was_cleaned_away() {
    let Due { endpoint, project, .. } = due();
    let (hold, daemon) = asking(&endpoint, Program::new(&project).arg("--once"));
    fs::remove_file(project.token(&reserve(FILE))).unwrap();
    drop(hold);
    daemon.wait().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

/// The daemon with an answer that it cannot bring into place: a directory is in the file's place.
fn holding(endpoint: &Endpoint, project: &Project) -> Daemon {
    let (hold, mut daemon) = asking(endpoint, Program::new(project));
    take_its_place(project);
    drop(hold);
    daemon.wait_for_log("cannot be stored");
    daemon
}

fn take_its_place(project: &Project) {
    fs::rename(project.token(FILE), project.path("aside")).unwrap();
    fs::create_dir(project.token(FILE)).unwrap();
}

fn put_back(project: &Project) {
    fs::remove_dir(project.token(FILE)).unwrap();
    fs::rename(project.path("aside"), project.token(FILE)).unwrap();
}

#[test]
fn a_stop_waits_until_a_held_answer_can_be_stored() {
    let Due { endpoint, project, .. } = due();
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
    let Due { endpoint, project, .. } = due();
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
    let Due { endpoint, project, .. } = due();
    let (hold, mut running) = asking(&endpoint, Program::new(&project).arg("--once"));
    take_its_place(&project);
    drop(hold);
    let began = Instant::now();
    let end = began + Duration::from_secs(90);
    while !running.has_ended() && Instant::now() < end {
        thread::sleep(support::POLL);
    }
    assert!(began.elapsed() >= Duration::from_mins(1), "it gave up after {:?}", began.elapsed());
    let finished = running.wait().expect_code(1);
    assert!(finished.stderr.contains(FILE), "it names the file: {}", finished.stderr);
    put_back(&project);
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_copy_is_known_after_the_process_that_replaced_it_was_killed() {
    let Due { endpoint, project, .. } = due();
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
    let Due { endpoint, project, .. } = due();
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
    assert!(left.into_iter().all(|name| !is_reserve(&name.to_string_lossy())));
}

/// Every file of a chain gets the refresh token of half an answer, and the next request sends that one.
#[test]
fn half_an_answer_is_stored_in_every_file_that_waits_for_it() {
    let Due { endpoint, project, client } = due();
    fs::copy(project.token(FILE), project.token("oauth-github-b.json")).unwrap();
    let new = endpoint.sign_in(client.id()).refresh_token;
    let half = Answer::json(200, &json!({"refresh_token": new}));
    endpoint.script(Who::Anyone, [Step::answer(half)]);
    let before = text(&project, FILE, "access_token");
    let finished = Program::new(&project).once().expect_code(1);
    for name in [FILE, "oauth-github-b.json"] {
        assert_eq!(text(&project, name, "refresh_token"), new, "{name}");
        assert_eq!(text(&project, name, "access_token"), before, "{name}");
        assert!(finished.log.contains(&format!("[ERROR] REFRESH: {name}: ")), "{}", finished.log);
    }
    assert!(finished.log.contains("; next attempt in "), "{}", finished.log);
    assert!(!internals::is_marked(&project, FILE));
    assert_eq!(project.leftovers(), Vec::<String>::new());
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (2, 0));
}

#[test]
fn a_sign_in_meanwhile_stays_and_is_said() {
    for by_rename in [false, true] {
        let Due { endpoint, project, client } = due();
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
        assert!(
            finished.log.contains("[WARNING] REFRESH: github-repos-egress.json: a new sign-in was stored")
        );
        assert_eq!(fs::read_to_string(project.token(FILE)).unwrap(), new.text());
        assert_eq!(project.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn a_stop_says_for_how_many_it_waits_and_begins_nothing_new() {
    let Due { endpoint, project, .. } = many(4);
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
    let Due { endpoint, project, .. } = due();
    let _lock = lock(&project, FILE);
    let mut running = Program::new(&project).arg("--once").start();
    running.wait_for_log("REFRESH: Found ");
    running.signal(Signal::Term);
    let began = Instant::now();
    running.wait().expect_code(1);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn one_file_of_a_chain_that_cannot_be_replaced_holds_all_of_it_back() {
    let Due { endpoint, project, .. } = due();
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
        let Due { endpoint, project, .. } = due();
        fs::copy(project.token(FILE), project.token("oauth-github-b.json")).unwrap();
        let lock = lock(&project, FILE);
        let mut running = Program::new(&project).arg("--once").start();
        // The directory has been looked through, and the chain waits for its lock.
        running.wait_for_log("REFRESH: Found ");
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
    let Due { endpoint, project, client } = due();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(7200));
    project
        .write_token(&TokenFile::signed_in("github", "theirs", &endpoint, &client).field("refresh", false));
    for name in [FILE, "github-theirs-egress.json", "github-gone-egress.json"] {
        project.write_tokens_file(&reserve(name), [0; 100]);
    }
    let elsewhere = project.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(project.token(FILE), elsewhere.join("x.json")).unwrap();
    symlink(elsewhere.join("x.json"), project.token("oauth-linked.json")).unwrap();
    fs::write(elsewhere.join(reserve("x.json")), [0; 100]).unwrap();
    Program::new(&project).once().expect_code(0);
    assert_eq!(project.leftovers(), Vec::<String>::new());
    assert!(!elsewhere.join(reserve("x.json")).exists());
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn what_root_writes_belongs_to_the_owner_of_the_directory() {
    let Due { endpoint, project, .. } = due();
    let tokens = project.path(".oauth-tokens");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let nobody = 65_534;
    for path in [project.root(), &tokens] {
        chown(path, Some(nobody), Some(nobody)).unwrap();
    }
    // The directory's owner's own file only: another's is refused before anything is sent.
    fs::set_permissions(project.token(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Program::new(&project).once().expect_code(1);
    assert!(refused.log.contains("it belongs to another user (uid 0)"), "{}", refused.log);
    assert_eq!(endpoint.requests().len(), 0);
    chown(project.token(FILE), Some(nobody), Some(nobody)).unwrap();
    Program::new(&project).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
    for directory in [tokens.clone(), tokens.join(OWN)] {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().uid(), nobody, "{:?}", entry.path());
        }
    }
}
