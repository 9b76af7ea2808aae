//! Which module uses which, and the circles among them.
//!
//! An arrow leads from a file to the file that defines what it uses. What a `mod.rs` only declares and passes on is no
//! arrow; what its own code uses of a child is one.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;

use super::Broken;
use super::modules::{Crate, Written};

/// From each node to the nodes it uses, with one path that shows it.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// Wings that are in a circle, each with its arrows to others of the circle.
pub(crate) fn between_wings(code: &Crate) -> Broken {
    let wing = |module: usize| code.0[module].path.first().map_or("main", String::as_str).to_owned();
    let mut arrows = Arrows::new();
    for (from, to, path) in uses(code) {
        if wing(from) != wing(to) {
            let shown = format!("{} in {}", path.join("::"), code.0[from].file.display());
            arrows.entry(wing(from)).or_default().entry(wing(to)).or_insert(shown);
        }
    }
    in_circles(&arrows)
}

/// Files that are in a circle inside their wing, each with its arrows to others of the circle.
pub(crate) fn inside_wings(code: &Crate) -> Broken {
    let file = |module: usize| code.0[module].file.display().to_string();
    let mut arrows = Arrows::new();
    for (from, to, path) in uses(code) {
        let (a, b) = (&code.0[from].path, &code.0[to].path);
        if !a.is_empty() && a.first() == b.first() && file(from) != file(to) {
            arrows.entry(file(from)).or_default().entry(file(to)).or_insert_with(|| path.join("::"));
        }
    }
    in_circles(&arrows)
}

/// Every use of an item of this crate: from which module, of which module, and how it is written.
fn uses(code: &Crate) -> Vec<(usize, usize, Written)> {
    let mut uses = Vec::new();
    for (index, module) in code.0.iter().enumerate() {
        let mut paths: Vec<Written> = module.globs.clone();
        let own = module.imports.iter().filter(|(name, _)| !module.passed_on.contains(*name));
        paths.extend(own.map(|(_, path)| path.clone()));
        for item in &module.items {
            let mut written = Vec::new();
            collect(item.to_token_stream(), &mut written);
            let means_an_item = |path: &Path| {
                let (first, several) = (path.words[0].as_str(), path.words.len() > 1);
                let named = path.called || first.starts_with(char::is_uppercase);
                let begins =
                    matches!(first, "crate" | "self" | "super") || module.children.contains_key(first);
                several && begins || (several || named) && module.passed_on.contains(first)
            };
            paths.extend(written.into_iter().filter(means_an_item).map(|path| path.words));
        }
        for path in paths {
            if let Some(definer) = code.definer(index, &path).filter(|&definer| definer != index) {
                uses.push((index, definer, path));
            }
        }
    }
    uses
}

/// A path in an expression, a type or a macro.
struct Path {
    words: Written,
    /// Arguments follow.
    called: bool,
}

fn collect(tokens: TokenStream, found: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let punct = |at: usize, sign: char| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == sign,
        _ => false,
    };
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Ident(ident) => {
                let [earlier, last] = [2, 1].map(|back| at.checked_sub(back));
                let sign = |at: Option<usize>, sign| at.is_some_and(|at| punct(at, sign));
                // A field, a method, or the end of a path whose beginning has a type in it.
                let goes_on = sign(last, '.') && !sign(earlier, '.') || sign(last, ':') && sign(earlier, ':');
                let defined =
                    last.is_some_and(|at| matches!(&tokens[at], TokenTree::Ident(it) if it == "fn"));
                let mut words = vec![ident.to_string()];
                while punct(at + 1, ':') && punct(at + 2, ':') {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    words.push(next.to_string());
                    at += 3;
                }
                let called = matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
                if !goes_on && !defined {
                    found.push(Path { words, called });
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// Nodes from which a way leads back to themselves.
fn in_circles(arrows: &Arrows) -> Broken {
    let mut broken = Vec::new();
    for node in arrows.keys() {
        let circle: BTreeSet<String> =
            reach(arrows, node).into_iter().filter(|other| reach(arrows, other).contains(node)).collect();
        if circle.contains(node) {
            let back = arrows[node].iter().filter(|(to, _)| circle.contains(*to));
            let back: Vec<String> = back.map(|(to, path)| format!("{to} ({path})")).collect();
            broken.push(format!("{node} -> {}", back.join(", ")));
        }
    }
    broken
}

/// All nodes that a way from `node` leads to.
fn reach(arrows: &Arrows, node: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![node.to_owned()];
    while let Some(next) = open.pop() {
        for to in arrows.get(&next).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    reached
}

#[test]
fn a_circle_is_found_and_what_only_leads_to_it_is_not_in_it() {
    let arrow = |to: &str| BTreeMap::from([(to.to_owned(), "crate::x".to_owned())]);
    let named = |(from, to): (&str, &str)| (from.to_owned(), arrow(to));
    let arrows: Arrows = [("a", "b"), ("b", "c"), ("c", "b")].map(named).into();
    assert_eq!(in_circles(&arrows), ["b -> c (crate::x)", "c -> b (crate::x)"]);
}

#[test]
fn paths_are_found_in_macros_too_and_fields_are_none() {
    let item: syn::Item = syn::parse_quote! {
        fn f(value: &super::Value) { log::info!("{}", crate::a::b(value.c, d::E::F)); }
    };
    let mut found = Vec::new();
    collect(item.to_token_stream(), &mut found);
    let paths: Vec<String> = found.iter().map(|path| path.words.join("::")).collect();
    assert_eq!(paths, ["fn", "value", "super::Value", "log::info", "crate::a::b", "value", "d::E::F"]);
}
