//! A sealed secret is of use only where it belongs: an edited file gets nothing sent.

use std::fs;

use serde_json::Value;

use super::{Key, due_again, edit, key, opened};
use crate::support::due::{FILE, due, holds_the_last_answer, many, none, text};
use crate::support::{Client, Due, Endpoint, Program, Project, TokenFile, internals, jwe, now};

/// The text with one bit of the letter at `place` changed.
fn flipped(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    // Another letter of the same kind, so that JSON stays JSON.
    bytes[place] = if bytes[place] == b'A' { b'B' } else { bytes[place] ^ 1 };
    if !bytes[place].is_ascii_graphic() || matches!(bytes[place], b'"' | b'\\') {
        bytes[place] = b'A';
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_bit_flipped_anywhere_is_refused_and_nothing_is_sent() {
    let Due { endpoint, project, .. } = none();
    let client = Client::new("app");
    let sample = TokenFile::signed_in("github", "sample", &endpoint, &client).expires_in(600);
    project.write_token(&sample);
    let key = key(&project, "key");
    key.seal(&project, "").expect_code(0);
    let lengths: Vec<usize> = ["refresh_token", "client_secret"]
        .map(|member| text(&project, "github-sample-egress.json", member).len())
        .to_vec();
    fs::remove_file(project.token("github-sample-egress.json")).unwrap();
    // A file and a sign-in for each position: one refusal must not answer for another file.
    let cases: Vec<(&str, usize)> = (0..lengths[0])
        .map(|place| ("refresh_token", place))
        .chain((0..lengths[1]).step_by(9).map(|place| ("client_secret", place)))
        .collect();
    for index in 0..cases.len() {
        project.write_token(
            &TokenFile::signed_in("github", &format!("s{index}"), &endpoint, &client).expires_in(600),
        );
    }
    key.seal(&project, "").expect_code(0);
    for (index, (member, place)) in cases.iter().enumerate() {
        let name = format!("github-s{index}-egress.json");
        edit(&project, &name, member, flipped(&text(&project, &name, member), *place));
    }
    let finished = key.program(&project).once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 0, "{}", finished.log);
    for (index, (member, place)) in cases.iter().enumerate() {
        let said = format!("github-s{index}-egress.json: the {member}: ");
        let line = finished.log.lines().find(|line| line.contains(&said));
        assert!(line.is_some_and(|line| line.contains("nothing was sent")), "{member} {place}: {line:?}");
    }
}

/// A sealed file of the usual sign-in, and what else is there.
fn sealed() -> (Due, Key) {
    let due = due();
    let key = key(&due.project, "key");
    key.seal(&due.project, "").expect_code(0);
    (due, key)
}

/// The edited file is refused with these words, by force too, and nothing is sent.
fn refused(project: &Project, key: &Key, endpoints: &[&Endpoint], said: &str) {
    let before: usize = endpoints.iter().map(|endpoint| endpoint.requests().len()).sum();
    for words in ["", "--force", ""] {
        let finished = key.program(project).args(words).once().expect_code(1);
        assert!(finished.log.contains(said) || words.is_empty(), "{said}: {}", finished.log);
    }
    assert_eq!(internals::trouble(project, FILE).kind, "configuration");
    let log = project.text("token_refresher.log");
    assert!(log.contains(said), "{said}: {log}");
    let after: usize = endpoints.iter().map(|endpoint| endpoint.requests().len()).sum();
    assert_eq!(after, before, "{said}");
}

#[test]
fn an_edited_endpoint_client_or_provider_is_refused_and_nothing_is_sent() {
    let evil = Endpoint::start();
    let edits: [(&str, Value, &str); 4] = [
        ("token_endpoint", evil.url().into(), "leads to http://127.0.0.1"),
        ("client_id", "another".into(), "sealed for another client_id"),
        ("token_endpoint", Value::Null, "leads to row:github now"),
        ("token_url", "ignored".into(), ""),
    ];
    for (member, value, said) in edits {
        let (Due { endpoint, project, .. }, key) = sealed();
        edit(&project, FILE, member, value);
        if said.is_empty() {
            key.program(&project).once().expect_code(0);
            assert_eq!(endpoint.requests().len(), 1);
            continue;
        }
        refused(&project, &key, &[&endpoint, &evil], said);
    }
}

#[test]
fn parts_swapped_between_files_members_and_clients_are_refused() {
    let swap = |one: (&str, &str), other: (&str, &str), project: &Project| {
        let (first, second) = (text(project, one.0, one.1), text(project, other.0, other.1));
        edit(project, one.0, one.1, second);
        edit(project, other.0, other.1, first);
    };
    // Between members of one file.
    let (Due { endpoint, project, .. }, key) = sealed();
    swap((FILE, "refresh_token"), (FILE, "client_secret"), &project);
    refused(&project, &key, &[&endpoint], "its sealed text was made for");
    // Between files of two clients at one endpoint.
    let (Due { endpoint, project, .. }, key) = sealed();
    let other = Client::new("other");
    endpoint.register(other.clone());
    let second = TokenFile::signed_in("github", "second", &endpoint, &other).expires_in(600);
    project.write_token(&second);
    key.seal(&project, "").expect_code(0);
    swap((FILE, "client_secret"), (second.name(), "client_secret"), &project);
    swap((FILE, "refresh_token"), (second.name(), "refresh_token"), &project);
    refused(&project, &key, &[&endpoint], "sealed for another client_id");
    // The parts of two sealed texts.
    for part in [0, 2, 3, 4] {
        let Due { endpoint, project, .. } = many(2);
        let key = super::key(&project, "key");
        key.seal(&project, "").expect_code(0);
        let name = |index| format!("github-s{index}-egress.json");
        let parts = |index| {
            let text = text(&project, &name(index), "refresh_token");
            text.split('.').map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let mut mixed = parts(0);
        mixed[part] = parts(1)[part].clone();
        edit(&project, &name(0), "refresh_token", mixed.join("."));
        let finished = key.program(&project).once().expect_code(1);
        assert!(finished.log.contains("its seal is broken"), "{part}: {}", finished.log);
        assert!(endpoint.requests().len() <= 1, "the other file is well: {part}");
    }
}

#[test]
fn a_file_that_leads_elsewhere_on_purpose_is_bound_anew() {
    let (Due { endpoint, project, .. }, key) = sealed();
    // Refreshed once: the record of the last endpoint forbids the new one too.
    key.program(&project).once().expect_code(0);
    // The same server under another name.
    edit(&project, FILE, "token_endpoint", endpoint.url().replace("127.0.0.1", "localhost"));
    due_again(&project, FILE);
    let refused = key.program(&project).once().expect_code(1);
    assert!(refused.log.contains("run token-refresher seal --rebind"), "{}", refused.log);
    let plain = key.seal(&project, "github-repos").expect_code(0);
    assert!(plain.stdout.contains("1 sealed already"), "{plain:#?}");
    let rebound = key.seal(&project, "--rebind github-repos").expect_code(0);
    assert!(rebound.stdout.contains("1 sealed anew"), "{rebound:#?}");
    key.program(&project).once().expect_code(0);
    assert_eq!(endpoint.requests().len(), 2);
    assert_eq!(endpoint.reuses(), 0);
}

#[test]
fn an_old_copy_or_a_file_of_the_chain_does_not_carry_a_token_elsewhere() {
    let evil = Endpoint::start();
    // An old copy in plain text, whose endpoint an editor has changed.
    let Due { endpoint, project, .. } = due();
    let mut copy = project.read_token(FILE);
    let key = key(&project, "key");
    key.program(&project).once().expect_code(0);
    copy["token_endpoint"] = evil.url().into();
    project.write_tokens_file("github-copy-egress.json", copy.to_string());
    let finished = key.program(&project).once().expect_code(1);
    assert!(
        finished.log.contains("github-copy-egress.json: cannot be brought up to date"),
        "{}",
        finished.log
    );
    let holds = text(&project, "github-copy-egress.json", "refresh_token");
    assert_ne!(holds, opened(&project, FILE, "refresh_token", &key));
    // A second file with the same sealed token, which names no endpoint but another issuer.
    let (Due { project, .. }, key) = sealed();
    let mut second = project.read_token(FILE);
    second.as_object_mut().unwrap().remove("token_endpoint");
    second["issuer"] = evil.url().into();
    project.write_tokens_file("github-second-egress.json", second.to_string());
    let finished = key.program(&project).once().expect_code(1);
    assert!(finished.log.contains("nothing"), "{}", finished.log);
    assert_eq!((endpoint.requests().len(), evil.requests().len()), (1, 0));
}

#[test]
fn an_old_copy_of_a_sealed_file_gets_the_present_token_sealed() {
    let (Due { endpoint, project, .. }, key) = sealed();
    let mut copy = project.read_token(FILE);
    key.program(&project).once().expect_code(0);
    copy["expires_at"] = (now() + 7200).into();
    project.write_tokens_file("github-copy-egress.json", copy.to_string());
    let finished = key.program(&project).once().expect_code(0);
    assert!(finished.log.contains("github-copy-egress.json: was an old copy"), "{}", finished.log);
    assert!(jwe::is_sealed(&text(&project, "github-copy-egress.json", "refresh_token")));
    let token = |name| opened(&project, name, "refresh_token", &key);
    assert_eq!(token("github-copy-egress.json"), token(FILE));
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0));
}

#[test]
fn sealed_and_plain_files_of_one_sign_in_are_refreshed_as_one() {
    let Due { endpoint, project, .. } = due();
    let plain = fs::read(project.token(FILE)).unwrap();
    let key = key(&project, "key");
    key.seal(&project, "").expect_code(0);
    project.write_tokens_file("github-second-egress.json", &plain);
    key.program(&project).once().expect_code(0);
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0));
    let token = |name| opened(&project, name, "refresh_token", &key);
    assert_eq!(token("github-second-egress.json"), token(FILE));
    // Without the key: the same chain, nothing sent, nothing changed.
    due_again(&project, FILE);
    let before = fs::read(project.token(FILE)).unwrap();
    Program::new(&project).once().expect_code(1);
    assert_eq!(fs::read(project.token(FILE)).unwrap(), before);
    assert_eq!(endpoint.requests().len(), 1);
    assert!(!holds_the_last_answer(&endpoint, &project, FILE), "it is sealed");
}
