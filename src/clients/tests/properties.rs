//! Properties of edits of any file: members of other programs are kept in their order, and a second edit changes
//! nothing.

use std::fmt::Write as _;

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use proptest::collection::vec;
use proptest::prelude::*;

use super::readers::without_comments;
use super::*;

/// A value of a user's document.
#[derive(Clone, Debug)]
enum Tree {
    /// JSON text as it is.
    Word(&'static str),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

const WORDS: [&str; 10] = [
    "null",
    "true",
    "1.50",
    "-0",
    "1e400",
    r#""""#,
    r#""a // b /* c */ , }""#,
    r#""q\"\\""#,
    r#""\u00e9é\/""#,
    "12345678901234567890",
];

/// Names that this program writes sometimes, in several spellings, and names that it never writes.
const KEYS: [&str; 8] =
    [r#""docs""#, r#""d\u006fcs""#, r#""mail""#, r#""time""#, r#""other""#, r#""x y""#, r#""é""#, r#""""#];

/// The text between two tokens. `#` becomes a number, so that each comment is different.
const BLANKS: [&str; 12] = [
    "",
    " ",
    "\n",
    "\n    ",
    "\t",
    "\r\n",
    "  \n\n",
    " /* # */ ",
    "/*/ #, \"*/",
    "// #, {\"  \n",
    " // #\r\n",
    "\n  // #\u{a0}\n  ",
];

fn tree() -> impl Strategy<Value = Tree> {
    prop::sample::select(&WORDS[..]).prop_map(Tree::Word).prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Tree::List),
            vec((0usize..1000, inner), 0..4).prop_map(|members| {
                Tree::Object(
                    members.into_iter().map(|(name, value)| (format!("\"k{name}\""), value)).collect(),
                )
            }),
        ]
    })
}

