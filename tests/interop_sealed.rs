//! Sealed members against two JOSE libraries that owe nothing to the program: `jose` (npm) and `joserfc` (`PyPI`). What
//! the program seals they open, with every member of the header, and what they seal the program sends. If something
//! here fails, a user who wants to read a sealed file without the program cannot.
//!
//! Needs Node.js and Python with the packages of tests/interop: `make interop-sealed` brings them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::due::{FILE, due, text};
use support::{Due, Program, internals, jwe};

/// A library, and what it is run with.
const LIBRARIES: [(&str, &str, &str); 2] =
    [("node", "node", "sealed.mjs"), ("python", "python/venv/bin/python", "python/sealed.py")];

/// A running script of a library.
struct Library {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Library {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Library {
    fn start((_, program, script): (&str, &str, &str)) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let program = if program == "node" { program.into() } else { here.join(program) };
        let started = Command::new(&program)
            .arg(here.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.expect("its packages are not installed: run make interop-sealed");
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn ask(&mut self, asked: &Value) -> Value {
        writeln!(self.child.stdin.as_ref().unwrap(), "{asked}").unwrap();
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} of {asked}"))
    }
}

#[test]
#[ignore = "make interop-sealed"]
fn what_is_sealed_here_opens_there_and_the_other_way_round() {
    for library in LIBRARIES {
        let mut other = Library::start(library);
        let Due { endpoint, project, .. } = due();
        let pem = "-----BEGIN PRIVATE KEY-----\nä\n-----END PRIVATE KEY-----\n";
        let mut document = project.read_token(FILE);
        document["private_key"] = pem.into();
        project.write_tokens_file(FILE, document.to_string());
        let path = project.outside().join("key");
        Program::new(&project).arg("keygen").arg(path.display().to_string()).run().expect_code(0);
        let key = fs::read_to_string(&path).unwrap().trim().to_owned();
        let with_key = || Program::new(&project).arg("--key-file").arg(path.display().to_string());
        with_key().once().expect_code(0);
        assert_eq!(endpoint.requests().len(), 1);

        // From here to there, with every member of the header.
        let mut opened = Vec::new();
        for (member, expected) in [
            ("refresh_token", None),
            ("client_secret", document["client_secret"].as_str().map(ToOwned::to_owned)),
            ("private_key", Some(pem.to_owned())),
        ] {
            let sealed = text(&project, FILE, member);
            let said = other.ask(&json!({"key": key, "open": sealed}));
            let plain = said["plain"].as_str().unwrap_or_else(|| panic!("{}: {said}", library.0)).to_owned();
            assert!(expected.is_none_or(|expected: String| expected == plain), "{}: {member}", library.0);
            let header = &said["header"];
            assert_eq!(*header, jwe::header(&sealed), "{}", library.0);
            assert_eq!(header.as_object().unwrap().len(), 8, "{header}");
            let mut broken = sealed.clone();
            broken.replace_range(100..101, if &sealed[100..101] == "A" { "B" } else { "A" });
            assert!(other.ask(&json!({"key": key, "open": broken}))["error"].is_string());
            opened.push((member, plain, header.clone()));
        }
        assert!(!endpoint.is_revoked(&opened[0].1), "it opens the present refresh token");

        // From there to here: the library seals anew, and the program sends what is in it.
        let mut document = project.read_token(FILE);
        for (member, plain, header) in &opened {
            let said = other.ask(&json!({"key": key, "seal": plain, "header": header}));
            document[*member] = said["text"].clone();
        }
        for (member, value) in [("issued_at", 1), ("expires_in", 3600), ("expires_at", 3601)] {
            document[member] = value.into();
        }
        project.write_tokens_file(FILE, document.to_string());
        internals::age_the_last_refresh(&project, FILE, std::time::Duration::from_hours(1));
        with_key().once().expect_code(0);
        assert_eq!((endpoint.requests().len(), endpoint.reuses()), (2, 0), "{}", library.0);
        println!("{}: opens {} members and its own are sent", library.0, opened.len());
    }
}
