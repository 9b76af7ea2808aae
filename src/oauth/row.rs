//! A row of the table of providers: the texts by which it is found, and its provider once that is needed.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use ureq::http::{HeaderName, HeaderValue};

use super::built_in::{BuiltInRow, ConstTexts};
use super::provider::Provider;
use super::read_row::{READ_LATER, read_row};
use super::row_object::RowMistake;
use super::row_part::RowPart;

/// A row. A built-in one is read when it is first needed: reading all of them takes longer than the rest of a command.
pub(super) struct Row {
    /// The built-in row; `None` where the row was read at once.
    built_in: Option<&'static BuiltInRow>,
    provider: OnceLock<Arc<Provider>>,
}

impl Row {
    /// A row of the built-in table.
    pub(super) fn unread(row: &'static BuiltInRow) -> Self {
        Self { built_in: Some(row), provider: OnceLock::new() }
    }

    /// A row that was read.
    pub(super) fn of(provider: Provider) -> Self {
        Self { built_in: None, provider: Arc::new(provider).into() }
    }

    pub(super) fn name(&self) -> &str {
        self.built_in.map_or_else(|| &*self.provider().name, |row| row.name)
    }

    pub(super) fn aliases(&self) -> impl Iterator<Item = &str> {
        self.texts(|row| &row.aliases, |provider| &provider.aliases)
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.texts(|row| &row.hosts, |provider| &provider.hosts)
    }

    pub(super) fn recognised_by(&self) -> impl Iterator<Item = &str> {
        self.texts(|row| &row.recognised_by, |provider| &provider.recognised_by)
    }

    pub(super) fn variant_of(&self) -> Option<&str> {
        self.texts(|row| &row.variant_of, |provider| provider.variant_of.as_slice()).next()
    }

    /// The texts of a key, without reading a built-in row.
    fn texts(
        &self,
        built_in: impl Fn(&'static BuiltInRow) -> &'static ConstTexts,
        read: impl Fn(&Provider) -> &[String],
    ) -> impl Iterator<Item = &str> {
        let (cut, read) = match self.built_in {
            Some(row) => (built_in(row).list(), &[][..]),
            None => (&[][..], read(self.provider())),
        };
        cut.iter().copied().chain(read.iter().map(String::as_str))
    }

    pub(super) fn provider(&self) -> &Arc<Provider> {
        // Cannot fail: a test reads each built-in row.
        self.provider.get_or_init(|| self.built_in.and_then(|row| built_in(row).ok()).unwrap_or_default())
    }
}

/// Reads a built-in row, but for the parts that most commands do not need.
fn built_in(row: &'static BuiltInRow) -> Result<Arc<Provider>, String> {
    let object = row.object(&|key| !READ_LATER.contains(&key))?;
    let mut provider = provider(row.name.to_owned(), object, true)?;
    provider.login = RowPart::unread(row);
    provider.answer = RowPart::unread(row);
    provider.errors = RowPart::unread(row);
    Ok(Arc::new(provider))
}

/// Reads a row from its object.
pub(super) fn provider(
    name: String,
    object: Map<String, Value>,
    is_built_in: bool,
) -> Result<Provider, String> {
    let mut row =
        read_row(object).map_err(|RowMistake { key, why }| format!("row {name}, key {key}: {why}"))?;
    for (header, value) in &row.headers {
        if HeaderName::try_from(header).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(format!("row {name}, key headers: {header:?} is not a header with a value"));
        }
    }
    if row.title.is_empty() {
        row.title.clone_from(&name);
    }
    (row.name, row.built_in) = (name, is_built_in);
    Ok(row)
}
