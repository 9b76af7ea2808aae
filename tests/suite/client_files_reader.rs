//! Where an assistant finds this program and the project, which need not be where this program finds them: in a
//! container, say. And what the two default files start.

use crate::support::{Finished, Program, Project, TokenFile};
use serde_json::{Value, json};

const CLIENTS: [&str; 3] = ["claude-code", "windsurf", "cursor"];

/// Why entries hold tokens.
const SAID: &str = "this looks like a container";

fn project() -> Project {
    let project = Project::new();
    let file = TokenFile::egress("acme", "wiki").field("access_token", "at-1");
    project.write_token(&file.field("refresh_token", "rt").expires_in(7200));
    project
}

fn program(project: &Project) -> Program {
    let program = Program::new(project).env("REGISTRY_URL", "https://gateway.example.com");
    CLIENTS.iter().fold(program, |program, client| program.arg("--client").arg(*client))
}

fn parsed(project: &Project, file: &str) -> Value {
    serde_json::from_str(&project.text(&format!(".oauth-tokens/{file}"))).unwrap()
}

fn helper(project: &Project) -> Value {
    parsed(project, "mcp-claude-code.json")["mcpServers"]["wiki"]["headersHelper"].clone()
}

fn reference(project: &Project) -> Value {
    parsed(project, "mcp-windsurf.json")["mcpServers"]["wiki"]["headers"]["Authorization"].clone()
}

/// Runs it as the first process of a namespace of its own; `None` where that is not allowed.
fn as_first_process(program: Program) -> Option<Finished> {
    let unshare = ["unshare", "--user", "--map-current-user", "--pid", "--fork"];
    let allowed = std::process::Command::new(unshare[0]).args(&unshare[1..]).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no process namespaces here");
        return None;
    }
    Some(program.below(&unshare).env("container", "podman").once().expect_code(0))
}

/// The paths of the container were written into files of the host, where no assistant could run them.
#[test]
fn in_a_container_entries_hold_their_tokens_and_it_is_said() {
    let project = project();
    let Some(finished) = as_first_process(program(&project)) else { return };
    assert_eq!(finished.log.matches(SAID).count(), 1, "{}", finished.log);
    assert_eq!((helper(&project), reference(&project)), (Value::Null, json!("Bearer at-1")));
    let entry = &parsed(&project, "mcp-claude-code.json")["mcpServers"]["wiki"];
    assert_eq!(entry["headers"]["Authorization"], "Bearer at-1");
    // Nothing is said to clients that hold their tokens anyway.
    let cursor = Program::new(&project).args("--client cursor");
    let finished = as_first_process(cursor).expect("as before");
    assert_eq!(finished.log.matches(SAID).count(), 1, "{}", finished.log);
    // The mark alone makes no container: people work in some.
    let finished = program(&project).env("container", "podman").once().expect_code(0);
    assert_eq!(finished.log.matches(SAID).count(), 1, "{}", finished.log);
    assert_ne!(helper(&project), Value::Null);
}

