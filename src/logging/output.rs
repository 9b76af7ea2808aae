//! The outputs of the log: the file, standard error, or both.
//!
//! simplelog writes a line in about twenty pieces. The pieces are collected here and written with one write(2). So
//! lines of two processes do not mix in one file. A file that cannot be written (a full disk) stops nothing. Standard
//! error gets one message, and the log gets one when there is room again.

use std::fs::{File, OpenOptions, Permissions, symlink_metadata};
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open log. Clones write to the same one.
#[derive(Clone)]
pub(super) struct LogOutput(Arc<Mutex<Lines>>);

struct Lines {
    file: Option<File>,
    standard_error: bool,
    /// Whether standard error is the journal, which takes the level from a prefix.
    journal: bool,
    /// The pieces of the present line.
    line: Vec<u8>,
    /// Whether the last write left half a line in the file: the next line begins with a line break.
    torn: bool,
    /// How many lines the file is missing, and why the first of them.
    missing: Option<(u64, io::Error)>,
    /// The message about missing lines, until it is written.
    gap: Option<String>,
}

impl LogOutput {
    /// Standard error alone.
    pub(super) fn standard_error() -> Self {
        Self::new(None, true, is_journal())
    }

    /// The file at `path`, made (0600) or appended to, and standard error where that is a terminal. Returns a warning
    /// where other users may read the file and the mode could not be changed.
    pub(super) fn file(path: &Path) -> io::Result<(Self, Option<String>)> {
        let (file, complaint) = open(path)?;
        Ok((Self::new(Some(file), io::stderr().is_terminal(), false), complaint))
    }

    fn new(file: Option<File>, standard_error: bool, journal: bool) -> Self {
        let (line, missing, gap) = (Vec::with_capacity(256), None, None);
        Self(Arc::new(Mutex::new(Lines { file, standard_error, journal, line, torn: false, missing, gap })))
    }

    /// Takes the message about missing lines, where lines were lost and the file can be written again.
    pub(super) fn gap(&self) -> Option<String> {
        self.lines().gap.take()
    }

    /// Whether the lines go to standard error.
    pub(super) fn reaches_standard_error(&self) -> bool {
        self.lines().standard_error
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for LogOutput {
    /// Never fails: no caller could do anything about a log that cannot be written.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        lines.line.extend_from_slice(piece);
        if piece.ends_with(b"\n") {
            lines.pass_on();
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn pass_on(&mut self) {
        let mut line = mem::take(&mut self.line);
        spell_warning(&mut line);
        if self.standard_error {
            if self.journal {
                line.splice(0..0, priority(&line).bytes());
            }
            // A terminal that has gone away is no reason to stop.
            let _ = io::stderr().write_all(&line);
        }
        if let Some(file) = &mut self.file {
            if self.torn {
                line.insert(0, b'\n');
            }
            match put(file, &line) {
                Ok(()) => {
                    self.torn = false;
                    self.gap = self.missing.take().map(|(count, error)| {
                        format!("{count} lines are missing here: the log could not be written ({error})")
                    });
                }
                Err(PartWritten { written, error }) => self.failed(written, error),
            }
        }
        // The buffer is kept for the next line, but for one that grew beyond 4 KiB.
        line.clear();
        line.shrink_to(4096);
        self.line = line;
    }

    fn failed(&mut self, written: usize, error: io::Error) {
        self.torn |= written > 0;
        if let Some((count, _)) = &mut self.missing {
            *count += 1;
            return;
        }
        let complaint = format!("token-refresher: cannot write the log: {error}; going on without it\n");
        let _ = io::stderr().write_all(complaint.as_bytes());
        self.missing = Some((1, error));
    }
}

/// Whether standard error leads to the journal. As `systemd.exec(5)` says, `JOURNAL_STREAM` names device and inode of
/// the journal's stream. A daemon whose output was redirected elsewhere still inherits the variable, so both are
/// compared.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(standard_error) = io::stderr().as_fd().try_clone_to_owned() else { return false };
    let metadata = File::from(standard_error).metadata();
    metadata.is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// Writes the level `WARN` of simplelog as `WARNING`: the spelling of the option, and the word that people search for.
/// The level is in the first bracket of the line, which no message can forge.
fn spell_warning(line: &mut Vec<u8>) {
    if let Some(bracket) = line.iter().position(|&byte| byte == b'[')
        && line[bracket..].starts_with(b"[WARN]")
    {
        line.splice(bracket + 5..bracket + 5, *b"ING");
    }
}

/// The level of `line` as the journal takes it (`sd-daemon(3)`). The level is in the first bracket of the line, which
/// no message can forge.
fn priority(line: &[u8]) -> &'static str {
    let level = line.iter().position(|&byte| byte == b'[').and_then(|bracket| line.get(bracket + 1));
    match level {
        Some(b'E') => "<3>",
        Some(b'W') => "<4>",
        Some(b'D') => "<7>",
        _ => "<6>",
    }
}

#[derive(Debug)]
struct PartWritten {
    /// How many bytes were written before the error.
    written: usize,
    error: io::Error,
}

/// Writes all of `bytes`, with one call unless the system takes only a part.
fn put(file: &mut impl Write, bytes: &[u8]) -> Result<(), PartWritten> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err(PartWritten { written, error: io::ErrorKind::WriteZero.into() }),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PartWritten { written, error }),
        }
    }
    Ok(())
}

