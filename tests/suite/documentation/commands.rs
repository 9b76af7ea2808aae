//! The commands, run where a reader would be, and their output held against the page's: numbers, times and paths
//! aside.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::page;
use crate::support::daemon::{LOG, built_program, signal_process};
use crate::support::{Client, Daemon, Endpoint, Program, Project, Signal, TokenFile, holds_in_time};

/// A project as the page has it, with what plays around it.
struct Scene {
    project: Project,
    endpoint: Endpoint,
    daemon: Option<Daemon>,
}

impl Scene {
    fn of(name: &str) -> Self {
        let (project, endpoint) = (Project::new(), Endpoint::start());
        let client = Client::new("app");
        endpoint.register(client.clone());
        let signed_in =
            |provider: &str, server: &str| TokenFile::signed_in(provider, server, &endpoint, &client);
        project.write(".env", "REGISTRY_URL=https://gateway.example.com\n");
        let mut daemon = None;
        match name {
            "fresh" => drop(project.write_token(&signed_in("github", "repos").fresh_for(7230))),
            // The example of the Python service's documentation.
            "seed" => {
                project.write_token(&signed_in("bedrock-agentcore", "sre-gateway").expires_in(7230));
                project.write_token(&signed_in("atlassian", "atlassian").expires_in(1530));
                for server in ["mcpgw", "currenttime", "realserverfaketools"] {
                    project.no_auth_server(server);
                }
            }
            // A daemon whose one sign-in has ended at the provider.
            "ended" => {
                project.write_token(&signed_in("github", "repos").fresh_for(7230));
                let tokens = endpoint.sign_in(client.id());
                endpoint.revoke(&tokens.refresh_token);
                let file = TokenFile::egress("atlassian", "atlassian").tokens(&tokens).at(&endpoint, &client);
                project.write_token(&file.expires_in(1830));
                let mut running = Program::new(&project).start();
                running.wait_for_log("cycle completed");
                daemon = Some(running);
            }
            other => panic!("there is no scene {other}"),
        }
        let bin = project.outside().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(built_program(), bin.join("token-refresher")).unwrap();
        for directory in [".cursor", ".claude"] {
            fs::create_dir(project.outside().join(directory)).unwrap();
        }
        Self { project, endpoint, daemon }
    }

    /// Runs a line of a shell; gives back what it printed.
    fn run(&self, line: &str) -> String {
        let output = self.shell(line).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Runs a daemon until its first cycle is over; gives back its log.
    fn run_daemon(&self, line: &str) -> String {
        let log = self.project.path(LOG);
        let _ = fs::remove_file(&log);
        let mut child = self.shell(&format!("exec {line}")).stderr(Stdio::piped()).spawn().unwrap();
        let read = || fs::read_to_string(&log).unwrap_or_default();
        let goes_on = |log: &str| log.contains("next is due") || log.contains("no token yet");
        let in_time = holds_in_time(|| goes_on(&read()) || child.try_wait().unwrap().is_some());
        assert!(in_time && goes_on(&read()), "{line}: {}", read());
        let shown = read();
        signal_process(Signal::Term, child.id());
        assert!(child.wait().unwrap().success(), "{line}: {}", read());
        shown
    }

    fn shell(&self, line: &str) -> Command {
        let outside = self.project.outside();
        let path = format!("{}:{}", outside.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.project.root()).env_clear();
        command.env("PATH", path).env("HOME", outside).env("TZ", "UTC").stdin(Stdio::null()).process_group(0);
        command
    }
}

/// Whether a command runs until it is stopped.
fn stays(command: &str) -> bool {
    let second = command.split_whitespace().nth(1).unwrap_or_default();
    let ends = ["--once", "--generate", "--help", "--version"].iter().any(|option| command.contains(option));
    command.starts_with("token-refresher") && second.starts_with("--") && !ends
}

/// A text without what differs from run to run: numbers, lengths of time, the project's path, line breaks.
fn form(text: &str, scene: &Scene) -> String {
    const UNITS: [&str; 8] = ["second", "minute", "hour", "day", "s", "min", "h", "d"];
    let text = text.replace(scene.project.root().to_str().unwrap(), "/srv/project");
    let text = text.replace(&scene.endpoint.url(), "https://auth.atlassian.com/oauth/token");
    let numbered = text.chars().fold(String::new(), |mut form, letter| {
        match letter {
            '0'..='9' if form.ends_with('#') => {}
            '0'..='9' => form.push('#'),
            _ => form.push(letter),
        }
        form
    });
    let mut words = numbered.split_whitespace().peekable();
    let mut form: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let next = words.peek().copied().unwrap_or_default();
        let unit = next.trim_end_matches([';', ',', '.', ')']);
        let length =
            word.ends_with('#') && UNITS.iter().any(|known| unit == *known || unit == format!("{known}s"));
        if !length {
            form.push(word.to_owned());
            continue;
        }
        words.next();
        // A length of time has one or two units.
        let before = word.trim_end_matches('#');
        let told = format!("{before}<time>{}", &next[unit.len()..]);
        match form.last_mut() {
            Some(last) if last == "<time>" => *last = told,
            _ => form.push(told),
        }
    }
    form.join(" ")
}

