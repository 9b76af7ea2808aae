//! What `check` and `status` must not call well: files that are gone, broken, or cannot be written, and tokens that
//! no request could refresh. If something here fails, a person learns of it when the token has ended.

use std::fs;

use crate::support::due::report;
use crate::support::{Due, Finished, Program, Project, TokenFile, due};
use serde_json::Value;

const CYCLE_ENDS: &str = "Token refresh cycle completed";

fn run(project: &Project, arguments: &str) -> Finished {
    Program::new(project).args(arguments).run()
}

/// The line of `check`, after its exit status was as expected.
#[track_caller]
fn check(project: &Project, code: i32) -> String {
    run(project, "check").expect_code(code).stdout
}

fn token<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["tokens"].as_array().unwrap().iter().find(|token| token["name"] == name).expect(name)
}

/// A project with one token that stays good for a day, and nothing wrong.
fn well() -> Due {
    let due = due::none();
    due.sign_in("github", "repos", 86_400);
    due
}

#[test]
fn a_file_that_cannot_be_written_is_a_warning_and_fails_once() {
    for (arguments, file, why) in [
        ("--client cursor=file/c.json", "file/c.json", "cannot be read: not a directory"),
        ("--client cursor=c.json", "c.json", "left as it is"),
        ("--client cursor=directory", "directory", ""),
        ("--metrics-file nowhere/x.prom", "nowhere/x.prom", "the metrics cannot be written: no such file"),
        ("--metrics-file file", "file", "holds something else than metrics"),
        ("", ".oauth-tokens/mcp.json", "cannot be written: is a directory"),
    ] {
        let Due { project, .. } = well();
        project.write("file", "not metrics\n");
        project.write("c.json", "{ broken");
        fs::create_dir(project.path("directory")).unwrap();
        if arguments.is_empty() {
            fs::create_dir(project.token("mcp.json")).unwrap();
        }
        let finished = Program::new(&project).args(arguments).once().expect_code(1);
        assert!(finished.stderr.contains("1 file cannot be written; the log says why"), "{finished:#?}");
        let line = check(&project, 1);
        assert!(line.starts_with("WARNING: ") && line.contains(file) && line.contains(why), "{line}");
        let table = run(&project, "status").expect_code(0).stdout;
        assert!(table.contains("\nNot up to date:\n") && table.contains(file), "{table}");
        let unwritten = report(&project)["last_cycle"]["unwritten"].clone();
        assert!(unwritten.to_string().contains(file), "{unwritten}");

        // Once the file can be written, all is well again.
        for path in ["file", "c.json"] {
            fs::remove_file(project.path(path)).unwrap();
        }
        for path in ["directory", ".oauth-tokens/mcp.json"] {
            let _not_always = fs::remove_dir(project.path(path));
        }
        fs::create_dir(project.path("nowhere")).unwrap();
        if file.starts_with("file/") {
            fs::create_dir(project.path("file")).unwrap();
        }
        Program::new(&project).args(arguments).once().expect_code(0);
        assert!(check(&project, 0).starts_with("OK: 1 token, "), "{arguments}");
    }
}

#[test]
fn a_client_file_that_cannot_be_written_is_in_the_metrics() {
    let Due { project, .. } = well();
    project.write("c.json", "{ broken");
    let mut daemon = Program::new(&project).args("--client cursor=c.json --metrics-file m.prom").start();
    daemon.wait_for_log(CYCLE_ENDS);
    daemon.wait_until("the metrics", || {
        fs::read_to_string(project.path("m.prom"))
            .is_ok_and(|text| text.contains("\ntoken_refresher_unwritten_files 1\n"))
    });
    assert!(check(&project, 1).contains("c.json: "));
    daemon.stop().expect_code(0);
}

