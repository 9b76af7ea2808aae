//! Any edits of the files between two scans: the second scan finds the same as a scan without memory.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::clock::Timestamp;
use crate::oauth::Providers;
use crate::scratch::Scratch;
use crate::settings::Environment;

/// The names of the tokens directory: files, and links to files of the directory beside it.
const NAMES: [&str; 6] =
    ["a-egress.json", "b.json", "c.json", "ingress.json", "link.json", "second-link.json"];

/// The targets of the links.
const TARGETS: [&str; 3] = ["x.json", "y.json", "z.json"];

/// One edit of an existing or a new file. All contents have the same length.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// The file is written in place.
    Write,
    /// The file is written in place, and its modification time is set back.
    WriteSetBack,
    /// Another file with the same modification time is renamed over it.
    Rename,
    /// The file is written through a second name.
    HardLink,
    /// Only the modification time is set, to an earlier one.
    Touch,
    /// Only the mode changes.
    Mode,
    /// The file is removed.
    Remove,
    /// The file becomes one with a client's credentials.
    Client,
    /// The file becomes one without a token.
    NoToken,
    /// The file is half written.
    Broken,
    /// A link to this target replaces the file.
    Turn(usize),
    /// The target of a link is written in place.
    WriteTarget(usize),
    /// The target of a link is replaced by rename.
    RenameTarget(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let target = 0..TARGETS.len();
    prop_oneof![
        Just(Edit::Write),
        Just(Edit::WriteSetBack),
        Just(Edit::Rename),
        Just(Edit::HardLink),
        Just(Edit::Touch),
        Just(Edit::Mode),
        Just(Edit::Remove),
        Just(Edit::Client),
        Just(Edit::NoToken),
        Just(Edit::Broken),
        target.clone().prop_map(Edit::Turn),
        target.clone().prop_map(Edit::WriteTarget),
        target.prop_map(Edit::RenameTarget),
    ]
}

struct Place {
    scratch: Scratch,
    number: u32,
}

impl Place {
    fn new() -> Self {
        let place = Self { scratch: Scratch::new(), number: 0 };
        for directory in ["tokens", "targets"] {
            fs::create_dir(place.scratch.join(directory)).unwrap();
        }
        place
    }

    fn token(&mut self) -> String {
        self.number += 1;
        let number = self.number;
        format!(
            r#"{{"access_token": "a-{number:06}", "refresh_token": "r-{number:06}", "expires_at": 9{number:09}}}"#
        )
    }

    fn target(&self, target: usize) -> PathBuf {
        self.scratch.join("targets").join(TARGETS[target])
    }

