//! A part of a provider's row that is read when it is first needed.
//!
//! A command that looks at tokens needs to know how each is refreshed. The meaning of an answer's errors is half of a
//! row's text, and only a request needs it: it is read before the request is sent.

use std::sync::OnceLock;

use serde_json::Value;

use super::built_in::BuiltInRow;
use super::row_object::{RowMistake, RowValue};

/// The value of one key of a row.
#[derive(Clone, Default)]
pub(super) struct RowPart<T> {
    /// The row with the text, where the value may not be read yet.
    row: Option<&'static BuiltInRow>,
    value: OnceLock<T>,
}

/// A value that can be a [`RowPart`].
pub(super) trait PartOfRow: RowValue + Default {
    const KEY: &str;
}

impl<T: PartOfRow> RowPart<T> {
    /// The part of a built-in row.
    pub(super) fn unread(row: &'static BuiltInRow) -> Self {
        Self { row: Some(row), value: OnceLock::new() }
    }

    pub(super) fn get(&self) -> &T {
        // Cannot fail: a test reads each built-in row.
        self.value.get_or_init(|| self.row.and_then(|row| read(row).ok()).unwrap_or_default())
    }
}

fn read<T: PartOfRow>(row: &BuiltInRow) -> Result<T, RowMistake> {
    let mut object = row.object(&|key| key == T::KEY).map_err(RowMistake::new)?;
    object.get_mut(T::KEY).map_or_else(|| Ok(T::default()), |value| T::read(value.take()))
}

impl<T: PartOfRow> RowValue for RowPart<T> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        Ok(Self { row: None, value: OnceLock::from(T::read(value)?) })
    }
}