#[test]
fn a_directory_that_vanishes_under_a_daemon_is_critical_and_told() {
    let Due { project, .. } = well();
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log(CYCLE_ENDS);
    fs::rename(project.path(".oauth-tokens"), project.path("moved")).unwrap();
    daemon.wait_for_log(
        "1 token file vanished and none is left; put them back, or sign in again: \
         token-refresher login NAME --dir /",
    );
    daemon.wait_until("the alarm", || {
        let line = run(&project, "check");
        line.code() == Some(2) && line.stdout.starts_with("CRITICAL: 1 token file vanished")
    });
    let table = run(&project, "status").expect_code(0).stdout;
    assert!(table.contains("No token files: 1 token file vanished."), "{table}");
    assert_eq!(report(&project)["last_cycle"]["vanished"], 1);
    fs::rename(project.path("moved/github-repos-egress.json"), project.token("github-repos-egress.json"))
        .unwrap();
    daemon.wait_until("the end of the alarm", || run(&project, "check").code() == Some(0));
    daemon.stop().expect_code(0);
}

#[test]
fn token_files_that_vanish_between_single_cycles_are_critical() {
    let Due { project, .. } = well();
    Program::new(&project).once().expect_code(0);
    fs::remove_file(project.token("github-repos-egress.json")).unwrap();
    for _ in 0..2 {
        assert!(check(&project, 2).starts_with("CRITICAL: 1 token file vanished"));
        Program::new(&project).once();
    }
}

#[test]
fn a_service_file_without_a_token_is_a_warning() {
    for text in
        ["", "{}", "{\"access_token\": \"\"}", "{\"access_token\": null}", "[]", "{\"access_token\": 5}"]
    {
        for name in ["github-other-egress.json", "ingress.json"] {
            let Due { project, .. } = well();
            project.write_tokens_file(name, text);
            let finished = Program::new(&project).once().expect_code(0);
            assert!(finished.log.contains(&format!("{name}: not used: ")), "{text}: {finished:#?}");
            let stem = name.trim_end_matches("-egress.json").trim_end_matches(".json");
            assert!(check(&project, 1).contains(&format!("{stem} cannot be used")), "{text}");
            assert_eq!(token(&report(&project), stem)["state"], "unusable", "{text}");
        }
    }
    // Other files are their owner's business.
    let Due { project, .. } = well();
    project.write_tokens_file("notes.json", "{}");
    Program::new(&project).once().expect_code(0);
    check(&project, 0);
}

#[test]
fn a_named_env_file_that_is_missing_ends_the_program() {
    let Due { project, .. } = well();
    for arguments in ["--once", "status", "login github", "revoke github"] {
        let finished = run(&project, &format!("{arguments} --env-file nope")).expect_code(2);
        assert!(finished.stderr.contains("nope: not read: there is no such file"), "{finished:#?}");
        let finished = Program::new(&project).env("TOKEN_REFRESHER_ENV_FILE", "nope").args(arguments).run();
        assert_eq!(finished.code(), Some(2), "{finished:#?}");
    }
    assert!(run(&project, "check --env-file nope").expect_code(3).stdout.starts_with("UNKNOWN: "));
}

/// A token that is far from due and cannot be refreshed as it is.
fn lacking(project: &Project, provider: &str, more: &[(&str, &str)]) {
    let file = TokenFile::egress(provider, "repos").field("access_token", "at-0123456789");
    let file = file.field("refresh_token", "rt-0123456789").expires_in(86_400);
    let file = more.iter().fold(file, |file, (name, value)| file.field(name, *value));
    project.write_token(&file);
}

