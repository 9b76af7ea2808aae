//! What a second look at a token file found, before an answer takes its place.

use super::report::Report;
use crate::files::{FileAt, Stamp};
use crate::tokens::Document;

/// What a second look at a file found.
pub(super) enum Look {
    /// It is as it was when the request was sent.
    Unchanged,
    /// It has other contents for the same sign-in.
    Rewritten(Box<Document>, Stamp),
    /// The name leads to another file now, for the same sign-in.
    Elsewhere(Box<Moved>),
    /// It holds another sign-in.
    SignedIn,
    /// It is not there any more.
    Gone,
}

/// What a name leads to now.
pub(super) struct Moved {
    pub real: FileAt,
    pub document: Document,
    pub stamp: Stamp,
    /// Its new name in the directory, where it was moved, and what became of its old names.
    pub renamed: Option<(String, Report)>,
}

impl Moved {
    /// Found under the name that it had.
    pub(super) fn here(real: FileAt, document: Document, stamp: Stamp) -> Self {
        Self { real, document, stamp, renamed: None }
    }
}
