//! Replacing a file that can be made again: the configurations, the status file, the pid file.
//!
//! Files are replaced by rename, so that no reader ever sees half a file. The new file is private from its first byte.
//! Nothing is synced, since after a power loss the next cycle writes the file anew.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::file_at::FileAt;
use super::read::read_own;

/// The result of [`replace_text`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replaced {
    /// The file held the same bytes and was not touched: a program that watches the file is not woken.
    Same,
    /// The file is new or has new contents.
    Written,
}

/// Makes `file` hold `text`, mode 0600, where it does not already. The caller holds a lock that keeps other writers of
/// the file away. A link is replaced and not followed. An error leaves the old file untouched, and no temporary file.
pub(crate) fn replace_text(file: &FileAt, text: &str) -> io::Result<Replaced> {
    if holds_privately(file, text) {
        return Ok(Replaced::Same);
    }
    replace(file, |mut new| new.write_all(text.as_bytes()))?;
    Ok(Replaced::Written)
}

/// Makes `path` hold the output of `write`, mode 0644, for other users to read. The caller is the only writer of the
/// file. Fails like [`replace_text`].
pub(crate) fn replace_public(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace(&FileAt::of(path)?, |new| {
        // The mode of the open would not do, since the process's mask takes bits from it.
        new.set_permissions(Permissions::from_mode(0o644))?;
        let mut out = BufWriter::new(new);
        write(&mut out)?;
        out.flush()
    })
}

fn holds_privately(file: &FileAt, text: &str) -> bool {
    file.inode().is_ok_and(|found| {
        found.is_file() && found.stamp.size() == text.len() as u64 && found.mode & 0o077 == 0
    }) && read_own(file, text.len() as u64).is_ok_and(|(present, _)| present.as_str() == text)
}

/// Puts a new file (0600), filled by `write`, in the place of `file`.
fn replace(file: &FileAt, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    let temporary = file.sibling(".", ".new");
    // Left over from a crash: the caller holds the lock, so no other process is writing it.
    temporary.remove()?;
    let written = temporary.create().and_then(write).and_then(|()| temporary.rename(file));
    if written.is_err() {
        // The first error is the one to report. The next try removes a leftover.
        let _ = temporary.remove();
    }
    written
}
