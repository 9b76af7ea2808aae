//! The program against a certified `OpenID` provider (npm `oidc-provider`, see `tests/interop/server.mjs`)
//! over http, and over https with an authority of its own. If something here fails, the program and
//! its own test endpoint agree with each other and not with the world.
//!
//! Needs node, openssl and the packages of tests/interop: `make interop` brings them and runs this.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::due::text;
use support::{Finished, Program, Project, TokenFile, internals};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How often each sign-in is refreshed in a row.
const ROUNDS: usize = 10;

/// The running provider; it ends when its standard input is closed, which a drop does.
struct Provider {
    server: Child,
    issuer: String,
    nested: String,
    admin: String,
    /// The authority that vouches for it, over https.
    authority: Option<PathBuf>,
    agent: ureq::Agent,
    clients: Vec<Value>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Provider {
    /// Starts one; with a directory for certificates over https.
    fn start(certificates: Option<&Path>) -> Self {
        Self::start_with(certificates, 3600)
    }

    /// Starts one whose access tokens live so many seconds.
    fn start_with(certificates: Option<&Path>, seconds: u32) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        assert!(here.join("node_modules").is_dir(), "its packages are not installed: run make interop");
        if let Some(directory) = certificates {
            make_certificates(directory);
        }
        let pem = |name: &str| certificates.map(|directory| directory.join(name));
        let mut server = Command::new("node")
            .arg(here.join("server.mjs"))
            .args(["leaf.pem", "leaf.key"].into_iter().filter_map(pem))
            .env("ACCESS_TOKEN_SECONDS", seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns that it runs in a test.
            .stderr(Stdio::null())
            .spawn()
            .expect("node is needed");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("the provider starts");
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let authority = pem("authority.pem");
        let agent = agent(authority.as_deref());
        let (issuer, nested, admin) = (text("issuer"), text("nested"), text("admin"));
        let mut provider = Self { server, issuer, nested, admin, authority, agent, clients: Vec::new() };
        if let Value::Array(clients) = provider.admin("clients") {
            provider.clients = clients;
        }
        provider
    }

    fn admin(&self, what: &str) -> Value {
        json_of(self.agent.get(format!("{}/{what}", self.admin)).call().unwrap())
    }

    /// The refresh token of a person who signed in as this client.
    fn sign_in(&self, client: &Value, nested: bool) -> String {
        let asked = json!({"client_id": client["client_id"], "nested": nested}).to_string();
        let answer = self.agent.post(format!("{}/sign-in", self.admin)).send(asked).unwrap();
        json_of(answer)["refresh_token"].as_str().unwrap().to_owned()
    }

    fn client(&self, id: &str) -> &Value {
        self.clients.iter().find(|client| client["client_id"] == id).unwrap()
    }

    /// How often an event happened so far.
    fn events(&self, name: &str) -> u64 {
        self.admin("events")[name].as_u64().unwrap_or(0)
    }

    /// Whether the provider itself takes an access token.
    fn takes(&self, access_token: &str) -> bool {
        let request = self.agent.get(format!("{}/me", self.issuer));
        request.header("authorization", format!("Bearer {access_token}")).call().is_ok()
    }

    /// RFC 7009, as the client `post` does it.
    fn revoke(&self, refresh_token: &str) {
        let client = self.client("post");
        let field = |name: &str| client[name].as_str().unwrap().to_owned();
        let form = [
            ("token", refresh_token.to_owned()),
            ("client_id", field("client_id")),
            ("client_secret", field("client_secret")),
        ];
        self.agent.post(format!("{}/token/revocation", self.issuer)).send_form(form).unwrap();
    }

    /// A token file of this client, without tokens and without a place to ask.
    fn file(&self, client: &str, server: &str) -> TokenFile {
        let client = self.client(client);
        let file = TokenFile::egress("oidc", server).field("client_id", client["client_id"].clone());
        let mut file = file.expires_in(60);
        for (member, of) in [("client_secret", "client_secret"), ("private_key", "private_key")] {
            if let Some(value) = client[of].as_str() {
                file = file.field(member, value);
            }
        }
        match client["jwks"]["keys"][0]["kid"].as_str() {
            Some(id) => file.field("private_key_id", id),
            None => file,
        }
    }

    /// The same with a sign-in, at the token endpoint, authenticating as the client is registered.
    fn signed_in(&self, client: &str, server: &str) -> TokenFile {
        let method = self.client(client)["token_endpoint_auth_method"].clone();
        self.file(client, server)
            .field("refresh_token", self.sign_in(self.client(client), false))
            .field("token_endpoint", format!("{}/token", self.issuer))
            .field("token_endpoint_auth_method", method)
    }

    fn run(&self, project: &Project, arguments: &str) -> Finished {
        let program = Program::new(project).args(arguments);
        match &self.authority {
            Some(path) => program.env("SSL_CERT_FILE", path.to_str().unwrap()).once(),
            None => program.once(),
        }
    }
}

fn json_of(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn agent(authority: Option<&Path>) -> ureq::Agent {
    let certificates: Vec<_> = authority
        .map(|path| fs::read(path).unwrap())
        .iter()
        .flat_map(|pem| parse_pem(pem))
        .filter_map(|item| if let Ok(PemItem::Certificate(found)) = item { Some(found) } else { None })
        .collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
    ureq::Agent::config_builder().tls_config(tls).build().into()
}

/// An authority, and a server's certificate from it: the authority's own would be refused as a server's.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let command = Command::new("openssl").current_dir(directory).args(arguments.split('|')).output();
        let output = command.expect("openssl is needed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey|ec|-pkeyopt|ec_paramgen_curve:P-256|-nodes";
    openssl(&format!(
        "req|-x509|{key}|-keyout|authority.key|-out|authority.pem|-days|2|-subj|/CN=an authority of our own|\
         -addext|keyUsage=critical,keyCertSign"
    ));
    openssl(&format!(
        "req|-new|{key}|-keyout|leaf.key|-out|leaf.csr|-subj|/CN=the provider|\
         -addext|subjectAltName=IP:127.0.0.1,DNS:localhost"
    ));
    openssl(
        "x509|-req|-in|leaf.csr|-CA|authority.pem|-CAkey|authority.key|-days|2|-copy_extensions|copy|-out|leaf.pem",
    );
}

/// The first line of a program's standard error that has this in it.
fn shown(program: &mut support::Daemon, part: &str) -> String {
    let mut found = None;
    let in_time = support::holds_in_time(|| {
        found = program.said().lines().map(str::trim).find(|line| line.contains(part)).map(str::to_owned);
        found.is_some() || program.has_ended()
    });
    found.unwrap_or_else(|| panic!("{part} is not shown ({in_time}): {}", program.said()))
}

/// From the address of a protected server to tokens that are refreshed in a row: in the browser and on a device,
/// with a client that the provider registers.
fn first_sign_in(provider: &Provider) {
    let project = Project::bare();
    sign_in_twice(provider, &project);
    let server = format!("{}/mcp", provider.issuer);
    let takes = |name: &str| {
        let token = project.read_token(name)["access_token"].as_str().unwrap().to_owned();
        provider.agent.get(&server).header("authorization", format!("Bearer {token}")).call().is_ok()
    };
    for name in ["browser-egress.json", "device-egress.json"] {
        assert!(takes(name), "{name}");
    }
    let revoked = provider.events("grant.revoked");
    for _ in 0..ROUNDS {
        provider.run(&project, "--force").expect_code(0);
        assert!(takes("browser-egress.json") && takes("device-egress.json"));
    }
    assert_eq!(provider.events("grant.revoked"), revoked);
    Program::new(&project).args("revoke browser").run().expect_code(0);
    println!("login in a browser and on a device, {ROUNDS} refreshes of each in a row, one of them revoked");
}

/// Signs in to the protected server in a browser and on a device, as `browser` and `device`; each registers a client.
fn sign_in_twice(provider: &Provider, project: &Project) {
    let server = format!("{}/mcp", provider.issuer);
    let mut browser = support::browser::Cookies::default();
    let mut program = Program::new(project).arg("login").arg(&server).args("--name browser").start();
    let address = shown(&mut program, "client_id=");
    let end = browser.follow(&address, None);
    assert_eq!(end.status, 200, "{end:?}");
    program.wait().expect_code(0);

    let mut program = Program::new(project).arg("login").arg(&server).args("--name device --device").start();
    let address = shown(&mut program, "or open ").replace("or open ", "");
    let page = browser.follow(&address, None);
    let field = |page: &str, name: &str| {
        let after =
            page.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("{name}: {page}")).1;
        after.split_once("value=\"").unwrap().1.split('"').next().unwrap().to_owned()
    };
    let code = address.split_once("user_code=").unwrap().1.to_owned();
    let xsrf = field(&page.text, "xsrf");
    let form = [("xsrf", xsrf.as_str()), ("user_code", code.as_str()), ("confirm", "yes")];
    let end = browser.follow(&format!("{}/device", provider.issuer), Some(&form));
    assert_eq!(end.status, 200, "{end:?}");
    program.wait().expect_code(0);
}

/// A daemon that runs already takes both sign-ins over, and rotates tokens of a few seconds: at any moment a file
/// holds a token that the server takes.
fn a_daemon_rotates_what_a_first_sign_in_brought() {
    const SECONDS: u32 = 6;
    let provider = Provider::start_with(None, SECONDS);
    let project = Project::bare();
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("Token refresh cycle completed");
    sign_in_twice(&provider, &project);
    let server = format!("{}/mcp", provider.issuer);
    let files = ["browser-egress.json", "device-egress.json"];
    let refreshed = |daemon: &support::Daemon, file: &str| {
        let name = file.strip_suffix("-egress.json").unwrap();
        daemon.log().matches(&format!("Successfully refreshed token for {name}")).count()
    };
    let mut looks = 0;
    let in_time = support::holds_in_time(|| {
        for file in files {
            let token = project.read_token(file)["access_token"].as_str().unwrap().to_owned();
            let request = provider.agent.get(&server).header("authorization", format!("Bearer {token}"));
            assert!(request.call().is_ok(), "{file} holds a token that is refused: {}", daemon.log());
        }
        looks += 1;
        files.iter().all(|file| refreshed(&daemon, file) >= 3)
    });
    assert!(in_time, "{}", daemon.log());
    daemon.stop().expect_code(0);
    assert_eq!(provider.events("grant.revoked"), 0);
    println!(
        "a running daemon: tokens of {SECONDS} s rotated three times each, good at each of {looks} looks"
    );
}

/// Class and message of the failure on record for a file.
fn trouble(project: &Project, name: &str) -> (String, String) {
    let internals::Trouble { kind, message, .. } = internals::trouble(project, name);
    (kind, message)
}

/// Every client authentication, ten refreshes in a row each: the provider sees no token twice.
fn refresh_and_rotate(provider: &Provider) {
    let project = Project::new();
    let mut names = Vec::new();
    for (index, client) in provider.clients.iter().enumerate() {
        let id = client["client_id"].as_str().unwrap();
        let file = provider.signed_in(id, &format!("person-{index}"));
        project.write_token(&file);
        names.push(file.name().to_owned());
    }
    let mut seen = BTreeSet::new();
    let before = provider.events("grant.success");
    for round in 0..ROUNDS {
        provider.run(&project, "--force").expect_code(0);
        for name in &names {
            assert!(seen.insert(text(&project, name, "refresh_token")), "{name} in round {round}");
        }
    }
    let granted = provider.events("grant.success") - before;
    assert_eq!(usize::try_from(granted).unwrap(), ROUNDS * names.len());
    assert_eq!((provider.events("grant.error"), provider.events("grant.revoked")), (0, 0));
    for name in &names {
        assert!(provider.takes(&text(&project, name, "access_token")), "{name}");
    }
}

/// An application's own tokens.
fn client_credentials(provider: &Provider) {
    let project = Project::new();
    let clients = ["basic client: 100%", "post", "rs256", "es256"];
    for (index, client) in clients.iter().enumerate() {
        let file = provider.signed_in(client, &format!("machine-{index}")).without("refresh_token");
        project.write_token(&file.field("access_token", "old").field("grant_type", "client_credentials"));
    }
    provider.run(&project, "").expect_code(0);
    for index in 0..clients.len() {
        let file = project.read_token(&format!("oidc-machine-{index}-egress.json"));
        assert_eq!(file["expires_in"], 600, "{file}");
        assert!(file["refresh_token"].is_null());
    }
}

/// Only the issuer is known: its metadata says where and how, and whose they are.
fn discovery(provider: &Provider) {
    let project = Project::new();
    let at = |client: &str, server: &str, issuer: &str, nested: bool| {
        let token = provider.sign_in(provider.client(client), nested);
        let file = provider.file(client, server).field("refresh_token", token).field("issuer", issuer);
        project.write_token(&file);
    };
    at("basic client: 100%", "root", &provider.issuer, false);
    at("rs256", "nested", &provider.nested, true);
    provider.run(&project, "").expect_code(0);
    for server in ["root", "nested"] {
        assert_ne!(text(&project, &format!("oidc-{server}-egress.json"), "access_token"), "", "{server}");
    }

    // The same server under another name is another issuer (RFC 8414 3.3).
    let project = Project::new();
    let alias = provider.issuer.replace("127.0.0.1", "localhost");
    let file = provider.signed_in("post", "alias").without("token_endpoint").field("issuer", alias);
    project.write_token(&file);
    provider.run(&project, "").expect_code(1);
    let (class, message) = trouble(&project, file.name());
    assert!(class == "configuration" && message.contains("another issuer"), "{class}: {message}");
}

/// What ends a sign-in, and what is a wrong setting.
fn refusals(provider: &Provider) {
    let project = Project::new();
    let revoked = provider.signed_in("post", "revoked");
    project.write_token(&revoked);
    provider.run(&project, "").expect_code(0);
    provider.revoke(&text(&project, revoked.name(), "refresh_token"));
    let wrong_secret = provider.signed_in("basic client: 100%", "wrong").field("client_secret", "wrong");
    project.write_token(&wrong_secret);
    let before = provider.events("grant.error");
    provider.run(&project, "--force").expect_code(1);
    for (file, expected, says) in [
        (&revoked, "sign_in_again", "sign in to oidc again"),
        (&wrong_secret, "configuration", "check client_id, client_secret"),
    ] {
        let (class, message) = trouble(&project, file.name());
        assert!(class == expected && message.contains(says), "{class}: {message}");
    }
    // The dead grant is not sent again. A secret may have been corrected at the provider, so a start tries it once.
    let refused = provider.events("grant.error");
    assert!(refused > before);
    let set_due = project.read_token(revoked.name());
    let due = set_due
        .as_object()
        .unwrap()
        .iter()
        .fold(TokenFile::named(revoked.name()), |file, (name, value)| file.field(name, value.clone()));
    project.write_token(&due.expires_in(60).without("issued_at"));
    provider.run(&project, "").expect_code(1);
    assert_eq!(provider.events("grant.error"), refused + 1);
}

/// Without its authority nothing is sent to a server, and the message says what is missing.
fn unknown_authority(provider: &Provider) {
    let project = Project::new();
    let file = provider.signed_in("post", "server");
    project.write_token(&file);
    let before = provider.events("grant.success");
    Program::new(&project).once().expect_code(1);
    let (class, message) = trouble(&project, file.name());
    assert!(class == "passing" && message.contains("nothing was sent"), "{class}: {message}");
    assert!(message.contains("name its certificate in SSL_CERT_FILE"), "{message}");
    assert_eq!(provider.events("grant.success"), before);
}

#[test]
#[ignore = "needs node and its packages: make interop"]
fn the_real_provider() {
    let certificates = Project::bare();
    for directory in [None, Some(certificates.outside())] {
        let provider = Provider::start(directory);
        refresh_and_rotate(&provider);
        client_credentials(&provider);
        discovery(&provider);
        refusals(&provider);
        if directory.is_some() {
            unknown_authority(&provider);
        }
        let scheme = if directory.is_some() { "https" } else { "http" };
        println!(
            "oidc-provider over {scheme}: {} grants, all as it should be",
            provider.events("grant.success")
        );
    }
}

#[test]
#[ignore = "needs node and its packages: make interop"]
fn a_first_sign_in_at_the_real_provider() {
    first_sign_in(&Provider::start(None));
    a_daemon_rotates_what_a_first_sign_in_brought();
}

#[test]
#[ignore = "takes INTEROP_MINUTES (60); run it by make interop-long"]
fn sealed_tokens_of_30_seconds_are_never_refused() {
    let minutes: u64 = std::env::var("INTEROP_MINUTES").map_or(60, |text| text.parse().expect("minutes"));
    let provider = Provider::start_with(None, 30);
    let project = Project::new();
    let key = project.outside().join("key");
    Program::new(&project).arg("keygen").arg(key.display().to_string()).run().expect_code(0);
    let ways = ["basic client: 100%", "post", "public", "rs256", "es256"];
    let sealed = |(index, way): (usize, &&str)| provider.signed_in(way, &format!("sealed-{index}"));
    let files: Vec<TokenFile> = ways.iter().enumerate().map(sealed).collect();
    for file in &files {
        project.write_token(file);
    }
    let revoked = provider.events("grant.revoked");
    let mut daemon = Program::new(&project).arg("--key-file").arg(key.display().to_string()).start();
    let begun = std::time::Instant::now();
    let mut looks = 0;
    while begun.elapsed().as_secs() < minutes * 60 {
        std::thread::sleep(std::time::Duration::from_secs(5));
        assert!(!daemon.has_ended(), "{}", daemon.log());
        for file in &files {
            let sealed = support::jwe::is_sealed(&text(&project, file.name(), "refresh_token"));
            assert!(sealed, "{}: {}", file.name(), daemon.log());
            assert!(provider.takes(&text(&project, file.name(), "access_token")), "{}", daemon.log());
        }
        looks += 1;
    }
    let log = daemon.stop().log;
    let refreshes = log.matches("Successfully refreshed").count();
    assert!(!log.contains("[ERROR]"), "{log}");
    assert_eq!(provider.events("grant.revoked"), revoked);
    println!(
        "{} sealed sign-ins with tokens of 30 s for {minutes} minutes: {refreshes} refreshes, none refused; {looks} \
         looks, each token taken by the provider",
        files.len()
    );
}
