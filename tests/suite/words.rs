//! Sentences as their reader meets them: what failed, why, and what helps, in words and not in the names of types.

use std::fs;
use std::net::TcpListener;

use crate::support::{Answer, Client, Due, Program, Project, Step, TokenFile, Who, due};
use serde_json::json;

/// Whether a word is the name of a type or of one of its variants: `InvalidContentType`, `SignInAgain`.
fn is_type_name(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let humps = word
        .chars()
        .zip(word.chars().skip(1))
        .filter(|(one, next)| one.is_lowercase() && next.is_uppercase());
    word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphanumeric) && humps.count() > 0
}

/// The first line of the log that names a type. Brand names are written so too.
fn with_a_type_name(log: &str) -> Option<&str> {
    const BRANDS: [&str; 5] = ["VSCode", "GitHub", "GitLab", "OAuth", "OpenID"];
    log.lines().find(|line| line.split([' ', '/']).any(|word| is_type_name(word) && !BRANDS.contains(&word)))
}

#[test]
fn no_line_of_the_log_names_a_type() {
    for step in [
        Step::error(400, "invalid_grant"),
        Step::error(401, "invalid_client"),
        Step::error(503, "temporarily_unavailable"),
        Step::answer(Answer::new(404, "no such page")),
        Step::answer(Answer::new(200, "\u{1f}\u{8b}")),
        Step::redirect(302, "https://elsewhere.example/"),
    ] {
        let Due { endpoint, project, .. } = due::due();
        endpoint.always(Who::Anyone, step);
        let log = Program::new(&project).args("--once --log-level DEBUG").run().log;
        assert!(log.contains("[DEBUG]") && log.contains(" answered "), "{log}");
        assert_eq!(with_a_type_name(&log), None);
    }
    assert!(with_a_type_name("a: SignInAgain, error").is_some());
}

#[test]
fn a_page_in_place_of_the_endpoint_is_said_with_the_member_to_check() {
    for (status, body) in [(404, "no such page"), (405, ""), (404, "{\"error\":\"Not Found\"}")] {
        let Due { endpoint, project, .. } = due::due();
        endpoint.always(Who::Anyone, Step::answer(Answer::new(status, body)));
        let log = Program::new(&project).once().expect_code(1).log;
        assert!(log.contains("check token_endpoint in github-repos-egress.json"), "{status} {body}: {log}");
    }
}

#[test]
fn the_proxy_that_refuses_is_named() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let _sent =
                stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let through = format!("through the proxy {address}: the proxy refused the connection");
    let project = Project::new();
    let file = TokenFile::egress("acme", "repos")
        .field("access_token", "at-0123456")
        .field("refresh_token", "rt-0123456");
    let file =
        file.field("client_id", "app").field("token_endpoint", "https://idp.example/token").expires_in(60);
    project.write_token(&file);
    let proxied = |project: &Project| Program::new(project).env("HTTPS_PROXY", &format!("http://{address}"));
    let log = proxied(&project).once().expect_code(1).log;
    assert!(log.contains(&format!("cannot reach https://idp.example/token {through}")), "{log}");
    let project = Project::new();
    project.write_token(&file.without("token_endpoint").field("issuer", "https://idp.example/"));
    let log = proxied(&project).once().expect_code(1).log;
    assert!(log.contains(&format!("cannot read the metadata of https://idp.example/ {through}")), "{log}");
    let said = proxied(&project).args("login https://mcp.example/mcp").run().expect_code(1).stderr;
    assert!(said.contains(&format!("cannot reach https://mcp.example/mcp {through}")), "{said}");
}

#[test]
fn a_refused_permission_is_said_with_what_helps() {
    let helps = "permission denied; let uid ";
    let Due { project, .. } = due::due();
    let program = || Program::new(&project).unprivileged();
    // A token file, the file of providers, the variables, the directory.
    let unreadable = |path: &str| project.set_mode(path, 0);
    let _given_away = program().args("--once").run();
    project.write("providers.json", "{}");
    unreadable(".oauth-tokens/github-repos-egress.json");
    let log = program().args("--once").run().log;
    assert!(log.contains(&format!("github-repos-egress.json: not used: {helps}")), "{log}");
    for arguments in ["--providers providers.json --once", "--env-file providers.json --once"] {
        unreadable("providers.json");
        let finished = program().args(arguments).run().expect_code(2);
        assert!(finished.stderr.contains(helps), "{finished:#?}");
    }
    unreadable(".oauth-tokens");
    let finished = program().args("status").run().expect_code(1);
    assert!(finished.stderr.contains(helps), "{finished:#?}");
    project.set_mode(".oauth-tokens", 0o700);
}

#[test]
fn a_secret_of_one_letter_does_not_withhold_every_message() {
    for (secret, shown) in [("s", true), ("id", true), ("inv", true), ("client", false)] {
        let Due { endpoint, project, client } = due::of(Client::new("app"));
        let file = TokenFile::signed_in("github", "repos", &endpoint, &client).field("client_secret", secret);
        project.write_token(&file.expires_in(600));
        let refusal = json!({"error": "invalid_client", "error_description": "the client is invalid"});
        endpoint.always(Who::Anyone, Step::answer(Answer::json(401, &refusal)));
        let log = Program::new(&project).once().expect_code(1).log;
        assert_eq!(log.contains("(the client is invalid)"), shown, "{secret}: {log}");
        assert_eq!(log.contains("(withheld: it repeats a secret)"), !shown, "{secret}: {log}");
        assert!(!log.contains("(("), "{log}");
    }
}

#[test]
fn a_sign_in_without_a_client_gives_its_hint_once_and_makes_nothing() {
    for (arguments, hint) in [
        ("login github", "make a GitHub App with expiring user tokens"),
        ("login google", "make a client of the type Desktop"),
        ("login okta --member domain=acme.okta.com", "allow the refresh token grant"),
    ] {
        let project = Project::bare();
        let finished = Program::new(&project).args(arguments).run().expect_code(1);
        assert_eq!(finished.stderr.matches(hint).count(), 1, "{finished:#?}");
        assert!(finished.stderr.contains("give its id: --client-id ID"), "{finished:#?}");
        assert_eq!(fs::read_dir(project.root()).unwrap().count(), 0, "{arguments}");
    }
}
