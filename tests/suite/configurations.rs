//! The two files that coding assistants read. If something here fails, an assistant loses a server or
//! sends the wrong token.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::support::{self, Client, Endpoint, Program, Project, Step, TokenFile, Who};
use serde_json::{Value, json};

const BOTH: [&str; 2] = ["mcp.json", "vscode_mcp.json"];

/// A service whose token stays good for two hours, so that nothing is sent.
fn service(provider: &str, server: &str) -> TokenFile {
    let file = TokenFile::egress(provider, server).field("access_token", format!("at-{server}"));
    file.field("refresh_token", "rt").expires_in(7200)
}

fn run(project: &Project) -> support::Finished {
    Program::new(project).env("REGISTRY_URL", "https://gateway.example.com/").once().expect_code(0)
}

fn names(project: &Project, file: &str) -> Vec<String> {
    project.config(file)["mcpServers"].as_object().unwrap().keys().cloned().collect()
}

fn env(project: &Project, file: &str, server: &str, name: &str) -> Value {
    project.config(file)["mcpServers"][server]["env"][name].clone()
}

fn url(project: &Project, server: &str) -> Value {
    let url = env(project, "mcp.json", server, "MCP_SERVER_URL");
    assert_eq!(env(project, "vscode_mcp.json", server, "FETCH_BASE_URL"), url);
    url
}

/// The headers inside `FETCH_HEADERS`, whose text has a blank after each colon and comma.
fn headers(project: &Project, server: &str) -> BTreeMap<String, String> {
    let text = env(project, "vscode_mcp.json", server, "FETCH_HEADERS").as_str().unwrap().to_owned();
    let headers: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    assert_eq!(text.matches("\": \"").count(), headers.len(), "{text}");
    assert_eq!(text.matches("\", \"").count(), headers.len().saturating_sub(1), "{text}");
    headers
}

/// The headers inside `MCP_SERVER_HEADERS`; empty where there is none.
fn roo_headers(project: &Project, server: &str) -> BTreeMap<String, String> {
    let value = env(project, "mcp.json", server, "MCP_SERVER_HEADERS");
    value.as_str().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default()
}

