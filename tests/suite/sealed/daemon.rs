//! What a daemon with a key does: seal, refresh sealed files, take over another key.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{SECRETS, due_again, key, opened};
use crate::support::due::{FILE, due, due_of, none, of, report, text};
use crate::support::{Client, Due, Program, Signal, TokenFile, jwe};

#[test]
fn a_cycle_seals_plain_files_and_refreshes_sealed_ones() {
    let Due { endpoint, project, .. } = due();
    let key = key(&project, "key");
    let finished = key.program(&project).once().expect_code(0);
    assert!(
        finished.log.contains(&format!("{FILE}: sealed: refresh_token, client_secret")),
        "{}",
        finished.log
    );
    for round in 2..5 {
        due_again(&project, FILE);
        key.program(&project).once().expect_code(0);
        assert_eq!((endpoint.requests().len(), endpoint.reuses()), (round, 0));
    }
    let holds = opened(&project, FILE, "refresh_token", &key);
    assert!(!endpoint.is_revoked(&holds));
    let counts = &report(&project)["at_rest"];
    assert_eq!(
        (&counts["sealed"], &counts["plain"], &counts["key"]),
        (&1.into(), &0.into(), &key.kid().into())
    );
    let check = Program::new(&project).arg("check").run();
    assert!(check.stdout.contains("sealed=1 plain=0 older_key=0"), "{check:#?}");
    let status = Program::new(&project).arg("status").run().expect_code(0);
    assert!(status.stdout.contains("At rest: 1 file sealed, 0 plain"), "{status:#?}");
    // The configurations and the headers need no key.
    let headers = Program::new(&project).args("token github-repos").run().expect_code(0);
    assert_eq!(headers.stdout.trim(), text(&project, FILE, "access_token"));
}

#[test]
fn sealing_is_no_refresh_and_no_work_of_another_program() {
    let Due { endpoint, project, .. } = none();
    let client = Client::new("app");
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).fresh_for(36_000));
    // Its life counts from the time of the file.
    let aged = TokenFile::signed_in("github", "aged", &endpoint, &client).field("expires_in", 36_000);
    let written = std::time::SystemTime::now() - std::time::Duration::from_hours(5);
    fs::File::open(project.write_token(&aged)).unwrap().set_modified(written).unwrap();
    let told = project.outside().join("told");
    let plain = Program::new(&project).once().expect_code(0);
    let before = report(&project);
    let key = key(&project, "key");
    let mut daemon = key
        .program(&project)
        .arg("--on-refresh")
        .arg(format!("touch {}", told.display()))
        .args("--interval 1")
        .start();
    daemon.wait_until("both are sealed", || {
        [FILE, "github-aged-egress.json"]
            .iter()
            .all(|name| jwe::is_sealed(&text(&project, name, "refresh_token")))
    });
    // A written file wakes the loop: what the daemon itself sealed is no news of another program.
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times("Token refresh check starting", 3);
    let finished = daemon.stop();
    for wrong in ["another program", "another process", "sign-in", "Refreshed"] {
        assert!(!finished.log.contains(wrong), "{wrong}: {}", finished.log);
    }
    assert!(!told.exists(), "no access token has changed: {}", finished.log);
    assert_eq!(endpoint.requests().len(), 0, "{}", plain.log);
    let after = report(&project);
    for member in ["expires_at", "last_success_at", "state"] {
        for index in 0..2 {
            assert_eq!(after["tokens"][index][member], before["tokens"][index][member], "{member}");
        }
    }
}

#[test]
fn files_that_another_program_owns_are_named_once_and_left_to_the_command() {
    let Due { endpoint, project, client } = due();
    let file = |server: &str| TokenFile::signed_in("github", server, &endpoint, &client).fresh_for(36_000);
    let watched = file("watched").field("refresh", false);
    project.write_token(&watched);
    let foreign = project.outside().join("foreign.json");
    fs::write(&foreign, file("linked").text()).unwrap();
    symlink(&foreign, project.token("github-linked-egress.json")).unwrap();
    let unknown = TokenFile::named("unknown.json").tokens(&endpoint.sign_in(client.id())).fresh_for(36_000);
    project.write_token(&unknown);
    let key = key(&project, "key");
    let mut daemon = key.program(&project).args("--interval 1").start();
    daemon.wait_until("it is sealed", || jwe::is_sealed(&text(&project, FILE, "refresh_token")));
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times("Token refresh check starting", 2);
    let log = daemon.stop().log;
    for (name, why) in [
        (watched.name(), "\"refresh\": false stands in it"),
        ("github-linked-egress.json", "it is a link to a file of another directory"),
        (unknown.name(), "nothing says where its secrets may be sent"),
    ] {
        let said = format!("{name}: its secrets stay in plain text: ");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&said)).collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{name}: {lines:?}\n{log}");
        assert!(!jwe::is_sealed(&text(&project, name, "refresh_token")), "{name}");
    }
    let sealed = key.seal(&project, "github-watched github-linked").expect_code(0);
    assert!(sealed.stdout.contains("2 sealed"), "{sealed:#?}");
    assert!(fs::symlink_metadata(project.token("github-linked-egress.json")).unwrap().is_symlink());
    assert!(fs::read_to_string(&foreign).unwrap().contains("eyJhbGciOiJkaXIi"));
}

