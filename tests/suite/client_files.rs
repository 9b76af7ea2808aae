//! `--client`: the servers in the configuration that an assistant really reads. If something here fails,
//! an assistant loses its connection, or its owner loses a setting.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{self, Client, Endpoint, Finished, Program, Project, TokenFile};
use serde_json::{Value, json};

const GATEWAY: &str = "https://gateway.example.com";

/// A service whose token stays good for two hours, so that nothing is sent.
fn service(server: &str, token: &str) -> TokenFile {
    let file = TokenFile::egress("acme", server).field("access_token", token);
    file.field("refresh_token", "rt").expires_in(7200)
}

fn program(project: &Project, clients: &str) -> Program {
    let mut program = Program::new(project).env("REGISTRY_URL", GATEWAY);
    for client in clients.split_whitespace() {
        program = program.args("--client").arg(client);
    }
    program
}

fn run(project: &Project, clients: &str) -> Finished {
    program(project, clients).once().expect_code(0)
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
fn a_rotation_changes_the_token_and_nothing_else() {
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    let file = TokenFile::signed_in("acme", "wiki", &endpoint, &client).fresh_for(3600);
    project.write_token(&file);
    let token = || project.read_token(file.name())["access_token"].as_str().unwrap().to_owned();
    // Everything that JSONC allows, in no tidy order.
    project.write(
        "settings.json",
        "// mine\n{\n\t\"theme\": \"dark\", /* why not */ \"n\": 1.50,\n\n\
         \t\"context_servers\": {\n\t\t\"own\": { \"command\": \"x\", \"args\": [\"${HOME}\"] }, // stays\n\
         \t},\n\t\"k\": [1,2,],\n}\n// end\n",
    );
    run(&project, "zed=settings.json");
    let first = project.text("settings.json");
    let before = token();
    assert_eq!(first.matches(&before).count(), 1, "{first}");
    for kept in [
        "// mine\n{\n\t\"theme\": \"dark\", /* why not */ \"n\": 1.50,\n\n\t\"context_servers\": {\n",
        "\"own\": { \"command\": \"x\", \"args\": [\"${HOME}\"] }, // stays",
        "\t\"k\": [1,2,],\n}\n// end\n",
    ] {
        assert!(first.contains(kept), "{kept:?} in\n{first}");
    }

    let stamp = project.stamp("settings.json");
    run(&project, "zed=settings.json");
    assert_eq!(project.stamp("settings.json"), stamp, "written although nothing changed");

    for _ in 0..3 {
        let old = token();
        let text = project.text("settings.json");
        program(&project, "zed=settings.json").arg("--force").once().expect_code(0);
        assert_ne!(token(), old);
        assert_eq!(project.text("settings.json"), text.replace(&old, &token()));
    }
}

#[test]
fn entries_come_and_go_with_their_services() {
    let project = Project::new();
    let before = "{\n  \"mcpServers\": {\n    \"own\": {\n      \"command\": \"x\"\n    }\n  }\n}\n";
    project.write("mcp.json", before);
    project.write_token(&service("wiki", "at-1"));
    project.no_auth_server("currenttime");
    let finished = run(&project, "cline=mcp.json");
    assert!(
        finished.messages().contains(&"CONFIG: Generated cline config with 2 servers"),
        "{}",
        finished.log
    );
    let servers = parsed(&project, "mcp.json")["mcpServers"].clone();
    assert_eq!(keys(&servers), ["currenttime", "own", "wiki"]);
    assert_eq!(
        servers["wiki"],
        json!({"type": "streamableHttp", "url": format!("{GATEWAY}/mcp/wiki/mcp"),
            "headers": {"Authorization": "Bearer at-1"}, "disabled": false, "autoApprove": []})
    );

    // A switch of the client's in an entry of this program is the user's.
    project.write("mcp.json", project.text("mcp.json").replace("\"disabled\": false", "\"disabled\": true"));
    project.write_token(&service("wiki", "at-2"));
    project.write_token(&service("tasks", "at-3"));
    run(&project, "cline=mcp.json");
    let servers = parsed(&project, "mcp.json")["mcpServers"].clone();
    assert_eq!(servers["wiki"]["headers"]["Authorization"], "Bearer at-2");
    assert_eq!(servers["wiki"]["disabled"], true);
    assert_eq!(servers["tasks"]["headers"]["Authorization"], "Bearer at-3");

    for gone in ["acme-wiki-egress.json", "acme-tasks-egress.json"] {
        fs::remove_file(project.token(gone)).unwrap();
    }
    fs::remove_file(project.path("registry/servers/currenttime.json")).unwrap();
    run(&project, "cline=mcp.json");
    assert_eq!(project.text("mcp.json"), before);
}

#[test]
fn a_new_address_moves_our_entry_and_no_other() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write("mcp.json", "{\"mcpServers\":{\"tasks\":{\"url\":\"https://elsewhere.example/mcp\"}}}");
    project.write_token(&service("tasks", "at-2"));
    let finished = run(&project, "cursor=mcp.json");
    expect_line(
        &finished,
        "[WARNING]",
        &["mcp.json: tasks is not written for cursor: the file has an entry"],
    );
    program(&project, "cursor=mcp.json")
        .env("REGISTRY_URL", "https://moved.example.com")
        .once()
        .expect_code(0);
    let servers = parsed(&project, "mcp.json")["mcpServers"].clone();
    assert_eq!(servers["wiki"]["url"], "https://moved.example.com/mcp/wiki/mcp");
    assert_eq!(servers["tasks"], json!({"url": "https://elsewhere.example/mcp"}));
}

