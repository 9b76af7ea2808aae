//! A token file that is moved, removed or put elsewhere while its endpoint answers: the answer follows the sign-in, and
//! the refresh token that was sent is never sent again.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::due::{FILE, asking, due, holds_the_last_answer, text};
use crate::support::{
    Due, Endpoint, Finished, Program, Project, Signal, TokenFile, holds_in_time, internals,
};

const MOVED: &str = "github-moved-egress.json";

/// Does `act` while the endpoint holds its answer back, then lets it come.
fn meanwhile(endpoint: &Endpoint, project: &Project, act: impl FnOnce()) -> Finished {
    let (hold, daemon) = asking(endpoint, Program::new(project).arg("--once"));
    act();
    drop(hold);
    daemon.wait()
}

/// One more run sends nothing, and nothing is left behind.
fn is_settled(endpoint: &Endpoint, project: &Project) {
    let requests = endpoint.requests().len();
    Program::new(project).once();
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (requests, 0));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn the_answer_follows_a_file_that_is_renamed() {
    fn link(old: &Path, new: &Path) {
        fs::hard_link(old, new).unwrap();
        fs::remove_file(old).unwrap();
    }
    fn copy(old: &Path, new: &Path) {
        fs::copy(old, new).unwrap();
        fs::remove_file(old).unwrap();
    }
    let rename: fn(&Path, &Path) = |old, new| fs::rename(old, new).unwrap();
    let ways = [("rename", rename), ("link", link), ("copy", copy)];
    for (what, way) in ways {
        let Due { endpoint, project, .. } = due();
        let finished = meanwhile(&endpoint, &project, || way(&project.token(FILE), &project.token(MOVED)));
        let finished = finished.expect_code(0);
        assert!(holds_the_last_answer(&endpoint, &project, MOVED), "{what}: {}", finished.log);
        assert!(!project.token(FILE).exists(), "{what}");
        assert!(
            finished.log.contains(&format!("{FILE}: was renamed to {MOVED}")),
            "{what}: {}",
            finished.log
        );
        is_settled(&endpoint, &project);
        assert_eq!(endpoint.requests().len(), 1, "{what}");
    }
}

#[test]
fn a_sign_in_under_the_old_name_stays_and_the_answer_follows_the_file() {
    let Due { endpoint, project, client } = due();
    let theirs = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(90_000);
    let finished = meanwhile(&endpoint, &project, || {
        fs::rename(project.token(FILE), project.token(MOVED)).unwrap();
        project.write_token(&theirs);
    });
    let finished = finished.expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, MOVED), "{}", finished.log);
    assert_eq!(fs::read_to_string(project.token(FILE)).unwrap(), theirs.text());
    assert!(finished.log.contains(&format!("{FILE}: a new sign-in was stored while")), "{}", finished.log);
    is_settled(&endpoint, &project);
}

#[test]
fn a_file_of_a_chain_is_followed_too() {
    let Due { endpoint, project, .. } = due();
    fs::copy(project.token(FILE), project.token("oauth-same.json")).unwrap();
    let finished =
        meanwhile(&endpoint, &project, || fs::rename(project.token(FILE), project.token(MOVED)).unwrap());
    finished.expect_code(0);
    for name in [MOVED, "oauth-same.json"] {
        assert!(holds_the_last_answer(&endpoint, &project, name), "{name}");
    }
    is_settled(&endpoint, &project);
}

#[test]
fn a_name_that_is_gone_for_a_moment_is_waited_for() {
    for another_inode in [false, true] {
        let Due { endpoint, project, .. } = due();
        let bytes = fs::read(project.token(FILE)).unwrap();
        let aside = project.path("aside");
        let (hold, daemon) = asking(&endpoint, Program::new(&project).arg("--once"));
        fs::rename(project.token(FILE), &aside).unwrap();
        drop(hold);
        thread::sleep(Duration::from_millis(700));
        if another_inode {
            project.write_tokens_file(FILE, &bytes);
        } else {
            fs::rename(&aside, project.token(FILE)).unwrap();
        }
        let finished = daemon.wait().expect_code(0);
        assert!(holds_the_last_answer(&endpoint, &project, FILE), "{}", finished.log);
        is_settled(&endpoint, &project);
    }
}

#[test]
fn what_was_sent_for_a_file_that_is_gone_is_never_sent_again() {
    let Due { endpoint, project, client } = due();
    let bytes = fs::read(project.token(FILE)).unwrap();
    // The person signs out, and in again under another name.
    let theirs = TokenFile::signed_in("github", "again", &endpoint, &client).expires_in(90_000);
    let finished = meanwhile(&endpoint, &project, || {
        fs::remove_file(project.token(FILE)).unwrap();
        project.write_token(&theirs);
    });
    assert!(finished.expect_code(0).log.contains("is gone; nothing is made again"));
    assert!(!project.token(FILE).exists());
    // A backup of it turns up, under its name and under another.
    for name in [FILE, MOVED] {
        project.write_tokens_file(name, &bytes);
        for arguments in ["", "--force"] {
            let finished = Program::new(&project).args(arguments).once().expect_code(1);
            assert!(finished.log.contains(&format!("{name}: it is an old copy")), "{}", finished.log);
        }
        fs::remove_file(project.token(name)).unwrap();
    }
    let sent =
        endpoint.requests().iter().filter(|one| one.field("refresh_token") == Some(&refresh(&bytes))).count();
    assert_eq!((sent, endpoint.reuses()), (1, 0));
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

fn refresh(bytes: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    document["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_sign_in_meanwhile_does_not_bring_the_sent_token_back() {
    let Due { endpoint, project, client } = due();
    let bytes = fs::read(project.token(FILE)).unwrap();
    let theirs = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(90_000);
    meanwhile(&endpoint, &project, || drop(project.write_token(&theirs))).expect_code(0);
    project.write_tokens_file(MOVED, &bytes);
    let finished = Program::new(&project).once().expect_code(1);
    assert!(finished.log.contains(&format!("{MOVED}: it is an old copy")), "{}", finished.log);
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0));
}

/// The answer is on disk, its process is killed, and the file is moved before the next start.
#[test]
fn an_answer_that_a_crash_left_follows_the_file_too() {
    for moved in [true, false] {
        let Due { endpoint, project, .. } = due();
        let (hold, mut daemon) = asking(&endpoint, Program::new(&project));
        let aside = project.path("aside");
        fs::rename(project.token(FILE), &aside).unwrap();
        fs::create_dir(project.token(FILE)).unwrap();
        drop(hold);
        daemon.wait_for_log("cannot be stored");
        daemon.signal(Signal::Kill);
        assert!(holds_in_time(|| daemon.has_ended()));
        assert!(internals::reserve_holds_an_answer(&project, FILE));
        fs::remove_dir(project.token(FILE)).unwrap();
        let name = if moved { MOVED } else { "oauth-under-another-name.json" };
        fs::rename(&aside, project.token(name)).unwrap();
        let finished = Program::new(&project).once().expect_code(0);
        assert!(finished.log.contains("finished a refresh that was interrupted"), "{}", finished.log);
        assert!(holds_the_last_answer(&endpoint, &project, name), "{}", finished.log);
        assert_ne!(text(&project, name, "refresh_token"), "");
        is_settled(&endpoint, &project);
        assert_eq!(endpoint.requests().len(), 1);
    }
}
