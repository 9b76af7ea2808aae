//! Following symbolic links that no other user could have turned.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};

use super::directory::Directory;
use super::file_at::FileAt;
use super::inode::Inode;
use super::read_error::ReadError;
use super::trust::judge_link;

/// The largest number of links that are followed, equal to the system's.
const MOST_LINKS: usize = 40;

/// The file that `file` leads to, which is no link. A link on the way must belong to this user or root. Its directory
/// must not let another user replace the link.
pub(crate) fn follow(file: &FileAt) -> Result<FileAt, ReadError> {
    follow_to(file).map(|(real, _)| real)
}

/// Like [`follow`], with the system's data of the file.
pub(crate) fn follow_to(file: &FileAt) -> Result<(FileAt, Inode), ReadError> {
    let mut here = file.directory().clone();
    let mut ahead = vec![file.name().to_owned()];
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let next = here.file_at(name);
        let found = next.inode()?;
        if !found.is_link() {
            if ahead.is_empty() {
                return if found.is_file() { Ok((next, found)) } else { Err(ReadError::NotRegular) };
            }
            here = here.subdirectory(next.name())?;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP).into());
        }
        judge_link(&next.path(), &found)?;
        here.judge()?;
        for component in next.link()?.components().rev() {
            match component {
                // The root is reached last, after every name that was pushed from here on.
                Component::RootDir => here = Directory::open(Path::new("/"))?,
                Component::Normal(name) => ahead.push(name.to_owned()),
                Component::ParentDir => ahead.push(OsString::from("..")),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
    Err(ReadError::NotRegular)
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
            let real = follow(&FileAt::of(&path).unwrap()).unwrap().path();
            assert_eq!(real.canonicalize().unwrap(), path.canonicalize().unwrap(), "{name}");
            assert!(!fs::symlink_metadata(&real).unwrap().is_symlink(), "{name}");
        }
    }

    #[test]
    fn a_link_to_nowhere_or_to_itself_ends() {
        let scratch = Scratch::new();
        symlink("loop", scratch.join("loop")).unwrap();
        symlink("nowhere", scratch.join("dangling")).unwrap();
        let followed = |name: &str| follow(&FileAt::of(&scratch.join(name)).unwrap());
        assert!(matches!(followed("dangling"), Err(ReadError::Gone)));
        assert!(followed("loop").is_err_and(|why| why.to_string().contains("too many")));
    }
}
