//! The command line as a user meets it: the real program, its output and its exit status.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty project root, removed at the end of its test.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("command-line-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The program in this directory, with nothing in its environment.
    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_token-refresher"));
        command.current_dir(&self.0).env_clear().stdin(Stdio::null());
        command
    }

    fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What standard output says, of a run that did as it was told.
fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

#[test]
fn help_teaches() {
    let root = Root::new();
    let full = said(&root.program().args(["--help", "all"]).output().unwrap());
    for word in [
        "Usage:\n  token-refresher [OPTIONS]",
        "--interval SECONDS",
        "[default: 3600] [variable: TOKEN_EXPIRY_BUFFER]",
        "--allow-http HOST",
        "TOKEN_REFRESHER_PID_FILE",
        "-h, --help",
        "-V, --version",
        "Examples:\n",
        "Files:\n",
        "Signals:\n",
        "Exit status:\n",
    ] {
        assert!(full.contains(word), "{word} is missing in\n{full}");
    }
    let brief = said(&root.program().arg("--help").output().unwrap());
    assert_eq!(said(&root.program().arg("help").output().unwrap()), brief);
    assert!(brief.lines().count() <= 36 && full.lines().count() > brief.lines().count());
    for line in full.lines().chain(brief.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(root.entries().is_empty());
}

#[test]
fn version_names_the_program() {
    let root = Root::new();
    for flag in ["--version", "-V"] {
        let version = said(&root.program().arg(flag).output().unwrap());
        assert_eq!(version, concat!("token-refresher ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    assert!(root.entries().is_empty());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let root = Root::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = root.program().arg("--help").stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}

#[test]
fn an_output_that_is_full_is_one() {
    let root = Root::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = root.program().arg("--version").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("token-refresher: cannot write to standard output: "));
}

/// Runs `command`, which must refuse in one line that contains `parts`, and make nothing.
fn refuses(root: &Root, command: &mut Command, parts: &[&str]) {
    let before = root.entries();
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(text(&output.stdout), "");
    assert!(message.starts_with("token-refresher: ") && message.ends_with('\n'), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    assert_eq!(root.entries(), before);
}

#[test]
fn a_wrong_option_is_refused_by_name_and_value() {
    let root = Root::new();
    fs::write(root.0.join("file"), "").unwrap();
    for (line, parts) in [
        ("--interval abc", &["--interval: \"abc\" is not a whole number of seconds; try --interval 300"][..]),
        ("--interval 0", &["--interval: \"0\""]),
        ("--interval -5", &["--interval: \"-5\""]),
        ("--interval=1.5", &["--interval: \"1.5\""]),
        ("--interval 315360001", &["--interval: \"315360001\" is more than ten years"]),
        ("--interval", &["--interval: needs a value"]),
        ("--buffer 0", &["--buffer: \"0\""]),
        ("--buffer 99999999999999999999", &["--buffer: \"99999999999999999999\" is more than ten years"]),
        ("--log-level loud", &["--log-level: \"loud\"", "DEBUG, INFO, WARNING, ERROR"]),
        ("--jobs 0", &["--jobs: \"0\"", "1 to 64"]),
        ("--jobs 65", &["--jobs: \"65\""]),
        ("--dir missing", &["--dir: \"missing\" does not exist"]),
        ("--dir file", &["--dir: \"file\" is not a directory"]),
        ("--dir=", &["--dir: \"\""]),
        ("--tokens-dir ~/tokens", &["--tokens-dir: \"~/tokens\""]),
        ("--registry-url gateway", &["--registry-url: \"gateway\""]),
        ("--registry-url https://${HOST}", &["--registry-url: \"https://${HOST}\""]),
        ("--allow-http http://keycloak", &["--allow-http: \"http://keycloak\""]),
        ("--force", &["--force: ", "--once"]),
        ("--once=yes", &["--once: ", "\"yes\""]),
        ("--intervall 5", &["--intervall: ", "did you mean --interval?"]),
        ("--debug", &["--debug: ", "--log-level DEBUG"]),
        ("-x", &["-x: unknown option"]),
        ("start", &["\"start\": no such command", "start_token_refresher.sh"]),
        ("stop", &["\"stop\": no such command", "kill $(cat token_refresher.pid)"]),
        ("help stop", &["kill $(cat token_refresher.pid)"]),
        ("wat", &["\"wat\": no such command", "--help"]),
    ] {
        refuses(&root, root.program().args(line.split(' ')), parts);
    }
}

#[test]
fn a_wrong_variable_is_refused_by_name_and_value() {
    let root = Root::new();
    for (name, value) in [
        ("TOKEN_REFRESH_INTERVAL", "5m"),
        ("TOKEN_EXPIRY_BUFFER", "-1"),
        ("LOG_LEVEL", "verbose"),
        ("REGISTRY_URL", "ftp://gateway.example"),
        ("TOKEN_REFRESHER_DIR", "missing"),
        ("TOKEN_REFRESHER_TOKENS_DIR", "~"),
        ("TOKEN_REFRESHER_SERVERS_DIR", "~/servers"),
        ("TOKEN_REFRESHER_ENV_FILE", "~/.env"),
        ("TOKEN_REFRESHER_LOG_FILE", "~/log"),
        ("TOKEN_REFRESHER_PID_FILE", "~/pid"),
        ("TOKEN_REFRESHER_JOBS", "many"),
        ("TOKEN_REFRESHER_ALLOW_HTTP", "a b"),
    ] {
        refuses(&root, root.program().env(name, value), &[&format!("{name}: \"{value}\"")]);
    }
}

/// Each of these panicked in the worker that was to use it.
#[test]
fn a_proxy_that_cannot_be_spoken_to_is_refused_at_the_start() {
    let root = Root::new();
    for scheme in ["socks5h", "socks5", "socks4", "socks4a", "ftp", "quic"] {
        let secret = "hunter2";
        let value = format!("{scheme}://user:{secret}@127.0.0.1:9050");
        let finished = root.program().env("HTTPS_PROXY", &value).output().unwrap();
        let said = String::from_utf8_lossy(&finished.stderr).into_owned();
        assert_eq!(finished.status.code(), Some(2), "{scheme}: {said}");
        assert!(said.contains("HTTPS_PROXY") && said.contains("use http://HOST:PORT"), "{scheme}: {said}");
        assert!(!said.contains(secret) && !said.contains("panicked"), "{scheme}: {said}");
    }
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    let root = Root::new();
    fs::write(root.0.join(".env"), "# settings\nexport TOKEN_REFRESH_INTERVAL='often'\n").unwrap();
    let place = "/.env line 2: TOKEN_REFRESH_INTERVAL: \"often\" is not";
    refuses(&root, &mut root.program(), &[place, "try TOKEN_REFRESH_INTERVAL=300"]);
    refuses(&root, root.program().env("TOKEN_REFRESH_INTERVAL", "x"), &[": TOKEN_REFRESH_INTERVAL: \"x\""]);
}

#[test]
fn what_is_no_text_is_refused_in_one_line() {
    let root = Root::new();
    let bytes = std::ffi::OsString::from_vec(b"\xff\n\x1b[2J".to_vec());
    refuses(
        &root,
        root.program().arg("--interval").arg(&bytes),
        &["--interval: \"\u{fffd}\\n\\u{1b}[2J\" is not UTF-8"],
    );
    refuses(
        &root,
        root.program().arg("--dir").arg(&bytes),
        &["--dir: \"\u{fffd}\\n\\u{1b}[2J\" does not exist"],
    );
    refuses(&root, root.program().arg(&bytes), &["\"\u{fffd}\\n\\u{1b}[2J\": no such command"]);
}

#[test]
fn a_closed_standard_error_changes_no_status() {
    let root = Root::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = root.program().arg("--nonsense").stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// One cycle in `root` with an `.env` of which a line is broken: its standard error.
fn complains_of_a_line(root: &Root, words: &[&str]) -> String {
    fs::write(root.0.join(".env"), "LOG_LEVEL=WARNING\nhunter2\n").unwrap();
    let output = root.program().arg("--once").args(words).output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{output:?}");
    text(&output.stderr)
}

const COMPLAINT: &str = "/.env line 2: passed over: it has no =\n";

#[test]
fn the_log_is_a_private_file_and_standard_error_stays_empty() {
    let root = Root::new();
    assert_eq!(complains_of_a_line(&root, &[]), "");
    let path = root.0.join("token_refresher.log");
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.contains(" - [WARNING] CONFIG: ") && log.contains(COMPLAINT), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_dash_logs_to_standard_error_only() {
    let root = Root::new();
    let log = complains_of_a_line(&root, &["--log-file", "-"]);
    assert!(log.contains(COMPLAINT), "{log}");
    assert!(!root.0.join("token_refresher.log").exists() && !root.0.join("-").exists());
}

#[test]
fn a_log_that_cannot_be_opened_is_one_warning_at_any_level() {
    let root = Root::new();
    let log = complains_of_a_line(&root, &["--log-file=missing/log", "--log-level=ERROR"]);
    assert_eq!(log.matches("cannot open the log").count(), 1, "{log}");
    assert!(log.contains("[WARNING] REFRESH: ") && log.contains("missing/log"), "{log}");
}
