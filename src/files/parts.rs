//! A text that comes part by part and is to be the contents of a file. The parts are compared with the file, and
//! written to a new file from the first difference on: a text that is unchanged is never written, and a long text is
//! never in memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use zeroize::Zeroizing;

use super::file_at::FileAt;
use super::open::open_own;

/// The most bytes that are compared, copied or written at once.
const LARGEST_BLOCK: usize = 64 << 10;
/// The first block of a file that is missing.
const SMALLEST_BLOCK: usize = 4 << 10;

/// The fate of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replaced {
    /// The file holds the text already and was not touched: a program that watches the file is not woken.
    Same,
    /// The file is new or has new contents.
    Written,
}

/// The text so far.
pub(super) struct TextInParts<'a> {
    /// The name of a new file.
    temporary: &'a FileAt,
    reached: Reached,
    /// A block of the file for a comparison or a copy. As large as a small file, since the whole buffer is wiped.
    there: Zeroizing<Vec<u8>>,
    /// Parts that wait for more: a block costs one call of the system.
    waiting: Zeroizing<Vec<u8>>,
}

enum Reached {
    /// No difference: the file has these first bytes of the text, and is read on from there.
    Same(File, u64),
    /// A difference, or there is no private file. This is the new file.
    Different(File),
}

impl<'a> TextInParts<'a> {
    /// Begins a text for `file`.
    pub(super) fn new(file: &FileAt, temporary: &'a FileAt) -> io::Result<Self> {
        let present = open_own(file, u64::MAX).ok().filter(|(_, found)| found.mode & 0o077 == 0);
        let size = present.as_ref().map_or(0, |(_, found)| found.stamp.size());
        let block =
            usize::try_from(size).map_or(LARGEST_BLOCK, |size| size.clamp(SMALLEST_BLOCK, LARGEST_BLOCK));
        let reached = match present {
            Some((present, _)) => Reached::Same(present, 0),
            None => Reached::Different(temporary.create_anew()?),
        };
        let (there, waiting) = (vec![0; block], Vec::with_capacity(block));
        Ok(Self { temporary, reached, there: Zeroizing::new(there), waiting: Zeroizing::new(waiting) })
    }

    /// Adds a part of the text.
    pub(super) fn push(&mut self, mut part: &[u8]) -> io::Result<()> {
        loop {
            let room = self.there.len() - self.waiting.len();
            let Some((now, later)) = part.split_at_checked(room) else { break };
            self.waiting.extend_from_slice(now);
            self.settle()?;
            part = later;
        }
        self.waiting.extend_from_slice(part);
        Ok(())
    }

    /// Ends the text. The new file is still to be renamed, where there is one.
    pub(super) fn finish(mut self) -> io::Result<Replaced> {
        self.settle()?;
        if let Reached::Same(present, _) = &mut self.reached {
            if present.read(&mut self.there[..1])? == 0 {
                return Ok(Replaced::Same);
            }
            self.differ()?;
        }
        Ok(Replaced::Written)
    }

    /// Compares or writes the parts that wait.
    fn settle(&mut self) -> io::Result<()> {
        if let Reached::Same(present, same) = &mut self.reached {
            let there = &mut self.there[..self.waiting.len()];
            match present.read_exact(there) {
                Ok(()) if *there == self.waiting[..] => {
                    *same += self.waiting.len() as u64;
                    self.waiting.clear();
                    return Ok(());
                }
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                _ => self.differ()?,
            }
        }
        if let Reached::Different(new) = &mut self.reached {
            new.write_all(&self.waiting)?;
        }
        if self.waiting.len() == self.there.len() && self.there.len() < LARGEST_BLOCK {
            // The text turns out to be long.
            let block = self.there.len() * 2;
            self.there = Zeroizing::new(vec![0; block]);
            self.waiting = Zeroizing::new(Vec::with_capacity(block));
        }
        self.waiting.clear();
        Ok(())
    }

    /// Begins the new file with the bytes that were the same.
    fn differ(&mut self) -> io::Result<()> {
        let mut new = self.temporary.create_anew()?;
        if let Reached::Same(present, same) = &mut self.reached {
            present.seek(SeekFrom::Start(0))?;
            while *same > 0 {
                let block =
                    usize::try_from(*same).map_or(self.there.len(), |same| same.min(self.there.len()));
                present.read_exact(&mut self.there[..block])?;
                new.write_all(&self.there[..block])?;
                *same -= block as u64;
            }
        }
        self.reached = Reached::Different(new);
        Ok(())
    }
}
