//! Whether a file still holds what was read of it, told without opening the file.

use std::time::Duration;

use super::inode::Inode;
use crate::clock::Timestamp;

/// The coarsest time that a file system of Linux keeps: FAT counts two seconds, ext3 one, all others the few
/// milliseconds of a clock tick. Two writes within it may leave the same times.
const GRANULE: Duration = Duration::from_secs(2);

/// How long a file is trusted without being read: what the system does not tell (a clock of a file server, a
/// writer through mapped memory) is noticed within it.
const LONGEST_TRUST: Duration = Duration::from_hours(1);

/// The state in which a file was read, and when that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastRead {
    found: Inode,
    /// Before the file was opened.
    at: Timestamp,
}

/// What is known of the contents of a file that was read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// They are the same.
    Same,
    /// Something of the file is different.
    Changed,
    /// It was written so shortly before it was read that a write after that would leave the same times.
    TooYoung,
    /// It was read too long ago, or the clock was set back since.
    TooOld,
}

impl LastRead {
    /// A file that was found so, and read after `at`.
    pub(crate) fn new(found: Inode, at: Timestamp) -> Self {
        Self { found, at }
    }

    /// What the system told of the file.
    pub(crate) fn found(&self) -> &Inode {
        &self.found
    }

    /// Whether the file, which is found so `now`, need not be read again for as long as `next`: until then
    /// nothing looks at it.
    pub(crate) fn holds(&self, found: &Inode, now: Timestamp, next: Duration) -> bool {
        self.standing(found, now, next) == Standing::Same
    }

    fn standing(&self, found: &Inode, now: Timestamp, next: Duration) -> Standing {
        if *found != self.found {
            Standing::Changed
        } else if found.latest() + GRANULE >= self.at {
            Standing::TooYoung
        } else if now < self.at || now.since(self.at) + next > LONGEST_TRUST {
            Standing::TooOld
        } else {
            Standing::Same
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
            ("read at once", written, written + hour, second, Standing::TooYoung),
            ("read in the same granule", written + GRANULE, written + minute, second, Standing::TooYoung),
            ("a file of the future", written - hour, written, second, Standing::TooYoung),
            ("read later", written + second * 3, written + minute, second, Standing::Same),
            ("to the last look", written + second * 3, written + hour, second * 3, Standing::Same),
            ("the next look is too late", written + second * 3, written + hour, second * 4, Standing::TooOld),
            ("the clock was set back", written + minute, written + second * 59, second, Standing::TooOld),
        ] {
            assert_eq!(LastRead::new(found, at).standing(&found, now, next), expected, "{case}");
        }
    }
}
