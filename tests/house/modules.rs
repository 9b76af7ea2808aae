//! The crate's module tree as its source says it, without what only tests see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::{Attribute, ImplItem, Item, UseTree, Visibility};

use super::{Broken, read};

/// A path as it is written: `["crate", "files", "Lock"]`.
pub(crate) type Written = Vec<String>;

/// One module: a file, or a `mod name { .. }` in one.
pub(crate) struct Module {
    pub file: PathBuf,
    pub path: Vec<String>,
    pub parent: usize,
    pub children: BTreeMap<String, usize>,
    /// Names that a `use` brings in, with the paths that they stand for.
    pub imports: BTreeMap<String, Written>,
    /// Those of them that other modules may use from here, so that they are no use of this module's own.
    pub passed_on: BTreeSet<String>,
    /// `use path::*`.
    pub globs: Vec<Written>,
    /// Everything but `use` and `mod`.
    pub items: Vec<Item>,
}

/// All modules; the first is the crate's root.
pub(crate) struct Crate(pub Vec<Module>);

impl Crate {
    pub(crate) fn load(root: &Path) -> Self {
        let mut all = Self(Vec::new());
        let items = syn::parse_file(&read(root)).unwrap().items;
        all.add(root, root.parent().unwrap(), Vec::new(), 0, items);
        all
    }

    /// Adds a module and those below it. The files of its children are in `below`.
    fn add(
        &mut self,
        file: &Path,
        below: &Path,
        path: Vec<String>,
        parent: usize,
        items: Vec<Item>,
    ) -> usize {
        let this = self.0.len();
        self.0.push(Module {
            file: file.to_owned(),
            path,
            parent,
            children: BTreeMap::new(),
            imports: BTreeMap::new(),
            passed_on: BTreeSet::new(),
            globs: Vec::new(),
            items: Vec::new(),
        });
        for item in items.into_iter().filter_map(without_tests) {
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let path = [self.0[this].path.as_slice(), std::slice::from_ref(&name)].concat();
                    let child = match module.content {
                        Some((_, items)) => self.add(file, &below.join(&name), path, this, items),
                        None => self.add_file(below, &name, path, this),
                    };
                    self.0[this].children.insert(name, child);
                }
                Item::Use(item) => {
                    let passed_on = !matches!(item.vis, Visibility::Inherited);
                    self.0[this].import(&item.tree, &Vec::new(), passed_on);
                }
                other => self.0[this].items.push(other),
            }
        }
        this
    }

    fn add_file(&mut self, directory: &Path, name: &str, path: Vec<String>, parent: usize) -> usize {
        let below = directory.join(name);
        let flat = directory.join(format!("{name}.rs"));
        let file = if super::root().join(&flat).exists() { flat } else { below.join("mod.rs") };
        let items = syn::parse_file(&read(&file)).unwrap().items;
        self.add(&file, &below, path, parent, items)
    }

    /// The module that defines what a path written in `module` means; `None` for other crates' items.
    pub(crate) fn definer(&self, module: usize, path: &[String]) -> Option<usize> {
        self.follow(module, path, 0)
    }

    fn follow(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        if depth > 20 {
            return None;
        }
        let here = &self.0[module];
        match first.as_str() {
            "crate" => self.descend(0, rest, depth),
            "self" => self.descend(module, rest, depth),
            "super" => self.descend(here.parent, rest, depth),
            name if here.children.contains_key(name) => self.descend(module, path, depth),
            name => {
                let import = here.imports.get(name)?;
                self.follow(module, &[import.as_slice(), rest].concat(), depth + 1)
            }
        }
    }

    /// From a module down a path, through what the modules on the way pass on.
    fn descend(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let Some((first, rest)) = path.split_first() else { return Some(module) };
        let here = &self.0[module];
        if first == "super" {
            return self.descend(here.parent, rest, depth);
        }
        if let Some(&child) = here.children.get(first) {
            // A name can be a module and a function at once: at the end of a path it is the function.
            if !(rest.is_empty() && here.imports.contains_key(first)) {
                return self.descend(child, rest, depth);
            }
        }
        if here.defines(first) {
            return Some(module);
        }
        if let Some(import) = here.imports.get(first) {
            return self.follow(module, &[import.as_slice(), rest].concat(), depth + 1);
        }
        let from_globs = here.globs.iter().filter_map(|glob| self.follow(module, glob, depth + 1));
        Some(from_globs.into_iter().find(|&glob| self.0[glob].defines(first)).unwrap_or(module))
    }

    /// Types whose names several definitions share.
    pub(crate) fn repeated_types(&self) -> Broken {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for module in &self.0 {
            for item in &module.items {
                let name = match item {
                    Item::Struct(item) => &item.ident,
                    Item::Enum(item) => &item.ident,
                    Item::Trait(item) => &item.ident,
                    Item::Type(item) => &item.ident,
                    _ => continue,
                };
                places.entry(name.to_string()).or_default().push(module.file.display().to_string());
            }
        }
        let several = places.into_iter().filter(|(_, places)| places.len() > 1);
        several.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
    }
}

impl Module {
    fn import(&mut self, tree: &UseTree, before: &Written, passed_on: bool) {
        let longer = |name: String| [before.as_slice(), &[name]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &longer(path.ident.to_string()), passed_on),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before, passed_on));
            }
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Name(name) => self.import_as(&name.ident, &name.ident, before, passed_on),
            UseTree::Rename(name) => self.import_as(&name.ident, &name.rename, before, passed_on),
        }
    }

    fn import_as(&mut self, name: &syn::Ident, new: &syn::Ident, before: &Written, passed_on: bool) {
        let mut path = before.clone();
        if name != "self" {
            path.push(name.to_string());
        }
        let new = if new == "self" { before.last().unwrap().clone() } else { new.to_string() };
        if passed_on {
            self.passed_on.insert(new.clone());
        }
        self.imports.insert(new, path);
    }

    fn defines(&self, name: &str) -> bool {
        self.items.iter().any(|item| {
            let ident = match item {
                Item::Const(item) => Some(&item.ident),
                Item::Enum(item) => Some(&item.ident),
                Item::Fn(item) => Some(&item.sig.ident),
                Item::Macro(item) => item.ident.as_ref(),
                Item::Static(item) => Some(&item.ident),
                Item::Struct(item) => Some(&item.ident),
                Item::Trait(item) => Some(&item.ident),
                Item::Type(item) => Some(&item.ident),
                _ => None,
            };
            ident.is_some_and(|ident| ident == name)
        })
    }
}

/// An item without its parts for tests; `None` where all of it is for tests.
fn without_tests(mut item: Item) -> Option<Item> {
    if let Item::Impl(block) = &mut item {
        block.items.retain(|item| match item {
            ImplItem::Fn(function) => !for_tests(&function.attrs),
            _ => true,
        });
    }
    let attributes = match &item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return Some(item),
    };
    (!for_tests(attributes)).then_some(item)
}

fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string();
        text.contains("cfg") && text.contains("test") && !text.contains("not")
    })
}
