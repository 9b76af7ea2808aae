//! Whether another user could have written a file that gives orders.
//!
//! Token files, `.env` and `providers.json` say where secrets are sent. The program obeys them as `ssh` obeys its own
//! files. Their owner must be this user or root. No other user may write them or turn a link to them.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::fgetxattr;

use super::attributes::ACCESS_LIST;
use super::inode::Inode;

/// A file, directory or link that another user could have written. Shown as the reason for not using it, with the
/// command that helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Untrusted {
    path: PathBuf,
    weakness: Weakness,
    owner: u32,
    mode: u32,
    /// The user of this process, who should own the file.
    me: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Weakness {
    /// The file belongs to another user.
    FileOwner,
    /// Users other than its owner may write the file.
    FileMode,
    /// The directory belongs to another user.
    DirectoryOwner,
    /// Users other than its owner may write to the directory.
    DirectoryMode,
    /// The symbolic link belongs to another user.
    Link,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, weakness, owner, mode, me } = self;
        let (path, mode) = (path.display(), mode & 0o7777);
        let facts = format!("(uid {owner}, mode {mode:04o})");
        match weakness {
            Weakness::FileOwner => {
                write!(
                    out,
                    "it belongs to another user {facts}, who could give orders; run: chown {me} {path}"
                )
            }
            Weakness::FileMode => {
                write!(out, "users other than its owner may write it {facts}; run: chmod go-w {path}")
            }
            Weakness::DirectoryOwner => write!(
                out,
                "the directory {path} belongs to another user {facts}, who could give orders; run: chown {me} {path}"
            ),
            Weakness::DirectoryMode => write!(
                out,
                "users other than the owner may write to the directory {path} {facts}; run: chmod go-w {path}"
            ),
            Weakness::Link => write!(
                out,
                "the link {path} belongs to another user {facts}, who could turn it; run: chown -h {me} {path}"
            ),
        }
    }
}

/// Whether `owner` may give orders to this process.
fn may_order(owner: u32, me: u32) -> bool {
    owner == me || owner == 0
}

/// The user of this process.
pub(super) fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Judges the open `file`, which was found at `path`, for the user `me`.
pub(super) fn judge_file(me: u32, path: &Path, file: &File, found: &Inode) -> Result<(), Untrusted> {
    let untrusted = |weakness| untrusted(path, weakness, found);
    if !may_order(found.owner, me) {
        return Err(untrusted(Weakness::FileOwner));
    }
    if is_open(found, file) { Err(untrusted(Weakness::FileMode)) } else { Ok(()) }
}

/// Judges the open directory in which an order was found. In a sticky directory other users can neither remove nor
/// rename this user's files. The mounted secrets of a container are in such a directory.
pub(super) fn judge_directory(path: &Path, directory: &File, found: &Inode) -> Result<(), Untrusted> {
    let untrusted = |weakness| untrusted(path, weakness, found);
    if !may_order(found.owner, me()) {
        return Err(untrusted(Weakness::DirectoryOwner));
    }
    let sticky = found.mode & 0o1000 != 0;
    if !sticky && is_open(found, directory) { Err(untrusted(Weakness::DirectoryMode)) } else { Ok(()) }
}

/// Why users other than `me` could put their own files into the open `directory`, if they could.
pub(super) fn open_to_others(me: u32, path: &Path, directory: &File, found: &Inode) -> Option<Untrusted> {
    if !may_order(found.owner, me) {
        return Some(untrusted(path, Weakness::DirectoryOwner, found));
    }
    is_open(found, directory).then(|| untrusted(path, Weakness::DirectoryMode, found))
}

/// Judges the program's own directory: root may not share it.
pub(super) fn judge_own(path: &Path, directory: &File, found: &Inode) -> Result<(), Untrusted> {
    if found.owner != me() {
        return Err(untrusted(path, Weakness::DirectoryOwner, found));
    }
    if is_open(found, directory) { Err(untrusted(path, Weakness::DirectoryMode, found)) } else { Ok(()) }
}

/// Judges a symbolic link.
pub(super) fn judge_link(path: &Path, found: &Inode) -> Result<(), Untrusted> {
    if may_order(found.owner, me()) { Ok(()) } else { Err(untrusted(path, Weakness::Link, found)) }
}

fn untrusted(path: &Path, weakness: Weakness, found: &Inode) -> Untrusted {
    Untrusted { path: path.to_owned(), weakness, owner: found.owner, mode: found.mode, me: me() }
}