fn pairs(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn services_are_named_after_their_files() {
    let project = Project::new();
    for file in [
        service("atlassian", "atlassian"),
        service("google", "google-drive"),
        TokenFile::named("jira-egress.json")
            .field("access_token", "at")
            .field("refresh_token", "rt")
            .expires_in(7200),
    ] {
        project.write_token(&file);
    }
    run(&project);
    for file in BOTH {
        assert_eq!(names(&project, file), ["atlassian", "google-drive", "jira"]);
    }
}

#[test]
fn two_services_of_one_name_both_stay() {
    let project = Project::new();
    project.write_token(&service("alpha", "wiki"));
    project.write_token(&service("beta", "wiki"));
    let finished = run(&project);
    assert_eq!(names(&project, "mcp.json").len(), 2, "{}", project.text(".oauth-tokens/mcp.json"));
    assert!(
        finished.log.lines().any(|line| line.contains("[WARNING]") && line.contains("wiki")),
        "{}",
        finished.log
    );
}

#[test]
fn a_servers_address_follows_its_entry() {
    let project = Project::new();
    let entry = |name: &str, document: Value| project.server(name, &document);
    entry("a", json!({"path": "/currenttime/", "auth_type": "none"}));
    entry("b", json!({"path": "/newer", "auth_scheme": "none"}));
    entry("c", json!({"path": "/whole/mcp", "auth_type": "none"}));
    entry("d", json!({"path": "/events/", "auth_type": "none", "supported_transports": ["sse"]}));
    entry(
        "e",
        json!({"path": "/either/", "auth_type": "none", "supported_transports": ["sse", "streamable-http"]}),
    );
    entry("f", json!({"path": "/plain/"}));
    entry("g", json!({"path": "/secret/", "auth_type": "api_key"}));
    entry("server_state", json!({"/currenttime": true}));
    entry("h", json!({"path": "/mcp/wiki/", "auth_type": "oauth"}));
    project.write_token(&service("alpha", "wiki"));
    project.write_token(&service("alpha", "unlisted"));
    run(&project);
    assert_eq!(
        names(&project, "mcp.json"),
        ["currenttime", "either", "events", "newer", "unlisted", "whole", "wiki"]
    );
    for (server, path) in [
        ("currenttime", "currenttime/mcp"),
        ("newer", "newer/mcp"),
        ("whole", "whole/mcp"),
        ("events", "events/sse"),
        ("either", "either/mcp"),
        ("wiki", "mcp/wiki/mcp"),
        ("unlisted", "mcp/unlisted/mcp"),
    ] {
        assert_eq!(url(&project, server), format!("https://gateway.example.com/{path}"));
    }
}

#[test]
fn the_gateways_headers_travel_with_every_server() {
    let project = Project::new();
    project.no_auth_server("currenttime");
    project.write_token(&service("atlassian", "atlassian").field("cloud_id", "1111-2222"));
    project.write_token(&service("alpha", "wiki"));
    project.write_token(
        &TokenFile::named("ingress.json")
            .field("provider", "cognito_m2m")
            .field("access_token", "at-gateway")
            .field("client_id", "m2m")
            .field("user_pool_id", "us-east-1_POOL")
            .field("region", "us-east-1")
            .expires_in(7200),
    );
    run(&project);
    let gateway = [
        ("X-Authorization", "Bearer at-gateway"),
        ("X-Client-Id", "m2m"),
        ("X-Region", "us-east-1"),
        ("X-User-Pool-Id", "us-east-1_POOL"),
    ];
    let with = |more: &[(&str, &str)]| pairs(&[&gateway[..], more].concat());
    assert_eq!(headers(&project, "currenttime"), pairs(&gateway));
    assert_eq!(headers(&project, "wiki"), with(&[("Authorization", "Bearer at-wiki")]));
    let atlassian = [("Authorization", "Bearer at-atlassian"), ("X-Atlassian-Cloud-Id", "1111-2222")];
    assert_eq!(headers(&project, "atlassian"), with(&atlassian));
    for server in ["atlassian", "currenttime", "wiki"] {
        let headers = roo_headers(&project, server);
        assert!(
            gateway.iter().all(|&(name, value)| headers.get(name).is_some_and(|has| has == value)),
            "{headers:?}"
        );
    }
    assert_eq!(env(&project, "mcp.json", "wiki", "MCP_SERVER_AUTH_TOKEN"), "Bearer at-wiki");
    assert_eq!(names(&project, "mcp.json"), ["atlassian", "currenttime", "wiki"], "the gateway is no server");
}

#[test]
fn with_keycloak_the_assistants_own_machine_token_speaks_to_the_gateway() {
    let project = Project::new();
    project.write(".env", "AUTH_PROVIDER=keycloak\n");
    project.no_auth_server("currenttime");
    let gateway = |name: &str, token: &str| {
        TokenFile::named(name)
            .field("provider", "keycloak_m2m")
            .field("access_token", token)
            .field("client_id", "assistant")
            .field("keycloak_url", "https://kc.example.com")
            .field("realm", "mcp-gateway")
            .expires_in(7200)
    };
    project.write_token(&gateway("ingress.json", "at-ingress"));
    let expected = |token: &str| {
        pairs(&[
            ("X-Authorization", &format!("Bearer {token}")),
            ("X-Client-Id", "assistant"),
            ("X-Keycloak-Realm", "mcp-gateway"),
            ("X-Keycloak-URL", "https://kc.example.com"),
        ])
    };
    run(&project);
    assert_eq!(headers(&project, "currenttime"), expected("at-ingress"));
    project.write_token(&gateway("agent-ai-coding-assistant-m2m-token.json", "at-agent"));
    run(&project);
    assert_eq!(headers(&project, "currenttime"), expected("at-agent"));
}

#[test]
fn without_a_gateways_address_localhost_is_assumed_and_said() {
    let project = Project::new();
    project.no_auth_server("currenttime");
    let finished = Program::new(&project).once().expect_code(0);
    assert_eq!(url(&project, "currenttime"), "http://localhost/currenttime/mcp");
    let said = |line: &str| line.contains("[WARNING]") && line.contains("REGISTRY_URL");
    assert!(finished.log.lines().any(said), "{}", finished.log);
}

#[test]
fn a_token_that_could_not_be_refreshed_stays_in_both_files() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    endpoint.always(Who::Anyone, Step::error(503, "temporarily_unavailable"));
    let project = Project::new();
    let file = TokenFile::signed_in("alpha", "wiki", &endpoint, &client).expires_in(60);
    project.write_token(&file);
    let token = project.read_token(file.name())["access_token"].as_str().unwrap().to_owned();
    Program::new(&project).once().expect_code(1);
    assert_eq!(headers(&project, "wiki"), pairs(&[("Authorization", &format!("Bearer {token}"))]));
    assert_eq!(env(&project, "mcp.json", "wiki", "MCP_SERVER_AUTH_TOKEN"), format!("Bearer {token}"));
}

