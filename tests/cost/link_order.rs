//! `make link-order`: writes `link-order.ld`, which has the linker place the functions of every run side by side in the
//! static program. The system maps a program in pieces of 64 KiB around each page that is used. Where the functions of
//! a run lie all over the program, nearly all of the program is mapped, page fault by page fault.
//!
//! A function that is missing in the list works as well; it lies farther away. A name without a function does nothing.
//!
//! Needs valgrind, and in `PROGRAM` the static program with its symbols.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::projects::{Kind, due, fresh};
use crate::support::daemon::{Daemon, built_program};
use crate::support::internals::own;
use crate::support::{Endpoint, Program, Project, Signal};

/// What the file says of itself, and the start of its one output section.
const HEAD: &str = "/* The functions that a run uses, so that they lie side by side in the static program. `make \
                    link-order` writes this file; tests/cost/link_order.rs says why. */\n\
                    SECTIONS {\n.text.first : {\n";

/// The parts of each run that are no Rust functions.
const OTHERS: [&str; 5] = [
    "*crt1.o:*(.text)",
    "*(.text.main)",
    "*libc.a:*(.text .text.*)",
    "*libring-*:*sha256-x86_64-elf.o(.text)",
    "*libring-*:*cpu_intel.o(.text .text.*)",
];

const END: &str = "}\n} INSERT BEFORE .text;\n";

#[test]
#[ignore = "make link-order"]
fn the_functions_of_each_run_are_written_down() {
    // Each function is listed with the first run that uses it. So the functions of a short run are near each other, and
    // the functions of a refresh are behind those of an idle daemon.
    let mut functions: Vec<String> = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for run in runs() {
        functions.extend(run.difference(&known).cloned());
        known.extend(run);
    }
    assert!(
        functions.len() > 500,
        "only {} functions: has {:?} its symbols?",
        functions.len(),
        built_program()
    );
    let mut script = HEAD.to_owned();
    for other in OTHERS {
        writeln!(script, "{other}").unwrap();
    }
    for name in &functions {
        // A function that its author calls cold is in `.text.unlikely.NAME`.
        writeln!(script, "*(.text.*{name})").unwrap();
    }
    script.push_str(END);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("link-order.ld");
    fs::write(&file, script).unwrap();
    println!("{} functions in {}", functions.len(), file.display());
}

/// The functions of each kind of run: the short commands, a daemon with nothing to do, and one that refreshes.
fn runs() -> Vec<BTreeSet<String>> {
    let services = fresh(2, Kind::Services);
    Program::new(&services).once().expect_code(0);
    let mut runs: Vec<BTreeSet<String>> = ["headers server-000001", "token server-000001", "status", "check"]
        .into_iter()
        .map(|command| {
            let trace = Trace::of(&services);
            // `check` fails where no daemon runs.
            trace.start(&services, command).wait();
            trace.functions()
        })
        .collect();
    let endpoint = Endpoint::start();
    for project in [fresh(2, Kind::Services), due(&[&endpoint], 2)] {
        let trace = Trace::of(&project);
        let mut daemon = trace.start(&project, "--log-level WARN");
        let record = own(&project, "cycle.json");
        daemon.wait_until("the end of the first cycle", || record.exists());
        let first = fs::metadata(&record).unwrap().modified().unwrap();
        daemon.signal(Signal::Usr1);
        daemon.wait_until("the end of the second cycle", || {
            fs::metadata(&record).and_then(|now| now.modified()).is_ok_and(|now| now != first)
        });
        daemon.stop();
        runs.push(trace.functions());
    }
    assert!(endpoint.requests().len() >= 2, "the daemon has refreshed nothing");
    runs
}

/// Where valgrind writes what a run has called.
struct Trace(PathBuf);

impl Trace {
    fn of(project: &Project) -> Self {
        Self(project.outside().join("functions"))
    }

    fn start(&self, project: &Project, arguments: &str) -> Daemon {
        let output = format!("--callgrind-out-file={}", self.0.display());
        let tool = ["valgrind", "--quiet", "--tool=callgrind", "--demangle=no", &output];
        Program::new(project).below(&tool).args(arguments).start()
    }

    /// The Rust functions that were called, as patterns for the linker.
    fn functions(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(&self.0).expect("valgrind has written its account");
        text.lines().filter_map(function).collect()
    }
}

/// The function of a line `fn=(12) NAME` or, of a call, `cfn=(12) NAME`: only the first mention has the name.
fn function(line: &str) -> Option<String> {
    let name = line.trim_start_matches('c').strip_prefix("fn=(")?.split_once(") ")?.1;
    // A call of a function from within itself has a name of its own: NAME'2.
    let name = name.split('\'').next()?;
    name.starts_with("_R").then(|| without_hashes(name))
}

/// A name in Rust's v0 scheme with `*` for the hash of each crate, which every compiler and every version of a crate
/// makes anew: `NtCs1aB2_15token_refresher` becomes `NtCs*_15token_refresher`. A reference to an earlier part of the
/// name, as `NtB5_4Open`, counts its letters, and so depends on the lengths of the hashes: it becomes `NtB*_4Open`.
fn without_hashes(name: &str) -> String {
    // No name has 62 x 62 letters, so a reference has two digits at most.
    starred(&starred(name, "Cs", usize::MAX), "B", 2)
}

/// `name` with `*` for the letters and digits, at most so many, between each `mark` and the next underscore.
fn starred(name: &str, mark: &str, most: usize) -> String {
    let mut pattern = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once(mark) {
        pattern.extend([before, mark]);
        rest = after;
        let end = after.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(after.len());
        if end <= most && after[end..].starts_with('_') {
            pattern.push('*');
            rest = &after[end..];
        }
    }
    pattern + rest
}

#[test]
fn the_hash_of_a_crate_is_left_open() {
    for (name, pattern) in [
        ("_RNvCs43NSd2ALEfh_15token_refresher3run", "_RNvCs*_15token_refresher3run"),
        (
            "_RINvMNtCs3CcEupbTEgi_4core3stre9ends_withAcj2_ECs43NSd2ALEfh_15token_refresher",
            "_RINvMNtCs*_4core3stre9ends_withAcj2_ECs*_15token_refresher",
        ),
        ("_RNvCsiAbc_3std2Cs", "_RNvCs*_3std2Cs"),
        (
            "_RNvMs_NtNtCs43N_4core5files4openNtB5_4Open3runBx_",
            "_RNvMs_NtNtCs*_4core5files4openNtB*_4Open3runB*_",
        ),
        ("_RNvNtB1L2_4Busy", "_RNvNtB1L2_4Busy"),
        ("main", "main"),
    ] {
        assert_eq!(without_hashes(name), pattern);
    }
}
