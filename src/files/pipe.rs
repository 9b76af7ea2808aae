//! Reading from a pipe the output of another program, such as a secret manager: once, and not for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::inode::Inode;
use super::read::MAX_SIZE;
use super::read_error::ReadError;
use super::trust::{judge_file, me};

/// How often an empty pipe is looked at again. A poll would not do, since a pipe that no writer has opened yet is
/// always ready. The writer is a command that starts in about as many milliseconds.
const POLL: Duration = Duration::from_millis(5);

/// Whether `path` leads to a pipe, whose contents can be read only once.
pub(crate) fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// Reads from the pipe at `path` until the writer closes the pipe. `None` where within `patience` nothing was written,
/// or the pipe was not closed.
pub(crate) fn read_pipe(path: &Path, patience: Duration) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
    let deadline = Instant::now() + patience;
    let pipe = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let found = pipe.metadata()?;
    if !found.file_type().is_fifo() {
        return Err(ReadError::NotRegular);
    }
    judge_file(me(), path, &pipe, &Inode::of(&found))?;
    // With room for the largest text: a buffer that grows leaves a copy of the secret behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(MAX_SIZE).unwrap_or(0) + 1]);
    let mut length = 0;
    loop {
        match read_some(&pipe, &mut bytes[length..])? {
            // A pipe that no writer has opened yet looks like a closed one.
            Some(0) if length > 0 => {
                bytes.truncate(length);
                return Ok(Some(bytes));
            }
            Some(count) if count > 0 => length += count,
            _ => std::thread::sleep(POLL),
        }
        if length == bytes.len() {
            return Err(ReadError::TooLarge(MAX_SIZE));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

/// Reads the bytes that are waiting in the pipe; `None` where there are none yet.
fn read_some(mut pipe: &File, room: &mut [u8]) -> Result<Option<usize>, ReadError> {
    match pipe.read(room) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_pipe_is_read_to_its_end_or_not_at_all() {
        let scratch = Scratch::new();
        let path = scratch.join("pipe");
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());
        assert!(is_pipe(&path) && !is_pipe(&scratch));
        assert!(read_pipe(&path, Duration::from_millis(20)).unwrap().is_none());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, "A=1\n".repeat(50_000))
        });
        let bytes = read_pipe(&path, Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(bytes.len(), 200_000);
        writer.join().unwrap().unwrap();
    }
}
