//! The two default files: the shapes of every launcher, and what is left out or kept.

use super::*;
use crate::clients::default_file::DefaultEntries;
use crate::clients::service::{Egress, Ingress, services};
use crate::clients::{DefaultFile, Launcher, other_entries, write_default};
use crate::secret::SecretText;
use crate::servers::read_server;

/// The paths of most tests.
const P: ReaderPaths = ReaderPaths { dir: "/p", ..PATHS };

fn egress<'a>(name: &'a str, cloud_id: Option<&'a str>) -> Egress<'a> {
    Egress { name, provider: None, access_token: Secret::new("<token>"), cloud_id, server_url: None }
}

fn roocode(services: &[Service], root: &str) -> Secret {
    default_text(
        DefaultFile::Roocode,
        Launcher::Seed,
        services,
        BTreeMap::new(),
        ReaderPaths { dir: root, ..PATHS },
    )
    .text
}

fn vscode(services: &[Service]) -> Secret {
    default_text(DefaultFile::Vscode, Launcher::Seed, services, BTreeMap::new(), P).text
}

/// The contents of a default file.
struct DefaultText {
    text: Secret,
    count: usize,
    warnings: Vec<String>,
}

fn default_text(
    file: DefaultFile,
    launcher: Launcher,
    services: &[Service],
    kept: BTreeMap<String, Secret>,
    paths: ReaderPaths,
) -> DefaultText {
    let mut text = SecretText::default();
    let written = write_default(file, launcher, services, kept, paths, &mut |part| {
        text.push(part);
        Ok(())
    });
    let DefaultEntries { count, warnings } = written.unwrap();
    DefaultText { text: text.finish(), count, warnings }
}

const GATEWAY: Option<&str> = Some("https://gateway.example.com");

#[test]
fn both_files_are_the_documented_ones_byte_for_byte() {
    let all = services(&[egress("sre-gateway", None)], None, &[], GATEWAY);
    assert_eq!(
        roocode(&all.list, "/path/to/project").expose(),
        r#"{
  "mcpServers": {
    "sre-gateway": {
      "command": "uv",
      "args": ["--directory", "/path/to/project", "run", "mcp"],
      "env": {
        "MCP_SERVER_URL": "https://gateway.example.com/mcp/sre-gateway/mcp",
        "MCP_SERVER_AUTH_TOKEN": "Bearer <token>"
      }
    }
  }
}
"#
    );
    assert_eq!(
        vscode(&all.list).expose(),
        r#"{
  "mcpServers": {
    "sre-gateway": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-fetch"],
      "env": {
        "FETCH_BASE_URL": "https://gateway.example.com/mcp/sre-gateway/mcp",
        "FETCH_HEADERS": "{\"Authorization\": \"Bearer <token>\"}"
      }
    }
  }
}
"#
    );
}

