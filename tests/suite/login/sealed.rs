//! Signing in and out with a key: what is written is sealed, what is sealed is opened for its server alone.

use std::fs;

use super::Waiting;
use crate::support::due::text;
use crate::support::{Endpoint, Program, Project, jwe};

const FILE: &str = "wiki-egress.json";

#[test]
fn a_sign_in_is_stored_sealed_and_again_and_ended_so() {
    let (endpoint, project) = (Endpoint::start(), Project::bare());
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let key = project.outside().join("key");
    fs::write(&key, jwe::KEY).unwrap();
    let program = |words: &str| {
        let program = Program::new(&project).args(words);
        program.arg("--key-file").arg(key.display().to_string())
    };
    let sign_in = |words: &str| Waiting::of(program(words)).signed_in();
    sign_in(&format!("login {server} --name wiki"));
    let refresh = text(&project, FILE, "refresh_token");
    assert!(jwe::is_sealed(&refresh), "{refresh}");
    let first = jwe::open(&refresh, jwe::KEY);
    assert!(!endpoint.is_revoked(&first));
    // The client of the first sign-in is sealed too, and used again.
    sign_in("login wiki");
    let second = jwe::open(&text(&project, FILE, "refresh_token"), jwe::KEY);
    assert_ne!(first, second);
    program("--force").once().expect_code(0);
    let third = jwe::open(&text(&project, FILE, "refresh_token"), jwe::KEY);
    // Without the key nothing is sent.
    let closed = Program::new(&project).args("revoke wiki").run().expect_code(1);
    assert!(closed.stderr.contains("which is not here"), "{closed:#?}");
    assert!(!endpoint.is_revoked(&third));
    program("revoke wiki").run().expect_code(0);
    assert!(endpoint.is_revoked(&third));
}
