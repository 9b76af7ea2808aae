//! Flags, variables and `.env`: which one counts, seen by what the program does. If something here fails,
//! a user runs with settings that are not the ones given. (What a wrong one gets: `command_line.rs`.)

use crate::support::{Client, Endpoint, Program, Project, TokenFile};

/// The configuration's address for one service, under these settings.
fn gateway(arguments: &str, environment: &[(&str, &str)], env_file: &str) -> String {
    let project = Project::new();
    project.no_auth_server("currenttime");
    project.write(".env", env_file);
    let mut program = Program::new(&project).args(arguments);
    for (name, value) in environment {
        program = program.env(name, value);
    }
    program.once().expect_code(0);
    let servers = project.config("mcp.json")["mcpServers"].clone();
    servers["currenttime"]["env"]["MCP_SERVER_URL"].as_str().unwrap().to_owned()
}

#[test]
fn a_flag_counts_before_the_environment_and_the_environment_before_the_file() {
    let (flag, variable) = ("--registry-url http://flag", [("REGISTRY_URL", "http://variable")]);
    let file = "REGISTRY_URL=http://file\n";
    for (arguments, environment, env_file, expected) in [
        (flag, &variable[..], file, "http://flag/currenttime/mcp"),
        ("", &variable[..], file, "http://variable/currenttime/mcp"),
        ("", &[], file, "http://file/currenttime/mcp"),
        ("", &[], "", "http://localhost/currenttime/mcp"),
    ] {
        assert_eq!(gateway(arguments, environment, env_file), expected);
    }
}

#[test]
fn an_env_file_is_read_as_its_users_write_it() {
    for line in [
        "REGISTRY_URL=http://g",
        "export REGISTRY_URL=http://g",
        "REGISTRY_URL=\"http://g\"",
        "REGISTRY_URL='http://g'",
        "REGISTRY_URL=http://g #the gateway",
        "\u{feff}REGISTRY_URL=http://g\r",
        "AN_EMPTY=\nA_BLANK=one two three\nNOT_EXPANDED=$HOME\nREGISTRY_URL=http://g",
    ] {
        assert_eq!(gateway("", &[], &format!("{line}\n")), "http://g/currenttime/mcp", "{line:?}");
    }
}

#[test]
fn the_buffer_decides_what_is_due() {
    for (arguments, environment, expected) in [
        ("", None, 0),
        ("--buffer 7200", None, 1),
        ("", Some(("TOKEN_EXPIRY_BUFFER", "7200")), 1),
        ("--buffer 60", Some(("TOKEN_EXPIRY_BUFFER", "7200")), 0),
    ] {
        let endpoint = Endpoint::start();
        let client = Client::new("app");
        endpoint.register(client.clone());
        let project = Project::new();
        project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(5400));
        let mut program = Program::new(&project).args(arguments);
        if let Some((name, value)) = environment {
            program = program.env(name, value);
        }
        program.once().expect_code(0);
        assert_eq!(endpoint.requests().len(), expected, "{arguments} {environment:?}");
    }
}

#[test]
fn directories_elsewhere_are_found() {
    let project = Project::bare();
    project.write("servers/currenttime.json", r#"{"path": "/currenttime/", "auth_type": "none"}"#);
    let root = project.root().to_str().unwrap();
    Program::new(&project)
        .args(&format!("--dir {root} --tokens-dir tokens --servers-dir servers --log-file my.log"))
        .once()
        .expect_code(0);
    assert_eq!(project.mode("tokens"), 0o700, "a directory that is not there is made for nobody else");
    assert!(project.text("tokens/mcp.json").contains("currenttime"));
    assert_eq!(project.mode("my.log"), 0o600);
}
