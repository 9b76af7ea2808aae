//! Root becomes the owner of the project before any file of the project is read.
//!
//! A project's files say where secrets are sent and which files are written. A user who may write them must not give
//! orders to root. So a program that root starts over a user's project becomes that user, for good. The change happens
//! while the process has one thread.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, capabilities, set_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::files::reason;

/// The names and home directories of users. Users of a directory service have no line there, and so no name and no home
/// here. Such users lack nothing else.
const USERS: &str = "/etc/passwd";

/// The group `nogroup`, for a user without a line in [`USERS`] and without a group of the same number.
const NO_GROUP: u32 = 65_534;

/// The user that the process has become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
    name: Option<String>,
    /// Absolute.
    pub home: Option<PathBuf>,
}

/// Why the process has not become the owner. No file of the project was read.
#[derive(Debug)]
pub(crate) enum NotOwner {
    /// The project directory belongs to a third user, who must not give orders about these tokens.
    ThirdUser {
        /// The project directory and its owner.
        project: (PathBuf, u32),
        /// The tokens directory and its owner.
        tokens: (PathBuf, u32),
    },
    /// The owner of this path is unknown.
    Unknown(PathBuf, io::Error),
    /// The system does not let root become this user.
    Refused(u32, io::Error),
    /// The system reported success, but the process is not that user.
    Incomplete(u32),
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{name} (uid {}, gid {})", self.uid, self.gid),
            None => write!(out, "uid {} (gid {})", self.uid, self.gid),
        }
    }
}

impl fmt::Display for NotOwner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThirdUser { project, tokens } => write!(
                out,
                "the project {} belongs to uid {}, its tokens directory {} to uid {}, and root keeps tokens only \
                 where one of them may order the other; make them belong to one user with chown",
                project.0.display(),
                project.1,
                tokens.0.display(),
                tokens.1
            ),
            Self::Unknown(path, error) => {
                write!(out, "the owner of {} cannot be found out: {}", path.display(), reason(error))
            }
            Self::Refused(uid, error) => write!(
                out,
                "the tokens belong to uid {uid}, and this process cannot become that user: {}; run it as that \
                 user, or let it have CAP_SETUID and CAP_SETGID",
                reason(error)
            ),
            Self::Incomplete(uid) => write!(
                out,
                "the tokens belong to uid {uid}, and this process has kept some of root's rights; run it as that \
                 user"
            ),
        }
    }
}

/// Takes the owner's bits out of the mask for new files. With these bits in the mask, the program could not use files
/// that it makes.
pub(crate) fn keep_owner_bits() {
    let mask = umask(Mode::RWXG | Mode::RWXO);
    umask(mask - Mode::RWXU);
}

/// Becomes the owner of the tokens directory, or of the project directory where the other is missing. Returns `None`
/// and does nothing where the process is not root, or the directory is root's own.
pub(crate) fn become_owner(project: &Path, tokens: &Path) -> Result<Option<User>, NotOwner> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let found = |path: &Path| match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.uid(), metadata.gid()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(NotOwner::Unknown(path.to_owned(), error)),
    };
    let missing = || NotOwner::Unknown(project.to_owned(), io::ErrorKind::NotFound.into());
    let of_project = found(project)?.ok_or_else(missing)?;
    let (uid, gid) = found(tokens)?.unwrap_or(of_project);
    if may_not_order(of_project.0, uid) {
        return Err(NotOwner::ThirdUser {
            project: (project.to_owned(), of_project.0),
            tokens: (tokens.to_owned(), uid),
        });
    }
    if uid == 0 {
        return Ok(None);
    }
    let user = user(uid, gid, &std::fs::read_to_string(USERS).unwrap_or_default());
    change(&user).map_err(|error| NotOwner::Refused(uid, error))?;
    if is_complete(&user) { Ok(Some(user)) } else { Err(NotOwner::Incomplete(uid)) }
}

/// Whether the project's owner must not give orders about the tokens of this user. A link in a project to another
/// user's tokens, even root's, must not open them.
fn may_not_order(project: u32, tokens: u32) -> bool {
    project != 0 && project != tokens
}

/// The user `uid` by the text of [`USERS`]. A user without a line gets the directory's group only where both have one
/// number. A directory may have inherited any other group from its parent.
fn user(uid: u32, gid: u32, users: &str) -> User {
    let line = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        fields.get(2).and_then(|field| field.parse::<u32>().ok()) == Some(uid) && fields.len() >= 6
    });
    let Some(fields) = line else {
        return User { uid, gid: if gid == uid { gid } else { NO_GROUP }, name: None, home: None };
    };
    User {
        uid,
        gid: fields[3].parse().unwrap_or(NO_GROUP),
        name: Some(fields[0].to_owned()),
        home: fields[5].starts_with('/').then(|| PathBuf::from(fields[5])),
    }
}

fn change(user: &User) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // The order matters: the first two calls need the rights that the third takes away.
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    // These rights end with the user id, unless root has set a bit that keeps them.
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, none)?)
}

/// Reads back the ids and rights of the process. The saved ids, which no call here shows, could let the process become
/// root again. So the process tries, and must fail.
fn is_complete(user: &User) -> bool {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let ids = (getuid(), geteuid(), getgid(), getegid()) == (uid, uid, gid, gid);
    let groups = getgroups().is_ok_and(|groups| groups.is_empty());
    let rights = capabilities(None).is_ok_and(|sets| sets.effective.is_empty() && sets.permitted.is_empty());
    let back_to_root = set_thread_res_uid(None, Uid::ROOT, None).is_ok()
        || !gid.is_root() && set_thread_res_gid(None, Gid::ROOT, None).is_ok();
    ids && groups && rights && !back_to_root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_owner_of_the_tokens_may_give_orders_about_them() {
        for (project, tokens, refused) in
            [(0, 0, false), (0, 7, false), (7, 7, false), (8, 7, true), (7, 0, true)]
        {
            assert_eq!(may_not_order(project, tokens), refused, "{project} {tokens}");
        }
    }

    #[test]
    fn a_user_is_found_in_the_user_database_or_has_neither_name_nor_home() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:100:Me,,,:/home/me:/bin/sh\n\
                     daemon:x:7:7::none:\nnot:x:-1:0::/:\n";
        let found = |uid, gid| {
            let user = user(uid, gid, users);
            (user.name, user.gid, user.home)
        };
        assert_eq!(found(1000, 55), (Some("me".to_owned()), 100, Some("/home/me".into())));
        assert_eq!(found(7, 0), (Some("daemon".to_owned()), 7, None));
        assert_eq!(found(1001, 1001), (None, 1001, None));
        assert_eq!(found(1001, 0), (None, NO_GROUP, None));
        assert_eq!(user(5, 5, "").to_string(), "uid 5 (gid 5)");
    }
}
