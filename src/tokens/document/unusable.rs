//! Why a file is no document of tokens, in words that quote nothing of it.

use std::fmt;

use crate::files::MAX_SIZE;
use crate::json::NotAnObject;
use crate::sealing::Unsealable;

/// Why a file that may be a token file is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    NotAnObject(NotAnObject),
    /// A member that must be text is something else.
    NotText {
        member: &'static str,
        /// The kind of the value, with its article.
        found: &'static str,
    },
    /// A new secret could not be sealed.
    NotSealed(Unsealable),
    /// The text would be larger than the limit for reading.
    TooLarge,
    /// A token holds a character that no token has (RFC 6749 appendix A: VSCHAR, 0x20 to 0x7E).
    BadCharacter {
        member: &'static str,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject(why) => why.fmt(out),
            Self::NotText { member, found } => write!(out, "its {member} is {found}, not text"),
            Self::NotSealed(why) => why.fmt(out),
            Self::TooLarge => write!(out, "it would be larger than {} MiB", MAX_SIZE >> 20),
            Self::BadCharacter { member } => {
                write!(
                    out,
                    "its {member} contains a line break or another character that no token has; sign in again"
                )
            }
        }
    }
}