#[test]
fn what_does_not_parse_is_left_alone_with_its_place_and_stops_nothing_else() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    let broken = "{\n  \"mcpServers\": {,}\n}\n";
    project.write("broken.json", broken);
    project.write("twice.json", "{\"mcpServers\":{},\n \"mcpServers\":{}}");
    let finished =
        program(&project, "cursor=broken.json kiro=twice.json roo=fine.json").once().expect_code(1);
    assert!(finished.stderr.contains("2 files cannot be written; the log says why"), "{finished:#?}");
    assert_eq!(project.text("broken.json"), broken);
    expect_line(&finished, "[ERROR]", &["broken.json: 2:18: ", "; left as it is"]);
    expect_line(&finished, "[ERROR]", &["twice.json: 2:2: `mcpServers` stands here a second time"]);
    assert_eq!(keys(&parsed(&project, "fine.json")["mcpServers"]), ["wiki"]);
    assert!(finished.log.contains("Generated Roocode config with 1 server"));
}

#[test]
fn a_daemon_says_it_once_and_goes_on_when_it_is_mended() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write("mcp.json", "{");
    let mut daemon = program(&project, "cursor=mcp.json cursor=none/mcp.json").start();
    daemon.wait_for_log("cycle completed");
    daemon.signal(support::Signal::Usr1);
    daemon.wait_for_log_times("cycle completed", 2);
    project.write("mcp.json", "{}");
    fs::create_dir(project.path("none")).unwrap();
    daemon.signal(support::Signal::Usr1);
    daemon.wait_for_log_times("Generated cursor config with 1 server", 2);
    daemon.wait_for_log_times("cycle completed", 3);
    let finished = daemon.stop().expect_code(0);
    for problem in ["mcp.json: 1:1: ", "none/mcp.json: its directory is not there; make "] {
        assert_eq!(
            finished.log.matches(&format!("ERROR] CONFIG: {}/{problem}", project.root().display())).count(),
            1,
            "{}",
            finished.log
        );
        assert!(finished.log.contains(": written again"), "{}", finished.log);
    }
}

#[test]
fn a_file_that_gets_a_token_is_closed_to_others_and_one_that_gets_none_keeps_its_mode() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-secret"));
    project.write(".mcp.json", "{}\n");
    let finished = run(&project, "claude-code=.mcp.json");
    assert_eq!(project.mode(".mcp.json"), 0o644);
    let text = project.text(".mcp.json");
    let helper =
        format!("{} headers wiki --dir {}", env!("CARGO_BIN_EXE_token-refresher"), project.root().display());
    assert_eq!(parsed(&project, ".mcp.json")["mcpServers"]["wiki"]["headersHelper"], helper.as_str());
    assert!(
        !text.contains("at-secret") && !finished.log.contains("only its owner"),
        "{text}{}",
        finished.log
    );

    let inline =
        || program(&project, "claude-code=.mcp.json").args("--client-secrets inline").once().expect_code(0);
    let finished = inline();
    let entry = &parsed(&project, ".mcp.json")["mcpServers"]["wiki"];
    assert_eq!(entry["headers"]["Authorization"], "Bearer at-secret");
    assert_eq!((project.mode(".mcp.json"), &entry["headersHelper"]), (0o600, &Value::Null));
    expect_line(&finished, "[INFO]", &[".mcp.json: only its owner may read it now"]);
    assert_eq!(inline().log.matches("only its owner").count(), 1, "said once");

    project.set_mode(".mcp.json", 0o640);
    let stamp = project.stamp(".mcp.json");
    inline();
    assert_eq!((project.mode(".mcp.json"), project.stamp(".mcp.json")), (0o600, stamp));

    run(&project, "claude-code=.mcp.json");
    assert_eq!(project.text(".mcp.json"), text);
    run(&project, "cursor=new.json");
    assert_eq!(project.mode("new.json"), 0o600);
}

