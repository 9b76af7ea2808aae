//! Whether a file still has the contents that were read, told without opening the file.

use std::time::Duration;

use super::inode::Inode;
use crate::clock::Timestamp;

/// The coarsest time that a file system of Linux keeps. FAT counts two seconds, ext3 one, all others the few
/// milliseconds of a clock tick. Two writes within this time may leave the same times.
const GRANULE: Duration = Duration::from_secs(2);

/// How long a file is trusted without being read. Changes without a new time are noticed after it: a clock of a file
/// server, a writer through mapped memory.
const LONGEST_TRUST: Duration = Duration::from_hours(1);

/// The state in which a file was read, and when that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastRead {
    found: Inode,
    /// A time before the file was opened.
    at: Timestamp,
}

/// Whether the contents of a file are still those that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Freshness {
    /// The contents are the same.
    Same,
    /// Some of the system's data is different.
    Changed,
    /// The file was written so shortly before the read that another write would leave the same times.
    TooYoung,
    /// The read is too long ago, or the clock was set back since.
    TooOld,
}

impl LastRead {
    /// A file that had the data `found`, and was read after `at`.
    pub(crate) fn new(found: Inode, at: Timestamp) -> Self {
        Self { found, at }
    }

    /// The system's data of the file when it was read.
    pub(crate) fn found(&self) -> &Inode {
        &self.found
    }

    /// Whether another write, so shortly after the last, could have left the same times.
    pub(crate) fn is_young(&self) -> bool {
        self.found.latest() + GRANULE >= self.at
    }

    /// Whether the file, which has the data `found` at `now`, need not be read again. The answer holds for as long as
    /// `next`, since no earlier scan looks at the file.
    pub(crate) fn holds(&self, found: &Inode, now: Timestamp, next: Duration) -> bool {
        self.freshness(found, now, next) == Freshness::Same
    }

    fn freshness(&self, found: &Inode, now: Timestamp, next: Duration) -> Freshness {
        if *found != self.found {
            Freshness::Changed
        } else if self.is_young() {
            Freshness::TooYoung
        } else if now < self.at || now.since(self.at) + next > LONGEST_TRUST {
            Freshness::TooOld
        } else {
            Freshness::Same
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Directory;
    use crate::scratch::Scratch;

    #[test]
    fn what_was_read_is_trusted_by_its_times_and_its_age() {
        let scratch = Scratch::new();
        scratch.write("a", "1");
        let file = Directory::open(&scratch).unwrap().file_at("a");
        let found = file.inode().unwrap();
        let written = found.latest();
        let (second, minute, hour) =
            (Duration::from_secs(1), Duration::from_mins(1), Duration::from_hours(1));
        for (case, at, now, next, expected) in [
            ("read at once", written, written + hour, second, Freshness::TooYoung),
            ("read in the same granule", written + GRANULE, written + minute, second, Freshness::TooYoung),
            ("a file of the future", written - hour, written, second, Freshness::TooYoung),
            ("read later", written + second * 3, written + minute, second, Freshness::Same),
            ("to the last look", written + second * 3, written + hour, second * 3, Freshness::Same),
            (
                "the next look is too late",
                written + second * 3,
                written + hour,
                second * 4,
                Freshness::TooOld,
            ),
            ("the clock was set back", written + minute, written + second * 59, second, Freshness::TooOld),
        ] {
            assert_eq!(LastRead::new(found, at).freshness(&found, now, next), expected, "{case}");
        }
    }
}
