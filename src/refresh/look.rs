//! The result of a second look at a token file, before an answer takes its place.

use super::report::Report;
use crate::files::{FileAt, Stamp};
use crate::tokens::Document;

/// The result of a second look at a file.
pub(super) enum Look {
    /// The file is as it was when the request was sent.
    Unchanged,
    /// The file has other contents for the same sign-in.
    Rewritten(Box<Document>, Stamp),
    /// The name leads to another file now, for the same sign-in.
    Elsewhere(Box<Moved>),
    /// The file holds another sign-in.
    SignedIn,
    /// The file does not exist any more.
    Gone,
}

/// The file to which a name leads now.
pub(super) struct Moved {
    pub real: FileAt,
    pub document: Document,
    pub stamp: Stamp,
    /// The new name of a file that was moved, and the report for its old names.
    pub renamed: Option<(String, Report)>,
}

impl Moved {
    /// The file under its old name.
    pub(super) fn here(real: FileAt, document: Document, stamp: Stamp) -> Self {
        Self { real, document, stamp, renamed: None }
    }
}
