//! The tokens directory: which files are there, and what each holds.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::Duration;

use super::document::{Document, Unusable};
use super::name::{is_copy, may_be_token_file};
use super::spelled::{file_in, spelled};
use crate::files::{
    Directory, FileAt, Inode, ReadError, Stamp, follow_to, leftover, leftover_target, read_private,
};

/// How long a text that does not parse is given before it is read once more: another tool may be
/// writing it in place, for which a few kilobytes take a millisecond.
pub(crate) const SECOND_LOOK: Duration = Duration::from_millis(50);

/// A file of the tokens directory that was read.
pub(crate) struct TokenFile {
    /// Its name in the directory.
    pub name: String,
    /// The file itself, every link resolved.
    pub real: FileAt,
    /// Its state when it was read.
    pub stamp: Stamp,
    /// What the system told of it then.
    pub found: Inode,
    /// What it holds.
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
    /// It could not be read.
    Unreadable(ReadError),
    /// It was read, and is of no use.
    Unusable(Unusable),
    /// A link that leads nowhere or to itself.
    BrokenLink,
}

impl Problem {
    /// Whether it may only be that another tool is writing the file at this moment.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unusable(Unusable::NotAnObject(_)) | Self::Unreadable(ReadError::NotText))
    }

    /// Whether it says to sign in again.
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
    /// Those among them that are not plainly regular files: links, and what must be looked at first.
    pub special: BTreeSet<String>,
    /// Copies of token files, which are no token files.
    pub copies: Vec<String>,
    /// Files that other tools make beside token files for a shell: `NAME.env`.
    pub twins: BTreeSet<String>,
    /// Those beside which a crash left the file of an unfinished refresh.
    pub leftovers: BTreeSet<String>,
}

impl Listing {
    /// A very long name is shortened in the name of what a crash leaves beside it.
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

/// Lists `directory`, leaving out the files called `generated`, which we write there ourselves.
pub(crate) fn list(directory: &Directory, generated: &[String]) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in directory.names()? {
        let (name, is_file) = entry?;
        let name = spelled(&name);
        if may_be_token_file(&name, generated) {
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
    }
    if !listing.leftovers.is_empty() {
        listing.find_shortened(directory);
    }
    listing.names.sort_unstable();
    listing.copies.sort_unstable();
    Ok(listing)
}

/// Reads the file `name` of `directory` once, where it was listed as a regular file.
pub(crate) fn read_listed(directory: &Directory, name: &str) -> Result<Option<TokenFile>, Problem> {
    let real = file_in(directory, name);
    match read_once(&real, Document::parse) {
        Ok((document, found)) => Ok(Some(TokenFile::new(name, real, document, found))),
        // Something else has its name by now.
        Err(_) => read(directory, name),
    }
}

/// Reads the file `name` of `directory` once; `Ok(None)` when it is gone by now.
/// Where [`Problem::may_pass`] says so, the file is worth another look after [`SECOND_LOOK`].
pub(crate) fn read(directory: &Directory, name: &str) -> Result<Option<TokenFile>, Problem> {
    let Some(real) = real(&file_in(directory, name))? else { return Ok(None) };
    match read_once(&real, Document::parse) {
        Ok((document, found)) => Ok(Some(TokenFile::new(name, real, document, found))),
        Err(Problem::Unreadable(ReadError::Gone)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The regular file that `file` is or leads to, unless another user could have turned a link on the way; `Ok(None)`
/// where there is nothing of this name.
pub(crate) fn real(file: &FileAt) -> Result<Option<FileAt>, Problem> {
    Ok(real_now(file)?.map(|(real, _)| real))
}

/// The same, with its state at this moment.
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

/// Reads the document at `real`, once more after 50 ms where the text does not parse.
pub(crate) fn read_document(real: &FileAt) -> Result<(Document, Stamp), Problem> {
    read_found(real).map(|(document, found)| (document, found.stamp))
}

/// The same with all that the system told of the file before it was read.
pub(crate) fn read_found(real: &FileAt) -> Result<(Document, Inode), Problem> {
    read_twice(real, Document::parse)
}

/// The same of a document whose tokens are to be replaced by a new sign-in.
pub(crate) fn read_to_replace(real: &FileAt) -> Result<Document, Problem> {
    read_twice(real, Document::parse_to_replace).map(|(document, _)| document)
}

fn read_twice(
    real: &FileAt,
    parse: fn(&str) -> Result<Document, Unusable>,
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
    parse: fn(&str) -> Result<Document, Unusable>,
) -> Result<(Document, Inode), Problem> {
    let (text, found) = read_private(real).map_err(Problem::Unreadable)?;
    parse(&text).map(|document| (document, found)).map_err(Problem::Unusable)
}
