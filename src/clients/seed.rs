//! The two default files, `mcp.json` and `vscode_mcp.json`, in the shapes that the Python
//! service's documentation shows: entries that start a local program which is told the address
//! and the token in its environment.
//!
//! Both are ours alone and are written whole, byte for byte as in that documentation, so that a
//! file with nothing new in it is recognised by comparing texts.

use std::collections::{BTreeMap, HashSet};

use super::entry::{NoEntry, refuse_expansion, refuse_expansion_in};
use super::quote::{headers_object, push_quoted};
use super::service::{HeaderValue, Service};
use crate::json;
use crate::secret::{Secret, SecretText};

/// One of the two default files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DefaultFile {
    /// `mcp.json`: `uv` starts the project's own `mcp`.
    Roocode,
    /// `vscode_mcp.json`: `npx` starts a fetch server.
    Vscode,
}

impl DefaultFile {
    pub(crate) const ALL: [Self; 2] = [Self::Roocode, Self::Vscode];

    /// The name in the tokens directory.
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Roocode => "mcp.json",
            Self::Vscode => "vscode_mcp.json",
        }
    }

    /// The name of its reader in the log, as the Python service wrote it.
    pub(crate) const fn reader(self) -> &'static str {
        match self {
            Self::Roocode => "Roocode",
            Self::Vscode => "VSCode",
        }
    }
}

/// The contents of a default file.
pub(crate) struct DefaultText {
    pub text: Secret,
    /// How many servers are in it.
    pub count: usize,
    /// Services that are left out, one line each.
    pub warnings: Vec<String>,
}

/// Returns the contents of a default file. `kept` are entries that stay as they are, by name; `project_root` is
/// absolute.
pub(crate) fn default_text(
    file: DefaultFile,
    services: &[Service],
    kept: BTreeMap<String, Secret>,
    project_root: &str,
) -> DefaultText {
    let mut entries = kept;
    let mut warnings = Vec::new();
    for service in services {
        if let Err(why) = refuse_expanded(service) {
            let (name, why) = (service.name.escape_debug(), why.told_of("an assistant"));
            warnings.push(format!("{name} is left out: {why}"));
            continue;
        }
        let entry = match file {
            DefaultFile::Roocode => roocode_entry(service, project_root),
            DefaultFile::Vscode => vscode_entry(service),
        };
        entries.insert(service.name.clone(), entry);
    }
    DefaultText { text: servers_object(&entries), count: entries.len(), warnings }
}

/// Returns the entries of a default file, as text by name, that are of none of these services.
pub(crate) fn other_entries(present: &str, services: &[Service]) -> BTreeMap<String, Secret> {
    let known: HashSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let members = |text: &str| json::members(text).unwrap_or_default();
    let servers = members(present).into_iter().find(|member| member.name == "mcpServers");
    let Some(servers) = servers.map(|member| &present[member.place]) else { return BTreeMap::new() };
    let others = members(servers).into_iter().filter(|member| !known.contains(member.name.as_str()));
    others.map(|member| (member.name, Secret::new(&servers[member.place]))).collect()
}

/// Refuses a service of which an assistant would expand something: a token like `${env:HOME}` would become another.
fn refuse_expanded(service: &Service) -> Result<(), NoEntry> {
    refuse_expansion("its name", &service.name)?;
    refuse_expansion("its address", &service.url)?;
    service.headers().try_for_each(|header| refuse_expansion_in(&header))
}

fn roocode_entry(service: &Service, project_root: &str) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n      \"command\": \"uv\",\n      \"args\": [\"--directory\", ");
    push_quoted(&mut text, project_root);
    text.push(", \"run\", \"mcp\"],\n      \"env\": {\n        \"MCP_SERVER_URL\": ");
    push_quoted(&mut text, &service.url);
    if let Some(token) = &service.authorization {
        text.push(",\n        \"MCP_SERVER_AUTH_TOKEN\": ");
        push_quoted(&mut text, HeaderValue::Bearer(token.clone()).to_text().expose());
    }
    if !service.extra.is_empty() {
        text.push(",\n        \"MCP_SERVER_HEADERS\": ");
        push_quoted(&mut text, headers_object(service.extra.iter().cloned()).expose());
    }
    text.push("\n      }\n    }");
    text.finish()
}

fn vscode_entry(service: &Service) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n      \"command\": \"npx\",\n");
    text.push("      \"args\": [\"-y\", \"@modelcontextprotocol/server-fetch\"],\n");
    text.push("      \"env\": {\n        \"FETCH_BASE_URL\": ");
    push_quoted(&mut text, &service.url);
    text.push(",\n        \"FETCH_HEADERS\": ");
    push_quoted(&mut text, headers_object(service.headers()).expose());
    text.push("\n      }\n    }");
    text.finish()
}

