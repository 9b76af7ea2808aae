//! One refresh, with every system call on the files of the tokens directory failing in turn, and the
//! program killed at each.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::support::{Finished, internals};
use super::{Bench, FILE};

/// The calls that change something, or that a change ends with.
const CALLS: [&str; 9] =
    ["openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "renameat", "unlinkat", "close"];

/// A second file with the same refresh token.
const COPY: &str = "oauth-github-app.json";

/// What can be wrong with a disk, and a signal at a bad moment.
const ERRORS: [&str; 3] = ["ENOSPC", "EIO", "EINTR"];

/// The files whose calls are made to fail: all that a refresh touches.
fn paths(bench: &Bench) -> Vec<PathBuf> {
    let tokens = bench.project.path(".oauth-tokens");
    let mut paths = vec![tokens.clone(), bench.project.token(internals::OWN)];
    for name in [FILE, COPY] {
        paths.extend([tokens.join(name), tokens.join(internals::reserve(name))]);
        paths.push(internals::lock_file(&bench.project, name));
    }
    for name in ["mcp.json", "vscode_mcp.json"] {
        paths.extend([tokens.join(name), tokens.join(format!(".{name}.new"))]);
    }
    paths.extend(internals::OWN_FILES.map(|name| internals::own(&bench.project, name)));
    paths
}

/// Runs the program under strace with these options, on these files only.
fn traced(bench: &Bench, options: &[&str]) -> (Finished, String) {
    // To close a directory cannot fail, and Rust's standard library takes the kernel by its word.
    let closing = options.contains(&"trace=close");
    let output = bench.project.outside().join("trace");
    let mut command = vec!["strace".to_owned(), "-f".to_owned(), "-o".to_owned()];
    command.push(output.to_str().unwrap().to_owned());
    for path in paths(bench).into_iter().filter(|path| !closing || !path.is_dir()) {
        command.extend(["-P".to_owned(), path.to_str().unwrap().to_owned()]);
    }
    command.extend(options.iter().map(|&option| option.to_owned()));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let finished = bench.program().below(&command).once();
    (finished, fs::read_to_string(output).unwrap())
}

/// Where a run begins.
#[derive(Clone, Copy, Debug)]
enum Setting {
    /// No file of the program is there yet.
    New,
    /// Locks and configurations are there from an earlier refresh.
    Used,
    /// The same, and two files hold the refresh token.
    Chain,
    /// A chain whose answer was stored by a process that died before it could bring it into place.
    Interrupted,
}

/// A project with a due token, and how many requests there were before it was due.
fn bench(setting: Setting) -> (Bench, usize) {
    let bench = Bench::new();
    bench.sign_in();
    if matches!(setting, Setting::New) {
        return (bench, 0);
    }
    bench.program().once().expect_code(0);
    bench.sign_in();
    let before = bench.endpoint.requests().len();
    if !matches!(setting, Setting::Used) {
        fs::copy(bench.project.token(FILE), bench.project.token(COPY)).unwrap();
    }
    if matches!(setting, Setting::Interrupted) {
        let inject = "inject=renameat:signal=KILL:when=1";
        let (finished, _) = traced(&bench, &["-e", "trace=renameat", "-e", inject]);
        assert_eq!(finished.killed_by(), Some(9), "{finished:#?}");
        assert_eq!(bench.project.leftovers().len(), 2);
    }
    (bench, before)
}

/// How often a call is made by the thread that makes it most: strace counts by thread.
fn count(setting: Setting, call: &str) -> usize {
    let (finished, trace) = traced(&bench(setting).0, &["-e", &format!("trace={call}")]);
    finished.expect_code(0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, what)) = line.split_once(' ') else { continue };
        if what.trim_start().starts_with(&format!("{call}(")) {
            *counts.entry(thread).or_default() += 1;
        }
    }
    counts.into_values().max().unwrap_or(0)
}