#[test]
fn what_cannot_be_refreshed_is_said_at_the_first_look() {
    let own =
        |member: &'static str| [("token_endpoint", "https://t.example"), ("client_id", "c"), (member, "x")];
    for (provider, more, words) in [
        ("github", &[][..], "no client_id is known for github-repos-egress.json: add it to the file"),
        ("notion", &[("client_id", "c")], "no client_secret is known"),
        ("acme", &[("client_id", "c")], "unknown provider \"acme\": add token_endpoint"),
        ("acme", &[("token_endpoint", "ftp://x")], "token_endpoint in acme-repos-egress.json"),
        ("acme", &own("token_endpoint_auth_method"), "token_endpoint_auth_method \"x\""),
        ("acme", &own("basic_encoding"), "basic_encoding \"x\""),
        ("okta", &[("client_id", "c")], "the address of Okta is not complete"),
        ("bedrock-agentcore", &[("provider", "")], "Amazon Bedrock AgentCore is not complete: add domain to"),
        ("cognito", &[("provider", "")], "the address of Amazon Cognito is not complete: add domain to"),
    ] {
        let project = Project::new();
        lacking(&project, provider, more);
        // Without a daemon, and by it.
        let name = format!("{provider}-repos");
        let before = token(&report(&project), &name).clone();
        let mut daemon = Program::new(&project).start();
        daemon.wait_for_log(CYCLE_ENDS);
        let after = report(&project);
        for seen in [&before, token(&after, &name)] {
            let why = seen["why"].as_str().unwrap();
            assert!(why.starts_with("cannot be refreshed: ") && why.contains(words), "{name}: {why}");
            assert_eq!(
                (&seen["state"], &seen["severity"]),
                (&"misconfigured".into(), &"warning".into()),
                "{seen}"
            );
        }
        let line = check(&project, 1);
        assert!(
            line.starts_with(&format!("WARNING: {name} cannot be refreshed: ")) && line.contains(words),
            "{line}"
        );
        let log = daemon.stop().expect_code(0).log;
        let said = format!("[WARNING] REFRESH: {name}-egress.json: cannot be refreshed when it is due: ");
        assert_eq!(log.matches(&said).count(), 1, "{log}");
    }
}

#[test]
fn a_gateways_machine_token_lacks_a_domain_and_not_a_provider() {
    let project = Project::new();
    let file = TokenFile::named("bedrock-agentcore-gw-egress.json").field("access_token", "at-0123456789");
    project.write_token(&file.field("client_id", "c").field("client_secret", "secret").expires_in(86_400));
    let words = "Amazon Bedrock AgentCore is not complete: add domain to bedrock-agentcore-gw-egress.json";
    let why = token(&report(&project), "bedrock-agentcore-gw")["why"].clone();
    assert!(why.as_str().unwrap().contains(words), "{why}");
}

#[test]
fn a_provider_of_the_environment_that_is_unknown_is_named() {
    let project = Project::new();
    project.write_token(
        &TokenFile::named("ingress.json").field("access_token", "at-01234567").expires_in(86_400),
    );
    for (name, words) in
        [("acme", "AUTH_PROVIDER names the unknown provider \"acme\""), ("", "or set AUTH_PROVIDER")]
    {
        let finished = Program::new(&project).env("AUTH_PROVIDER", name).arg("status").run().expect_code(0);
        assert!(finished.stdout.contains(words), "{finished:#?}");
    }
}

