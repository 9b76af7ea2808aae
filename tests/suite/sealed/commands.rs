//! `keygen`, `seal` and `unseal`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{SECRETS, edit, key, opened};
use crate::support::due::{FILE, due, due_of, report, text};
use crate::support::{Client, Due, Program, Project, Signal, jwe};

#[test]
fn keygen_makes_a_private_file_and_leaves_what_is_there() {
    let project = Project::new();
    let path = project.outside().join("new.key");
    let keygen = || Program::new(&project).arg("keygen").arg(path.display().to_string()).run();
    let made = keygen().expect_code(0);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.len(), fs::metadata(&path).unwrap().mode() & 0o7777), (44, 0o600));
    assert!(made.stderr.contains("keep a copy"), "{made:#?}");
    made.expect_none_of(&[text.trim().to_owned()]);
    let again = keygen().expect_code(1);
    assert!(again.stderr.contains("is there already and stays as it is"), "{again:#?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Standard output is a file of this test's, which others may read.
    let printed = Program::new(&project).arg("keygen").run().expect_code(0);
    assert_eq!(printed.stdout.len(), 44);
    assert_ne!(printed.stdout, text);
    let open = printed.stderr.contains("standard output is a file that others may read");
    assert!(open || !printed.stderr.contains("others"), "{printed:#?}");
}