/// Whether a text is what the page shows, where `...` leaves words out.
fn matches(shown: &str, expected: &str) -> bool {
    let mut rest = shown;
    let mut parts = expected.split(" ... ").peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let Some(at) = rest.find(part) else { return false };
        let misplaced = first && at > 0 || parts.peek().is_none() && !rest.ends_with(part);
        if misplaced {
            return false;
        }
        rest = &rest[at + part.len()..];
        first = false;
    }
    true
}

#[test]
fn words_that_a_page_leaves_out_may_be_anything() {
    assert!(
        matches("a b c d", "a b c d") && matches("a b c d", "a ... d") && matches("a b c d", "a ... c d")
    );
    assert!(!matches("a b c d", "a b c") && !matches("a b c d", "b ... d") && !matches("a b c", "a ... x"));
}

#[test]
fn each_command_of_the_pages_does_what_the_page_shows() {
    let mut ran = 0;
    // The recorded sign-in is made by running it against a real authorization server.
    for page in page::all().into_iter().filter(|page| !page.is("first-sign-in.md")) {
        for block in page.blocks() {
            let mut scene = Scene::of(&block.scene);
            for (command, expected) in block.commands {
                if command.starts_with("make ") {
                    continue; // What `.ci/run` runs; the name is checked below.
                }
                ran += 1;
                let shown = if stays(&command) { scene.run_daemon(&command) } else { scene.run(&command) };
                let [shown, expected] = [&shown, &expected].map(|text| form(text, &scene));
                assert!(
                    expected.is_empty() || matches(&shown, &expected),
                    "{}: {command}\n   shown: {shown}\nexpected: {expected}",
                    page.path.display()
                );
                assert!(!shown.contains("unknown"), "{}: {command}: {shown}", page.path.display());
            }
            if let Some(daemon) = scene.daemon.take() {
                daemon.stop().expect_code(0);
            }
        }
    }
    assert!(ran >= 8, "only {ran} commands are run");
}

#[test]
fn each_target_of_make_that_a_page_names_exists() {
    let makefile = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Makefile")).unwrap();
    for page in page::all().iter().filter(|page| !page.is("CHANGELOG.md")) {
        let spans = page.code_spans();
        let spans = spans.iter().map(String::as_str);
        for line in page.text.lines().filter_map(|line| line.strip_prefix("$ ")).chain(spans) {
            let Some(rest) = line.strip_prefix("make ") else { continue };
            let target = rest.split([' ', '`']).next().unwrap();
            assert!(makefile.contains(&format!("\n{target}:")), "{}: {line}", page.path.display());
        }
    }
}
