//! Following symbolic links that no other user could have turned.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::directory::directory_of;
use super::read_error::ReadError;
use super::trust::{judge_directory, judge_link};

/// How many links are followed, as many as the system follows.
const MOST_LINKS: usize = 40;

/// Where the file at `path` really is. A link on the way must belong to this user or root, and must be in a
/// directory where no other user could replace it. `path` itself is followed from its last component on: the
/// directories before are the choice of the person who named it.
pub(crate) fn follow(path: &Path) -> Result<PathBuf, ReadError> {
    let mut here = directory_of(path).to_owned();
    let mut ahead: Vec<OsString> = path.file_name().map(ToOwned::to_owned).into_iter().collect();
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let next = here.join(&name);
        let found = std::fs::symlink_metadata(&next)?;
        if !found.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP).into());
        }
        judge_link(&next, &found)?;
        judge_directory_at(&here)?;
        for component in std::fs::read_link(&next)?.components().rev() {
            match component {
                // Reached last, after all that was pushed from here on.
                Component::RootDir => {
                    here = PathBuf::from("/");
                }
                Component::Normal(name) => ahead.push(name.to_owned()),
                Component::ParentDir => ahead.push("..".into()),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
    Ok(here)
}

/// Judges the directory at `path`, in which an order was found.
pub(super) fn judge_directory_at(path: &Path) -> Result<(), ReadError> {
    let directory = File::open(path)?;
    Ok(judge_directory(path, &directory, &directory.metadata()?)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn links_lead_where_the_system_says() {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.join("..2026/deep")).unwrap();
        scratch.write("..2026/a.json", "");
        symlink("..2026", scratch.join("..data")).unwrap();
        symlink("..data/a.json", scratch.join("relative")).unwrap();
        symlink(scratch.join("relative"), scratch.join("absolute")).unwrap();
        symlink("./..data/deep/../a.json", scratch.join("dots")).unwrap();
        for name in ["relative", "absolute", "dots", "..2026/a.json"] {
            let path = scratch.join(name);
            let real = follow(&path).unwrap();
            assert_eq!(real.canonicalize().unwrap(), path.canonicalize().unwrap(), "{name}");
            assert!(!fs::symlink_metadata(&real).unwrap().is_symlink(), "{name}");
        }
    }

    #[test]
    fn a_link_to_nowhere_or_to_itself_ends() {
        let scratch = Scratch::new();
        symlink("loop", scratch.join("loop")).unwrap();
        symlink("nowhere", scratch.join("dangling")).unwrap();
        assert!(matches!(follow(&scratch.join("dangling")), Err(ReadError::Gone)));
        assert!(follow(&scratch.join("loop")).is_err_and(|why| why.to_string().contains("too many")));
    }
}