#[test]
fn a_container_is_told_where_the_assistants_find_both() {
    let project = project();
    let told = |program: Program| {
        program.args("--client-program /usr/local/bin/token-refresher --client-dir /srv/gateway")
    };
    let finished = match as_first_process(told(program(&project))) {
        Some(finished) => finished,
        None => told(program(&project)).once().expect_code(0),
    };
    assert!(!finished.log.contains(SAID), "{}", finished.log);
    assert_eq!(helper(&project), "/usr/local/bin/token-refresher headers wiki --dir /srv/gateway");
    assert_eq!(reference(&project), "Bearer {file:/srv/gateway/.oauth-tokens/wiki.token}");
    assert_eq!(std::fs::read_to_string(project.token("wiki.token")).unwrap(), "at-1");
    assert_eq!(parsed(&project, "mcp.json")["mcpServers"]["wiki"]["args"][1], "/srv/gateway");
    // One of the two is enough, and tokens elsewhere stay where they are.
    program(&project).args("--client-program /opt/x").once().expect_code(0);
    assert_eq!(helper(&project), format!("/opt/x headers wiki --dir {}", project.root().display()));
    for (arguments, words) in [
        ("--client-program token-refresher", "--client-program: \"token-refresher\" is not an absolute path"),
        ("--client-dir ./x", "--client-dir: \"./x\" is not an absolute path"),
    ] {
        let finished = program(&project).args(arguments).once().expect_code(2);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
}

#[test]
fn a_launcher_decides_what_the_two_default_files_start() {
    let project = project();
    let run = |launcher: &str| {
        Program::new(&project)
            .env("REGISTRY_URL", "https://gateway.example.com")
            .args("--launcher")
            .arg(launcher)
            .once()
            .expect_code(0)
    };
    run("none");
    assert!(!project.token("mcp.json").exists() && !project.token("vscode_mcp.json").exists());
    run("http");
    let headers = json!({"Authorization": "Bearer at-1"});
    let url = "https://gateway.example.com/mcp/wiki/mcp";
    assert_eq!(
        parsed(&project, "mcp.json"),
        json!({"mcpServers": {"wiki": {"type": "streamable-http", "url": url, "disabled": false,
            "alwaysAllow": [], "headers": headers}}})
    );
    let vscode = json!({"mcp": {"servers": {"wiki": {"url": url, "headers": headers}}}});
    assert_eq!(parsed(&project, "vscode_mcp.json"), vscode);
    assert_eq!(project.mode(".oauth-tokens/mcp.json"), 0o600);
    let stamp = project.stamp(".oauth-tokens/mcp.json");
    run("http");
    assert_eq!(project.stamp(".oauth-tokens/mcp.json"), stamp);
    run("seed");
    assert_eq!(parsed(&project, "mcp.json")["mcpServers"]["wiki"]["command"], "uv");
    for (arguments, words) in [
        ("--launcher npx", "--launcher: \"npx\" is not one of seed, bridge, http, none; try --launcher http"),
        ("--launcher", "--launcher"),
    ] {
        let finished = Program::new(&project).args(arguments).run().expect_code(2);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
}

/// Entries of clients that read their file once, at their start: they start the bridge and never change.
#[test]
fn a_client_that_reads_its_file_once_starts_the_bridge() {
    let project = project();
    let exe = env!("CARGO_BIN_EXE_token-refresher");
    let run = |arguments: &str| {
        let program = Program::new(&project).env("REGISTRY_URL", "https://gateway.example.com");
        program.args(arguments).once().expect_code(0)
    };
    let names = ["amazon-q", "claude-desktop", "copilot", "inspector", "qwen"];
    let all = names.map(|name| format!("--client {name}")).join(" ");
    run(&format!("{all} --client opencode --launcher bridge"));
    let variables = json!({
        "TOKEN_REFRESHER_DIR": project.root().display().to_string(),
        "MCP_SERVER_URL": "https://gateway.example.com/mcp/wiki/mcp",
    });
    let own = names.map(|name| format!("mcp-{name}.json"));
    let files = own.iter().map(String::as_str).chain(["mcp.json", "vscode_mcp.json"]);
    for file in files.clone() {
        let entry = &parsed(&project, file)["mcpServers"]["wiki"];
        assert_eq!((&entry["command"], &entry["args"]), (&json!(exe), &json!(["bridge", "wiki"])), "{file}");
        assert_eq!(entry["env"], variables, "{file}");
    }
    let opencode = &parsed(&project, "mcp-opencode.json")["mcp"]["wiki"];
    assert_eq!(opencode["command"], json!([exe, "bridge", "wiki"]));
    assert_eq!((&opencode["environment"], &opencode["enabled"]), (&variables, &json!(true)));

    let stamps: Vec<_> = files.clone().map(|file| project.stamp(&format!(".oauth-tokens/{file}"))).collect();
    let file = TokenFile::egress("acme", "wiki").field("access_token", "at-2");
    project.write_token(&file.field("refresh_token", "rt").expires_in(7200));
    run(&format!("{all} --launcher bridge"));
    let now: Vec<_> = files.map(|file| project.stamp(&format!(".oauth-tokens/{file}"))).collect();
    assert_eq!(now, stamps, "a rotation changes no entry");

    // Every client starts it where it should, and one that starts programs only holds no token.
    run("--client-secrets bridge --client cursor --client codex");
    assert_eq!(parsed(&project, "mcp-cursor.json")["mcpServers"]["wiki"]["args"], json!(["bridge", "wiki"]));
    let codex = project.text(".oauth-tokens/mcp-codex.toml");
    assert!(codex.contains("args = [\"bridge\", \"wiki\"]\n") && !codex.contains("at-2"), "{codex}");
    let finished = run("--client-secrets inline --client claude-desktop --client qwen");
    assert!(finished.log.contains("wiki is not written for claude-desktop: "), "{}", finished.log);
    assert!(project.text(".oauth-tokens/mcp-qwen.json").contains("Bearer at-2"));
}
