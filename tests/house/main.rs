//! The rules of this code base that a machine can check: no circle of modules, no type name twice, small files and
//! functions, short lines, no word that a reader must resolve, no test that never runs. `make lint` runs it.
//!
//! `budget` holds how often each rule may be broken today. The check fails when a count is above its budget, so a
//! count can only fall; `UPDATE_BUDGET=1 make lint` writes the lower counts down.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod arrows;
mod left_out;
mod modules;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use modules::Crate;

/// Tables of data, which may be as long as their rows.
const DATA: [&str; 2] = ["src/cli/flags.rs", "src/oauth/providers.json"];

/// What breaks a rule, each as a line for a person.
type Broken = Vec<String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory with one of these endings, as paths from the root, sorted.
fn files(directory: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                if !["node_modules", "venv"].iter().any(|&name| entry.file_name() == name) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|ending| endings.iter().any(|&one| ending == one)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every rule with what breaks it.
fn all_rules() -> Vec<(&'static str, Broken)> {
    let code = Crate::load(Path::new("src/main.rs"));
    let sources = files("src", &["rs", "json"]);
    let with_tests: Vec<PathBuf> =
        ["src", "tests", "benches", "examples"].iter().flat_map(|&place| files(place, &["rs"])).collect();
    vec![
        ("wings in a circle", arrows::between_wings(&code)),
        ("files of a wing in a circle", arrows::inside_wings(&code)),
        ("type names that are not unique", code.repeated_types()),
        ("files over 400 lines", text::long_files(&sources, &DATA)),
        ("functions over 60 lines", text::long_functions(&sources)),
        ("lines over 120 columns", text::long_lines(&with_tests)),
        ("unclear words in comments", text::unclear_comments(&with_tests)),
        ("tests that never run", left_out::left_out(&read(Path::new("Cargo.toml")), &with_tests)),
    ]
}

fn budget_file() -> PathBuf {
    root().join("tests/house/budget")
}

/// How often each rule may be broken. A rule without a line may not be broken.
fn budgets() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(budget_file()).unwrap_or_default();
    let line = |line: &str| {
        let (count, rule) = line.split_once(' ').unwrap_or_else(|| panic!("no count and rule: {line:?}"));
        (rule.to_owned(), count.parse().unwrap_or_else(|_| panic!("no count: {line:?}")))
    };
    text.lines().map(line).collect()
}

#[test]
#[ignore = "make lint runs it"]
fn every_rule_is_kept() {
    let budgets = budgets();
    let (mut wrong, mut lower) = (String::new(), String::new());
    for (rule, broken) in all_rules() {
        let budget = budgets.get(rule).copied().unwrap_or_default();
        println!("{:4} {rule} (budget {budget})", broken.len());
        for line in &broken {
            println!("       {line}");
        }
        if broken.len() > budget {
            writeln!(wrong, "{rule}: {}, and the budget is {budget}", broken.len()).unwrap();
        }
        if !broken.is_empty() {
            writeln!(lower, "{} {rule}", broken.len().min(budget)).unwrap();
        }
    }
    if std::env::var_os("UPDATE_BUDGET").is_some() {
        fs::write(budget_file(), lower).unwrap();
    }
    assert!(wrong.is_empty(), "broken rules are listed above:\n{wrong}");
}
