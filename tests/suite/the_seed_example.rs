//! The specification's own example: two egress files, one two hours and one 45 minutes from expiry,
//! and three servers without authentication. If this fails, the program is not what was promised.

use crate::support::{self, Client, Endpoint, Finished, Program, Project, Signal, TokenFile};
use serde_json::{Value, json};

const ATLASSIAN: &str = "atlassian-atlassian-egress.json";
const GATEWAY: &str = "bedrock-agentcore-sre-gateway-egress.json";

struct Example {
    endpoint: Endpoint,
    project: Project,
    /// The access token that is fresh and must stay.
    fresh: String,
}

impl Example {
    fn new() -> Self {
        let endpoint = Endpoint::start();
        let project = Project::new();
        let (atlassian, gateway) = (Client::new("atlassian-app"), Client::new("gateway-app"));
        endpoint.register(atlassian.clone());
        endpoint.register(gateway.clone());
        // Half a minute more, or the first second of the test makes it "1 hour" and "44 minutes".
        let file = TokenFile::signed_in("bedrock-agentcore", "sre-gateway", &endpoint, &gateway);
        project.write_token(&file.expires_in(2 * 3600 + 30));
        let file = TokenFile::signed_in("atlassian", "atlassian", &endpoint, &atlassian);
        project.write_token(&file.expires_in(45 * 60 + 30));
        for server in ["mcpgw", "currenttime", "realserverfaketools"] {
            project.no_auth_server(server);
        }
        let fresh = project.read_token(GATEWAY)["access_token"].as_str().unwrap().to_owned();
        Self { endpoint, project, fresh }
    }

    fn program(&self) -> Program {
        Program::new(&self.project).env("REGISTRY_URL", "https://gateway.example.com")
    }

    fn once(&self) -> Finished {
        self.program().once().expect_code(0)
    }
}

#[test]
fn the_log_says_the_seeds_sentences_in_the_seeds_order() {
    let finished = Example::new().once();
    assert_eq!(
        finished.messages(),
        [
            "REFRESH: Token refresh check starting...",
            "REFRESH: Found 2 egress token files to check",
            "REFRESH: bedrock-agentcore-sre-gateway-egress.json: expires in 2 hours, no refresh needed",
            "REFRESH: atlassian-atlassian-egress.json: expires in 45 minutes, refreshing...",
            "REFRESH: Successfully refreshed token for atlassian-atlassian",
            "CONFIG: Scanning for no-auth services...",
            "CONFIG: Found 3 no-auth services: currenttime, mcpgw, realserverfaketools",
            "CONFIG: Generating MCP configurations...",
            "CONFIG: Generated Roocode config with 5 servers",
            "CONFIG: Generated VSCode config with 5 servers",
            "REFRESH: Token refresh cycle completed successfully",
        ]
    );
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""));
}

#[test]
fn every_log_line_begins_with_the_time_and_the_level() {
    let finished = Example::new().once();
    for line in finished.log.lines() {
        let (time, rest) = line.split_once(" - ").expect(line);
        let shape = time.replace(|char: char| char.is_ascii_digit(), "9");
        assert_eq!(shape, "9999-99-99 99:99:99,999", "{line}");
        assert!(rest.starts_with("[INFO] REFRESH: ") || rest.starts_with("[INFO] CONFIG: "), "{line}");
    }
}

#[test]
fn only_the_due_token_is_asked_for_and_stored() {
    let example = Example::new();
    example.once();
    assert_eq!(example.endpoint.requests().len(), 1);
    assert_eq!(example.endpoint.requests_of("atlassian-app").len(), 1);
    assert_eq!(example.project.read_token(GATEWAY)["access_token"], json!(example.fresh));
    let file = example.project.read_token(ATLASSIAN);
    assert!(example.endpoint.is_live(file["access_token"].as_str().unwrap()));
    let expires_at = file["expires_at"].as_i64().unwrap();
    assert!((3590..=3600).contains(&(expires_at - support::now())), "{expires_at}");
    assert_eq!(example.project.leftovers(), Vec::<String>::new());
}

/// The five servers of the example, each entry in a client's own shape; the new token and the one that was fresh.
fn five_servers(
    oauth: impl Fn(&str, &str) -> Value,
    open: impl Fn(&str) -> Value,
    [new, fresh]: [&str; 2],
) -> Value {
    json!({"mcpServers": {
        "atlassian": oauth("https://gateway.example.com/mcp/atlassian/mcp", new),
        "currenttime": open("https://gateway.example.com/currenttime/mcp"),
        "mcpgw": open("https://gateway.example.com/mcpgw/mcp"),
        "realserverfaketools": open("https://gateway.example.com/realserverfaketools/mcp"),
        "sre-gateway": oauth("https://gateway.example.com/mcp/sre-gateway/mcp", fresh),
    }})
}

#[test]
fn both_configurations_have_the_seeds_shapes_and_five_servers() {
    let example = Example::new();
    example.once();
    let file = example.project.read_token(ATLASSIAN);
    let bearer = |token: &str| format!("Bearer {token}");
    let (new, old) = (bearer(file["access_token"].as_str().unwrap()), bearer(&example.fresh));
    let root = example.project.root().to_str().unwrap();

    let roo = |env: Value| json!({"command": "uv", "args": ["--directory", root, "run", "mcp"], "env": env});
    let oauth = |url: &str, token: &str| roo(json!({"MCP_SERVER_URL": url, "MCP_SERVER_AUTH_TOKEN": token}));
    let open = |url: &str| roo(json!({ "MCP_SERVER_URL": url }));
    assert_eq!(example.project.config("mcp.json"), five_servers(oauth, open, [&new, &old]));

    let code = |url: &str, headers: String| {
        json!({"command": "npx", "args": ["-y", "@modelcontextprotocol/server-fetch"],
               "env": {"FETCH_BASE_URL": url, "FETCH_HEADERS": headers}})
    };
    let oauth = |url: &str, token: &str| code(url, format!("{{\"Authorization\": \"{token}\"}}"));
    let open = |url: &str| code(url, "{}".to_owned());
    assert_eq!(example.project.config("vscode_mcp.json"), five_servers(oauth, open, [&new, &old]));
}

#[test]
fn a_second_cycle_sends_nothing_and_writes_nothing() {
    let example = Example::new();
    example.once();
    let before = example.project.stamps();
    example.once();
    assert_eq!(example.endpoint.requests().len(), 1);
    assert_eq!(example.project.stamps(), before);
}

#[test]
fn the_daemon_does_the_same_as_once_and_its_second_cycle_too_sends_and_writes_nothing() {
    let example = Example::new();
    let mut daemon = example.program().start();
    daemon.wait_for_log("Token refresh cycle completed successfully");
    let before = example.project.stamps();
    daemon.signal(Signal::Usr1);
    daemon.wait_for_log_times("Token refresh cycle completed successfully", 2);
    daemon.stop().expect_code(0);
    assert_eq!(example.endpoint.requests().len(), 1);
    assert_eq!(example.project.stamps(), before);
    assert_eq!(example.project.config("mcp.json")["mcpServers"].as_object().unwrap().len(), 5);
}
