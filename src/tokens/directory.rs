//! The tokens directory: the names of the token files, and the contents of each.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::Duration;

use zeroize::Zeroizing;

use super::document::{Document, Unusable};
use super::name::{is_copy, may_be_token_file};
use super::spelled::{file_in, spelled};
use crate::files::{
    Directory, FileAt, Inode, ReadError, Stamp, follow_to, leftover, leftover_target, read_private,
};
use crate::ordered;

/// The wait before a text that does not parse is read a second time. Another tool may be writing the file in place, and
/// a few kilobytes take a millisecond.
pub(crate) const SECOND_LOOK: Duration = Duration::from_millis(50);

/// A file of the tokens directory that was read.
pub(crate) struct TokenFile {
    /// The name in the directory.
    pub name: String,
    /// The file itself, every link resolved.
    pub real: FileAt,
    pub stamp: Stamp,
    /// The system's data of the file when it was read.
    pub found: Inode,
    pub document: Document,
}

impl TokenFile {
    fn new(name: &str, real: FileAt, document: Document, found: Inode) -> Self {
        Self { name: name.to_owned(), real, stamp: found.stamp, found, document }
    }
}

/// Why a name in the directory is not used.
#[derive(Debug)]
pub(crate) enum Problem {
    Unreadable(ReadError),
    /// The file was read, and cannot be used.
    Unusable(Unusable),
    /// A link that leads nowhere or to itself.
    BrokenLink,
}

impl Problem {
    /// Whether the only cause may be that another tool is writing the file at this moment.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unusable(Unusable::NotAnObject(_)) | Self::Unreadable(ReadError::NotText))
    }

    /// Whether the person must sign in again.
    pub(crate) fn needs_sign_in(&self) -> bool {
        matches!(self, Self::Unusable(Unusable::BadCharacter { .. }))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(out),
            Self::Unusable(why) => why.fmt(out),
            Self::BrokenLink => out.write_str("it is a link that leads nowhere"),
        }
    }
}

/// The contents of the tokens directory.
#[derive(Default, Debug)]
pub(crate) struct Listing {
    /// The names that may be token files, sorted.
    pub names: Vec<String>,
    /// The names among them that are no plain regular files: links, and files of unknown type.
    pub special: BTreeSet<String>,
    /// Copies of token files. A copy is no token file.
    pub copies: Vec<String>,
    /// Files that other tools make beside token files for a shell: `NAME.env`.
    pub twins: BTreeSet<String>,
    /// Names beside which a crash left the file of an unfinished refresh.
    pub leftovers: BTreeSet<String>,
}

impl Listing {
    /// Completes `leftovers`: a very long name is shortened in the name of the file that a crash leaves beside it.
    fn find_shortened(&mut self, directory: &Directory) {
        for name in &self.names {
            let beside = leftover(&file_in(directory, name)).path();
            let target = beside.file_name().map(spelled);
            let target = target.as_deref().and_then(leftover_target);
            if let Some(target) = target.filter(|target| target != name)
                && self.leftovers.remove(target)
            {
                self.leftovers.insert(name.clone());
            }
        }
    }
}

/// Lists `directory`, without the files that are configurations by their names: this program writes those.
pub(crate) fn list(directory: &Directory, is_configuration: fn(&str) -> bool) -> io::Result<Listing> {
    let mut listing = Listing::default();
    directory.each_name(&mut |name, is_file| {
        let name = spelled(name);
        if may_be_token_file(&name, is_configuration) {
            if !is_file {
                listing.special.insert(name.clone());
            }
            listing.names.push(name);
        } else if let Some(target) = leftover_target(&name) {
            listing.leftovers.insert(target.to_owned());
        } else if name.strip_suffix(".env").is_some_and(|stem| !stem.is_empty()) {
            listing.twins.insert(name);
        } else if is_copy(&name) && !name.starts_with('.') {
            listing.copies.push(name);
        }
    })?;
    if !listing.leftovers.is_empty() {
        listing.find_shortened(directory);
    }
    ordered::sort(&mut listing.names, Ord::cmp);
    ordered::sort(&mut listing.copies, Ord::cmp);
    Ok(listing)
}

/// Reads the file `name` of `directory` once, where it was listed as a regular file.
pub(crate) fn read_listed(directory: &Directory, name: &str) -> Result<Option<TokenFile>, Problem> {
    let real = file_in(directory, name);
    match read_once(&real, Document::read) {
        Ok((document, found)) => Ok(Some(TokenFile::new(name, real, document, found))),
        // Another kind of file may have taken the name since the listing.
        Err(_) => read(directory, name),
    }
}

/// Reads the file `name` of `directory` once; `Ok(None)` when the file is gone by now. Where [`Problem::may_pass`] says
/// so, a second read after [`SECOND_LOOK`] may succeed.
pub(crate) fn read(directory: &Directory, name: &str) -> Result<Option<TokenFile>, Problem> {
    let Some(real) = real(&file_in(directory, name))? else { return Ok(None) };
    match read_once(&real, Document::read) {
        Ok((document, found)) => Ok(Some(TokenFile::new(name, real, document, found))),
        Err(Problem::Unreadable(ReadError::Gone)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The regular file that `file` is or leads to. No other user may be able to turn a link on the way. `Ok(None)` where
/// the name does not exist.
pub(crate) fn real(file: &FileAt) -> Result<Option<FileAt>, Problem> {
    Ok(real_now(file)?.map(|(real, _)| real))
}

/// Like [`real`], with the state of the file at this moment.
pub(crate) fn real_now(file: &FileAt) -> Result<Option<(FileAt, Stamp)>, Problem> {
    match follow_to(file) {
        Ok((real, found)) => Ok(Some((real, found.stamp))),
        Err(ReadError::Gone) if file.inode().is_err() => Ok(None),
        Err(ReadError::Gone) => Err(Problem::BrokenLink),
        Err(why) if is_loop(&why) => Err(Problem::BrokenLink),
        Err(why) => Err(Problem::Unreadable(why)),
    }
}

fn is_loop(why: &ReadError) -> bool {
    matches!(why, ReadError::Io(error) if error.raw_os_error() == Some(libc::ELOOP))
}

/// Reads the document at `real`, a second time after 50 ms where the text does not parse.
pub(crate) fn read_document(real: &FileAt) -> Result<(Document, Stamp), Problem> {
    read_found(real).map(|(document, found)| (document, found.stamp))
}

/// Like [`read_document`], with the system's data of the file before it was read.
pub(crate) fn read_found(real: &FileAt) -> Result<(Document, Inode), Problem> {
    read_twice(real, Document::read)
}

/// Like [`read_document`], for a document whose tokens are to be replaced by a new sign-in.
pub(crate) fn read_to_replace(real: &FileAt) -> Result<Document, Problem> {
    read_twice(real, Document::read_to_replace).map(|(document, _)| document)
}

fn read_twice(
    real: &FileAt,
    parse: fn(Zeroizing<String>) -> Result<Document, Unusable>,
) -> Result<(Document, Inode), Problem> {
    match read_once(real, parse) {
        Err(problem) if problem.may_pass() => {
            std::thread::sleep(SECOND_LOOK);
            read_once(real, parse)
        }
        first => first,
    }
}

fn read_once(
    real: &FileAt,
    parse: fn(Zeroizing<String>) -> Result<Document, Unusable>,
) -> Result<(Document, Inode), Problem> {
    let (text, found) = read_private(real).map_err(Problem::Unreadable)?;
    parse(text).map(|document| (document, found)).map_err(Problem::Unusable)
}