#[test]
fn tokens_in_files_of_their_own() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write_token(&service("tasks", "at-2"));
    project
        .write_token(&TokenFile::named("ingress.json").field("access_token", "at-gateway").expires_in(7200));
    project.write_tokens_file("mine.token", "not yours");
    let tokens = || -> Vec<String> {
        let mut names = project.names();
        names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "token"));
        names
    };
    run(&project, "windsurf=o.json windsurf=w.json");
    assert_eq!(
        tokens(),
        [
            "mine.token",
            "tasks.X-Authorization.token",
            "tasks.token",
            "wiki.X-Authorization.token",
            "wiki.token"
        ]
    );
    let read = |name: &str| fs::read_to_string(project.token(name)).unwrap();
    assert_eq!(
        (read("wiki.token"), read("wiki.X-Authorization.token")),
        ("at-1".into(), "at-gateway".into())
    );
    assert_eq!(project.mode(".oauth-tokens/wiki.token"), 0o600);
    let text = project.text("o.json");
    let reference = format!("Bearer {{file:{}}}", project.token("wiki.token").display());
    assert_eq!(parsed(&project, "o.json")["mcpServers"]["wiki"]["headers"]["Authorization"], reference);

    // The file stays as it is, and what it refers to changes.
    project.write_token(&service("wiki", "at-3"));
    run(&project, "windsurf=o.json windsurf=w.json");
    assert_eq!((project.text("o.json"), read("wiki.token")), (text, "at-3".into()));

    fs::remove_file(project.token("acme-tasks-egress.json")).unwrap();
    run(&project, "windsurf=o.json windsurf=w.json");
    assert_eq!(tokens(), ["mine.token", "wiki.X-Authorization.token", "wiki.token"]);

    // One run without them (a `--once` beside the daemon) takes nothing away that another client needs.
    run(&project, "cursor=c.json");
    assert_eq!(tokens().len(), 3);
    program(&project, "windsurf=w.json").args("--client-secrets inline").once().expect_code(0);
    assert_eq!(tokens().len(), 3, "o.json refers to them");
    program(&project, "windsurf=o.json windsurf=w.json")
        .args("--client-secrets inline")
        .once()
        .expect_code(0);
    assert_eq!(tokens(), ["mine.token"]);
    assert_eq!(read("mine.token"), "not yours");
}

#[test]
fn what_cannot_be_read_for_the_moment_takes_no_entry_away() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write_token(&service("tasks", "at-2"));
    let clients = "cursor=c.json windsurf=o.json continue=config.yaml";
    run(&project, clients);
    let yaml = project.text("config.yaml");
    let restored = project.text(".oauth-tokens/acme-wiki-egress.json");
    project.write_tokens_file("acme-wiki-egress.json", "{\"access_token\": \"half");
    project.write_token(&service("tasks", "at-3"));
    let finished = run(&project, clients);
    let servers = parsed(&project, "c.json")["mcpServers"].clone();
    assert_eq!(servers["wiki"]["headers"]["Authorization"], "Bearer at-1");
    assert_eq!(servers["tasks"]["headers"]["Authorization"], "Bearer at-3");
    assert_eq!(fs::read_to_string(project.token("wiki.token")).unwrap(), "at-1");
    assert_eq!(project.text("config.yaml"), yaml);
    expect_line(
        &finished,
        "[WARNING]",
        &["config.yaml: stays as it is until acme-wiki-egress.json can be read"],
    );

    // It is still known to be ours, so it goes when its service does.
    fs::remove_file(project.token("acme-wiki-egress.json")).unwrap();
    run(&project, clients);
    assert_eq!(keys(&parsed(&project, "c.json")["mcpServers"]), ["tasks"]);
    assert!(!project.token("wiki.token").exists() && !project.text("config.yaml").contains("wiki"));

    // Without the gateway's token no entry could be written as it should be.
    project.write_tokens_file("acme-wiki-egress.json", restored);
    project.write_tokens_file("ingress.json", "{");
    let before = project.text("c.json");
    let finished = run(&project, clients);
    assert_eq!(project.text("c.json"), before);
    expect_line(&finished, "[WARNING]", &["stay as they are until ingress.json can be read"]);
}

