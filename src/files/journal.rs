//! A file to which lines are only added. Two generations bound its size: a full file becomes the older generation, and
//! the former older generation is replaced.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use rustix::fs::OFlags;

use super::file_at::FileAt;
use super::inode::Inode;

/// The most bytes that are read at once.
const LARGEST_BLOCK: usize = 64 << 10;

/// A journal in two files.
pub(crate) struct Journal {
    file: FileAt,
    /// The size at which the file is full, in bytes.
    largest: u64,
}

/// How far a journal was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct JournalEnd {
    identity: (u64, u64),
    length: u64,
}

impl JournalEnd {
    /// The number of bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Journal {
    /// The journal `file`, of at most two times `largest` bytes and a line.
    pub(crate) fn new(file: FileAt, largest: u64) -> Self {
        Self { file, largest }
    }

    /// Adds a line, which has no line break in it. Lines that several processes add at once stay whole.
    pub(crate) fn add(&self, line: &str) -> io::Result<()> {
        let (file, length) = self.open_to_add()?;
        let (mut file, length) = if length < self.largest {
            (file, length)
        } else {
            self.file.rename(&self.older())?;
            self.open_to_add()?
        };
        // A process that died in the middle of a line left no line break.
        let begun = length > 0 && !ends_in_line_break(&file, length)?;
        let text = if begun { format!("\n{line}\n") } else { format!("{line}\n") };
        file.write_all(text.as_bytes())
    }

    /// Calls `each` with every line since `seen`, the oldest first. Where `seen` is in neither file any more, every
    /// line is read. Returns how far it read; `None` where there is no journal.
    pub(crate) fn read(
        &self,
        seen: Option<JournalEnd>,
        each: &mut dyn FnMut(&str),
    ) -> io::Result<Option<JournalEnd>> {
        let newer = open_to_read(&self.file)?;
        let end = newer.as_ref().map(|(_, found)| end_of(found));
        let known =
            |end: JournalEnd, seen: &JournalEnd| end.identity == seen.identity && seen.length <= end.length;
        let seen = seen.filter(|seen| end.is_some_and(|end| known(end, seen)));
        if seen.is_none()
            && let Some((file, found)) = open_to_read(&self.older())?
        {
            lines(file, 0, found.stamp.size(), each)?;
        }
        if let Some((file, found)) = newer {
            lines(file, seen.map_or(0, |seen| seen.length), found.stamp.size(), each)?;
        }
        Ok(end)
    }

    /// Whether no line was added since the journal was read to `end`.
    pub(crate) fn is_read_to(&self, end: Option<JournalEnd>) -> bool {
        self.end() == end
    }

    /// The present end; `None` where there is no journal.
    pub(crate) fn end(&self) -> Option<JournalEnd> {
        self.file.inode().ok().map(|found| end_of(&found))
    }

    fn older(&self) -> FileAt {
        self.file.sibling("", ".old")
    }

    fn open_to_add(&self) -> io::Result<(File, u64)> {
        let file = self.file.open_to_add()?;
        let length = regular(&file)?.stamp.size();
        Ok((file, length))
    }
}

fn ends_in_line_break(file: &File, length: u64) -> io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

fn end_of(found: &Inode) -> JournalEnd {
    JournalEnd { identity: found.stamp.identity(), length: found.stamp.size() }
}

fn open_to_read(file: &FileAt) -> io::Result<Option<(File, Inode)>> {
    match file.open(OFlags::RDONLY) {
        Ok(file) => regular(&file).map(|found| Some((file, found))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn regular(file: &File) -> io::Result<Inode> {
    let found = Inode::of(&file.metadata()?);
    if found.is_file() { Ok(found) } else { Err(io::Error::other("something else than a file has its name")) }
}

/// Calls `each` with the lines between two places of `file`. Lines that are not text are skipped.
fn lines(mut file: File, from: u64, to: u64, each: &mut dyn FnMut(&str)) -> io::Result<()> {
    let length = to.saturating_sub(from);
    let block = usize::try_from(length).map_or(LARGEST_BLOCK, |length| length.min(LARGEST_BLOCK));
    if from > 0 {
        file.seek(SeekFrom::Start(from))?;
    }
    let mut reader = BufReader::with_capacity(block, file.take(length));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Ok(text) = std::str::from_utf8(&line) {
            each(text.trim_end_matches('\n'));
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::scratch::Scratch;

    fn journal(scratch: &Scratch, largest: u64) -> Journal {
        Journal::new(FileAt::of(&scratch.join("journal")).unwrap(), largest)
    }

    fn read(journal: &Journal, seen: Option<JournalEnd>) -> (Vec<String>, Option<JournalEnd>) {
        let mut found = Vec::new();
        let end = journal.read(seen, &mut |line| found.push(line.to_owned())).unwrap();
        (found, end)
    }

    #[test]
    fn lines_are_read_in_their_order_and_again_only_the_new_ones() {
        let scratch = Scratch::new();
        let journal = journal(&scratch, 1000);
        assert_eq!(read(&journal, None), (Vec::new(), None));
        journal.add("one").unwrap();
        journal.add("two").unwrap();
        let (all, end) = read(&journal, None);
        assert_eq!(all, ["one", "two"]);
        journal.add("three").unwrap();
        assert_eq!(read(&journal, end).0, ["three"]);
        assert_eq!(std::fs::metadata(scratch.join("journal")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_one_leaves_two_generations_and_no_more() {
        let scratch = Scratch::new();
        let journal = journal(&scratch, 10);
        let mut seen = None;
        for name in ["line-1", "line-2", "line-3", "line-4", "line-5"] {
            journal.add(name).unwrap();
            seen = read(&journal, None).1;
        }
        assert_eq!(read(&journal, None).0, ["line-3", "line-4", "line-5"]);
        journal.add("line-6").unwrap();
        journal.add("line-7").unwrap();
        assert_eq!(
            read(&journal, seen).0,
            ["line-5", "line-6", "line-7"],
            "another generation is read whole"
        );
        assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 2);
    }

    #[test]
    fn a_line_that_broke_off_costs_no_other() {
        let scratch = Scratch::new();
        let journal = journal(&scratch, 1000);
        scratch.write("journal", b"one\ntw");
        journal.add("three").unwrap();
        assert_eq!(read(&journal, None).0, ["one", "tw", "three"]);
        scratch.write("journal", b"one\n\xff\xfe\n");
        journal.add("three").unwrap();
        assert_eq!(read(&journal, None).0, ["one", "three"]);
    }
}
