//! Disks that do not take a file: nothing may be sent, and the log says why. Needs root, to mount.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{Program, internals};
use super::{Bench, FILE, is_root};

/// A file system that is mounted for one test.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, options: &[&str], what: &Path) -> Self {
        run(Command::new("mount").args(options).arg(what).arg(place));
        Self(place.to_owned())
    }

    fn tmpfs(place: &Path, size: &str) -> Self {
        let options = format!("size={size},mode=0700");
        Self::new(place, &["-t", "tmpfs", "-o", &options], Path::new("tmpfs"))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Whether the test can do its work; says so where it cannot.
fn may_mount(what: &str) -> bool {
    if !is_root() {
        println!("{what}: SKIPPED, since only root can mount file systems");
    }
    is_root()
}

/// Nothing is sent, and an error names the file and holds these words.
fn expect_refusal(bench: &Bench, program: Program, words: &str) -> String {
    let asked = bench.endpoint.requests().len();
    let finished = program.once().expect_code(1);
    assert_eq!(bench.endpoint.requests().len(), asked, "{finished:#?}");
    let said = finished.log.lines().rfind(|line| line.contains("[ERROR]") && line.contains(FILE));
    let said = said.unwrap_or_else(|| panic!("{finished:#?}"));
    assert!(said.contains(words), "{said}");
    said.split_once("REFRESH: ").unwrap().1.to_owned()
}

fn expect_refresh(bench: &Bench) {
    bench.program().once().expect_code(0);
    assert_eq!(bench.refresh_token(FILE), bench.last_answer().unwrap().0);
    bench.expect_tidy("a refresh");
}

/// Takes all the room that is left; gives back the file that holds it.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [4096, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[test]
#[ignore = "make faults"]
fn a_full_disk() {
    if !may_mount("a full disk") {
        return;
    }
    let bench = Bench::new();
    let tokens = bench.project.path(".oauth-tokens");
    let _mount = Mount::tmpfs(&tokens, "128k");
    bench.sign_in_place();
    // Where the locks are there already, and where not even those can be made.
    let filler = fill(&tokens);
    let first = expect_refusal(&bench, bench.program(), "no space left");
    fs::remove_file(&filler).unwrap();
    drop(internals::lock(&bench.project, FILE));
    let filler = fill(&tokens);
    let second = expect_refusal(&bench, bench.program(), "no space left");
    fs::remove_file(&filler).unwrap();
    // The disk fills up while the request is under way: the room was made before.
    let hold = bench.endpoint.hold();
    let running = bench.program().arg("--once").start();
    bench.endpoint.wait_for_requests(1);
    let filler = fill(&tokens);
    drop(hold);
    // The configurations had no room, which is said.
    running.wait().expect_code(1);
    assert_eq!(bench.refresh_token(FILE), bench.last_answer().unwrap().0);
    fs::remove_file(&filler).unwrap();
    println!(
        "a full disk: nothing sent ({first}) ({second}); filled up during the request: stored all the same"
    );
}

#[test]
#[ignore = "make faults"]
fn a_read_only_mount() {
    if !may_mount("a read-only mount") {
        return;
    }
    let bench = Bench::new();
    let tokens = bench.project.path(".oauth-tokens");
    let _mount = Mount::tmpfs(&tokens, "1m");
    bench.sign_in_place();
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(&tokens));
    let said = expect_refusal(&bench, bench.program(), "read-only file system");
    run(Command::new("mount").args(["-o", "remount,rw"]).arg(&tokens));
    expect_refresh(&bench);
    println!("a read-only mount: nothing sent ({said}); writable again: refreshed");
}

#[test]
#[ignore = "make faults"]
fn a_directory_without_write_permission() {
    let bench = Bench::new();
    bench.sign_in();
    bench.project.set_mode(".oauth-tokens", 0o500);
    let said = expect_refusal(&bench, bench.program().unprivileged(), "permission denied");
    bench.project.set_mode(".oauth-tokens", 0o700);
    println!("a directory without write permission: nothing sent ({said})");
}

#[test]
#[ignore = "make faults"]
fn a_file_that_became_a_directory() {
    let bench = Bench::new();
    bench.sign_in();
    let other = "github-other-egress.json";
    fs::rename(bench.project.token(FILE), bench.project.token(other)).unwrap();
    fs::create_dir(bench.project.token(FILE)).unwrap();
    bench.program().once().expect_code(0);
    assert_eq!(bench.refresh_token(other), bench.last_answer().unwrap().0);
    println!("a directory in a token file's place: passed over, the others are refreshed");
}

#[test]
#[ignore = "make faults"]
fn a_file_that_is_mounted_by_itself() {
    if !may_mount("a bind-mounted file") {
        return;
    }
    let bench = Bench::new();
    bench.sign_in();
    let path = bench.project.token(FILE);
    let said = {
        let _mount = Mount::new(&path, &["--bind"], &path);
        expect_refusal(&bench, bench.program(), "mount point")
    };
    expect_refresh(&bench);
    println!("a bind-mounted file: nothing sent ({said})");
}

#[test]
#[ignore = "make faults"]
fn another_file_system_than_that_of_temporary_files() {
    if !may_mount("another file system") {
        return;
    }
    let bench = Bench::new();
    let tokens = bench.project.path(".oauth-tokens");
    let _mount = Mount::tmpfs(&tokens, "1m");
    bench.sign_in_place();
    expect_refresh(&bench);
    assert!(bench.project.token("mcp.json").exists());
    println!("tokens directory on another file system than /tmp: refreshed, configurations written");
}
