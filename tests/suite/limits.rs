//! A machine that has run out of files or threads is to blame itself, and no endpoint.

use std::process::Command;

use crate::support::due::{Due, FILE, due, holds_the_last_answer, report};
use crate::support::{Program, internals};

/// The most files that are tried: with so many all goes well.
const ENOUGH: u32 = 26;

/// One run with each number of files that the process may have open. Whatever could not be opened, an unlimited run
/// right after it finds no endpoint in trouble, and refreshes at once what is not fresh yet.
#[test]
fn too_few_files_are_no_endpoints_fault_and_cost_no_token() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: no prlimit");
        return;
    }
    let mut refused = 0;
    for limit in 4..=ENOUGH {
        let Due { endpoint, project, .. } = due();
        // By a name, which is looked up.
        let mut document = project.read_token(FILE);
        let port = endpoint.address().port();
        document["token_endpoint"] = format!("http://localhost:{port}/token").into();
        project.write_tokens_file(FILE, document.to_string());
        let files = format!("--nofile={limit}");
        let limited = Program::new(&project).below(&["prlimit", &files]).once();
        let at_once = endpoint.requests().len();
        if at_once == 0 && limited.log.contains("Found 1 ") {
            refused += 1;
            let trouble = internals::recorded_trouble(&project, FILE);
            let kinds = trouble.iter().map(|trouble| &*trouble.kind).collect::<Vec<_>>();
            assert!(kinds.is_empty() || kinds == ["local"], "{limit}: {trouble:?}: {limited:#?}");
        }
        assert_eq!(report(&project)["endpoints"], serde_json::json!([]), "{limit}: {limited:#?}");
        let free = Program::new(&project).once().expect_code(0);
        assert!(holds_the_last_answer(&endpoint, &project, FILE), "{limit}: {limited:#?} {free:#?}");
        assert_eq!((endpoint.requests().len(), endpoint.reuses()), (1, 0), "{limit}: {limited:#?} {free:#?}");
        assert!(limit < ENOUGH || at_once == 1, "the limit is high enough: {limited:#?}");
    }
    assert!(refused > 2, "no limit stopped a refresh: the test shows nothing");
}
