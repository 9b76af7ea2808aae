//! The program's private files, for the tests: the places of the notes, locks, marks and reserves, and their formats.
//! No promise to users covers these formats. A change of one needs a change here and in no test.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fs2::FileExt as _;
use serde_json::{Value, json};

use super::Project;
use super::project::TOKENS;

/// The program's own directory in the tokens directory.
pub(crate) const OWN: &str = ".token-refresher";

/// All files of the program's own directory, apart from one lock for each token file.
pub(crate) const OWN_FILES: [&str; 4] =
    ["configurations.lock", "status.lock", "status.json", ".status.json.new"];

/// A path in the program's own directory.
pub(crate) fn own(project: &Project, name: &str) -> PathBuf {
    project.token(OWN).join(name)
}

/// The lock of a token file, which also holds the mark of a request.
pub(crate) fn lock_file(project: &Project, name: &str) -> PathBuf {
    own(project, &format!("{name}.lock"))
}

/// Takes the lock of a token file as another process would, until the lock is dropped.
pub(crate) fn lock(project: &Project, name: &str) -> File {
    take(project, &format!("{name}.lock"))
}

/// Takes the lock of the configurations as another process would, until the lock is dropped.
pub(crate) fn lock_configurations(project: &Project) -> File {
    take(project, "configurations.lock")
}

fn take(project: &Project, name: &str) -> File {
    // Closed to others: the program uses no other directory.
    let _ = DirBuilder::new().mode(0o700).create(project.token(OWN));
    let lock = File::create(own(project, name)).unwrap();
    lock.lock_exclusive().unwrap();
    lock
}

/// The name of the file that makes room for the answer before a request is sent.
pub(crate) fn reserve(name: &str) -> String {
    format!(".{name}.refresh")
}

/// Whether a reserve beside this token file holds an answer already.
pub(crate) fn reserve_holds_an_answer(project: &Project, name: &str) -> bool {
    fs::read(project.token(&reserve(name))).is_ok_and(|bytes| bytes.first() == Some(&b'{'))
}

/// Whether a name is that of a reserve.
pub(crate) fn is_reserve(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".refresh")
}

/// How many replaced refresh tokens the history has.
pub(crate) fn replaced_tokens(project: &Project) -> usize {
    fs::read_to_string(own(project, "replaced")).unwrap().lines().count()
}

/// Whether a mark shows that the refresh token of this file may have been sent.
pub(crate) fn is_marked(project: &Project, name: &str) -> bool {
    let note = fs::read_to_string(lock_file(project, name)).unwrap();
    // A cleared mark is blank.
    let note = note.trim_start();
    assert!(note.is_empty() || note.starts_with("sent "), "an unknown mark: {note:?}");
    !note.is_empty()
}

/// Makes the mark of this file older, as if the request had been sent earlier.
pub(crate) fn age_mark(project: &Project, name: &str, by: Duration) {
    assert!(is_marked(project, name), "no mark is there");
    let path = lock_file(project, name);
    let note = fs::read_to_string(&path).unwrap();
    let mut words: Vec<String> = note.trim_end().split(' ').map(str::to_owned).collect();
    for word in &mut words[1..=2] {
        *word = format!("{:020}", word.parse::<i64>().unwrap() - millis(by));
    }
    fs::write(path, words.join(" ") + "\n").unwrap();
}

/// The status file's text.
pub(crate) fn status_text(project: &Project) -> String {
    project.text(&format!("{TOKENS}/{OWN}/status.json"))
}

/// The size of the status file, 0 if it does not exist.
pub(crate) fn status_size(project: &Project) -> u64 {
    fs::metadata(own(project, "status.json")).map_or(0, |metadata| metadata.len())
}

/// Removes the status file, as after a crash at the first start.
pub(crate) fn forget_status(project: &Project) {
    fs::remove_file(own(project, "status.json")).unwrap();
}

fn status(project: &Project) -> Value {
    serde_json::from_str(&status_text(project)).unwrap()
}

fn change_status(project: &Project, edit: impl FnOnce(&mut Value)) {
    change(project, "status.json", edit);
}

fn change(project: &Project, name: &str, edit: impl FnOnce(&mut Value)) {
    let path = own(project, name);
    let mut document = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut document);
    fs::write(path, document.to_string()).unwrap();
}

/// Makes the record of a token file name another origin of the last refresh.
pub(crate) fn set_origin(project: &Project, name: &str, origin: &str) {
    change_status(project, |document| document["files"][name]["origin"] = origin.into());
}

/// The failure that is on record for a token file.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub kind: String,
    pub message: String,
    /// The time in milliseconds since 1970.
    pub since: i64,
}

/// The failure on record for a token file, if there is one.
pub(crate) fn recorded_trouble(project: &Project, name: &str) -> Option<Trouble> {
    let status = fs::read_to_string(own(project, "status.json")).ok()?;
    let document: Value = serde_json::from_str(&status).unwrap();
    (!document["files"][name]["trouble"].is_null()).then(|| trouble(project, name))
}

/// The failure on record for a token file; fails if there is none.
#[track_caller]
pub(crate) fn trouble(project: &Project, name: &str) -> Trouble {
    let document = status(project);
    let trouble = &document["files"][name]["trouble"];
    let text = |member: &str| trouble[member].as_str().map(str::to_owned);
    let found = || {
        Some(Trouble { kind: text("kind")?, message: text("message")?, since: trouble["since"].as_i64()? })
    };
    found().unwrap_or_else(|| panic!("no failure of {name} is on record: {document:#}"))
}

/// Makes the recorded failure of a token file, and of its endpoint, old enough for the next attempt.
pub(crate) fn let_the_delay_end(project: &Project, name: &str) {
    let long_ago = millis_ago(Duration::from_secs(100));
    change_status(project, |document| {
        document["endpoints"] = json!({});
        let trouble = &mut document["files"][name]["trouble"];
        assert!(trouble["next_attempt"].is_i64() && trouble["last_attempt"].is_i64(), "{trouble}");
        trouble["next_attempt"] = long_ago.into();
        trouble["last_attempt"] = (long_ago - 30_000).into();
    });
}

/// Makes the last refresh of a token file this old, since two refreshes keep a distance.
pub(crate) fn age_the_last_refresh(project: &Project, name: &str, by: Duration) {
    change_status(project, |document| {
        let time = &mut document["files"][name]["last_success"];
        assert!(time.is_i64(), "{time}");
        *time = millis_ago(by).into();
    });
}

/// Makes the last cycle, and the start of the daemon, this old.
pub(crate) fn age_the_last_cycle(project: &Project, by: Duration) {
    let age = |time: &mut Value| {
        assert!(time.is_i64(), "{time}");
        *time = millis_ago(by).into();
    };
    change_status(project, |document| age(&mut document["daemon"]["started"]));
    change(project, "cycle.json", |cycle| age(&mut cycle["ended"]));
}

/// Makes the daemon's last sign of life this old.
pub(crate) fn age_sign_of_life(project: &Project, by: Duration) {
    let file = File::options().write(true).open(own(project, "daemon.lock")).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

fn millis_ago(time: Duration) -> i64 {
    super::now() * 1000 - millis(time)
}
