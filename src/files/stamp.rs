//! What tells one state of a file from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use crate::clock::Timestamp;

/// One state of a file: a rename changes the inode, a write in place the size or the modification time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The state that `metadata` describes.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// When the file was last written.
    pub(crate) fn modified(&self) -> Timestamp {
        Timestamp::from_millis(
            self.modified.0.saturating_mul(1000).saturating_add(self.modified.1 / 1_000_000),
        )
    }
}
