//! Which servers an assistant is led to, and with which headers: those that are not behind the gateway.

use crate::support::{Finished, Program, Project, TokenFile};
use serde_json::{Value, json};

const GATEWAY: &str = "https://gateway.example.com";

fn service(server: &str, token: &str) -> TokenFile {
    let file = TokenFile::egress("acme", server).field("access_token", token);
    file.field("refresh_token", "rt").expires_in(7200)
}

fn run(project: &Project, clients: &[&str]) -> Finished {
    let program = Program::new(project).env("REGISTRY_URL", GATEWAY);
    let program = clients.iter().fold(program, |program, client| program.arg("--client").arg(*client));
    program.once().expect_code(0)
}

fn parsed(project: &Project, relative: &str) -> Value {
    serde_json::from_str(&project.text(relative)).unwrap()
}

fn keys(object: &Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

#[track_caller]
fn expect_line(finished: &Finished, level: &str, words: &[&str]) {
    let said = |line: &str| line.contains(level) && words.iter().all(|word| line.contains(word));
    assert!(finished.log.lines().any(said), "{level} {words:?} in\n{}", finished.log);
}

#[test]
fn a_server_with_an_address_of_its_own_is_everywhere_and_gets_no_token_of_the_gateway() {
    let project = Project::new();
    project.write_token(&service("linear", "at-l").field("server_url", "https://mcp.linear.app/mcp"));
    project.write_token(&service("wiki", "at-w").field("server_url", format!("{GATEWAY}/wiki/mcp")));
    project.write_token(&service("old", "at-o").field("server_url", "https://old.example/sse/"));
    project.write_token(&service("bad", "at-b").field("server_url", "linear.app/mcp"));
    project.write_token(&TokenFile::named("ingress.json").field("access_token", "at-gw").expires_in(7200));
    let finished = run(&project, &["cursor", "cline", "codex", "claude-code"]);
    expect_line(&finished, "[WARNING]", &["bad stands in no configuration: its server_url is no http"]);

    for (file, address, secret) in [
        ("mcp.json", "MCP_SERVER_URL", "MCP_SERVER_AUTH_TOKEN"),
        ("vscode_mcp.json", "FETCH_BASE_URL", "FETCH_HEADERS"),
    ] {
        let servers = project.config(file)["mcpServers"].clone();
        assert_eq!(keys(&servers), ["linear", "old", "wiki"]);
        let env = |server: &str| servers[server]["env"].clone();
        assert_eq!(env("linear")[address], "https://mcp.linear.app/mcp");
        assert!(env("linear")[secret].as_str().unwrap().contains("Bearer at-l"));
        assert!(!env("linear").to_string().contains("at-gw"), "{file}");
        assert!(env("wiki").to_string().contains("at-gw"), "{file}");
    }
    let cursor = parsed(&project, ".oauth-tokens/mcp-cursor.json")["mcpServers"].clone();
    assert_eq!(
        cursor["linear"],
        json!({"url": "https://mcp.linear.app/mcp", "headers": {"Authorization": "Bearer at-l"}})
    );
    assert_eq!(cursor["wiki"]["headers"]["X-Authorization"], "Bearer at-gw");
    let cline = parsed(&project, ".oauth-tokens/mcp-cline.json")["mcpServers"].clone();
    assert_eq!(
        (&cline["old"]["type"], &cline["old"]["url"]),
        (&json!("sse"), &json!("https://old.example/sse/"))
    );

    let headers = |server: &str| {
        let finished = Program::new(&project).args("headers").arg(server).args("--dir .").run();
        finished.stdout
    };
    assert_eq!(headers("linear"), "{\"Authorization\": \"Bearer at-l\"}\n");
    assert!(headers("wiki").contains("\"X-Authorization\": \"Bearer at-gw\""));
    // The gateway's trouble is not its trouble.
    for text in ["{", "{\"access_token\": \"at-gw\", \"expires_at\": 1}"] {
        project.write_tokens_file("ingress.json", text);
        assert_eq!(headers("linear"), "{\"Authorization\": \"Bearer at-l\"}\n");
        assert_eq!(headers("wiki"), "", "{text}");
    }
}
