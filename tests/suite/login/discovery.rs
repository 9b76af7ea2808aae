//! From the address of an MCP server to a token: which documents are read, and which are refused.

use serde_json::{Value, json};

use super::{Waiting, expect_clean};
use crate::support::{Client, ClientAuth, Endpoint, Program, Project, SignIns, query_of};

/// `login` with the address of the server; it ends without a person.
fn refused(endpoint: &Endpoint, project: &Project, arguments: &str) -> String {
    let server = endpoint.sign_ins(|sign_ins| sign_ins.server());
    let line = format!("login {server} --name wiki {arguments}");
    let finished = Program::new(project).args(&line).run().expect_code(1);
    expect_clean(&finished, endpoint, project);
    assert!(!project.token("wiki-egress.json").exists());
    finished.stderr.lines().last().unwrap_or_default().to_owned()
}

/// What was read before the person came, without the MCP server itself.
fn targets(endpoint: &Endpoint) -> Vec<String> {
    let targets = endpoint.requests().into_iter().map(|one| one.request.target);
    targets
        .take_while(|target| !target.starts_with("/as/authorize"))
        .filter(|target| target != "/mcp")
        .collect()
}

#[test]
fn the_documents_are_read_in_the_order_of_the_specification() {
    let resource = "/.well-known/oauth-protected-resource";
    let server = "/.well-known/oauth-authorization-server/as";
    for (at, expected) in [
        ([true, true, true], vec!["/named-by-the-challenge", server, "/as/register"]),
        (
            [false, true, true],
            vec![concat!("/.well-known/oauth-protected-resource", "/mcp"), server, "/as/register"],
        ),
        (
            [false, false, true],
            vec![concat!("/.well-known/oauth-protected-resource", "/mcp"), resource, server, "/as/register"],
        ),
    ] {
        let (project, endpoint) = (Project::bare(), Endpoint::start());
        let address = endpoint.sign_ins(|sign_ins| {
            sign_ins.resource_metadata_at = at;
            sign_ins.server()
        });
        let finished = Waiting::start(&project, &format!("{address} --name wiki")).signed_in();
        expect_clean(&finished, &endpoint, &project);
        assert_eq!(targets(&endpoint), expected);
    }
}

