//! The tokens directory: which files are there, and what each holds.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::document::{Document, Unusable};
use super::name::{is_copy, may_be_token_file};
use crate::files::{self, ReadError, Stamp, leftover_target, read_private};

/// How long a text that does not parse is given before it is read once more: another tool may be
/// writing it in place.
pub(crate) const SECOND_LOOK: Duration = Duration::from_millis(50);

/// A file of the tokens directory that was read.
pub(crate) struct TokenFile {
    /// Its name in the directory.
    pub name: String,
    /// The file itself, every link resolved.
    pub real: PathBuf,
    /// Its state when it was read.
    pub stamp: Stamp,
    /// What it holds.
    pub document: Document,
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
    /// Those beside which a crash left the file of an unfinished refresh.
    pub leftovers: BTreeSet<String>,
}

/// Lists `directory`, leaving out the files called `generated`, which we write there ourselves.
pub(crate) fn list(directory: &Path, generated: &[String]) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(directory)? {
        // A name that is not UTF-8 cannot end up in a configuration and is no token file.
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if may_be_token_file(&name, generated) {
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                listing.special.insert(name.clone());
            }
            listing.names.push(name);
        } else if let Some(target) = leftover_target(&name) {
            listing.leftovers.insert(target.to_owned());
        } else if is_copy(&name) && !name.starts_with('.') {
            listing.copies.push(name);
        }
    }
    listing.names.sort_unstable();
    listing.copies.sort_unstable();
    Ok(listing)
}

/// Reads the file `name` of `directory` once, where it was listed as a regular file.
pub(crate) fn read_listed(directory: &Path, name: &str) -> Result<Option<TokenFile>, Problem> {
    let real = directory.join(name);
    match files::read_listed(&real).map_err(Problem::Unreadable).and_then(parsed) {
        Ok((document, stamp)) => Ok(Some(TokenFile { name: name.to_owned(), real, stamp, document })),
        // Something else has its name by now.
        Err(_) => read(directory, name),
    }
}

/// Reads the file `name` of `directory` once; `Ok(None)` when it is gone by now.
/// Where [`Problem::may_pass`] says so, the file is worth another look after [`SECOND_LOOK`].
pub(crate) fn read(directory: &Path, name: &str) -> Result<Option<TokenFile>, Problem> {
    let path = directory.join(name);
    let real = match std::fs::symlink_metadata(&path) {
        Ok(found) if !found.is_symlink() => path,
        Ok(_link) => real(&path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::Unreadable(error.into())),
    };
    match read_once(&real) {
        Ok((document, stamp)) => Ok(Some(TokenFile { name: name.to_owned(), real, stamp, document })),
        Err(Problem::Unreadable(ReadError::Gone)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The file that the link at `path` leads to, unless another user could have turned it.
pub(crate) fn real(path: &Path) -> Result<PathBuf, Problem> {
    let real = files::follow(path).map_err(|why| match why {
        ReadError::Untrusted(_) => Problem::Unreadable(why),
        _ => Problem::BrokenLink,
    })?;
    std::fs::canonicalize(real).map_err(|_| Problem::BrokenLink)
}

/// Reads the document at `real`, once more after 50 ms where the text does not parse.
pub(crate) fn read_document(real: &Path) -> Result<(Document, Stamp), Problem> {
    match read_once(real) {
        Err(problem) if problem.may_pass() => {
            std::thread::sleep(SECOND_LOOK);
            read_once(real)
        }
        first => first,
    }
}

fn read_once(real: &Path) -> Result<(Document, Stamp), Problem> {
    read_private(real).map_err(Problem::Unreadable).and_then(parsed)
}

fn parsed((text, stamp): (Zeroizing<String>, Stamp)) -> Result<(Document, Stamp), Problem> {
    Document::parse(&text).map(|document| (document, stamp)).map_err(Problem::Unusable)
}