    fn edit(&mut self, name: &str, edit: Edit) {
        let path = self.scratch.join("tokens").join(name);
        let before = fs::metadata(&path).and_then(|found| found.modified()).ok();
        let (text, beside) = (self.token(), self.scratch.join("beside"));
        let set_back = |path: &PathBuf| {
            let file = File::options().append(true).open(path).unwrap();
            file.set_times(before.map_or_else(FileTimes::new, |time| FileTimes::new().set_modified(time)))
                .unwrap();
        };
        let renamed = |text: &str, over: &PathBuf| {
            fs::write(&beside, text).unwrap();
            set_back(&beside);
            fs::rename(&beside, over).unwrap();
        };
        match edit {
            // A link that leads nowhere cannot be written through.
            _ if path.is_symlink() && before.is_none() && !matches!(edit, Edit::Turn(_) | Edit::Remove) => {}
            Edit::Write => fs::write(&path, text).unwrap(),
            Edit::WriteSetBack => {
                fs::write(&path, text).unwrap();
                set_back(&path);
            }
            Edit::Rename => renamed(&text, &path),
            Edit::HardLink if before.is_some() => {
                fs::hard_link(path.canonicalize().unwrap(), &beside).unwrap();
                fs::write(&beside, text).unwrap();
                set_back(&beside);
                fs::remove_file(&beside).unwrap();
            }
            Edit::Touch if before.is_some() => {
                let file = File::options().append(true).open(&path).unwrap();
                file.set_modified(before.unwrap() - Duration::from_secs(7)).unwrap();
            }
            Edit::Mode if before.is_some() => {
                let mode = fs::metadata(&path).unwrap().mode() ^ 0o004;
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            }
            Edit::HardLink | Edit::Touch | Edit::Mode => {}
            Edit::Remove => drop(fs::remove_file(&path)),
            Edit::Client => {
                fs::write(&path, format!(r#"{{"client_id": "{}", "client_secret": "s"}}"#, self.number))
                    .unwrap();
            }
            Edit::NoToken => fs::write(&path, "{}").unwrap(),
            Edit::Broken => fs::write(&path, &text[..20]).unwrap(),
            Edit::Turn(target) => {
                drop(fs::remove_file(&path));
                symlink(self.target(target), &path).unwrap();
            }
            Edit::WriteTarget(target) => fs::write(self.target(target), text).unwrap(),
            Edit::RenameTarget(target) => renamed(&text, &self.target(target)),
        }
        self.wait_for_a_tick();
    }

    /// Waits until the clock of the file system has moved on. A person needs longer between two edits.
    fn wait_for_a_tick(&self) {
        let time = || {
            let path = self.scratch.write("clock", "");
            let found = fs::metadata(path).unwrap();
            (found.ctime(), found.ctime_nsec())
        };
        let begun = time();
        while time() == begun {
            thread::yield_now();
        }
    }

    /// Scans, and returns the findings and the number of files that were read.
    fn look(&self, memory: &mut Memory, now: Timestamp) -> (BTreeMap<String, String>, usize) {
        let directory = Directory::open(&self.scratch.join("tokens")).unwrap();
        let store = Store::open(&self.scratch.join("tokens"));
        let context = ScanContext {
            providers: &Providers::builtin(),
            environment: &Environment::default(),
            state: &store,
            outages: &BTreeMap::new(),
            buffer: Duration::from_mins(1),
            interval: Duration::from_mins(5),
            forced: false,
            writes_configurations: true,
            now,
        };
        let scan = scan(&directory, &context, memory).unwrap();
        let read = scan.read;
        let token = |token: &Credential| {
            let Credential { source, monitored, unresolved, plan, .. } = token;
            let stood =
                (source.refresh_hash, source.life, source.has_access, source.stamp(), source.server());
            (token.name().to_owned(), format!("{stood:?} {monitored:?} {unresolved:?} {plan:?}"))
        };
        let mut found: BTreeMap<String, String> = scan.tokens.iter().map(token).collect();
        found.extend(scan.problems.iter().map(|(name, why)| (name.clone(), why.to_string())));
        found.extend(scan.clients.iter().map(|client| (client.name.clone(), client.client_id.clone())));
        found.extend(scan.empty.iter().map(|name| (name.clone(), "no token".to_owned())));
        found.extend(scan.open.iter().map(|(name, file)| (format!("open {name}"), format!("{file:?}"))));
        *memory = scan.into_memory(directory);
        (found, read)
    }
}

/// Any edits, each with two scans after it that come so much later.
fn plays(edits: Vec<(usize, Edit)>, later: Duration) -> Result<(), TestCaseError> {
    let mut place = Place::new();
    for name in &NAMES[..4] {
        place.edit(name, Edit::Write);
    }
    for target in 0..2 {
        place.edit("link.json", Edit::WriteTarget(target));
    }
    place.edit("link.json", Edit::Turn(0));
    place.edit("second-link.json", Edit::Turn(1));
    let mut memory = Memory::default();
    let now = || Timestamp::now() + later;
    let (_, read) = place.look(&mut memory, now());
    prop_assert_eq!(read, NAMES.len());
    for (name, edit) in edits {
        place.edit(NAMES[name], edit);
        let (with, _) = place.look(&mut memory, now());
        prop_assert!(!memory.is_outdated());
        let (without, _) = place.look(&mut Memory::default(), now());
        prop_assert_eq!(with, without, "{:?} of {}", edit, NAMES[name]);
    }
    Ok(())
}

#[test]
fn a_look_with_memory_finds_what_a_look_without_it_finds() {
    // Ten seconds after an edit, earlier reads are trusted.
    let later = [0, 10].map(Duration::from_secs);
    let config = || ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
    // A scan waits for a half-written file, so several run at the same time.
    thread::scope(|scope| {
        for later in later.repeat(3) {
            scope.spawn(move || {
                let edits = vec((0..NAMES.len(), edit()), 1..16);
                TestRunner::new(config()).run(&edits, |edits| plays(edits, later)).unwrap();
            });
        }
    });
}

#[test]
fn what_has_not_changed_is_read_once_an_hour() {
    let mut place = Place::new();
    place.edit("a-egress.json", Edit::Write);
    place.edit("b.json", Edit::NoToken);
    place.edit("link.json", Edit::WriteTarget(0));
    place.edit("link.json", Edit::Turn(0));
    let mut memory = Memory::default();
    let begun = Timestamp::now();
    let mut read = |seconds: u64| place.look(&mut memory, begun + Duration::from_secs(seconds)).1;
    // The first scan comes too soon after the edits.
    let at = [0, 10, 20, 3000, 3310, 3311, 3320].map(|seconds| (seconds, read(seconds)));
    // The next scan is 300 s away.
    assert_eq!(at, [(0, 3), (10, 3), (20, 0), (3000, 0), (3310, 0), (3311, 3), (3320, 0)]);
}

#[test]
fn a_secret_of_a_client_is_not_remembered_and_its_file_is_read_each_time() {
    let mut place = Place::new();
    place.edit("b.json", Edit::Client);
    place.edit("a-egress.json", Edit::Write);
    let mut memory = Memory::default();
    let begun = Timestamp::now();
    let read = [10, 20].map(|seconds| place.look(&mut memory, begun + Duration::from_secs(seconds)).1);
    assert_eq!(read, [2, 1]);
}
