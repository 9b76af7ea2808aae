//! Who owns a file, and who else may write where it stands.
//!
//! A token is only as private as its directory: whoever may write there can put a file of his own
//! in the token's place. `ssh` refuses keys for the same reason.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Why a token file must not be refreshed by this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Foreign {
    /// The file belongs to another user than the one we run as.
    File {
        /// The owner's user id.
        owner: u32,
    },
    /// Users other than the owner may create and rename files in its directory.
    Directory,
}

/// Whether only the directory's owner (and root) may write in it. The group may too where it is the
/// owner's private group (same number as the user, the scheme of Debian and Fedora, whose default
/// mask makes directories 0775): it has no other member.
pub(crate) fn directory_is_private(directory: &Metadata) -> bool {
    let others = directory.mode() & 0o002 != 0;
    let group = directory.mode() & 0o020 != 0 && directory.gid() != directory.uid();
    !others && !group
}

impl Foreign {
    /// Judges a token file with `metadata` in `directory`, given the user id of this process there.
    pub(crate) fn check(metadata: &Metadata, directory: &Metadata, ours: u32) -> Result<(), Self> {
        if !directory_is_private(directory) {
            return Err(Self::Directory);
        }
        let owner = metadata.uid();
        if owner == ours { Ok(()) } else { Err(Self::File { owner }) }
    }
}
