#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where what it expects is not there")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use super::*;
use crate::cli::{self, CommandLine};
use crate::scratch::Scratch;

fn options(words: &[&str]) -> Options {
    match cli::parse(words.iter().map(OsString::from)) {
        Ok(CommandLine::Run(invocation)) => invocation.options,
        other => panic!("{other:?}"),
    }
}

fn variables(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|(name, value)| (name.into(), value.into())))
}

fn settings_of(options: &Options, process: &Environment) -> Result<Loaded, Invalid> {
    Settings::read(options, process, &Places::find(options, process)?)
}

/// The settings of a project in `scratch`.
fn read(scratch: &Scratch, words: &[&str], process: &[(&str, &str)]) -> Result<Loaded, Invalid> {
    let dir = format!("--dir={}", scratch.display());
    let words: Vec<&str> = words.iter().copied().chain([dir.as_str()]).collect();
    settings_of(&options(&words), &variables(process))
}

fn fault(scratch: &Scratch, words: &[&str], process: &[(&str, &str)]) -> String {
    read(scratch, words, process).map(|_| ()).expect_err("a fault").to_string()
}

#[test]
fn defaults() {
    let scratch = Scratch::new();
    let Loaded { settings, warnings } = read(&scratch, &[], &[]).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(settings.interval, Duration::from_mins(5));
    assert_eq!(settings.buffer, Duration::from_hours(1));
    assert_eq!(settings.log_level, LevelFilter::Info);
    assert!(!settings.once && !settings.force);
    assert_eq!(settings.dir, *scratch);
    assert_eq!(settings.tokens_dir, scratch.join(".oauth-tokens"));
    assert_eq!(settings.servers_dir, scratch.join("registry/servers"));
    assert_eq!(settings.env_file, scratch.join(".env"));
    assert_eq!(settings.log_file, LogTarget::File(scratch.join("token_refresher.log")));
    assert_eq!(settings.pid_file, Some(scratch.join("token_refresher.pid")));
    assert_eq!((settings.registry_url, settings.jobs), (None, 8));
    assert!(settings.allow_http.is_empty());
}

#[test]
fn an_option_wins_over_a_variable_over_the_file_over_the_default() {
    for (option, variable, line, expected) in [
        (None, None, None, 300),
        (None, None, Some("4"), 4),
        (None, Some("3"), Some("4"), 3),
        (None, Some(""), Some("4"), 4),
        (Some("2"), Some("3"), Some("4"), 2),
        // A variable that does not count is not checked.
        (Some("2"), Some("x"), Some("y"), 2),
        (None, Some("3"), Some("y"), 3),
    ] {
        let scratch = Scratch::new();
        if let Some(line) = line {
            scratch.write(".env", format!("TOKEN_REFRESH_INTERVAL={line}\n"));
        }
        let option = option.map(|value| format!("--interval={value}"));
        let words: Vec<&str> = option.as_deref().into_iter().collect();
        let process: Vec<_> = variable.map(|value| ("TOKEN_REFRESH_INTERVAL", value)).into_iter().collect();
        let loaded = read(&scratch, &words, &process).unwrap();
        assert_eq!(loaded.settings.interval.as_secs(), expected, "{option:?} {variable:?} {line:?}");
    }
}

#[test]
fn every_variable_is_read() {
    let scratch = Scratch::new();
    let process = [
        ("TOKEN_REFRESH_INTERVAL", "1"),
        ("TOKEN_EXPIRY_BUFFER", "2"),
        ("LOG_LEVEL", "warning"),
        ("REGISTRY_URL", "https://gateway.example/base/"),
        ("TOKEN_REFRESHER_TOKENS_DIR", "tokens"),
        ("TOKEN_REFRESHER_SERVERS_DIR", "/servers"),
        ("TOKEN_REFRESHER_ENV_FILE", "other.env"),
        ("TOKEN_REFRESHER_LOG_FILE", "-"),
        ("TOKEN_REFRESHER_PID_FILE", "-"),
        ("TOKEN_REFRESHER_JOBS", "64"),
        ("TOKEN_REFRESHER_ALLOW_HTTP", "Keycloak, 10.0.0.1,[::1],"),
        ("TOKEN_REFRESHER_CLIENT", "cursor, zed=~/settings.json, cursor,"),
        ("TOKEN_REFRESHER_CLIENT_SECRETS", "inline"),
        ("HOME", "/home/me"),
    ];
    scratch.write("other.env", "KEYCLOAK_REALM=mcp\n");
    let settings = read(&scratch, &[], &process).unwrap().settings;
    assert_eq!((settings.interval.as_secs(), settings.buffer.as_secs()), (1, 2));
    assert_eq!(settings.log_level, LevelFilter::Warn);
    assert_eq!(settings.registry_url.as_deref(), Some("https://gateway.example/base"));
    assert_eq!(settings.tokens_dir, scratch.join("tokens"));
    assert_eq!(settings.servers_dir, Path::new("/servers"));
    assert_eq!((settings.log_file, settings.pid_file), (LogTarget::StandardError, None));
    assert_eq!(settings.jobs, 64);
    assert_eq!(settings.allow_http, ["keycloak", "10.0.0.1", "[::1]"]);
    let clients = settings.clients.iter().map(|kept| (kept.client.name, kept.path.as_deref()));
    let clients: Vec<_> = clients.collect();
    assert_eq!(clients, [("cursor", None), ("zed", Some(Path::new("/home/me/settings.json")))]);
    assert_eq!(settings.client_secrets, Secrets::Inline);
    assert_eq!(settings.environment.get("KEYCLOAK_REALM").as_deref(), Some("mcp"));

    let dir = scratch.to_str().unwrap();
    let named = settings_of(&options(&[]), &variables(&[("TOKEN_REFRESHER_DIR", dir)])).unwrap();
    assert_eq!(named.settings.dir, *scratch);
}

