//! Prints the notice of the crates in the program: each with its version and license, and every license text once.
//!
//! `cargo run --example third_party`, or `make` where it needs the notice. It asks `cargo metadata`, and reads the
//! license files that the crates bring.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for builders ends where something is missing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What `cargo metadata` says for the static program's platform.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-musl"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a crate only runs while the program is compiled.
fn is_macro(package: &Value) -> bool {
    list(&package["targets"])
        .iter()
        .any(|target| list(&target["kind"]).iter().any(|kind| kind == "proc-macro"))
}

/// The ids of all crates that are compiled into the program.
fn in_the_program<'a>(metadata: &'a Value, packages: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![text(&metadata["resolve"]["root"])];
    while let Some(id) = open.pop() {
        if is_macro(packages[id]) || !found.insert(id) {
            continue;
        }
        let linked =
            |dependency: &&Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        open.extend(
            list(&nodes[id]["deps"]).iter().filter(linked).map(|dependency| text(&dependency["pkg"])),
        );
    }
    found.remove(text(&metadata["resolve"]["root"]));
    found
}

/// The license files of a crate, by their beginnings.
fn license_files(package: &Value) -> Vec<String> {
    let directory = Path::new(text(&package["manifest_path"])).parent().unwrap();
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let is_license = |path: &&std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
        path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
                .iter()
                .any(|word| name.starts_with(word))
    };
    names.iter().filter(is_license).filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn main() {
    let metadata = metadata();
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), package)).collect();
    let crates: Vec<&Value> = in_the_program(&metadata, &packages).iter().map(|id| packages[id]).collect();
    println!("token-refresher contains these crates, under the licenses that are named and printed below.\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in &crates {
        let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
        println!("{name}: {}", text(&package["license"]));
        for license in license_files(package) {
            texts.entry(license.trim().to_owned()).or_default().push(name.clone());
        }
    }
    for (license, names) in texts {
        println!("\n{}\n{}:\n\n{license}", "-".repeat(78), names.join(", "));
    }
}
