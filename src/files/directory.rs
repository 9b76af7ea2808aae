//! Directories: the program's own one, making one, making names durable.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::trust::judge_own;

/// The name of the program's own directory beside the token files.
pub(crate) const OWN_DIRECTORY: &str = ".token-refresher";

/// The directory of `path`, and `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The lock file of the file at `path`: `.token-refresher/NAME.lock` beside it.
pub(crate) fn lock_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".lock");
    directory_of(path).join(OWN_DIRECTORY).join(name)
}

/// Makes sure that `.token-refresher` (0700) is in `directory`, and returns its path. A new directory is
/// fsynced into its parent: locks and marks must survive a crash.
///
/// # Errors
/// When it cannot be made, or something else than a directory has its name.
pub(crate) fn own_directory(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join(OWN_DIRECTORY);
    if let Ok(found) = std::fs::symlink_metadata(&path)
        && found.is_dir()
    {
        // Another user could make locks and marks there that this program would believe.
        judge_own(&path, &found).map_err(|why| io::Error::other(why.to_string()))?;
        return Ok(path);
    }
    make_private_directory(&path)?;
    sync_directory(directory)?;
    Ok(path)
}

/// Makes one directory with mode 0700. An existing directory is fine: two processes may start at once.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not following links: a link here could point anywhere.
            if std::fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Makes the names in `directory` durable (what a rename needs to survive a power loss).
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
