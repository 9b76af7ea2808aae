//! Names that no tool expects: bytes that are no UTF-8, control characters, the longest that there are. If something
//! here fails, a token dies in silence, or two files share one lock.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::support::due::{asking, report};
use crate::support::{Due, Program, Project, Signal, due};
use serde_json::Value;

/// Writes a due token under this name, and gives back its path.
fn sign_in(due: &Due, name: &[u8]) -> PathBuf {
    let written = due.project.write_token(&due.signed_in("acme", "x").expires_in(600));
    let path = due.project.path(".oauth-tokens").join(OsStr::from_bytes(name));
    fs::rename(written, &path).unwrap();
    path
}

fn refresh_token(path: &PathBuf) -> String {
    let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    document["refresh_token"].as_str().unwrap().to_owned()
}

/// The names in the tokens directory that a finished program must not leave.
fn leftovers(project: &Project) -> Vec<OsString> {
    let names = fs::read_dir(project.path(".oauth-tokens")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.as_bytes().starts_with(b".") && name != ".token-refresher").collect()
}

#[test]
fn a_name_that_is_not_utf_8_is_refreshed_and_shown_escaped_everywhere() {
    let due = due::none();
    let path = sign_in(&due, b"b\xff-egress.json");
    let before = refresh_token(&path);
    let finished = Program::new(&due.project)
        .env("REGISTRY_URL", "https://gw.example")
        .args("--metrics-file m.prom")
        .args("--on-refresh")
        .arg("sh -c 'printf %s \"$TOKEN_REFRESHER_CHANGED_FILES\" > told'")
        .once()
        .expect_code(0);
    assert_ne!(refresh_token(&path), before);
    assert!(finished.log.contains("Successfully refreshed token for b\\xff\n"), "{}", finished.log);
    assert_eq!(report(&due.project)["tokens"][0]["file"], "b\\xff-egress.json");
    let table = Program::new(&due.project).arg("status").run().expect_code(0).stdout;
    assert!(table.contains("\nb\\xff  fresh "), "{table}");
    let metrics = due.project.text("m.prom");
    assert!(metrics.contains("{file=\"b\\\\xff-egress.json\"}"), "{metrics}");
    let servers = due.project.config("mcp.json")["mcpServers"].clone();
    assert!(servers.get("b\\xff").is_some(), "{servers}");
    let told = OsString::from_vec(fs::read(due.project.path("told")).unwrap());
    assert_eq!(told, path.as_os_str(), "the command gets the file's own name");
    // As it is shown it is named to the commands.
    let shown = Program::new(&due.project).args("token").arg("b\\xff").run().expect_code(0).stdout;
    assert!(fs::read_to_string(&path).unwrap().contains(shown.trim()));
    Program::new(&due.project).args("status").arg("b\\xff").run().expect_code(0);
    assert!(leftovers(&due.project).is_empty());
}

#[test]
fn names_that_are_written_alike_keep_their_own_tokens() {
    let due = due::none();
    let names: [&[u8]; 9] = [
        b"b\xff-egress.json",
        b"b\\xff-egress.json",
        b"b\\x5cxff-egress.json",
        b"b\xef\xbf\xbd-egress.json",
        // A surrogate, and its half.
        b"\xed\xa0\x80-egress.json",
        b"\xed\xa0-egress.json",
        b"two\nlines-egress.json",
        b"\"quoted' $x-egress.json",
        b"\xe2\x80\xae-egress.json",
    ];
    let paths: Vec<PathBuf> = names.iter().map(|name| sign_in(&due, name)).collect();
    let before: Vec<String> = paths.iter().map(refresh_token).collect();
    Program::new(&due.project).args("--jobs 4").once().expect_code(0);
    for (path, before) in paths.iter().zip(before) {
        let now = refresh_token(path);
        assert!(now != before && !due.endpoint.is_revoked(&now), "{}", path.display());
    }
    assert_eq!((due.endpoint.requests().len(), due.endpoint.reuses()), (names.len(), 0));
    let seen = report(&due.project);
    let shown: BTreeSet<&str> =
        seen["tokens"].as_array().unwrap().iter().map(|token| token["file"].as_str().unwrap()).collect();
    assert_eq!(shown.len(), names.len(), "{shown:?}");
    // A lock and a record for each.
    let own = fs::read_dir(due.project.path(".oauth-tokens/.token-refresher")).unwrap();
    let locks =
        own.filter(|entry| entry.as_ref().unwrap().file_name().as_bytes().ends_with(b"-egress.json.lock"));
    assert_eq!(locks.count(), names.len());
    // Nothing moves a cursor.
    for text in
        [Program::new(&due.project).arg("status").run().stdout, due.project.text("token_refresher.log")]
    {
        assert!(!text.contains('\u{202e}') && text.contains("two\\nlines"), "{text}");
    }
    assert_eq!(report(&due.project)["last_cycle"]["failing"], 0);
}

#[test]
fn a_kill_in_the_middle_loses_no_token_of_an_odd_or_long_name() {
    let long = [&[b'n'; 240][..], b"-egress.json"].concat();
    let longer = [&[b'\xfe'; 243][..], b"-egress.json"].concat();
    for name in [&b"b\xff-egress.json"[..], b"two\nlines-egress.json", &long, &longer] {
        let due = due::none();
        let path = sign_in(&due, name);
        let before = refresh_token(&path);
        let (hold, daemon) = asking(&due.endpoint, Program::new(&due.project));
        daemon.signal(Signal::Kill);
        daemon.wait();
        drop(hold);
        assert_eq!(leftovers(&due.project).len(), 1, "the room for the answer");
        // The endpoint spent the token, and gives the same answer within its grace or refuses: either is told.
        let finished = Program::new(&due.project).once();
        assert!(leftovers(&due.project).is_empty(), "{finished:#?}");
        assert!(
            finished.log.contains("an earlier request for it was interrupted")
                || refresh_token(&path) != before
        );
    }
}

#[test]
fn a_name_of_the_greatest_length_is_refreshed() {
    for length in [230, 246, 247, 250, 255] {
        let due = due::none();
        let mut name = vec![b'n'; length - b"-egress.json".len()];
        name.extend(b"-egress.json");
        let path = sign_in(&due, &name);
        let other = sign_in(&due, &[b"m", &name[1..]].concat());
        let before = [refresh_token(&path), refresh_token(&other)];
        let finished = Program::new(&due.project).once();
        let now = [refresh_token(&path), refresh_token(&other)];
        assert!(now[0] != before[0] && now[1] != before[1], "{length}: {finished:#?}");
        assert_eq!((finished.code(), due.endpoint.reuses()), (Some(0), 0), "{length}");
    }
}

#[test]
fn a_sign_in_again_finds_the_file() {
    let due = due::none();
    let path = sign_in(&due, b"b\xff-egress.json");
    let revoke = Program::new(&due.project).args("revoke").arg("b\\xff").run();
    assert!(!revoke.stderr.contains("no token file in"), "{revoke:#?}");
    assert!(path.exists());
}
