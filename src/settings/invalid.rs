//! The error for a setting that cannot be used.

use std::fmt;

use crate::exit::ExitError;

/// Shown as one line with a remedy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// `--interval`, `TOKEN_REFRESH_INTERVAL`, or `/p/.env line 3: TOKEN_REFRESH_INTERVAL`.
    pub place: String,
    /// The value as it may be shown; none where no single value is at fault.
    pub value: Option<String>,
    /// The fault and the remedy: the end of the sentence that begins with the place and the value.
    pub why: String,
}

impl Invalid {
    /// A fault of no single value.
    pub(super) fn whole(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), value: None, why: why.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(out, "{}: {value} {}", self.place, self.why),
            None => write!(out, "{}: {}", self.place, self.why),
        }
    }
}

impl From<Invalid> for ExitError {
    fn from(invalid: Invalid) -> Self {
        Self::Wrong(invalid.to_string())
    }
}
