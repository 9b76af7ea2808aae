//! Replacing a file that can be made again: the configurations, the status file, the pid file.
//!
//! By rename, so that no reader ever sees half a file, and private from its first byte; but without
//! fsync, since after a power loss the next cycle writes it anew.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::directory::directory_of;
use super::read::read_whole;

/// What [`replace_text`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replaced {
    /// The file held the same bytes and was not touched (a program that watches it is not woken).
    Same,
    /// The file is new or has new contents.
    Written,
}

/// Makes `path` hold `text`, mode 0600, where it does not already. The caller holds a lock that
/// keeps other writers of `path` away.
///
/// # Errors
/// When the new file cannot be made, written or renamed; the old one is then untouched and no
/// temporary file is left.
pub(crate) fn replace_text(path: &Path, text: &str) -> io::Result<Replaced> {
    if holds_privately(path, text) {
        return Ok(Replaced::Same);
    }
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to report; what is left is removed by the next try.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(Replaced::Written)
}

/// Makes `path` hold what `write` gives, mode 0644: for what other users are to read. The caller is the
/// only one who writes there.
///
/// # Errors
/// As [`replace_text`].
pub(crate) fn replace_public(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = (|| {
        let file = create(&temporary)?;
        // Not by the mode of the open, from which the mask takes something away.
        file.set_permissions(Permissions::from_mode(0o644))?;
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn holds_privately(path: &Path, text: &str) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_file() && found.len() == text.len() as u64 && found.permissions().mode() & 0o077 == 0
    }) && read_whole(path).is_ok_and(|(present, _)| present.as_str() == text)
}

fn temporary_beside(path: &Path) -> std::path::PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    directory_of(path).join(name)
}

fn write_new(temporary: &Path, text: &str) -> io::Result<()> {
    create(temporary)?.write_all(text.as_bytes())
}

fn create(temporary: &Path) -> io::Result<File> {
    // Left over from a crash: the caller holds the lock, so no other process is writing it.
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(temporary)
}