#[test]
fn the_request_has_what_the_specification_wants() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let server = endpoint.sign_ins(|sign_ins| {
        sign_ins.challenge_scope = Some("read write".to_owned());
        sign_ins.server()
    });
    let waiting = Waiting::start(&project, &format!("{server} --name wiki"));
    let query = query_of(&waiting.address);
    for (name, value) in [
        ("response_type", "code"),
        ("scope", "read write offline_access"),
        ("code_challenge_method", "S256"),
        ("resource", server.as_str()),
        ("prompt", "consent"),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert!(
        query["redirect_uri"].starts_with("http://127.0.0.1:")
            && query["redirect_uri"].ends_with("/callback")
    );
    assert!(query["state"].len() >= 43 && query["code_challenge"].len() == 43);
    let registration =
        endpoint.requests().into_iter().find(|one| one.request.target == "/as/register").unwrap();
    let asked: Value = serde_json::from_slice(&registration.request.body).unwrap();
    assert_eq!(asked["redirect_uris"], json!([query["redirect_uri"]]));
    assert_eq!(asked["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(asked["token_endpoint_auth_method"], json!("none"));
    assert_eq!(asked["scope"], json!("read write offline_access"));
    waiting.signed_in();
    let redeemed = endpoint.requests().into_iter().find(|one| one.field("code").is_some()).unwrap();
    assert_eq!(redeemed.field("resource"), Some(server.as_str()));
    assert_eq!(redeemed.field("redirect_uri"), Some(query["redirect_uri"].as_str()));
}

/// A change of the endpoint, and what is said about it.
type Case = (fn(&mut SignIns), &'static str);

#[test]
fn metadata_that_lead_astray_are_refused() {
    let cases: [Case; 8] = [
        (
            |it| drop(it.metadata.insert("issuer".to_owned(), json!("https://evil.example"))),
            "cannot be used: they belong to another issuer",
        ),
        (
            |it| drop(it.metadata.insert("token_endpoint".to_owned(), json!("http://evil.example/token"))),
            "their token_endpoint is plain http",
        ),
        (
            |it| drop(it.metadata.insert("authorization_endpoint".to_owned(), json!("ftp://evil.example/"))),
            "their authorization_endpoint: it does not begin with https://",
        ),
        (
            |it| drop(it.metadata.insert("code_challenge_methods_supported".to_owned(), json!(["plain"]))),
            "does not offer PKCE (S256)",
        ),
        (
            |it| drop(it.metadata.insert("registration_endpoint".to_owned(), Value::Null)),
            "registers no clients by itself",
        ),
        (
            |it| drop(it.resource_metadata.insert("resource".to_owned(), json!("https://evil.example/mcp"))),
            "they belong to another resource",
        ),
        (
            |it| {
                let issuers = json!(["http://evil.example"]);
                drop(it.resource_metadata.insert("authorization_servers".to_owned(), issuers));
            },
            "leads to http://evil.example/, which is plain http",
        ),
        (
            |it| drop(it.resource_metadata.insert("authorization_servers".to_owned(), json!([]))),
            "they name no authorization server",
        ),
    ];
    for (change, said) in cases {
        let (project, endpoint) = (Project::bare(), Endpoint::start());
        endpoint.sign_ins(change);
        let line = refused(&endpoint, &project, "");
        assert!(line.contains(said), "{said:?} is not said: {line}");
        assert!(endpoint.requests().iter().all(|one| !one.request.target.starts_with("/as/token")));
    }
}

#[test]
fn a_refused_registration_is_told_with_the_servers_words() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    endpoint.sign_ins(|sign_ins| {
        let body = json!({"error": "invalid_redirect_uri", "error_description": "not\nin the list"});
        sign_ins.refuses_registration = Some((400, body));
    });
    let line = refused(&endpoint, &project, "");
    assert!(line.contains("HTTP 400 invalid_redirect_uri (not in the list)"), "{line}");
    assert!(line.contains("--client-id ID"), "{line}");
    // A catalogue of names (Figma's) answers with no JSON at all.
    endpoint.sign_ins(|sign_ins| sign_ins.refuses_registration = Some((403, json!("Forbidden"))));
    let line = refused(&endpoint, &project, "");
    assert!(line.contains("answered HTTP 403;"), "{line}");
}

#[test]
fn a_server_that_grants_no_refresh_tokens_is_asked_again_without() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let server = endpoint.sign_ins(|sign_ins| {
        sign_ins.refuses_registration = Some((400, json!({"error": "invalid_client_metadata"})));
        sign_ins.server()
    });
    let line = refused(&endpoint, &project, "");
    assert!(line.contains("invalid_client_metadata"), "{line}");
    let asked: Vec<Value> = endpoint
        .requests()
        .into_iter()
        .filter(|one| one.request.target == "/as/register")
        .map(|one| serde_json::from_slice::<Value>(&one.request.body).unwrap()["grant_types"].clone())
        .collect();
    assert_eq!(asked, [json!(["authorization_code", "refresh_token"]), json!(["authorization_code"])]);
    assert!(!server.is_empty());
}

#[test]
fn a_secret_that_comes_with_a_registration_is_used() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    let server = endpoint.sign_ins(|sign_ins| {
        sign_ins.registration_adds.insert("client_secret".to_owned(), json!("s3cr3t of a registration"));
        sign_ins.registration_adds.insert("client_secret_expires_at".to_owned(), json!(0));
        sign_ins.server()
    });
    let finished = Waiting::start(&project, &format!("{server} --name wiki")).signed_in();
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("wiki-egress.json");
    assert_eq!(file["client_secret"], json!("s3cr3t of a registration"));
    assert_eq!(file["token_endpoint_auth_method"], json!("client_secret_post"));
    assert_eq!(file["client_secret_expires_at"], json!(0));
}

#[test]
fn a_client_file_of_the_issuer_saves_the_registration() {
    let (project, endpoint) = (Project::new(), Endpoint::start());
    let client = Client::new("app").auth(ClientAuth::Post);
    let (server, issuer) = endpoint.sign_ins(|sign_ins| {
        sign_ins.allow_redirect("app", "http://127.0.0.1:47823/callback");
        sign_ins.redirect_is_exact = false;
        (sign_ins.server(), sign_ins.issuer())
    });
    let secret = client.secret().to_owned();
    endpoint.register(client);
    let document = json!({"client_id": "app", "client_secret": secret, "issuer": issuer});
    project.write_tokens_file("acme-client.json", document.to_string());
    let other = json!({"client_id": "other", "client_secret": "x", "issuer": "https://other.example"});
    project.write_tokens_file("a-client.json", other.to_string());
    // Any port: the usual one may be in use on this machine.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = format!("{server} --name wiki --redirect-uri http://127.0.0.1:{port}/callback");
    let finished = Waiting::start(&project, &line).signed_in();
    expect_clean(&finished, &endpoint, &project);
    let file = project.read_token("wiki-egress.json");
    assert_eq!(file["client_id"], json!("app"));
    assert_eq!(file.get("client_secret"), None);
    assert!(targets(&endpoint).iter().all(|target| target != "/as/register"));
}

#[test]
fn a_server_that_wants_no_sign_in_is_told_so() {
    let (project, endpoint) = (Project::bare(), Endpoint::start());
    endpoint.sign_ins(|sign_ins| sign_ins.resource_metadata_at = [false; 3]);
    let address = format!("http://{}/nothing", endpoint.address());
    let finished = Program::new(&project).arg("login").arg(&address).run().expect_code(1);
    assert!(finished.stderr.contains("asks for no sign-in: it answers HTTP 404"), "{}", finished.stderr);
    let finished = Program::new(&project).args("login http://mcp.example/mcp").run().expect_code(1);
    assert!(finished.stderr.contains("plain http"), "{}", finished.stderr);
}
