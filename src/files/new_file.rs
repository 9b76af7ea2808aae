//! Making a new file that cannot be made again, such as a key.

use std::io::{self, Write as _};
use std::path::Path;

use super::file_at::FileAt;

/// Writes `text` into a new file (0600) at `path`, durably: a power loss leaves the text and the name. An existing file
/// is an error of the kind `AlreadyExists`, and is left unchanged.
pub(crate) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let file = FileAt::of(path)?;
    let mut new = file.create()?;
    let written = new.write_all(text.as_bytes());
    let written = written.and_then(|()| new.sync_all()).and_then(|()| file.directory().sync());
    if written.is_err() {
        // Half a file is worse than none. The error of the write is returned, not that of the removal.
        let _ = file.remove();
    }
    written
}
