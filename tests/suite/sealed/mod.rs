//! Secrets sealed at rest: what is sealed, where it opens, and what is refused.

mod bound;
mod commands;
mod daemon;
mod keys;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::due::text;
use crate::support::{Finished, Program, Project, internals, jwe, now};

/// The names of the members that are sealed.
const SECRETS: [&str; 3] = ["refresh_token", "client_secret", "private_key"];

/// A key beside the project.
struct Key {
    path: PathBuf,
    text: String,
}

/// Makes a key called `name` beside the project, with the program's own command.
fn key(project: &Project, name: &str) -> Key {
    let path = project.outside().join(name);
    Program::new(project).arg("keygen").arg(path.display().to_string()).run().expect_code(0);
    let text = fs::read_to_string(&path).unwrap();
    Key { path, text }
}

impl Key {
    /// The program with this key.
    fn program(&self, project: &Project) -> Program {
        Program::new(project).arg("--key-file").arg(self.path.display().to_string())
    }

    /// `seal` with these words behind it; whatever comes of it.
    fn seal(&self, project: &Project, words: &str) -> Finished {
        let program = Program::new(project).arg("seal").args(words);
        program.arg("--key-file").arg(self.path.display().to_string()).run()
    }

    /// The number of the key.
    fn kid(&self) -> String {
        let bytes = URL_SAFE_NO_PAD.decode(self.text.trim()).unwrap();
        jwe::print(&bytes)
    }
}

/// Writes a key file with this text and mode beside the project.
fn write_key(project: &Project, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = project.outside().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// What is sealed in a member of a file.
fn opened(project: &Project, name: &str, member: &str, key: &Key) -> String {
    jwe::open(&text(project, name, member), &key.text)
}

/// Changes one member of a file in place, as an editor would.
fn edit(project: &Project, name: &str, member: &str, value: impl Into<Value>) {
    let mut document = project.read_token(name);
    document[member] = value.into();
    project.write_tokens_file(name, document.to_string());
}

/// Makes the token of a file one that has just expired.
fn due_again(project: &Project, name: &str) {
    for (member, value) in [("issued_at", now() - 3601), ("expires_in", 3600), ("expires_at", now() - 1)] {
        edit(project, name, member, value);
    }
    internals::age_the_last_refresh(project, name, Duration::from_hours(1));
}