/// What became of the refresh token.
#[derive(PartialEq, Eq, Debug)]
enum Fate {
    /// The new one is in the file.
    Stored,
    /// It was not sent, and the mark says that it may have been.
    Doubted,
    /// It was spent, and its successor is gone.
    Lost,
}

/// What must hold after one injected fault and the cycle that follows it.
fn judge(bench: &Bench, before: usize, what: &str, finished: &Finished) -> Fate {
    // Whole, whatever happened.
    bench.refresh_token(FILE);
    let next = bench.program().once();
    bench.expect_tidy(what);
    let asked = bench.endpoint.requests().len() - before;
    assert!(asked <= 1 && bench.endpoint.reuses() == 0, "{what}: {finished:#?} {next:#?}");
    if asked == 0 {
        assert!(next.log.contains("may be spent"), "{what}: {finished:#?} {next:#?}");
        return Fate::Doubted;
    }
    let (newest, _) = bench.last_answer().unwrap();
    let stored = newest == bench.refresh_token(FILE);
    if bench.project.token(COPY).exists() {
        assert_eq!(newest == bench.refresh_token(COPY), stored, "{what}: the files of a chain differ");
    }
    if stored { Fate::Stored } else { Fate::Lost }
}

#[test]
#[ignore = "make faults"]
fn each_fails_once() {
    let (mut runs, mut loud) = (0, 0);
    for setting in [Setting::New, Setting::Used, Setting::Chain] {
        for call in CALLS {
            let count = count(setting, call);
            for error in ERRORS {
                for when in 1..=count {
                    let (bench, before) = bench(setting);
                    let inject = format!("inject={call}:error={error}:when={when}");
                    let what = format!("{setting:?}: {call} number {when} failing with {error}");
                    let (finished, _) = traced(&bench, &["-e", &format!("trace={call}"), "-e", &inject]);
                    if finished.code() != Some(0) {
                        // Who is told that something failed must be told what and where.
                        assert_eq!(finished.code(), Some(1), "{what}: {finished:#?}");
                        let said = finished.log.clone() + &finished.stderr;
                        assert!(
                            said.contains("[ERROR]") || said.contains("token-refresher: "),
                            "{what}: {finished:#?}"
                        );
                        loud += 1;
                    }
                    let fate = judge(&bench, before, &what, &finished);
                    assert_eq!(fate, Fate::Stored, "{what}: {finished:#?}");
                    runs += 1;
                }
            }
        }
    }
    println!(
        "every system call failing once with {}: {runs} runs, {loud} said so and ended with 1, 0 tokens lost, \
         0 torn, 0 sent twice, 0 left over",
        ERRORS.join(", ")
    );
}

#[test]
#[ignore = "make faults"]
fn killed_at_each() {
    let (mut runs, mut doubted, mut lost) = (0, Vec::new(), Vec::new());
    for setting in [Setting::New, Setting::Used, Setting::Chain, Setting::Interrupted] {
        for call in CALLS {
            for when in 1..=count(setting, call) {
                let (bench, before) = bench(setting);
                let inject = format!("inject={call}:signal=KILL:when={when}");
                let what = format!("{setting:?}: {call} number {when}");
                let (finished, trace) = traced(&bench, &["-e", &format!("trace={call}"), "-e", &inject]);
                match judge(&bench, before, &what, &finished) {
                    Fate::Stored => {}
                    Fate::Doubted => doubted.push(what),
                    Fate::Lost => {
                        // Only the write of the answer itself is in the window.
                        let written =
                            trace.lines().rfind(|line| line.contains("pwrite64(")).unwrap_or_default();
                        assert!(
                            call == "pwrite64" && written.contains("\"{"),
                            "{what}: lost the token at {written}"
                        );
                        lost.push(what);
                    }
                }
                runs += 1;
            }
        }
    }
    println!(
        "killed at every system call: {runs} runs, 0 torn, 0 sent twice, 0 left over; in doubt for nothing: {}; \
         lost, the kill coming before the write of the answer: {}",
        doubted.join(", "),
        lost.join(", ")
    );
}