#[test]
fn variables_serve_a_provider_outside_of_the_table() {
    for (provider, named) in [("acme", "acme"), ("acme", "ACME"), ("", "127.0.0.1")] {
        let Due { endpoint, project, client } = due::none();
        let file = TokenFile::signed_in("acme", "repos", &endpoint, &client).expires_in(600);
        let file = file.without("client_id").without("client_secret").field("provider", provider);
        project.write_token(&file);
        let finished = Program::new(&project)
            .env("EGRESS_OAUTH_CLIENT_ID_1", client.id())
            .env("EGRESS_OAUTH_CLIENT_SECRET_1", client.secret())
            .env("EGRESS_PROVIDER_NAME_1", named)
            .once()
            .expect_code(0);
        assert!(finished.log.contains("Successfully refreshed token for acme-repos"), "{finished:#?}");
    }
    // Another provider's client is not for this file.
    let Due { endpoint, project, client } = due::none();
    let file = TokenFile::signed_in("acme", "repos", &endpoint, &client).expires_in(600);
    project.write_token(&file.without("client_id").without("client_secret"));
    let program = Program::new(&project).env("EGRESS_OAUTH_CLIENT_ID_1", client.id());
    program.env("EGRESS_PROVIDER_NAME_1", "acme2").once().expect_code(1);
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn what_has_been_added_ends_the_warning() {
    let project = Project::new();
    lacking(&project, "github", &[]);
    let mut daemon = Program::new(&project).start();
    daemon.wait_for_log("cannot be refreshed when it is due");
    project.write(
        ".env",
        "EGRESS_OAUTH_CLIENT_ID_1=c\nEGRESS_OAUTH_CLIENT_SECRET_1=s\nEGRESS_PROVIDER_NAME_1=github\n",
    );
    daemon.wait_until("the end of the warning", || run(&project, "check").code() == Some(0));
    daemon.stop().expect_code(0);
}

#[test]
fn what_the_running_daemon_lacks_counts_and_not_what_this_process_has() {
    let variables = [
        ("EGRESS_OAUTH_CLIENT_ID_1", "c"),
        ("EGRESS_OAUTH_CLIENT_SECRET_1", "s"),
        ("EGRESS_PROVIDER_NAME_1", "github"),
    ];
    let with =
        |program: Program| variables.iter().fold(program, |program, (name, value)| program.env(name, value));
    let project = Project::new();
    lacking(&project, "github", &[]);
    let mut daemon = with(Program::new(&project)).start();
    daemon.wait_for_log(CYCLE_ENDS);
    check(&project, 0);
    daemon.stop().expect_code(0);
    let mut daemon = Program::new(&project).start();
    // The words tell this warning from the one of a daemon that has not started yet.
    daemon.wait_until("what the daemon lacks", || {
        with(Program::new(&project)).arg("check").run().stdout.contains("cannot be refreshed")
    });
    daemon.stop().expect_code(0);
}

#[test]
fn an_end_that_cannot_be_read_is_a_warning_everywhere() {
    for end in ["\"tomorrow\"", "0", "-5", "true", "[1]"] {
        for refresh in ["", "\"refresh_token\": \"rt-0123456789\", \"client_id\": \"c\", "] {
            let project = Project::new();
            let endpoint = "\"token_endpoint\": \"https://127.0.0.1:9/t\"";
            let text = format!(
                "{{\"access_token\": \"at-0123456789\", {refresh}{endpoint}, \"expires_at\": {end}}}"
            );
            project.write_tokens_file("acme-repos-egress.json", &text);
            let log = Program::new(&project).once().log;
            let odd = "its expires_at is not a time that can be read";
            assert!(
                log.contains(&format!("[WARNING] REFRESH: acme-repos-egress.json: {odd}")),
                "{end}: {log}"
            );
            assert!(!log.contains("does not expire"), "{end}: {log}");
            assert!(run(&project, "status").stdout.contains(&format!("\n    {odd}")), "{end}");
            assert!(token(&report(&project), "acme-repos")["oddities"][0].as_str().unwrap().starts_with(odd));
            let line = check(&project, 1);
            let said = if refresh.is_empty() { "does not say readably when it ends" } else { "is retried" };
            assert!(line.contains(&format!("WARNING: acme-repos {said}")), "{end}: {line}");
        }
    }
}

#[test]
fn copies_and_names_without_a_place_are_shown() {
    let due = well();
    due.project.write_tokens_file("github-repos-egress.json.bak", "{}");
    due.project.write_tokens_file("Copy of github-repos-egress.json", "{}");
    let elsewhere = TokenFile::named("mine.json").field("access_token", "at-0123456789");
    due.project
        .write_token(&elsewhere.field("server_url", "https://mcp.example/mcp").field("refresh", false));
    let log = Program::new(&due.project).once().expect_code(0).log;
    let table = run(&due.project, "status").expect_code(0).stdout;
    let copies = "Passed over, being called like copies: \
        Copy of github-repos-egress.json, github-repos-egress.json.bak";
    assert!(table.contains(copies), "{table}");
    assert_eq!(report(&due.project)["copies"].as_array().unwrap().len(), 2);
    let why = "it has a server_url and is in no configuration: only files called *-egress.json are";
    assert!(table.contains(why) && log.contains(&format!("mine.json: {why}")), "{table}\n{log}");
    check(&due.project, 0);
}
