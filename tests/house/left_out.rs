//! Tests that `make test` would never run: those of a crate with `test = false` that are not ignored, so that no make
//! target runs them either.

use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::{Broken, read};

/// The names of such tests, of all files in the directory `tests`.
pub(crate) fn left_out(manifest: &str, files: &[PathBuf]) -> Broken {
    let manifest: toml::Table = manifest.parse().unwrap();
    let mut broken = Vec::new();
    for left in manifest["test"].as_array().unwrap().iter().filter(|one| one["test"].as_bool() == Some(false))
    {
        let path = Path::new("tests").join(left["name"].as_str().unwrap());
        let of_it = |file: &&PathBuf| **file == path.with_extension("rs") || file.starts_with(&path);
        for file in files.iter().filter(of_it) {
            broken.extend(running(&read(file)).map(|test| format!("{}: {test}", file.display())));
        }
    }
    broken
}

/// The tests in a file that are not ignored.
fn running(text: &str) -> impl Iterator<Item = String> {
    let mut tests = Tests::default();
    tests.visit_file(&syn::parse_file(text).unwrap());
    tests.0.into_iter().filter(|(_, ignored)| !ignored).map(|(name, _)| name)
}

/// Tests, and whether they are ignored.
#[derive(Default)]
struct Tests(Vec<(String, bool)>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let has = |name| function.attrs.iter().any(|attribute| attribute.path().is_ident(name));
        if has("test") {
            self.0.push((function.sig.ident.to_string(), has("ignore")));
        }
        visit::visit_item_fn(self, function);
    }
}

#[test]
fn a_test_that_is_not_ignored_is_found() {
    let text =
        "#[test] fn runs() {} mod inner { #[test] #[ignore = \"long\"] fn waits() {} } fn no_test() {}";
    assert_eq!(running(text).collect::<Vec<_>>(), ["runs"]);
}