#[test]
fn a_foreign_toml_file_is_left_alone_and_the_entry_to_paste_is_said() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-secret"));
    project.write("config.toml", "model = \"x\"\n");
    let finished =
        program(&project, "codex=config.toml codex").args("--client-secrets inline").once().expect_code(0);
    assert_eq!(project.text("config.toml"), "model = \"x\"\n");
    expect_line(&finished, "[WARNING]", &["config.toml: 1:1: this file is not one of ours"]);
    expect_line(&finished, "[INFO]", &["to paste: [mcp_servers.wiki]"]);
    expect_line(&finished, "[INFO]", &["to paste: http_headers = ", "Bearer <access token>"]);
    finished.expect_none_of(&["at-secret".to_owned()]);
    assert!(project.text(".oauth-tokens/mcp-codex.toml").contains("Bearer at-secret"));

    // Pasted, in the form without a token, all is well.
    let finished = run(&project, "codex=config.toml");
    let pasted: String = finished
        .log
        .lines()
        .filter_map(|line| line.split_once("to paste: ").map(|(_, text)| format!("{text}\n")))
        .collect();
    project.write("config.toml", format!("model = \"x\"\n\n{pasted}"));
    let finished = run(&project, "codex=config.toml");
    assert_eq!(finished.log.matches("this file is not one of ours").count(), 2, "{}", finished.log);
}

#[test]
fn files_of_our_own_are_no_token_files() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write_token(
        &TokenFile::named("mcp-gateway-m2m-token.json").field("access_token", "at").expires_in(7200),
    );
    let finished = run(&project, "cursor claude-code continue");
    assert!(finished.log.contains("Found 1 other token file"), "{}", finished.log);
    for name in ["mcp-claude-code.json", "mcp-continue.yaml", "mcp-cursor.json"] {
        assert!(project.names().iter().any(|found| found == name), "{name} in {:?}", project.names());
        assert_eq!(project.mode(&format!(".oauth-tokens/{name}")), 0o600);
    }
    // Even one that says it is, and that no program keeps today.
    project.write_tokens_file("mcp-kiro.json", "{\"access_token\": \"x\", \"refresh_token\": \"y\"}");
    let finished = Program::new(&project).once().expect_code(0);
    assert!(!finished.log.contains("mcp-kiro.json"), "{}", finished.log);
}

#[test]
fn links_are_followed() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write("dotfiles/cursor.json", "{}");
    symlink("dotfiles/cursor.json", project.path("mcp.json")).unwrap();
    run(&project, "cursor=mcp.json");
    assert!(fs::symlink_metadata(project.path("mcp.json")).unwrap().is_symlink());
    assert_eq!(keys(&parsed(&project, "dotfiles/cursor.json")["mcpServers"]), ["wiki"]);
    let names: Vec<_> =
        fs::read_dir(project.path("dotfiles")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["cursor.json"]);
}

#[test]
fn what_a_client_would_expand_is_left_out_and_said() {
    let project = Project::new();
    project.write_token(&service("wiki", "at-1"));
    project.write_token(&service("tasks", "at-${HOME}"));
    let finished = run(&project, "cursor=c.json claude-code=m.json");
    assert_eq!(keys(&parsed(&project, "c.json")["mcpServers"]), ["wiki"]);
    expect_line(
        &finished,
        "[WARNING]",
        &["c.json: tasks is not written for cursor: its Authorization header holds"],
    );
    // What a command prints is not expanded.
    assert_eq!(keys(&parsed(&project, "m.json")["mcpServers"]), ["tasks", "wiki"]);
}

#[test]
fn wrong_values_are_named_before_anything_happens() {
    let project = Project::new();
    for (arguments, words) in [
        ("--client cursr", &["--client: \"cursr\" names no client", "amazon-q", "zed"][..]),
        ("--client cursor=", &["--client: \"cursor=\" is not a path"]),
        ("--client cursor=a.json --client kiro=a.json", &["--client: cursor and kiro name one file"]),
        ("--client-secrets x", &["--client-secrets: \"x\" is not one of auto, inline, bridge; try"]),
        ("clients now", &["\"now\": clients takes no argument"]),
        ("clients --dir .", &["--dir: belongs to the daemon", "token-refresher headers"]),
    ] {
        let finished = Program::new(&project).args(arguments).once().expect_code(2);
        for word in words {
            assert!(finished.stderr.contains(word), "{arguments}: {}", finished.stderr);
        }
    }
    assert!(!project.path("token_refresher.log").exists());
    let finished =
        Program::new(&project).env("TOKEN_REFRESHER_CLIENT", "cursor,nosuch").once().expect_code(2);
    assert!(finished.stderr.contains("TOKEN_REFRESHER_CLIENT: \"nosuch\""), "{}", finished.stderr);
    let finished = Program::new(&project).args("clients").run().expect_code(0);
    assert!(
        finished.stdout.contains("\nclaude-code    .mcp.json, ~/.claude.json\n")
            && finished.stderr.is_empty()
    );
}
