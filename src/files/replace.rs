//! Replacing a file that can be made again: the configurations, the status file, the pid file.
//!
//! Files are replaced by rename, so that no reader ever sees half a file. The new file is private from its first byte.
//! Nothing is synced, since after a power loss the next cycle writes the file anew.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::file_at::FileAt;
use super::parts::{Replaced, TextInParts};

/// Makes `file` hold `text`, mode 0600, where it does not already. The caller holds a lock that keeps other writers of
/// the file away. A link is replaced and not followed. An error leaves the old file untouched, and no temporary file.
pub(crate) fn replace_text(file: &FileAt, text: &str) -> io::Result<Replaced> {
    replace_parts(file, |push| push(text)).map(|(replaced, ())| replaced)
}

/// Does the same for a text that `write` hands over part by part.
pub(crate) fn replace_parts<T>(
    file: &FileAt,
    write: impl FnOnce(&mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<T>,
) -> io::Result<(Replaced, T)> {
    replace(file, |temporary| {
        let mut parts = TextInParts::new(file, temporary)?;
        let value = write(&mut |part| parts.push(part.as_bytes()))?;
        Ok((parts.finish()?, value))
    })
}

/// Makes `path` hold the output of `write`, mode 0644, for other users to read. The caller is the only writer of the
/// file. Fails like [`replace_text`].
pub(crate) fn replace_public(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let written = replace(&FileAt::of(path)?, |temporary| {
        let new = temporary.create_anew()?;
        // The mode of the open would not do, since the process's mask takes bits from it.
        new.set_permissions(Permissions::from_mode(0o644))?;
        let mut out = BufWriter::new(new);
        write(&mut out)?;
        out.flush()?;
        Ok((Replaced::Written, ()))
    });
    written.map(drop)
}

/// Puts the new file (0600) that `write` makes under a temporary name in the place of `file`. A `write` that finds the
/// file right makes none.
fn replace<T>(
    file: &FileAt,
    write: impl FnOnce(&FileAt) -> io::Result<(Replaced, T)>,
) -> io::Result<(Replaced, T)> {
    let temporary = file.sibling(".", ".new");
    let done = write(&temporary).and_then(|done| {
        if done.0 == Replaced::Written {
            temporary.rename(file)?;
        }
        Ok(done)
    });
    if done.is_err() {
        // The first error is the one to report. The next try removes a leftover.
        let _ = temporary.remove();
    }
    done
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::files::Inode;
    use crate::scratch::Scratch;

    /// Replaces `before` by the text that comes in these parts.
    fn replaced(before: Option<&str>, parts: &[&str]) -> (Replaced, bool, String) {
        let scratch = Scratch::new();
        let path = scratch.join("text");
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        let found = Inode::at(&path);
        let file = FileAt::of(&path).unwrap();
        let (replaced, ()) =
            replace_parts(&file, |push| parts.iter().try_for_each(|part| push(part))).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file is left");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        (replaced, found == Inode::at(&path), fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn a_text_is_written_where_it_differs_at_any_place() {
        for length in [0, 1, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 200_000] {
            let text = "x".repeat(length);
            for part in [1, 100, 4096, 70_000] {
                let parts: Vec<&str> =
                    text.as_bytes().chunks(part).map(|part| std::str::from_utf8(part).unwrap()).collect();
                if parts.len() > 4096 {
                    continue;
                }
                assert_eq!(replaced(None, &parts), (Replaced::Written, false, text.clone()));
                assert_eq!(replaced(Some(&text), &parts), (Replaced::Same, true, text.clone()));
                let longer = format!("{text}y");
                assert_eq!(replaced(Some(&longer), &parts), (Replaced::Written, false, text.clone()));
                for place in [0, length / 2, length.saturating_sub(1)].into_iter().filter(|_| length > 0) {
                    let mut other = text.clone();
                    other.replace_range(place..=place, "y");
                    assert_eq!(replaced(Some(&other), &parts), (Replaced::Written, false, text.clone()));
                    assert_eq!(
                        replaced(Some(&text[..place]), &parts),
                        (Replaced::Written, false, text.clone())
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text(
            before in proptest::option::of("[ab]{0,30}"),
            parts in proptest::collection::vec("[ab]{0,9}", 0..5),
        ) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let text = parts.concat();
            let same = before.as_deref() == Some(&*text);
            let (result, untouched, now) = replaced(before.as_deref(), &parts);
            prop_assert_eq!((result == Replaced::Same, untouched, now), (same, same, text));
        }
    }

    #[test]
    fn an_error_leaves_the_file_and_nothing_beside_it() {
        let scratch = Scratch::new();
        let path = scratch.join("text");
        fs::write(&path, "before").unwrap();
        let file = FileAt::of(&path).unwrap();
        let failed = replace_parts(&file, |push| {
            push(&"x".repeat(100_000))?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_replaced_by_a_private_one_with_the_same_text() {
        let scratch = Scratch::new();
        let path = scratch.join("text");
        fs::write(&path, "text").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(replace_text(&FileAt::of(&path).unwrap(), "text").unwrap(), Replaced::Written);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