#[test]
fn gateway_headers_travel_in_both_files_and_without_them_a_no_auth_entry_has_none() {
    let time = include_str!("../../../tests/fixtures/servers/currenttime.json");
    let time = read_server("currenttime.json", time).unwrap().unwrap();
    let ingress = Ingress {
        provider: Some("keycloak_m2m".to_owned()),
        access_token: Secret::new("ing"),
        client_id: Some("mcp-gateway-m2m".to_owned()),
        user_pool_id: None,
        region: None,
        realm: Some("mcp-gateway".to_owned()),
        keycloak_url: Some("http://127.0.0.1:8080".to_owned()),
    };
    let tokens = [egress("atlassian", Some("site-1"))];
    let with = services(&tokens, Some(&ingress), std::slice::from_ref(&time), GATEWAY).list;
    let without = services(&[], None, &[time], GATEWAY).list;

    let gateway = [
        r#"\"X-Authorization\": \"Bearer ing\", \"X-Client-Id\": \"mcp-gateway-m2m\", "#,
        r#"\"X-Keycloak-Realm\": \"mcp-gateway\", \"X-Keycloak-URL\": \"http://127.0.0.1:8080\"}""#,
    ]
    .concat();
    let (roocode_text, vscode_text) = (roocode(&with, "/p"), vscode(&with));
    for wanted in [
        format!("\"MCP_SERVER_HEADERS\": \"{{\\\"X-Atlassian-Cloud-Id\\\": \\\"site-1\\\", {gateway}\n"),
        format!(
            "\"MCP_SERVER_URL\": \"https://gateway.example.com/currenttime/mcp\",\n        {}{gateway}\n",
            "\"MCP_SERVER_HEADERS\": \"{"
        ),
    ] {
        assert!(roocode_text.expose().contains(&wanted), "{wanted}");
    }
    for wanted in [
        format!(
            r#""FETCH_HEADERS": "{{\"Authorization\": \"Bearer <token>\", {}{gateway}"#,
            r#"\"X-Atlassian-Cloud-Id\": \"site-1\", "#
        ),
        format!(r#""FETCH_HEADERS": "{{{gateway}"#),
    ] {
        assert!(vscode_text.expose().contains(&wanted), "{wanted}");
    }
    assert!(roocode(&without, "/p").expose().contains(
        "\"env\": {\n        \"MCP_SERVER_URL\": \"https://gateway.example.com/currenttime/mcp\"\n      }"
    ));
    assert!(vscode(&without).expose().contains("\"FETCH_HEADERS\": \"{}\"\n"));
}

#[test]
fn any_text_is_valid_json_and_reads_back() {
    let name = "quote \" slash \\ ü 🚀";
    let odd = format!("{name} line\n tab\t bell\u{7} del\u{7f}");
    let mut all = services(&[egress("a", None)], None, &[], GATEWAY).list;
    name.clone_into(&mut all[0].name);
    let json: serde_json::Value = serde_json::from_str(roocode(&all, &odd).expose()).unwrap();
    assert_eq!(json["mcpServers"][name]["args"][1], odd);
    let empty: serde_json::Value = serde_json::from_str(vscode(&[]).expose()).unwrap();
    assert_eq!(empty, serde_json::json!({"mcpServers": {}}));
}

#[test]
fn what_an_assistant_would_expand_is_in_neither_file() {
    for bad in ["${env:HOME}", "${HOME}", "a$b", "{file:/x}", "a}"] {
        let mut all = services(&[egress("bad", None), egress("good", None)], None, &[], GATEWAY).list;
        all[0].authorization = Some(Secret::new(bad));
        for (file, launcher) in
            [(DefaultFile::Roocode, Launcher::Seed), (DefaultFile::Vscode, Launcher::Http)]
        {
            let made = default_text(file, launcher, &all, BTreeMap::new(), P);
            assert!(!made.text.expose().contains(bad), "{bad}");
            let json: serde_json::Value = serde_json::from_str(made.text.expose()).unwrap();
            let servers =
                if launcher == Launcher::Seed { &json["mcpServers"] } else { &json["mcp"]["servers"] };
            assert!(servers.get("bad").is_none() && servers.get("good").is_some());
            let why = "bad is left out: its Authorization header holds `$`, `{` or `}`, which an assistant";
            assert!(made.warnings[0].starts_with(why) && made.count == 1, "{:?}", made.warnings);
        }
    }
    // The gateway's token and the name are refused in the same way.
    let odd = [("its name", 0), ("its X-Client-Id header", 1)];
    for (part, which) in odd {
        let mut all = services(&[egress("a", None)], None, &[], GATEWAY).list;
        match which {
            0 => all[0].name.push_str("${x}"),
            _ => all[0].extra.push(Header { name: "X-Client-Id", value: HeaderValue::Plain("${x}".into()) }),
        }
        let made = default_text(DefaultFile::Vscode, Launcher::Seed, &all, BTreeMap::new(), P);
        assert!(made.count == 0 && made.warnings[0].contains(part), "{:?}", made.warnings);
    }
}

#[test]
fn entries_that_are_kept_stay_as_they_are() {
    let all = services(&[egress("a", None), egress("b", None), egress("c", None)], None, &[], GATEWAY).list;
    let before = roocode(&all, "/p");
    let mut now = vec![all[0].clone(), all[2].clone()];
    assert_eq!(
        other_entries(DefaultFile::Roocode, Launcher::Seed, before.expose(), &now).keys().collect::<Vec<_>>(),
        ["b"]
    );
    let kept = other_entries(DefaultFile::Roocode, Launcher::Seed, before.expose(), &now);
    let made = default_text(DefaultFile::Roocode, Launcher::Seed, &now, kept, P);
    assert_eq!((made.text.expose(), made.count), (before.expose(), 3));
    // A service that is there decides about its entry, even where it is left out.
    now[0].authorization = Some(Secret::new("a${b}"));
    let kept = other_entries(DefaultFile::Roocode, Launcher::Seed, before.expose(), &now);
    assert_eq!(default_text(DefaultFile::Roocode, Launcher::Seed, &now, kept, P).count, 2);
    for other in ["", "{", "[]", "{\"mcpServers\": []}", "{\"servers\": {\"a\": {}}}"] {
        assert!(other_entries(DefaultFile::Roocode, Launcher::Seed, other, &[]).is_empty(), "{other}");
    }
}

/// The entry as the gateway's `add_services.py` writes it.
#[test]
fn the_gateways_own_shapes() {
    let mut all = vec![over_sse("mail", "two"), open("time"), signed_in("wiki", "one")];
    all[0].extra.clear();
    let text = |file| default_text(file, Launcher::Http, &all, BTreeMap::new(), P).text;
    let (roo, vscode) = (text(DefaultFile::Roocode), text(DefaultFile::Vscode));
    let json = |text: &Secret| serde_json::from_str::<serde_json::Value>(text.expose()).unwrap();
    let headers = serde_json::json!({
        "Authorization": "Bearer one", "X-Authorization": "Bearer gateway-token", "X-Client-Id": "client-1",
    });
    let entry = |kind: &str, url: &str| {
        let (disabled, allowed) = (false, serde_json::json!([]));
        serde_json::json!({"type": kind, "url": url, "disabled": disabled, "alwaysAllow": allowed})
    };
    let mut wiki = entry("streamable-http", "https://gateway.example/wiki/mcp");
    wiki["headers"] = headers.clone();
    let mut mail = entry("sse", "https://gateway.example/mail/sse");
    mail["headers"] = serde_json::json!({"Authorization": "Bearer two"});
    let time = entry("streamable-http", "https://gateway.example/time/mcp");
    assert_eq!(json(&roo), serde_json::json!({"mcpServers": {"mail": mail, "time": time, "wiki": wiki}}));
    let servers = &json(&vscode)["mcp"]["servers"];
    assert_eq!(
        servers["wiki"],
        serde_json::json!({"url": "https://gateway.example/wiki/mcp", "headers": headers})
    );
    assert_eq!(servers["time"], serde_json::json!({"url": "https://gateway.example/time/mcp"}));
    for (file, before) in [(DefaultFile::Roocode, roo), (DefaultFile::Vscode, vscode)] {
        let kept = other_entries(file, Launcher::Http, before.expose(), &all[..1]);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["time", "wiki"]);
        let again = default_text(file, Launcher::Http, &all[..1], kept, P);
        assert_eq!((again.text.expose(), again.count), (before.expose(), 3));
        let none = default_text(file, Launcher::Http, &[], BTreeMap::new(), P).text;
        assert!(serde_json::from_str::<serde_json::Value>(none.expose()).is_ok(), "{}", none.expose());
    }
}