#[test]
fn they_are_for_their_owner_alone_and_written_only_when_they_change() {
    let project = Project::new();
    project.write_token(&service("alpha", "wiki"));
    // What another tool left there, for everybody to read.
    project.write_tokens_file("mcp.json", "{}");
    project.set_mode(".oauth-tokens/mcp.json", 0o644);
    run(&project);
    let stamps = || BOTH.map(|file| project.stamp(&format!(".oauth-tokens/{file}")));
    for file in BOTH {
        assert_eq!(project.mode(&format!(".oauth-tokens/{file}")), 0o600, "{file}");
    }
    let before = stamps();
    run(&project);
    assert_eq!(stamps(), before);

    project.write_token(&service("alpha", "wiki").field("access_token", "at-another"));
    run(&project);
    assert!(stamps().iter().zip(before).all(|(now, then)| *now != then));
    assert_eq!(headers(&project, "wiki")["Authorization"], "Bearer at-another");
    assert_eq!(project.leftovers(), Vec::<String>::new());
}

#[test]
fn a_signed_out_service_disappears() {
    let project = Project::new();
    project.write_token(&service("alpha", "wiki"));
    project.write_token(&service("alpha", "tasks"));
    run(&project);
    std::fs::remove_file(project.token("alpha-wiki-egress.json")).unwrap();
    run(&project);
    for file in BOTH {
        assert_eq!(names(&project, file), ["tasks"]);
    }
}

#[test]
fn what_cannot_be_read_for_the_moment_keeps_its_entries_in_both_files() {
    let project = Project::new();
    project.write_token(&service("alpha", "wiki"));
    project.write_token(&service("alpha", "tasks"));
    project.no_auth_server("currenttime");
    run(&project);
    let entries = |server: &str| BOTH.map(|file| project.config(file)["mcpServers"][server].clone());
    let before = entries("wiki");
    let whole = project.text(".oauth-tokens/alpha-wiki-egress.json");
    let server = project.text("registry/servers/currenttime.json");
    for broken in ["", "{", "{\"access_token\": \"half"] {
        project.write_tokens_file("alpha-wiki-egress.json", broken);
        project.write("registry/servers/currenttime.json", broken);
        project.write_token(&service("alpha", "tasks").field("access_token", format!("at-{}", broken.len())));
        run(&project);
        assert_eq!(entries("wiki"), before, "{broken:?}");
        assert_eq!(headers(&project, "tasks")["Authorization"], format!("Bearer at-{}", broken.len()));
        assert_eq!(names(&project, "mcp.json"), ["currenttime", "tasks", "wiki"]);
    }
    // What is gone goes, once everything can be read again.
    project.write("registry/servers/currenttime.json", server);
    std::fs::remove_file(project.token("alpha-wiki-egress.json")).unwrap();
    run(&project);
    assert_eq!(names(&project, "mcp.json"), ["currenttime", "tasks"]);

    // Without the gateway's token no entry could be written as it should be.
    project.write_tokens_file("alpha-wiki-egress.json", whole);
    project.write_tokens_file("ingress.json", "{");
    let texts = || BOTH.map(|file| project.text(&format!(".oauth-tokens/{file}")));
    let before = texts();
    let finished = Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com").once();
    assert!(finished.log.contains("stay as they are until ingress.json can be read"), "{}", finished.log);
    assert_eq!(texts(), before);
}

#[test]
fn a_token_that_an_assistant_would_expand_is_in_neither_file() {
    let project = Project::new();
    project.write_token(&service("alpha", "wiki"));
    project.write_token(&service("alpha", "tasks").field("access_token", "${env:HOME}"));
    let finished =
        Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com").once().expect_code(0);
    for file in BOTH {
        assert_eq!(names(&project, file), ["wiki"]);
        let said = format!("{file}: tasks is left out: its Authorization header holds");
        assert!(finished.log.contains(&said), "{}", finished.log);
    }
    assert!(!finished.log.contains("${env"), "{}", finished.log);
}