#[test]
fn seal_and_unseal_leave_everything_else_as_it_is() {
    let Due { endpoint, project, client } = due();
    edit(&project, FILE, "private_key", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n");
    let day = SystemTime::now() - Duration::from_hours(24);
    fs::File::open(project.token(FILE)).unwrap().set_modified(day).unwrap();
    let plain = project.read_token(FILE);
    let key = key(&project, "key");
    let sealed = key.seal(&project, "").expect_code(0);
    assert!(sealed.stdout.contains("1 sealed, 0 sealed anew, 0 sealed already, 0 not sealed"), "{sealed:#?}");
    assert!(sealed.stdout.contains("the client_secret in copies of the past stays good"), "{sealed:#?}");
    let document = project.read_token(FILE);
    for member in SECRETS {
        let secret = plain[member].as_str().unwrap();
        assert_eq!(opened(&project, FILE, member, &key), secret, "{member}");
        let origin = endpoint.url().rsplit_once('/').unwrap().0.to_owned();
        assert_eq!(
            jwe::header(document[member].as_str().unwrap()),
            json!({
                "alg": "dir", "enc": "A256GCM", "typ": "token-refresher+jwe", "kid": key.kid(), "member": member,
                "endpoint": origin, "client": jwe::print(client.id().as_bytes()), "fp": jwe::print(secret.as_bytes()),
            })
        );
    }
    for member in ["access_token", "token_endpoint", "client_id", "expires_at"] {
        assert_eq!(document[member], plain[member], "{member}");
    }
    assert_eq!(
        fs::metadata(project.token(FILE)).unwrap().modified().unwrap(),
        day,
        "a life may count from it"
    );
    assert_eq!(project.mode(".oauth-tokens/github-repos-egress.json"), 0o600);
    let again = key.seal(&project, "").expect_code(0);
    assert!(again.stdout.contains("0 sealed, 0 sealed anew, 1 sealed already"), "{again:#?}");
    let unseal = || Program::new(&project).args("unseal .oauth-tokens/github-repos-egress.json");
    let shut = unseal().run().expect_code(1);
    assert!(
        shut.stderr.contains(&format!("sealed with the key {}, which is not here", key.kid())),
        "{shut:#?}"
    );
    let open = unseal().arg("--key-file").arg(key.path.display().to_string()).run().expect_code(0);
    assert!(open.stdout.contains("1 opened"), "{open:#?}");
    assert_eq!(project.read_token(FILE), plain);
    assert_eq!((project.leftovers(), endpoint.requests().len()), (Vec::new(), 0));
}

#[test]
fn a_refresh_token_that_is_never_replaced_stays_good_in_old_copies() {
    let Due { project, .. } = due();
    let key = key(&project, "key");
    // GitHub's rotate; those of Google never do.
    edit(&project, FILE, "provider", "google");
    let sealed = key.seal(&project, "").expect_code(0);
    assert!(sealed.stdout.contains("only a new sign-in (token-refresher login)"), "{sealed:#?}");
}

#[test]
fn a_new_key_seals_anew_what_an_older_one_has_sealed() {
    let Due { project, .. } = due();
    let secret = text(&project, FILE, "refresh_token");
    let (old, new) = (key(&project, "old"), key(&project, "new"));
    old.seal(&project, "").expect_code(0);
    let both = format!("--key-file {} --key-file {}", new.path.display(), old.path.display());
    let sealed = Program::new(&project).arg("seal").args(&both).run().expect_code(0);
    assert!(sealed.stdout.contains("0 sealed, 1 sealed anew"), "{sealed:#?}");
    assert_eq!(opened(&project, FILE, "refresh_token", &new), secret);
}

#[test]
fn a_file_that_holds_a_secret_twice_is_not_called_sealed() {
    let Due { project, .. } = due();
    let token = text(&project, FILE, "refresh_token");
    edit(&project, FILE, "raw_answer", json!({"refresh_token": token}));
    let key = key(&project, "key");
    let before = fs::read(project.token(FILE)).unwrap();
    let refused = key.seal(&project, "").expect_code(1);
    assert!(refused.stderr.contains("its refresh_token stands in it more than once"), "{refused:#?}");
    assert!(refused.stdout.contains("1 not sealed"), "{refused:#?}");
    assert_eq!(fs::read(project.token(FILE)).unwrap(), before);
}

#[test]
fn what_is_named_wrongly_is_refused() {
    let Due { project, .. } = due();
    let key = key(&project, "key");
    for (words, code, said) in [("nothing-such", 1, "is no token file"), ("--rebind", 2, "name the files")] {
        let finished = key.seal(&project, words).expect_code(code);
        assert!(finished.stderr.contains(said), "{finished:#?}");
    }
    let none = Program::new(&project).arg("seal").run().expect_code(1);
    assert!(none.stderr.contains("there is no key"), "{none:#?}");
    assert!(!jwe::is_sealed(&text(&project, FILE, "refresh_token")));
}

#[test]
fn client_credentials_are_bound_to_where_their_token_files_lead() {
    let Due { endpoint, project, client } = due_of(Client::new("app"));
    let key = key(&project, "key");
    let mut token = project.read_token(FILE);
    token.as_object_mut().unwrap().remove("client_secret");
    project.write_tokens_file(FILE, token.to_string());
    let credentials = json!({"client_id": client.id(), "client_secret": client.secret()});
    project.write_tokens_file("app.json", credentials.to_string());
    project.write_tokens_file("alone.json", json!({"client_id": "x", "client_secret": "s"}).to_string());
    let sealed = key.seal(&project, "").expect_code(1);
    assert!(sealed.stderr.contains("alone.json: no token file with its client_id is here"), "{sealed:#?}");
    assert_eq!(opened(&project, "app.json", "client_secret", &key), client.secret());
    assert_eq!(report(&project)["at_rest"]["sealed"], 2);
    // The secret is opened for the token file.
    key.program(&project).once().expect_code(0);
    assert_eq!(endpoint.requests().len(), 1);
    // Another token file with the same client cannot take it elsewhere.
    let mut thief = project.read_token(FILE);
    thief["token_endpoint"] = endpoint.url().replace("127.0.0.1", "localhost").into();
    thief["refresh_token"] = "another".into();
    thief["expires_at"] = 1.into();
    project.write_tokens_file("github-thief-egress.json", thief.to_string());
    let refused = key.program(&project).once().expect_code(1);
    assert!(
        refused.log.contains("github-thief-egress.json: the client_secret: it is sealed for"),
        "{}",
        refused.log
    );
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn half_of_the_files_sealed_when_killed_is_no_loss() {
    let Due { endpoint, project, client: _ } = crate::support::due::many(60);
    let key = key(&project, "key");
    let name = |index| format!("github-s{index}-egress.json");
    let secrets: Vec<String> = (0..60).map(|index| text(&project, &name(index), "refresh_token")).collect();
    let sealed_now =
        || (0..60).filter(|&index| jwe::is_sealed(&text(&project, &name(index), "refresh_token"))).count();
    let mut halves = 0;
    for round in 0..200 {
        let seal = Program::new(&project).arg("seal").arg("--key-file").arg(key.path.display().to_string());
        let mut running = seal.start();
        let wanted = round % 50 + 1;
        running.wait_until("some are sealed", || sealed_now() >= wanted.min(59));
        running.signal(Signal::Kill);
        running.wait();
        if sealed_now() < 60 {
            halves += 1;
            break;
        }
        Program::new(&project)
            .args("unseal --key-file")
            .arg(key.path.display().to_string())
            .run()
            .expect_code(0);
    }
    assert_eq!(halves, 1, "no kill came in the middle");
    let finished = key.seal(&project, "").expect_code(0);
    assert!(finished.stdout.contains("0 not sealed"), "{finished:#?}");
    for (index, secret) in secrets.iter().enumerate() {
        assert_eq!(opened(&project, &name(index), "refresh_token", &key), *secret);
    }
    assert_eq!(project.leftovers(), Vec::<String>::new());
    key.program(&project).once().expect_code(0);
    assert_eq!((endpoint.requests().len(), endpoint.reuses()), (60, 0));
}