#[test]
fn an_entry_that_starts_the_bridge_holds_no_secret_and_no_argument_with_a_blank() {
    let mut all =
        vec![signed_in("wiki", "one"), open("-time"), signed_in("a b", "two"), signed_in("odd", "${HOME}")];
    all[3].url.push_str("${x}");
    let elsewhere = ReaderPaths { tokens_dir: "/var/tokens", ..PATHS };
    for (file, paths) in [(DefaultFile::Roocode, PATHS), (DefaultFile::Vscode, elsewhere)] {
        let made = default_text(file, Launcher::Bridge, &all, BTreeMap::new(), paths);
        let json: serde_json::Value = serde_json::from_str(made.text.expose()).unwrap();
        let wiki = &json["mcpServers"]["wiki"];
        assert_eq!(wiki["command"], PATHS.exe);
        assert_eq!(wiki["args"], serde_json::json!(["bridge", "wiki"]));
        let mut variables = serde_json::json!({
            "TOKEN_REFRESHER_DIR": "/srv/project", "MCP_SERVER_URL": "https://gateway.example/wiki/mcp",
        });
        if file == DefaultFile::Vscode {
            variables["TOKEN_REFRESHER_TOKENS_DIR"] = "/var/tokens".into();
        }
        assert_eq!(wiki["env"], variables);
        assert_eq!(json["mcpServers"]["-time"]["args"], serde_json::json!(["bridge", "--", "-time"]));
        assert!(!made.text.expose().contains("Bearer") && made.count == 2, "{}", made.text.expose());
        assert!(made.warnings[0].contains("its name holds a blank"), "{:?}", made.warnings);
        // A new token changes nothing in the file.
        all[0].authorization = Some(Secret::new("another"));
        let again = default_text(file, Launcher::Bridge, &all, BTreeMap::new(), paths);
        assert_eq!(again.text, made.text);
    }
}