/// Whether users other than the owner may write to an open file or directory.
fn is_open(found: &Inode, file: &File) -> bool {
    let mut list = [0; 1024];
    let list = || match fgetxattr(file, ACCESS_LIST, &mut list) {
        Ok(length) => list.get(..length).map(<[u8]>::to_vec),
        Err(_) => None,
    };
    others_write(found.mode, found.owner, found.group, list)
}

/// Whether users other than `owner` may write a file of this mode, group and access control list. A group with the
/// number of a user is that user's private group, without other members. In this scheme of Debian and Fedora the
/// default mask makes directories 0775.
fn others_write(mode: u32, owner: u32, group: u32, list: impl FnOnce() -> Option<Vec<u8>>) -> bool {
    let others = mode & 0o002 != 0;
    // With an access control list these bits are its mask: where they are not set, no entry of the list counts.
    let group_or_list = mode & 0o020 != 0;
    others
        || group_or_list && list().map_or(group != owner, |list| acl_lets_others_write(&list, owner, group))
}

/// Reads the entries of an access control list (`acl(5)`). After four bytes of version, each entry has a kind,
/// permissions and the number of a user or group.
fn acl_lets_others_write(list: &[u8], owner: u32, group: u32) -> bool {
    const WRITE: u16 = 2;
    list.get(4..).unwrap_or_default().chunks_exact(8).any(|entry| {
        let kind = u16::from_le_bytes([entry[0], entry[1]]);
        let writes = u16::from_le_bytes([entry[2], entry[3]]) & WRITE != 0;
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        writes
            && match kind {
                // A user by number; the owning group; a group by number.
                0x02 => id != owner && id != 0,
                0x04 => group != owner,
                0x08 => id != owner,
                // The owner, the mask, and the others, whose rights are in the mode too.
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u16, permissions: u16, id: u32) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    }

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let entries = entries.iter().flat_map(|&(kind, permissions, id)| entry(kind, permissions, id));
        [2, 0, 0, 0].into_iter().chain(entries).collect()
    }

    #[test]
    fn others_are_all_but_the_owner_root_and_the_owners_private_group() {
        for (mode, owner, group, expected) in [
            (0o600, 7, 7, false),
            (0o644, 7, 100, false),
            (0o664, 7, 7, false),
            (0o664, 7, 100, true),
            (0o666, 7, 7, true),
            (0o602, 7, 7, true),
            (0o664, 0, 0, false),
            (0o664, 0, 100, true),
        ] {
            assert_eq!(others_write(mode, owner, group, || None), expected, "{mode:o} {owner} {group}");
        }
    }

    #[test]
    fn an_access_control_list_counts_where_it_lets_others_write() {
        let (owner, mask, others) = ((0x01, 6, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX));
        for (entries, expected) in [
            (vec![owner, (0x02, 6, 8), mask, others], true),
            (vec![owner, (0x02, 4, 8), mask, others], false),
            (vec![owner, (0x02, 6, 7), (0x02, 6, 0), (0x08, 6, 7), mask, others], false),
            (vec![owner, (0x08, 6, 100), mask, others], true),
            (vec![owner, (0x04, 6, u32::MAX), mask, others], true),
            (vec![owner, (0x04, 4, u32::MAX), mask, others], false),
        ] {
            assert_eq!(others_write(0o664, 7, 100, || Some(list(&entries))), expected, "{entries:?}");
            assert!(!others_write(0o644, 7, 100, || Some(list(&entries))), "the mask holds: {entries:?}");
        }
    }

    #[test]
    fn a_reason_names_owner_mode_and_what_helps() {
        let untrusted =
            |weakness| Untrusted { path: "/p/.env".into(), weakness, owner: 8, mode: 0o100_666, me: 7 };
        for (weakness, helps) in [
            (Weakness::FileOwner, "run: chown 7 /p/.env"),
            (Weakness::FileMode, "run: chmod go-w /p/.env"),
            (Weakness::DirectoryOwner, "run: chown 7 /p/.env"),
            (Weakness::DirectoryMode, "run: chmod go-w /p/.env"),
            (Weakness::Link, "run: chown -h 7 /p/.env"),
        ] {
            let said = untrusted(weakness).to_string();
            assert!(said.contains("(uid 8, mode 0666)") && said.ends_with(helps), "{said}");
        }
    }
}
