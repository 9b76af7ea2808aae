//! What the pages name: options, commands, variables, and other pages.

use super::page::{self, Page};
use crate::support::{Program, Project};

/// Options of other programs that the pages name.
const FOREIGN: [&str; 3] = ["--user", "--replace", "--config"];
/// Variables that are no settings: what hooks are told, and what a script reads.
const NOT_SETTINGS: [&str; 5] = [
    "TOKEN_REFRESHER_CHANGED",
    "TOKEN_REFRESHER_CHANGED_FILES",
    "TOKEN_REFRESHER_CHANGED_NAMES",
    "TOKEN_REFRESHER_TROUBLE",
    "TOKEN_REFRESHER",
];

/// What `--help all` says.
fn help() -> String {
    Program::new(&Project::new()).args("--help all").run().expect_code(0).stdout
}

/// The pages that tell of the program as it is now.
fn current() -> impl Iterator<Item = Page> {
    page::all().into_iter().filter(|page| !page.is("CHANGELOG.md") && !page.is("CONTRIBUTING.md"))
}

#[test]
fn each_option_and_command_that_a_page_names_exists() {
    let help = help();
    let known = |option: &str| ["\n", " "].iter().any(|end| help.contains(&format!("{option}{end}")));
    let mut seen = 0;
    for page in current() {
        let commands = page.blocks().into_iter().flat_map(|block| block.commands).map(|(command, _)| command);
        for span in page.code_spans().into_iter().chain(commands) {
            let words: Vec<&str> = span.split_whitespace().collect();
            if !span.starts_with("--") && words.first() != Some(&"token-refresher") {
                continue;
            }
            seen += 1;
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap().trim_matches(['"', '\'', ',']);
                assert!(known(option) || FOREIGN.contains(&option), "{}: `{span}`", page.path.display());
            }
            let command = words.get(1).filter(|_| words[0] == "token-refresher");
            let command = command.filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase()));
            if let Some(command) = command {
                let is_known = help.contains(&format!("  token-refresher {command}"));
                assert!(is_known || *command == "help", "{}: `{span}`", page.path.display());
            }
        }
    }
    assert!(seen > 100, "only {seen} are found");
}

#[test]
fn each_variable_that_a_page_names_exists() {
    let help = help();
    for page in current() {
        let spans = page.code_spans();
        for name in spans.iter().map(|span| span.split('=').next().unwrap()) {
            let is_one = name.starts_with("TOKEN_REFRESHER") && !name.contains(['.', '*', ' ']);
            let known = help.contains(name) || NOT_SETTINGS.contains(&name);
            assert!(!is_one || known, "{}: {name}", page.path.display());
        }
    }
}

#[test]
fn each_link_leads_somewhere() {
    let pages = page::all();
    for page in &pages {
        for link in page.links().iter().filter(|link| !link.starts_with("http")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.path.clone() } else { page.path.with_file_name(file) };
            let target = target
                .canonicalize()
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", page.path.display()));
            if !anchor.is_empty() {
                let there = pages.iter().find(|page| page.path == target);
                let found = there.is_some_and(|page| page.anchors().iter().any(|known| known == anchor));
                assert!(found, "{}: {link}: no such heading", page.path.display());
            }
        }
    }
}

#[test]
fn each_page_is_in_the_table_of_contents() {
    let pages = page::all();
    let contents = pages.iter().find(|page| page.is("SUMMARY.md")).unwrap();
    let docs = contents.path.parent();
    for page in pages.iter().filter(|page| page.path.parent() == docs && !page.is("SUMMARY.md")) {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        assert!(contents.text.contains(&format!("({name})")), "SUMMARY.md does not list {name}");
    }
}