/// Writes `{"mcpServers": {NAME: ENTRY, …}}`.
fn servers_object(entries: &BTreeMap<String, Secret>) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n  \"mcpServers\": {");
    for (index, (name, entry)) in entries.iter().enumerate() {
        text.push(if index == 0 { "\n    " } else { ",\n    " });
        push_quoted(&mut text, name);
        text.extend([": ", entry.expose()]);
    }
    text.push(if entries.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::super::service::{Egress, Header, Ingress, services};
    use super::*;
    use crate::servers::read_server;

    fn egress(name: &str, cloud_id: Option<&str>) -> Egress {
        let cloud_id = cloud_id.map(str::to_owned);
        Egress {
            name: name.to_owned(),
            provider: None,
            access_token: Secret::new("<token>"),
            cloud_id,
            server_url: None,
        }
    }

    fn roocode(services: &[Service], root: &str) -> Secret {
        default_text(DefaultFile::Roocode, services, BTreeMap::new(), root).text
    }

    fn vscode(services: &[Service]) -> Secret {
        default_text(DefaultFile::Vscode, services, BTreeMap::new(), "/p").text
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
        let time = include_str!("../../tests/fixtures/servers/currenttime.json");
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

        let gateway = r#"\"X-Authorization\": \"Bearer ing\", \"X-Client-Id\": \"mcp-gateway-m2m\", \"X-Keycloak-Realm\": \"mcp-gateway\", \"X-Keycloak-URL\": \"http://127.0.0.1:8080\"}""#;
        let (roocode_text, vscode_text) = (roocode(&with, "/p"), vscode(&with));
        for wanted in [
            format!("\"MCP_SERVER_HEADERS\": \"{{\\\"X-Atlassian-Cloud-Id\\\": \\\"site-1\\\", {gateway}\n"),
            format!(
                "\"MCP_SERVER_URL\": \"https://gateway.example.com/currenttime/mcp\",\n        \"MCP_SERVER_HEADERS\": \"{{{gateway}\n"
            ),
        ] {
            assert!(roocode_text.expose().contains(&wanted), "{wanted}");
        }
        for wanted in [
            format!(
                r#""FETCH_HEADERS": "{{\"Authorization\": \"Bearer <token>\", \"X-Atlassian-Cloud-Id\": \"site-1\", {gateway}"#
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
            for file in DefaultFile::ALL {
                let made = default_text(file, &all, BTreeMap::new(), "/p");
                assert!(!made.text.expose().contains(bad), "{bad}");
                let json: serde_json::Value = serde_json::from_str(made.text.expose()).unwrap();
                assert!(json["mcpServers"].get("bad").is_none() && json["mcpServers"].get("good").is_some());
                let why =
                    "bad is left out: its Authorization header holds `$`, `{` or `}`, which an assistant";
                assert!(made.warnings[0].starts_with(why) && made.count == 1, "{:?}", made.warnings);
            }
        }
        // Also where the gateway's token or a name is such a text.
        let odd = [("its name", 0), ("its X-Client-Id header", 1)];
        for (part, which) in odd {
            let mut all = services(&[egress("a", None)], None, &[], GATEWAY).list;
            match which {
                0 => all[0].name.push_str("${x}"),
                _ => all[0]
                    .extra
                    .push(Header { name: "X-Client-Id", value: HeaderValue::Plain("${x}".into()) }),
            }
            let made = default_text(DefaultFile::Vscode, &all, BTreeMap::new(), "/p");
            assert!(made.count == 0 && made.warnings[0].contains(part), "{:?}", made.warnings);
        }
    }

    #[test]
    fn entries_that_are_kept_stay_as_they_are() {
        let all =
            services(&[egress("a", None), egress("b", None), egress("c", None)], None, &[], GATEWAY).list;
        let before = roocode(&all, "/p");
        let mut now = vec![all[0].clone(), all[2].clone()];
        assert_eq!(other_entries(before.expose(), &now).keys().collect::<Vec<_>>(), ["b"]);
        let kept = other_entries(before.expose(), &now);
        let made = default_text(DefaultFile::Roocode, &now, kept, "/p");
        assert_eq!((made.text.expose(), made.count), (before.expose(), 3));
        // A service that is there decides over its entry, also when it is left out.
        now[0].authorization = Some(Secret::new("a${b}"));
        let kept = other_entries(before.expose(), &now);
        assert_eq!(default_text(DefaultFile::Roocode, &now, kept, "/p").count, 2);
        for other in ["", "{", "[]", "{\"mcpServers\": []}", "{\"servers\": {\"a\": {}}}"] {
            assert!(other_entries(other, &[]).is_empty(), "{other}");
        }
    }
}
