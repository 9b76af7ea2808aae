//! Who may tell the program what to do: its owner, and no other user. If something here fails, a user of the
//! same machine reads, writes or sends what belongs to another one.
//!
//! Most of it needs root, which alone can make files of two users; elsewhere those tests say that they are
//! skipped. The users have plain numbers and no name.

mod env_file;
mod held_open;
mod nothing_outside;
mod orders;
mod root;
mod scripts;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

/// The owner of the project at hand.
const OWNER: u32 = 41_001;

/// Another user of the machine.
const OTHER: u32 = 41_002;

/// Whether root runs the tests. Where not, says on standard error that this one is skipped.
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped: only root can make files of other users");
    }
    root
}

/// Gives a file, or a directory with everything in it, to a user.
fn give(path: &Path, uid: u32) {
    lchown(path, Some(uid), Some(uid)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}