#[test]
fn a_repeated_option_takes_the_place_of_its_variable() {
    let scratch = Scratch::new();
    let words = ["--allow-http", "a", "--allow-http", "b"];
    let settings = read(&scratch, &words, &[("TOKEN_REFRESHER_ALLOW_HTTP", "c")]).unwrap().settings;
    assert_eq!(settings.allow_http, ["a", "b"]);
}

#[test]
fn a_fault_names_the_place_the_value_and_a_remedy() {
    let scratch = Scratch::new();
    let number = "is not a whole number of seconds";
    for (words, process, expected) in [
        (&["--interval=abc"][..], &[][..], format!("--interval: \"abc\" {number}; try --interval 300")),
        (
            &[],
            &[("TOKEN_EXPIRY_BUFFER", "1h")],
            format!("TOKEN_EXPIRY_BUFFER: \"1h\" {number}; try TOKEN_EXPIRY_BUFFER=3600"),
        ),
        (&["--buffer=0"], &[], "--buffer: \"0\" is less than a second; try --buffer 3600".into()),
        (&["--log-file="], &[], "--log-file: \"\" is not a path".into()),
        (
            &["--once", "--allow-http=a", "--allow-http=http://b"],
            &[],
            "--allow-http: \"http://b\" is not a host; write its name without http:// and path; \
             try --allow-http keycloak"
                .into(),
        ),
        (
            &[],
            &[("TOKEN_REFRESHER_ALLOW_HTTP", "a,b:80")],
            "TOKEN_REFRESHER_ALLOW_HTTP: \"b:80\" is not a host; write its name without the port; \
             try TOKEN_REFRESHER_ALLOW_HTTP=keycloak"
                .into(),
        ),
        (
            &["--force"],
            &[],
            "--force: works only with --once, a daemon would refresh everything all the time; \
             try --once --force"
                .into(),
        ),
    ] {
        assert_eq!(fault(&scratch, words, process), expected);
    }
    scratch.write(".env", "# a comment\nLOG_LEVEL=loud\n");
    let expected = format!(
        "{}/.env line 2: LOG_LEVEL: \"loud\" is not one of DEBUG, INFO, WARNING, ERROR; try LOG_LEVEL=INFO",
        scratch.display()
    );
    assert_eq!(fault(&scratch, &[], &[]), expected);
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let scratch = Scratch::new();
    let message = fault(&scratch, &["--registry-url=https://me:hunter2@gateway.example"], &[]);
    assert_eq!(
        message,
        "--registry-url: \"https://...@gateway.example\" contains a user name or password, which would end up \
         in every configuration; try --registry-url https://gateway.example.com"
    );
}

#[test]
fn the_project_root_must_be_a_directory_and_is_taken_without_links() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    std::fs::create_dir(scratch.join("real")).unwrap();
    symlink("real", scratch.join("link")).unwrap();
    let read = |name: &str| {
        let path = scratch.join(name).into_os_string();
        settings_of(&options(&[]), &Environment::new([("TOKEN_REFRESHER_DIR".into(), path)]))
    };
    assert_eq!(read("link").unwrap().settings.dir, scratch.join("real"));
    for (name, why) in
        [("missing", "does not exist"), ("file", "is not a directory"), ("file/x", "cannot be used")]
    {
        let message = read(name).map(|_| ()).expect_err(name).to_string();
        assert!(message.contains(why) && message.starts_with("TOKEN_REFRESHER_DIR: "), "{message}");
    }
}

