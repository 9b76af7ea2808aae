//! `token-refresher keygen`: makes a new key, in a new file or on standard output.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::files::{reason, write_new};
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
    let line = Zeroizing::new([text.expose(), "\n"].concat());
    write_new(path, &line).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{shown} is there already and stays as it is; name another file"),
        _ => format!("{shown} cannot be written: {}", reason(&error)),
    })?;
    Ok(format!("key {kid} is in {shown}: {KEEP}"))
}

/// The mode of standard output, where that is a file that other users may read.
fn open_output() -> Option<u32> {
    let found = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    let mode = found.mode() & 0o7777;
    (found.is_file() && mode & 0o044 != 0).then_some(mode)
}
