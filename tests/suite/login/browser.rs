//! Signing in with a browser on the same machine.

use serde_json::json;

use super::{Waiting, expect_clean};
use crate::support::{Client, ClientAuth, Endpoint, Program, Project, now};

/// A provider of the user's own table, at the strict endpoint, with a public client.
fn provider(project: &Project, endpoint: &Endpoint) {
    endpoint.register(Client::new("app").auth(ClientAuth::Public));
    let issuer = endpoint.sign_ins(|sign_ins| {
        sign_ins.allow_redirect("app", "http://127.0.0.1/callback");
        sign_ins.redirect_is_exact = false;
        sign_ins.issuer()
    });
    let row = json!({"acme": {
        "title": "Acme",
        "token_endpoint": format!("{issuer}/token"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "client_authentication": ["none", "client_secret_post"],
        "login": {"issuer": issuer, "redirect": "any_port", "device_authorization_endpoint": format!("{issuer}/device"),
                  "revocation_endpoint": format!("{issuer}/revoke")},
    }});
    project.write("providers.json", row.to_string());
}

#[test]
fn a_providers_name_is_enough() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    provider(&project, &endpoint);
    let waiting = Waiting::start(&project, "acme repos --client-id app --scope read");
    let finished = waiting.signed_in();
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("acme-repos-egress.json");
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    for (member, value) in [
        ("provider", json!("acme")),
        ("client_id", json!("app")),
        ("scope", json!("read")),
        ("token_type", json!("Bearer")),
        ("expires_in", json!(3600)),
    ] {
        assert_eq!(file[member], value, "{member}: {file:#}");
    }
    assert!((now() + 3500..now() + 3700).contains(&file["expires_at"].as_i64().unwrap()));
    assert_eq!(project.mode(".oauth-tokens/acme-repos-egress.json"), 0o600);
    assert_eq!(project.mode(".oauth-tokens"), 0o700);
    assert!(finished.stdout.starts_with("signed in to Acme: "), "{}", finished.stdout);
    assert_eq!(finished.stdout.lines().count(), 1);
}

#[test]
fn an_mcp_servers_address_is_enough() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let (server, issuer) = endpoint.sign_ins(|sign_ins| (sign_ins.server(), sign_ins.issuer()));
    let finished = Waiting::start(&project, &format!("{server} --name wiki")).signed_in();
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("wiki-egress.json");
    assert!(endpoint.is_live(file["access_token"].as_str().unwrap()));
    for (member, value) in [
        ("server_url", json!(server)),
        ("issuer", json!(issuer)),
        ("token_endpoint", json!(format!("{issuer}/token"))),
        ("token_endpoint_auth_method", json!("none")),
        ("resource", json!(server)),
        ("scope", json!("read offline_access")),
    ] {
        assert_eq!(file[member], value, "{member}: {file:#}");
    }
    assert_eq!(
        file["registration_client_uri"],
        json!(format!("{issuer}/register/{}", file["client_id"].as_str().unwrap()))
    );
}

#[test]
fn the_last_line_is_a_command_that_leaves_nothing_to_do_by_hand() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let home = project.outside().join("home");
    for directory in [".cursor", ".gemini"] {
        std::fs::create_dir_all(home.join(directory)).unwrap();
    }
    let home = home.to_str().unwrap();
    let login = Program::new(&project).arg("login").args(&format!("{server} --name wiki")).env("HOME", home);
    let finished = Waiting::of(login).signed_in();
    let said = finished.stdout.split_once("start token-refresher ").unwrap().1;
    let options = said.split_once(" to keep it fresh and use it").unwrap().0;
    assert_eq!(options, "--client cursor=~/.cursor/mcp.json --client gemini=~/.gemini/settings.json");
    Program::new(&project).args(options).env("HOME", home).once().expect_code(0);
    for file in [".cursor/mcp.json", ".gemini/settings.json"] {
        let text = std::fs::read_to_string(format!("{home}/{file}")).unwrap();
        assert!(text.contains("\"wiki\"") && text.contains(&server), "{file}: {text}");
    }
}
