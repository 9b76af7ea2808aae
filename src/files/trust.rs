//! Whether another user could have written a file that gives orders.
//!
//! Token files, `.env` and `providers.json` say where secrets are sent. They are obeyed as `ssh` obeys its own
//! files: they belong to this user or root, and no other user may write them or turn a link to them.

use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::fgetxattr;

use super::inode::Inode;

/// The access control list of a file, as Linux shows it.
const ACL: &CStr = c"system.posix_acl_access";

/// What another user could have written. Shown as the reason why it is not used, with the command that helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Untrusted {
    path: PathBuf,
    what: What,
    owner: u32,
    mode: u32,
    /// This process's user, who should own it.
    me: u32,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
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
        let Self { path, what, owner, mode, me } = self;
        let (path, mode) = (path.display(), mode & 0o7777);
        let facts = format!("(uid {owner}, mode {mode:04o})");
        match what {
            What::FileOwner => {
                write!(
                    out,
                    "it belongs to another user {facts}, who could give orders; run: chown {me} {path}"
                )
            }
            What::FileMode => {
                write!(out, "users other than its owner may write it {facts}; run: chmod go-w {path}")
            }
            What::DirectoryOwner => write!(
                out,
                "the directory {path} belongs to another user {facts}, who could give orders; run: chown {me} {path}"
            ),
            What::DirectoryMode => write!(
                out,
                "users other than the owner may write to the directory {path} {facts}; run: chmod go-w {path}"
            ),
            What::Link => write!(
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
    let untrusted = |what| untrusted(path, what, found);
    if !may_order(found.owner, me) {
        return Err(untrusted(What::FileOwner));
    }
    if is_open(found, file) { Err(untrusted(What::FileMode)) } else { Ok(()) }
}

/// Judges the open directory in which an order was found. Where it is sticky, other users can neither remove
/// nor rename what belongs to this one: the mounted secrets of a container stand in such a directory.
pub(super) fn judge_directory(path: &Path, directory: &File, found: &Inode) -> Result<(), Untrusted> {
    let untrusted = |what| untrusted(path, what, found);
    if !may_order(found.owner, me()) {
        return Err(untrusted(What::DirectoryOwner));
    }
    let sticky = found.mode & 0o1000 != 0;
    if !sticky && is_open(found, directory) { Err(untrusted(What::DirectoryMode)) } else { Ok(()) }
}

/// Why users other than `me` could put files of their own into the open `directory`, where they could.
pub(super) fn open_to_others(me: u32, path: &Path, directory: &File, found: &Inode) -> Option<Untrusted> {
    if !may_order(found.owner, me) {
        return Some(untrusted(path, What::DirectoryOwner, found));
    }
    is_open(found, directory).then(|| untrusted(path, What::DirectoryMode, found))
}

/// Judges the program's own directory: root may not share it.
pub(super) fn judge_own(path: &Path, directory: &File, found: &Inode) -> Result<(), Untrusted> {
    if found.owner != me() {
        return Err(untrusted(path, What::DirectoryOwner, found));
    }
    if is_open(found, directory) { Err(untrusted(path, What::DirectoryMode, found)) } else { Ok(()) }
}

/// Judges a symbolic link.
pub(super) fn judge_link(path: &Path, found: &Inode) -> Result<(), Untrusted> {
    if may_order(found.owner, me()) { Ok(()) } else { Err(untrusted(path, What::Link, found)) }
}

fn untrusted(path: &Path, what: What, found: &Inode) -> Untrusted {
    Untrusted { path: path.to_owned(), what, owner: found.owner, mode: found.mode, me: me() }
}

/// Whether users other than the owner may write to an open file or directory.
fn is_open(found: &Inode, file: &File) -> bool {
    let mut list = [0; 1024];
    let list = || match fgetxattr(file, ACL, &mut list) {
        Ok(length) => list.get(..length).map(<[u8]>::to_vec),
        Err(_) => None,
    };
    others_write(found.mode, found.owner, found.group, list)
}

/// Whether users other than `owner` may write what has this mode, this group and this access control list.
/// A group with the number of a user is the private group of that user (the scheme of Debian and Fedora, whose
/// default mask makes directories 0775): it has no other member.
fn others_write(mode: u32, owner: u32, group: u32, list: impl FnOnce() -> Option<Vec<u8>>) -> bool {
    let others = mode & 0o002 != 0;
    // With an access control list, these bits are its mask: where they are not set, no entry of it counts.
    let group_or_list = mode & 0o020 != 0;
    others
        || group_or_list && list().map_or(group != owner, |list| acl_lets_others_write(&list, owner, group))
}

/// Reads the entries of an access control list (`acl(5)`): after four bytes of version each has a kind, its
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
                // The owner, the mask, and the others, whom the mode names too.
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
        let untrusted = |what| Untrusted { path: "/p/.env".into(), what, owner: 8, mode: 0o100_666, me: 7 };
        for (what, helps) in [
            (What::FileOwner, "run: chown 7 /p/.env"),
            (What::FileMode, "run: chmod go-w /p/.env"),
            (What::DirectoryOwner, "run: chown 7 /p/.env"),
            (What::DirectoryMode, "run: chmod go-w /p/.env"),
            (What::Link, "run: chown -h 7 /p/.env"),
        ] {
            let said = untrusted(what).to_string();
            assert!(said.contains("(uid 8, mode 0666)") && said.ends_with(helps), "{said}");
        }
    }
}
