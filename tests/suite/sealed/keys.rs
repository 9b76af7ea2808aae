//! Where keys come from, and which are refused.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::{key, opened, write_key};
use crate::support::due::{FILE, due, text};
use crate::support::{Due, Finished, Program, Project, jwe};

/// Runs a cycle with these options and variables, and says whether the file is sealed then.
fn seals(project: &Project, options: &[&str], variables: &[(&str, &str)]) -> (bool, Finished) {
    let mut program = Program::new(project);
    for option in options {
        program = program.arg(*option);
    }
    for (name, value) in variables {
        program = program.env(name, value);
    }
    let finished = program.once();
    (jwe::is_sealed(&text(project, FILE, "refresh_token")), finished)
}

#[test]
fn a_key_comes_from_a_file_a_link_a_pipe_a_command_or_a_credential() {
    let project = Project::new();
    let key = key(&project, "key");
    let shown = key.path.display().to_string();
    let read_only = write_key(&project, "secret-mount", &key.text, 0o444).display().to_string();
    let jwk = format!("{{\"kty\": \"oct\", \"k\": \"{}\"}}\n", key.text.trim());
    let jwk = write_key(&project, "key.jwk", &jwk, 0o600).display().to_string();
    let link = project.outside().join("link");
    symlink(&key.path, &link).unwrap();
    let link = link.display().to_string();
    let credentials = project.outside().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::copy(&key.path, credentials.join("token-refresher.key")).unwrap();
    let credentials = credentials.display().to_string();
    let pipe = project.outside().join("pipe");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let command = format!("cat '{shown}'");
    for (options, variables) in [
        (vec!["--key-file", &*shown], vec![]),
        (vec!["--key-file", &read_only], vec![]),
        (vec!["--key-file", &jwk], vec![]),
        (vec!["--key-file", &link], vec![]),
        (vec!["--key-file", pipe.to_str().unwrap()], vec![]),
        (vec!["--key-command", &command], vec![]),
        (vec![], vec![("TOKEN_REFRESHER_KEY_FILE", &*shown)]),
        (vec![], vec![("TOKEN_REFRESHER_KEY_COMMAND", &*command)]),
        (vec![], vec![("CREDENTIALS_DIRECTORY", &*credentials)]),
    ] {
        let Due { endpoint, project, .. } = due();
        let writer = options.contains(&pipe.to_str().unwrap()).then(|| {
            let (pipe, text) = (pipe.clone(), key.text.clone());
            std::thread::spawn(move || fs::write(pipe, text))
        });
        let (sealed, finished) = seals(&project, &options, &variables);
        writer.inspect(|_| ()).map(std::thread::JoinHandle::join);
        assert!(sealed, "{options:?} {variables:?}: {finished:#?}");
        finished.expect_none_of(&[key.text.trim().to_owned()]);
        assert_eq!(endpoint.requests().len(), 1);
        assert!(!opened(&project, FILE, "refresh_token", &key).is_empty());
    }
}

#[test]
fn a_key_that_others_could_know_or_change_is_refused() {
    let Due { endpoint, project, .. } = due();
    let text_of_key = key(&project, "key").text;
    let open = write_key(&project, "open", &text_of_key, 0o666).display().to_string();
    let beside = project.write_tokens_file("beside.key", &text_of_key).display().to_string();
    let own = project.root().join(".token-refresher");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("key"), &text_of_key).unwrap();
    let own = own.join("key").display().to_string();
    let link = project.outside().join("to-beside");
    symlink(&beside, &link).unwrap();
    let short = write_key(&project, "short", "AAAA", 0o600).display().to_string();
    let pem = write_key(&project, "pem", "-----BEGIN PRIVATE KEY-----", 0o600).display().to_string();
    for (path, said) in [
        (&*open, "users other than its owner may write it"),
        (&beside, "beside what it seals; keep it elsewhere"),
        (&own, "beside what it seals; keep it elsewhere"),
        (link.to_str().unwrap(), "beside what it seals; keep it elsewhere"),
        (&short, "does not hold 32 bytes"),
        (&pem, "neither 32 bytes as base64url nor a JWK"),
    ] {
        let (sealed, finished) = seals(&project, &["--key-file", path], &[]);
        let finished = finished.expect_code(2);
        assert!(finished.stderr.contains(said) && finished.stderr.contains(path), "{finished:#?}");
        assert!(!sealed && endpoint.requests().is_empty());
    }
}

#[test]
fn a_dotenv_file_names_no_key_and_no_command() {
    let Due { project, .. } = due();
    let key = key(&project, "key");
    let run = project.outside().join("ran");
    project.write(
        ".env",
        format!(
            "TOKEN_REFRESHER_KEY_FILE={}\nTOKEN_REFRESHER_KEY_COMMAND='touch {}'\n",
            key.path.display(),
            run.display()
        ),
    );
    let (sealed, finished) = seals(&project, &[], &[]);
    assert!(!sealed && !run.exists(), "{finished:#?}");
}

#[test]
fn a_command_gets_its_own_variables_and_none_with_secrets() {
    let Due { project, .. } = due();
    let key = key(&project, "key");
    let seen = project.outside().join("seen");
    let command = format!("sh -c 'env > {}; cat {}'", seen.display(), key.path.display());
    let variables =
        [("CLIENT_SECRET", "hunter2"), ("PASSWORD_STORE_DIR", "/store"), ("XDG_RUNTIME_DIR", "/run/me")];
    let (sealed, finished) = seals(&project, &["--key-command", &command], &variables);
    assert!(sealed, "{finished:#?}");
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PASSWORD_STORE_DIR=/store") && seen.contains("XDG_RUNTIME_DIR=/run/me"), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[test]
fn a_lost_key_closes_what_it_sealed_and_nothing_else() {
    let Due { endpoint, project, client } = due();
    let key = key(&project, "key");
    key.seal(&project, "").expect_code(0);
    let number = key.kid();
    let before = fs::read(project.token(FILE)).unwrap();
    fs::remove_file(&key.path).unwrap();
    let other = crate::support::TokenFile::signed_in("github", "other", &endpoint, &client).expires_in(600);
    for (options, said) in [
        (vec![], "nothing was sent"),
        (vec!["--key-file", key.path.to_str().unwrap()], "what this key has sealed stays closed"),
        (vec!["--key-command", "false"], "ended with exit status 1"),
    ] {
        project.write_token(&other);
        project.write_token(
            &crate::support::TokenFile::signed_in("github", "other", &endpoint, &client).expires_in(600),
        );
        let requests = endpoint.requests().len();
        let (_, finished) = seals(&project, &options, &[]);
        let finished = finished.expect_code(1);
        let log = project.text("token_refresher.log");
        assert!(log.contains(said), "{log}");
        let closed =
            format!("{FILE}: the refresh_token: it is sealed with the key {number}, which is not here");
        let closed = closed.replace("the refresh_token", "the client_secret");
        assert!(log.contains(&closed), "{log}\n{finished:#?}");
        assert_eq!(endpoint.requests().len(), requests + 1, "the other file goes on");
        assert_eq!(fs::read(project.token(FILE)).unwrap(), before);
    }
    let report = crate::support::due::report(&project);
    let tokens = report["tokens"].as_array().unwrap();
    let closed = tokens.iter().find(|token| token["file"] == FILE).unwrap();
    assert_eq!(closed["state"], "misconfigured");
    assert!(closed["why"].as_str().unwrap().contains(&number), "{closed}");
}