#[test]
fn a_path_need_not_be_text() {
    let scratch = Scratch::new();
    let bytes = OsString::from_vec(b"caf\xe9".to_vec());
    let process = Environment::new([
        ("TOKEN_REFRESHER_DIR".into(), scratch.as_os_str().to_owned()),
        ("TOKEN_REFRESHER_TOKENS_DIR".into(), bytes.clone()),
    ]);
    let settings = settings_of(&options(&[]), &process).unwrap().settings;
    assert_eq!(settings.tokens_dir, scratch.join(&bytes));
    let process = Environment::new([("LOG_LEVEL".into(), bytes)]);
    let message = settings_of(&options(&[]), &process).map(|_| ()).expect_err("no text").to_string();
    assert!(message.contains("is not UTF-8"), "{message}");
}

#[test]
fn what_names_a_place_is_not_read_from_the_file() {
    let scratch = Scratch::new();
    scratch.write(
        ".env",
        "X=1\nTOKEN_REFRESHER_DIR=/\nTOKEN_REFRESHER_ENV_FILE=/x\nTOKEN_REFRESHER_TOKENS_DIR=/x\n\
         TOKEN_REFRESHER_LOG_FILE=-\nTOKEN_REFRESHER_PID_FILE=-\nTOKEN_REFRESHER_METRICS_FILE=/x\n\
         TOKEN_REFRESHER_ALLOW_HTTP=x\nTOKEN_REFRESHER_ON_REFRESH=/x\nTOKEN_REFRESHER_PROVIDERS=/x\n\
         TOKEN_REFRESHER_CLIENT=cursor\nTOKEN_REFRESHER_SERVERS_DIR=/x\nTOKEN_REFRESHER_JOBS=3\nHTTPS_PROXY=http://x\n",
    );
    let Loaded { settings, warnings } = read(&scratch, &[], &[]).unwrap();
    let Loaded { settings: expected, .. } = read(&Scratch::new(), &[], &[]).unwrap();
    assert_eq!(settings.dir, *scratch);
    let below = |path: &Path, root: &Path| path.strip_prefix(root).map(Path::to_owned).unwrap();
    assert_eq!(below(&settings.tokens_dir, &scratch), below(&expected.tokens_dir, &expected.dir));
    assert_eq!(settings.log_file, LogTarget::File(scratch.join("token_refresher.log")));
    assert_eq!(settings.pid_file, Some(scratch.join("token_refresher.pid")));
    assert_eq!((settings.metrics_file, settings.providers_named, settings.jobs), (None, false, 3));
    assert!(settings.allow_http.is_empty() && settings.on_refresh.is_empty() && settings.clients.is_empty());
    let said = |name: &str| {
        warnings.iter().filter(|warning| warning.contains(&format!(": {name} has no effect"))).count()
    };
    assert_eq!(
        (warnings.len(), said("TOKEN_REFRESHER_DIR"), said("HTTPS_PROXY")),
        (12, 1, 1),
        "{warnings:?}"
    );
    assert!(settings.environment.of_process_only("HTTPS_PROXY").is_none());
}

#[test]
fn a_reload_takes_a_fresh_file() {
    let scratch = Scratch::new();
    scratch.write(".env", "TOKEN_REFRESH_INTERVAL=10\nTOKEN_EXPIRY_BUFFER=20\n");
    let given = options(&["--dir", scratch.to_str().unwrap(), "--buffer", "30"]);
    let process = variables(&[("LOG_LEVEL", "ERROR")]);
    let old = settings_of(&given, &process).unwrap().settings;

    scratch.write(".env", "TOKEN_REFRESH_INTERVAL=11\nTOKEN_EXPIRY_BUFFER=21\nLOG_LEVEL=DEBUG\n");
    let Loaded { settings: new, warnings } = old.reload(&given).unwrap();
    assert_eq!(new.interval.as_secs(), 11);
    assert_eq!(new.buffer.as_secs(), 30, "the option still wins");
    assert_eq!(new.log_level, LevelFilter::Error, "the real environment still wins");
    assert!(warnings.is_empty(), "{warnings:?}");

    scratch.write(".env", "TOKEN_REFRESH_INTERVAL=never\n");
    assert!(new.reload(&given).is_err());
    std::fs::remove_file(scratch.join(".env")).unwrap();
    let reloaded = new.reload(&given).unwrap().settings;
    assert_eq!(reloaded.interval.as_secs(), 300, "nothing of the old file is left");
}

#[test]
fn the_origin_of_a_command_does_not_show_the_command() {
    let scratch = Scratch::new();
    let words = ["--key-command=get PIN", "--on-refresh=tell PIN", "--on-trouble=tell PIN", "--jobs=3"];
    let Loaded { settings, .. } = read(&scratch, &words, &[]).unwrap();
    let lines = settings.origins(&options(&words)).join("\n");
    assert!(lines.contains("--jobs: \"3\" (the command line)"), "{lines}");
    assert!(lines.contains("--key-command: a command (the command line)"), "{lines}");
    assert!(!lines.contains("PIN"), "{lines}");
}
