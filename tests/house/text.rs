//! Rules about single files: how long they, their functions and their lines are, and the words of their comments.

use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Broken, read};

/// The longest file, function and line.
const FILE: usize = 400;
const FUNCTION: usize = 60;
const LINE: usize = 120;

/// Words that a reader must resolve, and references to documents that are not in the repository.
const UNCLEAR: [&str; 9] = [
    "somebody",
    "nobody",
    "whoever",
    "stands",
    "asked for",
    "of ours",
    "design section",
    "house.md",
    "design.md",
];

pub(crate) fn long_files(files: &[PathBuf], data: &[&str]) -> Broken {
    let rules = files.iter().filter(|file| !data.iter().any(|data| Path::new(data) == file.as_path()));
    let lengths = rules.map(|file| (file, read(file).lines().count()));
    lengths
        .filter(|(_, lines)| *lines > FILE)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect()
}

pub(crate) fn long_lines(files: &[PathBuf]) -> Broken {
    let mut broken = Vec::new();
    for file in files {
        for (index, line) in read(file).lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE {
                broken.push(format!("{}:{}: {columns} columns", file.display(), index + 1));
            }
        }
    }
    broken
}

pub(crate) fn unclear_comments(files: &[PathBuf]) -> Broken {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests/house/text.rs")) {
        for (index, line) in read(file).lines().enumerate() {
            let comment = comment(line).to_lowercase();
            for word in UNCLEAR.iter().filter(|word| has_words(&comment, word)) {
                broken.push(format!("{}:{}: {word:?}", file.display(), index + 1));
            }
        }
    }
    broken
}

/// The comment in a line: all of it after `//` that no open string holds.
fn comment(line: &str) -> &str {
    let found = line.match_indices("//").find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2));
    found.map_or("", |(at, _)| &line[at..])
}

/// Whether these words are in a text as whole words.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        // `nobody` in backticks is the system's user of that name.
        let letter = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '`');
        !letter(text[..at].chars().next_back()) && !letter(text[at + words.len()..].chars().next())
    })
}

pub(crate) fn long_functions(files: &[PathBuf]) -> Broken {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.extension() == Some("rs".as_ref())) {
        let parsed = syn::parse_file(&read(file)).unwrap();
        let mut functions = Functions::default();
        functions.visit_file(&parsed);
        let long = functions.0.into_iter().filter(|(_, lines)| *lines > FUNCTION);
        broken.extend(long.map(|(name, lines)| format!("{}: {name} has {lines} lines", file.display())));
    }
    broken
}

/// Functions with their lines, from `fn` to the closing brace.
#[derive(Default)]
struct Functions(Vec<(String, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line - signature.span().start().line + 1;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn comments_and_words_are_found() {
    assert_eq!(comment("let url = \"http://x\"; // somebody"), "// somebody");
    assert_eq!(comment("let url = \"http://somebody\";"), "");
    assert!(has_words("// of ours, too", "of ours") && !has_words("// of oursin", "of ours"));
}
