//! `.env` gives figures and credentials, and names no file, command, host to trust or proxy.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use crate::support::due::{Due, FILE, due, holds_the_last_answer};
use crate::support::{Program, Project, TokenFile};

#[test]
fn what_names_a_place_is_a_warning_with_the_place_for_it() {
    let project = Project::new();
    let elsewhere = project.outside().join("elsewhere");
    let file = elsewhere.display();
    project.write(
        ".env",
        format!(
            "TOKEN_REFRESHER_LOG_FILE={file}\nTOKEN_REFRESHER_PID_FILE={file}\nTOKEN_REFRESHER_METRICS_FILE={file}\n\
             TOKEN_REFRESHER_TOKENS_DIR={file}\nTOKEN_REFRESHER_CLIENT=cursor={file}\nHTTPS_PROXY=http://attacker\n\
             TOKEN_REFRESHER_ON_REFRESH=touch {file}\nSSL_CERT_FILE={file}\nTOKEN_REFRESHER_INTERVALL=1\n"
        ),
    );
    let finished = Program::new(&project).env("TOKEN_REFRESHER_JOBBS", "1").once().expect_code(0);
    assert!(!elsewhere.exists());
    for said in [
        "line 1: TOKEN_REFRESHER_LOG_FILE has no effect in this file",
        "or use --client",
        "HTTPS_PROXY has no effect in this file",
        "TOKEN_REFRESHER_INTERVALL is no setting of this program",
        "TOKEN_REFRESHER_JOBBS is no setting of this program; did you mean TOKEN_REFRESHER_JOBS?",
    ] {
        let line = finished.log.lines().find(|line| line.contains(said));
        assert!(line.is_some_and(|line| line.contains("[WARN")), "{said}: {}", finished.log);
    }
}

/// A writer of `.env` had every request go through a proxy of their own.
#[test]
fn a_proxy_is_not_taken_from_the_file() {
    let project = Project::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = proxy.local_addr().unwrap();
    let token = TokenFile::egress("github", "repos").field("access_token", "a").field("refresh_token", "r");
    let token = token.field("client_id", "c").field("token_endpoint", "https://endpoint.invalid/token");
    project.write_token(&token.expires_in(60));
    project.write(".env", format!("HTTPS_PROXY=http://{address}\nhttps_proxy=http://{address}\n"));
    Program::new(&project).once().expect_code(1);
    assert!(proxy.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
}

#[test]
fn a_host_to_trust_is_not_taken_from_the_file() {
    let Due { endpoint, project, .. } = due();
    let text =
        project.text(".oauth-tokens/github-repos-egress.json").replace("127.0.0.1", "attacker.invalid");
    project.write_tokens_file(FILE, text);
    project.write(".env", "TOKEN_REFRESHER_ALLOW_HTTP=attacker.invalid\n");
    let finished = Program::new(&project).once().expect_code(1);
    assert!(finished.log.contains("http"), "{}", finished.log);
    assert!(!finished.log.contains("lookup"), "it was spoken to: {}", finished.log);
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn a_named_env_file_that_is_not_there_is_a_wrong_setting() {
    let Due { endpoint, project, .. } = due();
    let option = Program::new(&project).args("--env-file missing").once().expect_code(2);
    let variable = Program::new(&project).env("TOKEN_REFRESHER_ENV_FILE", "missing").once().expect_code(2);
    for refused in [option, variable] {
        assert!(refused.stderr.contains("missing") && refused.stderr.lines().count() == 1, "{refused:#?}");
    }
    assert_eq!(endpoint.requests().len(), 0);
    Program::new(&project).once().expect_code(0);
}

/// `--env-file <(...)`: a pipe was no regular file, and the request left without the secret that was in it.
#[test]
fn an_env_file_may_be_a_pipe() {
    let Due { endpoint, project, client } = due();
    let token = project.read_token(FILE);
    let mut without = token.as_object().unwrap().clone();
    let secret = without.remove("client_secret").unwrap();
    project.write_tokens_file(FILE, serde_json::Value::Object(without).to_string());
    let script = format!(
        "exec \"$0\" \"$@\" --env-file <(echo 'EGRESS_OAUTH_CLIENT_ID_1={}'; echo 'EGRESS_OAUTH_CLIENT_SECRET_1={}')",
        client.id(),
        secret.as_str().unwrap()
    );
    Program::new(&project).below(&["bash", "-c", &script]).once().expect_code(0);
    assert!(holds_the_last_answer(&endpoint, &project, FILE));
}

#[test]
fn what_a_pipe_gave_outlives_a_reload() {
    let Due { endpoint: _endpoint, project, .. } = due();
    project.no_auth_server("currenttime");
    let script = "exec \"$0\" \"$@\" --env-file <(echo REGISTRY_URL=http://from-the-pipe)";
    let mut daemon = Program::new(&project).below(&["bash", "-c", script]).start();
    daemon.wait_for_log("Token refresh cycle completed successfully");
    fs::remove_file(project.token("mcp.json")).unwrap();
    daemon.signal(crate::support::Signal::Hup);
    daemon.wait_for_log("settings read again");
    daemon.wait_until("the configuration", || project.token("mcp.json").exists());
    assert!(project.text(".oauth-tokens/mcp.json").contains("http://from-the-pipe/"));
    daemon.stop().expect_code(0);
}
