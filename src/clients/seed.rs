//! The two default files, `mcp.json` and `vscode_mcp.json`, in the shapes that the Python
//! service's documentation shows: entries that start a local program which is told the address
//! and the token in its environment.
//!
//! Both are ours alone and are written whole, byte for byte as in that documentation, so that a
//! file with nothing new in it is recognised by comparing texts.

use super::quote::{headers_object, push_quoted};
use super::service::{HeaderValue, Service};
use crate::secret::{Secret, SecretText};

/// The text of `mcp.json`: `uv` starts the project's own `mcp`. `project_root` is absolute.
pub(crate) fn roocode(services: &[Service], project_root: &str) -> Secret {
    servers_object(services, |text, service| {
        text.push("      \"command\": \"uv\",\n      \"args\": [\"--directory\", ");
        push_quoted(text, project_root);
        text.push(", \"run\", \"mcp\"],\n      \"env\": {\n        \"MCP_SERVER_URL\": ");
        push_quoted(text, &service.url);
        if let Some(token) = &service.authorization {
            text.push(",\n        \"MCP_SERVER_AUTH_TOKEN\": ");
            push_quoted(text, HeaderValue::Bearer(token.clone()).to_text().expose());
        }
        if !service.extra.is_empty() {
            text.push(",\n        \"MCP_SERVER_HEADERS\": ");
            push_quoted(text, headers_object(service.extra.iter().cloned()).expose());
        }
        text.push("\n      }\n");
    })
}

/// The text of `vscode_mcp.json`: `npx` starts a fetch server.
pub(crate) fn vscode(services: &[Service]) -> Secret {
    servers_object(services, |text, service| {
        text.push("      \"command\": \"npx\",\n");
        text.push("      \"args\": [\"-y\", \"@modelcontextprotocol/server-fetch\"],\n");
        text.push("      \"env\": {\n        \"FETCH_BASE_URL\": ");
        push_quoted(text, &service.url);
        text.push(",\n        \"FETCH_HEADERS\": ");
        push_quoted(text, headers_object(service.headers()).expose());
        text.push("\n      }\n");
    })
}

/// Writes `{"mcpServers": {NAME: {…}, …}}`; `push_entry` writes the text between the inner braces.
fn servers_object(services: &[Service], push_entry: impl Fn(&mut SecretText, &Service)) -> Secret {
    let mut text = SecretText::default();
    text.push("{\n  \"mcpServers\": {");
    for (index, service) in services.iter().enumerate() {
        text.push(if index == 0 { "\n    " } else { ",\n    " });
        push_quoted(&mut text, &service.name);
        text.push(": {\n");
        push_entry(&mut text, service);
        text.push("    }");
    }
    text.push(if services.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::super::service::{Egress, Ingress, services};
    use super::*;
    use crate::servers::read_server;

    fn egress(name: &str, cloud_id: Option<&str>) -> Egress {
        let cloud_id = cloud_id.map(str::to_owned);
        Egress { name: name.to_owned(), provider: None, access_token: Secret::new("<token>"), cloud_id }
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
        let odd = "quote \" slash \\ line\n tab\t bell\u{7} del\u{7f} ü 🚀";
        let mut all = services(&[egress("a", None)], None, &[], GATEWAY).list;
        odd.clone_into(&mut all[0].name);
        let json: serde_json::Value = serde_json::from_str(roocode(&all, odd).expose()).unwrap();
        assert_eq!(json["mcpServers"][odd]["args"][1], odd);
        let empty: serde_json::Value = serde_json::from_str(vscode(&[]).expose()).unwrap();
        assert_eq!(empty, serde_json::json!({"mcpServers": {}}));
    }
}