#[test]
fn servers_that_need_a_sign_in_are_named_once_with_the_command() {
    let project = Project::new();
    let server = |name: &str, auth: &str| {
        let text = format!(r#"{{"path": "/{name}/", {auth}}}"#);
        project.write(&format!("registry/servers/{name}.json"), text);
    };
    server("jira", r#""auth_type": "oauth", "auth_provider": "atlassian""#);
    server("xquik", r#""auth_scheme": "api_key""#);
    project.write("registry/servers/nothing.json", r#"{"server_name": "x", "auth_type": "none"}"#);
    let mut daemon = Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com").start();
    daemon.wait_for_log("cycle completed");
    daemon.signal(support::Signal::Usr1);
    daemon.wait_for_log_times("cycle completed", 2);
    let command = format!("`token-refresher login atlassian jira --dir {}`", project.root().display());
    let line = format!("jira needs a sign-in and has no token; run {command}");
    let finished = daemon.stop();
    assert_eq!(finished.log.matches(&line).count(), 1, "{}", finished.log);
    assert!(finished.log.contains("nothing.json: it has no `path`; write "), "{}", finished.log);
    assert_eq!(names(&project, "mcp.json"), Vec::<String>::new());

    // A token of its own, and one of the gateway's for the other.
    project.write_token(&service("atlassian", "jira"));
    project.write_token(&TokenFile::named("ingress.json").field("access_token", "at-gw").expires_in(7200));
    run(&project);
    assert_eq!(names(&project, "mcp.json"), ["jira", "xquik"]);
    assert_eq!(headers(&project, "xquik"), pairs(&[("X-Authorization", "Bearer at-gw")]));
}

#[test]
fn the_first_access_token_is_in_every_configuration_of_the_same_cycle() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    let file = TokenFile::signed_in("github", "repos", &endpoint, &client);
    let mut document: Value = serde_json::from_str(&file.text()).unwrap();
    document.as_object_mut().unwrap().remove("access_token");
    project.write_tokens_file(file.name(), document.to_string());
    let program = Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com/");
    program.args("--client cursor").once().expect_code(0);
    for file in BOTH {
        assert_eq!(names(&project, file), ["repos"]);
    }
    assert_eq!(names(&project, "mcp-cursor.json"), ["repos"]);
}

#[test]
fn a_first_access_token_is_one_whatever_stood_in_its_place() {
    for (what, nothing) in [("null", Value::Null), ("empty", "".into())] {
        for machine in [false, true] {
            let endpoint = Endpoint::start();
            let client = Client::new("app");
            endpoint.register(client.clone());
            let project = Project::new();
            let file = TokenFile::signed_in("github", "repos", &endpoint, &client);
            let file = file.field("access_token", nothing.clone());
            let file = if machine {
                file.without("refresh_token").field("grant_type", "client_credentials")
            } else {
                file
            };
            project.write_token(&file);
            let program = Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com/");
            program.args("--client cursor").once().expect_code(0);
            for file in [BOTH[0], BOTH[1], "mcp-cursor.json"] {
                assert_eq!(names(&project, file), ["repos"], "{what}, {machine}, {file}");
            }
        }
    }
}

/// A person without a gateway was warned of its missing directory at every start.
#[test]
fn a_project_without_a_gateway_is_not_told_that_the_registry_is_missing() {
    let missing = "registry/servers: is not there";
    let warned = |write: fn(&Project)| {
        let project = Project::bare();
        write(&project);
        Program::new(&project).once().expect_code(0).log.contains(missing)
    };
    assert!(!warned(|project| drop(project.write(".env", ""))));
    assert!(warned(|project| drop(project.write(".env", "REGISTRY_URL=https://gateway.example.com\n"))));
    assert!(warned(|project| drop(project.write("registry/readme", ""))));
}

#[test]
fn files_of_more_than_a_mebibyte_keep_entries_too_and_are_written_only_when_they_change() {
    let project = Project::new();
    for index in 0..150 {
        let file = TokenFile::named(&format!("service-{index:03}-egress.json"));
        project.write_token(&file.field("access_token", "a".repeat(8 << 10)).expires_in(7200));
    }
    run(&project);
    let inode = || std::fs::metadata(project.token("mcp.json")).unwrap().ino();
    let before = inode();
    std::fs::write(project.token("service-007-egress.json"), "{").unwrap();
    run(&project);
    assert_eq!(names(&project, "mcp.json").len(), 150);
    assert_eq!(inode(), before);
}

/// Writes `text` in place, and sets the time of the file back to what it was.
fn write_hidden(path: &Path, text: &str) {
    let before = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::File::options().append(true).open(path).unwrap().set_modified(before).unwrap();
}

#[test]
fn a_change_that_hides_in_size_and_time_reaches_the_configurations() {
    let project = Project::new();
    project.write_token(&service("github", "repos"));
    let mut daemon = Program::new(&project).args("--interval 1").start();
    // What was written two seconds before a cycle is trusted in the next one.
    daemon.wait_for_log_times("Checked 1 token, nothing to do", 4);
    let token = project.token("github-repos-egress.json");
    write_hidden(&token, &std::fs::read_to_string(&token).unwrap().replace("at-repos", "at-newer"));
    let configuration = project.token("mcp.json");
    let has_it = || std::fs::read_to_string(&configuration).unwrap().contains("at-newer");
    daemon.wait_until("the new token", has_it);
    daemon.wait_for_log_times("Checked 1 token, nothing to do", 8);
    write_hidden(&configuration, &project.text(".oauth-tokens/mcp.json").replace("at-newer", "at-wrong"));
    daemon.wait_until("the token that belongs there", has_it);
    daemon.stop().expect_code(0);
}
