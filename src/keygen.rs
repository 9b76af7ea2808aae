//! `token-refresher keygen`: makes a new key, in a new file or on standard output.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::files::reason;
use crate::sealing::SealingKey;

/// Tells the user what to do with a new key.
const KEEP: &str = "keep a copy where the token files are not: without the key every sealed sign-in is lost";

/// Makes a key, and returns the message for the person.
pub(crate) fn keygen(file: Option<&OsStr>) -> Result<String, String> {
    let (key, text) = SealingKey::generate().map_err(|why| why.to_string())?;
    let kid = key.kid();
    let Some(file) = file.filter(|file| *file != "-") else {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.expose())
            .and_then(|()| out.flush())
            .map_err(|error| format!("cannot write to standard output: {}", reason(&error)))?;
        let open = open_output().map(|mode| {
            format!("; standard output is a file that others may read (mode {mode:04o}): run chmod go= on it")
        });
        return Ok(format!("key {kid}: {KEEP}{}", open.unwrap_or_default()));
    };
    let path = Path::new(file);
    let shown = path.display();
    written(path, text.expose()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{shown} is there already and stays as it is; name another file"),
        _ => format!("{shown} cannot be written: {}", reason(&error)),
    })?;
    Ok(format!("key {kid} is in {shown}: {KEEP}"))
}

/// Writes the key into a new file, for its owner alone, durably.
fn written(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let done = writeln!(file, "{text}").and_then(|()| file.sync_all());
    if done.is_err() {
        // Half a key is worse than none. The error of the write is returned, not that of the removal.
        let _ = std::fs::remove_file(path);
    }
    done
}

/// The mode of standard output, where that is a file that other users may read.
fn open_output() -> Option<u32> {
    let found = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    let mode = found.mode() & 0o7777;
    (found.is_file() && mode & 0o044 != 0).then_some(mode)
}
