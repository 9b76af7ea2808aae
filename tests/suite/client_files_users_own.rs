//! What of an assistant's own configuration is its user's: it stays, whatever comes and goes.

use std::fs;

use crate::support::{Finished, Program, Project, TokenFile};
use serde_json::{Value, json};

fn run(project: &Project, client: &str) -> Finished {
    let program = Program::new(project).env("REGISTRY_URL", "https://gateway.example.com");
    program.arg("--client").arg(client).once()
}

fn entry(project: &Project, file: &str) -> Value {
    let root: Value = serde_json::from_str(&project.text(file)).unwrap();
    root["mcpServers"]["wiki"].clone()
}

fn sign_in(project: &Project, token: &str) {
    let file = TokenFile::egress("acme", "wiki").field("access_token", token);
    project.write_token(&file.field("refresh_token", "rt").expires_in(7200));
}

#[test]
fn switches_of_an_entry_come_back_with_its_service() {
    for (client, set, users) in [
        ("roo", ("\"alwaysAllow\": []", "\"alwaysAllow\": [\"read\"]"), json!({"alwaysAllow": ["read"]})),
        (
            "cline",
            ("\"disabled\": false", "\"disabled\": true, \"timeout\": 90"),
            json!({"disabled": true, "timeout": 90}),
        ),
        ("cursor", ("\"headers\"", "\"disabled\": true, \"headers\""), json!({"disabled": true})),
    ] {
        let project = Project::new();
        let option = format!("{client}=mcp.json");
        sign_in(&project, "at-1");
        run(&project, &option).expect_code(0);
        project.write("mcp.json", project.text("mcp.json").replace(set.0, set.1));
        fs::remove_file(project.token("acme-wiki-egress.json")).unwrap();
        // Gone for two cycles.
        for _ in 0..2 {
            run(&project, &option).expect_code(0);
            assert_eq!(entry(&project, "mcp.json"), Value::Null);
        }
        sign_in(&project, "at-2");
        run(&project, &option).expect_code(0);
        let entry = entry(&project, "mcp.json");
        assert_eq!(entry["headers"]["Authorization"], "Bearer at-2");
        for (key, value) in users.as_object().unwrap() {
            assert_eq!(&entry[key], value, "{client} {key}");
        }
    }
}

/// Its other name would have kept the old text, and the old token.
#[test]
fn a_file_with_two_names_is_left_alone_and_said() {
    let project = Project::new();
    sign_in(&project, "at-1");
    project.write("mcp.json", "{}");
    fs::hard_link(project.path("mcp.json"), project.path("other.json")).unwrap();
    let finished = run(&project, "cursor=mcp.json");
    assert!(finished.log.contains("mcp.json: it has a second name (a hard link)"), "{}", finished.log);
    assert_eq!((project.text("mcp.json"), project.text("other.json")), ("{}".to_owned(), "{}".to_owned()));
    fs::remove_file(project.path("other.json")).unwrap();
    run(&project, "cursor=mcp.json").expect_code(0);
    assert_eq!(entry(&project, "mcp.json")["headers"]["Authorization"], "Bearer at-1");
}