#[test]
fn a_key_is_changed_under_a_running_daemon() {
    let Due { endpoint, project, .. } =
        due_of(Client::new("app").lifetime(std::time::Duration::from_secs(2)));
    let (old, new) = (key(&project, "old"), key(&project, "new"));
    let path = |name: &str| project.outside().join(name).display().to_string();
    fs::copy(&old.path, path("first")).unwrap();
    fs::copy(&old.path, path("second")).unwrap();
    let keys = format!("--key-file {} --key-file {}", path("first"), path("second"));
    let mut daemon = Program::new(&project).args(&keys).start();
    let kid = |member: &str| {
        let text = text(&project, FILE, member);
        if jwe::is_sealed(&text) {
            jwe::header(&text)["kid"].as_str().unwrap().to_owned()
        } else {
            String::new()
        }
    };
    daemon.wait_until("it is sealed with the old key", || kid("refresh_token") == old.kid());
    fs::copy(&new.path, path("first")).unwrap();
    daemon.signal(Signal::Hup);
    daemon.wait_for_log("settings read again");
    daemon.wait_until("the next answer is sealed with the new key", || kid("refresh_token") == new.kid());
    assert_eq!(kid("client_secret"), old.kid());
    daemon.wait_until("the daemon has told its key", || report(&project)["at_rest"]["older_key"] == 1);
    Program::new(&project).arg("seal").args(&keys).run().expect_code(0);
    assert_eq!(kid("client_secret"), new.kid());
    // The old one is of no use any more, and a source without a key is said.
    fs::remove_file(path("second")).unwrap();
    daemon.signal(Signal::Hup);
    daemon.wait_for_log("what this key has sealed stays closed");
    let requests = endpoint.requests().len();
    daemon.wait_until("it is refreshed all the same", || endpoint.requests().len() > requests + 1);
    daemon.stop();
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn a_reload_without_a_usable_key_keeps_the_old_one() {
    let Due { endpoint, project, .. } =
        due_of(Client::new("app").lifetime(std::time::Duration::from_secs(2)));
    let key = key(&project, "key");
    let mut daemon = key.program(&project).start();
    daemon.wait_until("it is sealed", || jwe::is_sealed(&text(&project, FILE, "refresh_token")));
    fs::write(&key.path, "no key").unwrap();
    daemon.signal(Signal::Hup);
    daemon.wait_for_log("the settings stay as they were");
    let requests = endpoint.requests().len();
    daemon.wait_until("it is refreshed all the same", || endpoint.requests().len() > requests + 1);
    daemon.stop();
}

/// Every file below `directory`, links not followed.
fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

#[test]
fn no_secret_of_a_run_is_found_outside_of_memory() {
    let Due { endpoint, project, client } =
        of(Client::new("canary").lifetime(std::time::Duration::from_secs(2)));
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEcanarycanarycanary\n-----END PRIVATE KEY-----\n";
    let file = TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(600);
    project.write_token(&file.field("private_key", pem));
    let key = key(&project, "key");
    let told = project.outside().join("environment");
    let mut daemon = key
        .program(&project)
        .args("--log-level DEBUG")
        .arg("--on-refresh")
        .arg(format!("sh -c 'env >> {}'", told.display()))
        .start();
    endpoint.wait_for_answers(4);
    let pid = daemon.pid();
    let process: Vec<u8> = ["cmdline", "environ"]
        .iter()
        .flat_map(|name| fs::read(format!("/proc/{pid}/{name}")).unwrap())
        .collect();
    daemon.wait_until("the command was told", || told.exists());
    daemon.stop();
    // A crash in the middle leaves nothing readable either.
    let (hold, daemon) = crate::support::due::asking(&endpoint, key.program(&project).args("--once --force"));
    daemon.signal(Signal::Kill);
    daemon.wait();
    drop(hold);
    key.seal(&project, "").expect_code(0);
    let mut secrets: BTreeSet<String> = endpoint.secrets().into_iter().collect();
    let access = endpoint.live_tokens();
    secrets.retain(|secret| !access.contains(secret) && !secret.starts_with("at-"));
    secrets.extend([key.text.trim().to_owned(), "MIIEcanarycanarycanary".to_owned()]);
    secrets.extend(
        endpoint.requests().iter().filter_map(|request| request.field("refresh_token").map(str::to_owned)),
    );
    secrets.insert(opened(&project, FILE, "refresh_token", &key));
    assert!(secrets.len() > 5, "{secrets:?}");
    let mut found = Vec::new();
    files(project.outside(), &mut found);
    for path in found.iter().filter(|path| **path != key.path) {
        let bytes = fs::read(path).unwrap();
        for secret in &secrets {
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds, "{secret} is in {}", path.display());
        }
    }
    for secret in &secrets {
        assert!(!process.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert!(SECRETS.iter().all(|member| jwe::is_sealed(&text(&project, FILE, member))));
}