/// An entry under one of the names: a user's, or one with the service's address, with some of its members.
fn entry(key: &'static str) -> impl Strategy<Value = (String, Tree)> {
    let name = match key {
        r#""d\u006fcs""# => "docs",
        key => key.trim_matches('"'),
    };
    let ours = vec(
        prop_oneof![
            tree().prop_map(|value| (r#""disabled""#.to_owned(), value)),
            tree().prop_map(|value| (r#""headers""#.to_owned(), value)),
            Just((
                r#""headers""#.to_owned(),
                Tree::Object(vec![
                    (r#""X-Mine""#.to_owned(), Tree::Word(r#""1""#)),
                    (r#""Authorization""#.to_owned(), Tree::Word(r#""Bearer old""#)),
                    (r#""x-region""#.to_owned(), Tree::Word(r#""old""#)),
                ])
            )),
            Just((r#""type""#.to_owned(), Tree::Word(r#""sse""#))),
        ],
        0..3,
    );
    let url: &'static str = match name {
        "docs" => r#""https://gateway.example/docs/mcp""#,
        "mail" => r#""https:\/\/gateway.example\/mail\/sse""#,
        "time" => r#""https://gateway.example/time/mcp""#,
        _ => r#""https://elsewhere.example/mcp""#,
    };
    let ours = (ours, any::<bool>()).prop_map(move |(mut members, first)| {
        members.dedup_by(|a, b| a.0 == b.0);
        members.insert(if first { 0 } else { members.len() }, (r#""url""#.to_owned(), Tree::Word(url)));
        let mut names = std::collections::HashSet::new();
        members.retain(|(name, _)| names.insert(name.clone()));
        Tree::Object(members)
    });
    prop_oneof![2 => ours, 1 => tree()].prop_map(move |value| (key.to_owned(), value))
}

/// A document, with or without the servers and other members.
fn document() -> impl Strategy<Value = Tree> {
    let keys = prop::sample::subsequence(KEYS.to_vec(), 0..KEYS.len()).prop_shuffle();
    let entries = keys.prop_flat_map(|keys| {
        // The two spellings of `docs` are one name, which must not be there twice.
        let both = keys.contains(&KEYS[0]);
        keys.into_iter().filter(|key| !(both && *key == KEYS[1])).map(entry).collect::<Vec<_>>()
    });
    let around = || vec((0usize..1000, tree()), 0..3);
    (around(), prop::option::weighted(0.8, entries), around()).prop_map(|(before, servers, after)| {
        let named = |side: &str, members: Vec<(usize, Tree)>| {
            let side = side.to_owned();
            members
                .into_iter()
                .enumerate()
                .map(move |(at, (name, value))| (format!("\"{side}{at}-{name}\""), value))
        };
        let servers = servers.map(|entries| (r#""mcpServers""#.to_owned(), Tree::Object(entries)));
        Tree::Object(named("a", before).chain(servers).chain(named("z", after)).collect())
    })
}

/// Writes a document with random blanks, comments and trailing commas.
struct Writer<'a> {
    text: String,
    noise: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    comments: usize,
}

impl Writer<'_> {
    fn blank(&mut self) {
        let blank = BLANKS[usize::from(*self.noise.next().unwrap()) % BLANKS.len()];
        self.comments += 1;
        self.text.push_str(&blank.replace('#', &self.comments.to_string()));
    }

    fn value(&mut self, tree: &Tree) {
        match tree {
            Tree::Word(word) => self.text.push_str(word),
            Tree::List(items) => self.items('[', items, ']', Writer::value),
            Tree::Object(members) => self.items('{', members, '}', |writer, (name, value)| {
                writer.text.push_str(name);
                writer.blank();
                writer.text.push(':');
                writer.blank();
                writer.value(value);
            }),
        }
    }

    fn items<T>(&mut self, open: char, items: &[T], close: char, write: impl Fn(&mut Self, &T)) {
        self.text.push(open);
        for (index, item) in items.iter().enumerate() {
            self.blank();
            write(self, item);
            self.blank();
            if index + 1 < items.len() || self.noise.next().is_some_and(|noise| noise % 4 == 0) {
                self.text.push(',');
            }
        }
        self.blank();
        self.text.push(close);
    }
}

fn written(tree: &Tree, noise: &[u8]) -> String {
    let mut writer = Writer { text: String::new(), noise: noise.iter().cycle(), comments: 0 };
    writer.blank();
    writer.value(tree);
    writer.blank();
    writer.text
}

/// Some of three services, each with its token.
fn services() -> impl Strategy<Value = Vec<Service>> {
    let one = || prop::option::of("[a-zA-Z0-9._~+/=-]{1,12}");
    (one(), one(), any::<bool>()).prop_map(|(docs, mail, time)| {
        let docs = docs.map(|token| signed_in("docs", &token));
        let mail = mail.map(|token| over_sse("mail", &token));
        docs.into_iter().chain(mail).chain(time.then(|| open("time"))).collect()
    })
}

fn object<'a, 't>(value: &'a Ast<'t>, name: &str) -> Option<&'a Object<'t>> {
    let prop = value.as_object()?.properties.iter().find(|prop| prop.name.as_str() == name)?;
    prop.value.as_object()
}

/// Everything in a document that this program must keep, as text and in order. Outside of this program's entries:
/// comments, members of the document and entries of the servers. In this program's entries, they are the user's members
/// and headers.
fn foreign(text: &str, ours: &[&str]) -> Vec<String> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
    let parsed = parse_to_ast(text, &collect, &ParseOptions::default()).unwrap();
    let root = parsed.value.unwrap();
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    let mut keep = |from: usize, to: usize| found.push((from, to, text[from..to].to_owned()));
    for prop in root.as_object().into_iter().flat_map(|root| &root.properties) {
        if prop.name.as_str() != "mcpServers" {
            keep(prop.range.start, prop.range.end);
        }
    }
    let mut inside = Vec::new();
    for prop in object(&root, "mcpServers").into_iter().flat_map(|servers| &servers.properties) {
        if ours.contains(&prop.name.as_str()) {
            inside.push((prop.range.start, prop.range.end));
        } else {
            keep(prop.range.start, prop.range.end);
        }
    }
    for token in parsed.tokens.unwrap() {
        let (from, to) = (token.range.start, token.range.end);
        let comment = matches!(token.token, Token::CommentLine(_) | Token::CommentBlock(_));
        if comment && !inside.iter().any(|(start, end)| (start..end).contains(&&from)) {
            keep(from, to);
        }
    }
    found.sort();
    found.into_iter().map(|(_, _, text)| text).collect()
}

/// Members of this program's entry that only its user can have set.
fn users_own(text: &str, name: &str) -> Vec<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(&plain(text)).unwrap();
    let entry = &json["mcpServers"][name];
    let all = [entry.get("disabled"), entry.get("headers").and_then(|headers| headers.get("X-Mine"))];
    all.into_iter().flatten().cloned().collect()
}

/// As JSON that `serde_json` reads. `serde_json` refuses numbers as large as one of [`WORDS`].
fn plain(text: &str) -> String {
    without_comments(text).replace("1e400", "1e40")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_ours_stays_and_twice_is_once(
        tree in document(),
        noise in vec(any::<u8>(), 1..60),
        first in services(),
        second in services(),
        row in prop::sample::select(vec!["claude-code", "cline", "gemini", "windsurf"]),
        how in prop::sample::select(vec![Secrets::Auto, Secrets::Inline]),
    ) {
        let client = super::super::client(row).unwrap();
        let mut text = written(&tree, &noise);
        let mut ours: Vec<Owned> = Vec::new();
        for services in [&first, &second, &Vec::new()] {
            let before = text.clone();
            let done = run(client, Some(&before), services, &ours, how);
            text = text_of(&done, Some(&before));

            // Entries that belong to this program before or after the edit may differ; the rest must be equal.
            let names: Vec<&str> = ours.iter().chain(&done.ours).map(|ours| ours.name.as_str()).collect();
            prop_assert_eq!(foreign(&text, &names), foreign(&before, &names), "{}\n---\n{}", before, text);
            let had = |name: &str| {
                let json: serde_json::Value = serde_json::from_str(&plain(&before)).unwrap();
                json["mcpServers"].get(name).is_some()
            };
            for kept in done.ours.iter().filter(|kept| had(&kept.name)) {
                prop_assert_eq!(users_own(&text, &kept.name), users_own(&before, &kept.name));
            }

            // The result is a document, and its entries are the services.
            let json: serde_json::Value = serde_json::from_str(&plain(&text)).unwrap();
            for service in services {
                let entry = &json["mcpServers"][&service.name];
                let addresses: Vec<_> =
                    ["url", "httpUrl", "serverUrl"].into_iter().filter_map(|key| entry[key].as_str()).collect();
                if done.ours.iter().any(|ours| ours.name == service.name) {
                    prop_assert_eq!(addresses, [&service.url]);
                } else {
                    prop_assert!(done.warnings.iter().any(|line| line.starts_with(&service.name)));
                }
            }
            let again = run(client, Some(&text), services, &done.ours, how);
            prop_assert_eq!(&again.edit, &Edit::Same, "{}", text);
            prop_assert_eq!(&again.ours, &done.ours);
            ours = done.ours;
        }
        prop_assert!(ours.is_empty());
    }

    #[test]
    fn any_text_at_all_is_edited_or_refused_and_never_a_panic(text in "[\\[\\]{}\":,/* a\\\\\n\u{feff}]{0,40}") {
        let client = super::super::client("cursor").unwrap();
        let done = run(client, Some(&text), &[signed_in("docs", "token")], &[], Secrets::Auto);
        if let Edit::Write(changed) = done.edit {
            let mark = changed.expose().strip_prefix('\u{feff}').unwrap_or(changed.expose());
            let json: serde_json::Value = serde_json::from_str(&without_comments(mark)).unwrap();
            prop_assert_eq!(&json["mcpServers"]["docs"]["headers"]["Authorization"], "Bearer token");
        }
    }
}

#[test]
fn the_documents_of_these_tests_have_everything_in_them() {
    let tree = Tree::Object(vec![(r#""a""#.to_owned(), Tree::List(vec![Tree::Word("null")]))]);
    let mut text = String::new();
    for noise in 0..64u8 {
        write!(text, "{}", written(&tree, &[noise, noise.wrapping_mul(7), 3])).unwrap();
    }
    for wanted in ["/* 1 */", "\r\n", "//", ",]", ",}", "/*/ "] {
        assert!(text.contains(wanted), "{wanted:?}");
    }
}
