//! The program is a binary, whose modules no other crate can use. Here its source is copied with every item made
//! public, and its modules become modules of this crate. The program itself needs no door for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let from = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../src");
    let to = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("src");
    println!("cargo::rerun-if-changed={}", from.display());
    let _ = fs::remove_dir_all(&to);
    copy(&from, &to);
    // What the source includes from beside it.
    for file in ["token-refresher.service", "examples/token-refresher.user.service", "docs/token-refresher-files.5"] {
        let (beside, copied) = (from.join("..").join(file), to.join("..").join(file));
        fs::create_dir_all(copied.parent().expect("a directory")).expect("a directory");
        fs::copy(beside, copied).expect("a copy");
    }

    let root = fs::read_to_string(to.join("main.rs")).expect("src/main.rs");
    let mut modules = String::new();
    for name in root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        let flat = to.join(format!("{name}.rs"));
        let file = if flat.exists() { flat } else { to.join(name).join("mod.rs") };
        // The one for tests only is not missed.
        if name != "scratch" {
            writeln!(modules, "#[path = {:?}]\npub mod {name};", file.display().to_string())
                .expect("a string");
        }
    }
    fs::write(to.join("modules.rs"), modules).expect("the list of modules");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the source") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            fs::write(copied, public(&fs::read_to_string(&path).expect("text"))).expect("a copy");
        } else {
            fs::copy(&path, copied).expect("a copy");
        }
    }
}

/// The source with its items public.
fn public(text: &str) -> String {
    let mut public = String::new();
    for line in text.lines() {
        let line = line.replace("pub(crate) ", "pub ").replace("pub(super) ", "pub ");
        let private =
            ["mod ", "fn ", "struct ", "enum ", "const ", "type "].iter().any(|word| line.starts_with(word));
        public.push_str(if private { "pub " } else { "" });
        public.push_str(&line);
        public.push('\n');
    }
    public
}
