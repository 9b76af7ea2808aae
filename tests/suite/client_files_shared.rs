//! A client writes its own configuration while the program does. Nothing that the client wrote may be lost,
//! and in the end our entries stand there.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::support::{DEADLINE, Finished, Program, Project, TokenFile};
use serde_json::{Value, json};

/// The configuration that both write.
const FILE: &str = "mcp.json";

fn temporary(project: &Project) -> PathBuf {
    project.path(&format!(".{FILE}.token-refresher"))
}

/// Something long that the client keeps there, so that our new file takes its time to be written.
fn long() -> Value {
    (0..20_000).map(|number| Value::from(format!("conversation {number}"))).collect()
}

/// Runs the program while a client replaces the file, up to `times` times: each time when our new file has
/// appeared beside it, so between our reading and our renaming. What the client writes is made beforehand,
/// so that all it takes is a rename. Gives back how often it came in between, which is up to the scheduler.
fn run_against_a_client(project: &Project, round: usize, times: usize) -> (Finished, usize) {
    let program = Program::new(project).env("REGISTRY_URL", "https://gateway.example.com");
    let program = program.args("--client").arg(format!("cursor={FILE}"));
    let prepared = |number: usize| project.outside().join(format!("theirs.{number}"));
    for number in 0..times {
        let mut theirs: Value = serde_json::from_str(&project.text(FILE)).unwrap();
        theirs["theirs"] = format!("round {round}, {number}").into();
        fs::write(prepared(number), theirs.to_string()).unwrap();
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut written = 0;
            while written < times && !over.load(Ordering::Relaxed) {
                if temporary(project).exists() {
                    fs::rename(prepared(written), project.path(FILE)).unwrap();
                    written += 1;
                    // The next attempt begins with a new file.
                    while temporary(project).exists() && !over.load(Ordering::Relaxed) {}
                }
            }
            written
        });
        let finished = program.once();
        over.store(true, Ordering::Relaxed);
        (finished, client.join().unwrap())
    })
}

/// Runs rounds until `enough` of them says so.
fn until(mut enough: impl FnMut(usize) -> bool) {
    let begun = Instant::now();
    let mut round = 0;
    while !enough(round) {
        assert!(begun.elapsed() < DEADLINE, "the client did not come in between in {round} rounds");
        round += 1;
    }
}

fn sign_in(project: &Project, token: &str) {
    project.write_token(&TokenFile::egress("acme", "wiki").field("access_token", token).expires_in(7200));
}

#[test]
fn nothing_that_the_client_writes_meanwhile_is_lost() {
    let project = Project::new();
    project.write(FILE, json!({"theirs": "at first", "long": long()}).to_string());
    let mut came_between = 0;
    until(|round| {
        let token = format!("at-{round}");
        sign_in(&project, &token);
        let before = project.text(FILE);
        let (finished, written) = run_against_a_client(&project, round, 1 + round % 3);
        finished.expect_code(0);
        let now: Value = serde_json::from_str(&project.text(FILE)).unwrap();
        let theirs = match written {
            0 => serde_json::from_str::<Value>(&before).unwrap()["theirs"].clone(),
            _ => format!("round {round}, {}", written - 1).into(),
        };
        assert_eq!(now["theirs"], theirs, "what the client wrote last");
        assert!(now["long"] == long());
        // Unless the client's last write came after ours and was of what stood there before.
        let entry = &now["mcpServers"]["wiki"]["headers"]["Authorization"];
        let ours_is_last = *entry == format!("Bearer {token}");
        came_between += usize::from(written > 0 && ours_is_last);
        assert!(ours_is_last || written > 0, "round {round}: {entry}");
        assert!(!temporary(&project).exists());
        came_between >= 10
    });
}

#[test]
fn a_client_that_writes_all_the_time_wins_and_is_said() {
    let project = Project::new();
    project.write(FILE, json!({"long": long()}).to_string());
    until(|round| {
        sign_in(&project, &format!("at-{round}"));
        let (finished, written) = run_against_a_client(&project, round, 5);
        let now: Value = serde_json::from_str(&project.text(FILE)).unwrap();
        let given_up =
            finished.log.contains("mcp.json: another program writes it all the time; tried 5 times");
        assert_eq!(finished.code(), Some(i32::from(given_up)), "{finished:#?}");
        assert!(!given_up || now["theirs"] == format!("round {round}, {}", written - 1), "{}", now["theirs"]);
        assert!(!temporary(&project).exists());
        given_up
    });
}