/// Opens the log for appending, so that a `copytruncate` of logrotate leaves no hole. `O_NONBLOCK`: the opening of a
/// fifo without a reader must fail, not hang. The openings of `files` do not fit: a log may be a device or a fifo, and
/// its directory need not be readable.
fn open(path: &Path) -> io::Result<(File, Option<String>)> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
    match options.clone().create_new(true).open(path) {
        Ok(file) => return Ok((file, None)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let link = symlink_metadata(path).ok().filter(|metadata| metadata.file_type().is_symlink());
    if link.is_none() {
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    // A link must be root's, or belong to the owner of the file that it leads to. Another user who may write to the
    // directory could otherwise have root's daemon append to any file.
    if link.is_some_and(|link| link.uid() != 0 && link.uid() != metadata.uid()) {
        return Err(io::Error::other("it is a link to a file of another owner"));
    }
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode.trailing_zeros() >= 6 {
        return Ok((file, None));
    }
    let narrowed = file.set_permissions(Permissions::from_mode(mode & 0o700));
    let complaint = narrowed.err().map(|error| {
        format!("others may read the log {} and it cannot be closed to them: {error}", path.display())
    });
    Ok((file, complaint))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where what it expects is not there")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, lchown, symlink};
    use std::process::Command;
    use std::thread;

    use super::*;
    use crate::scratch::Scratch;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn line_to(output: &mut LogOutput, text: &str) {
        writeln!(output, "{text}").unwrap();
    }

    #[test]
    fn a_new_log_is_private_and_an_open_one_is_closed() {
        let scratch = Scratch::new();
        let new = scratch.join("new");
        open(&new).unwrap();
        assert_eq!(mode(&new), 0o600);
        let old = scratch.write("old", "kept\n");
        fs::set_permissions(&old, Permissions::from_mode(0o664)).unwrap();
        let (mut output, complaint) = LogOutput::file(&old).unwrap();
        line_to(&mut output, "added");
        assert_eq!((mode(&old), complaint), (0o600, None));
        assert_eq!(fs::read_to_string(&old).unwrap(), "kept\nadded\n");
    }

    #[test]
    fn what_cannot_be_a_log_is_an_error_at_once() {
        let scratch = Scratch::new();
        let fifo = scratch.join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        symlink("nowhere", scratch.join("dangling")).unwrap();
        symlink("fifo", scratch.join("to a fifo")).unwrap();
        for name in ["fifo", "to a fifo", ".", "dangling", "missing/log"] {
            assert!(open(&scratch.join(name)).is_err(), "{name}");
        }
        assert!(!scratch.join("nowhere").exists());
    }

    #[test]
    fn a_link_is_followed_to_a_file_of_its_owner() {
        let scratch = Scratch::new();
        let file = scratch.write("file", "");
        let link = scratch.join("link");
        symlink("file", &link).unwrap();
        assert!(open(&link).is_ok());
        // Only root can make the link in question: a user's link to root's file.
        if lchown(&link, Some(4321), None).is_ok() {
            assert!(open(&link).is_err());
            chown(&file, Some(4321), None).unwrap();
            assert!(open(&link).is_ok());
        }
    }

    #[test]
    fn lines_of_two_processes_do_not_mix() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        thread::scope(|scope| {
            for letter in ["a", "b"] {
                // The file is opened twice, as by two processes.
                let (mut output, _) = LogOutput::file(&path).unwrap();
                let line = letter.repeat(5000);
                scope.spawn(move || {
                    for _ in 0..300 {
                        for piece in [&line[..7], &line[7..], "\n"] {
                            output.write_all(piece.as_bytes()).unwrap();
                        }
                    }
                });
            }
        });
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 600);
        let whole = |line: &str| line == "a".repeat(5000) || line == "b".repeat(5000);
        assert!(text.lines().all(whole));
    }

    #[test]
    fn a_full_disk_stops_nobody_and_is_said_when_there_is_room() {
        let scratch = Scratch::new();
        let (mut output, _) = LogOutput::file(Path::new("/dev/full")).unwrap();
        line_to(&mut output, "one");
        line_to(&mut output, "two");
        assert_eq!(output.gap(), None);
        let path = scratch.join("log");
        output.lines().file = Some(open(&path).unwrap().0);
        line_to(&mut output, "three");
        let gap = output.gap().unwrap();
        assert!(gap.starts_with("2 lines are missing here: ") && gap.contains("No space left"), "{gap}");
        line_to(&mut output, "four");
        assert_eq!(output.gap(), None);
        assert_eq!(fs::read_to_string(path).unwrap(), "three\nfour\n");
    }

    #[test]
    fn the_journal_is_told_the_level() {
        for (line, prefix) in [
            ("2024-09-06 15:30:00,123 - [INFO] REFRESH: [ERROR] said the endpoint", "<6>"),
            ("2024-09-06 15:30:00,123 - [WARNING] REFRESH: x", "<4>"),
            ("2024-09-06 15:30:00,123 - [ERROR] REFRESH: x", "<3>"),
            ("2024-09-06 15:30:00,123 - [DEBUG] REFRESH: x", "<7>"),
            ("", "<6>"),
        ] {
            assert_eq!(priority(line.as_bytes()), prefix, "{line}");
        }
    }

    /// A writer that takes a few bytes and then has no room.
    struct Narrow(usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_line_is_noticed_and_the_next_one_begins_a_new_line() {
        assert!(matches!(put(&mut Narrow(3), b"abcdef\n"), Err(PartWritten { written: 3, .. })));
        assert!(matches!(put(&mut Narrow(0), b"abcdef\n"), Err(PartWritten { written: 0, .. })));
        assert!(put(&mut Narrow(7), b"abcdef\n").is_ok());
        let scratch = Scratch::new();
        let path = scratch.write("log", "abc");
        let (mut output, _) = LogOutput::file(&path).unwrap();
        output.lines().failed(3, io::ErrorKind::StorageFull.into());
        line_to(&mut output, "next");
        line_to(&mut output, "last");
        assert_eq!(fs::read_to_string(path).unwrap(), "abc\nnext\nlast\n");
    }
}
