//! Reads JSON objects of a provider's row, key by key.
//!
//! A derived reader has code of its own for each key of each object: for a row that was 100 KB of the program.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ordered;

/// Why a row cannot be read.
pub(super) struct RowMistake {
    /// The row's key with the mistake.
    pub key: String,
    pub why: String,
}

impl RowMistake {
    pub(super) fn new(why: impl Display) -> Self {
        Self { key: String::new(), why: why.to_string() }
    }

    fn of_type(value: &Value, expected: &str) -> Self {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Self::new(format!("invalid type: {found}, expected {expected}"))
    }

    fn at(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }
}

/// A value in a row.
pub(super) trait RowValue: Sized {
    fn read(value: Value) -> Result<Self, RowMistake>;
}

/// Reads a value that is neither a list nor an object.
pub(super) fn plain<T: DeserializeOwned>(value: Value) -> Result<T, RowMistake> {
    T::deserialize(value).map_err(RowMistake::new)
}

impl RowValue for String {
    fn read(value: Value) -> Result<Self, RowMistake> {
        plain(value)
    }
}

impl RowValue for bool {
    fn read(value: Value) -> Result<Self, RowMistake> {
        plain(value)
    }
}

impl<T: RowValue> RowValue for Option<T> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }
}

impl<T: RowValue> RowValue for Vec<T> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let Value::Array(items) = value else { return Err(RowMistake::of_type(&value, "a list")) };
        let mut read = Self::with_capacity(items.len());
        for item in items {
            read.push(T::read(item)?);
        }
        Ok(read)
    }
}

impl RowValue for BTreeMap<String, String> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        Vec::<(String, String)>::read(value).map(ordered::map)
    }
}

impl<T: RowValue> RowValue for Vec<(String, T)> {
    fn read(value: Value) -> Result<Self, RowMistake> {
        let mut read = Self::new();
        for (key, value) in object(value)? {
            read.push((key, T::read(value)?));
        }
        Ok(read)
    }
}

fn object(value: Value) -> Result<Map<String, Value>, RowMistake> {
    match value {
        Value::Object(members) => Ok(members),
        other => Err(RowMistake::of_type(&other, "an object")),
    }
}

/// An object whose keys are read one after the other.
pub(super) struct RowObject {
    /// The members. The value of one that was read is null.
    members: Map<String, Value>,
    /// The number of members that were not read yet.
    left: usize,
    /// The keys that the object may have, until all of its members were read.
    known: Vec<&'static str>,
}

impl RowObject {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        Self { left: members.len(), members, known: Vec::with_capacity(16) }
    }

    pub(super) fn of(value: Value) -> Result<Self, RowMistake> {
        object(value).map(Self::new)
    }

    /// Reads the value of `key` into `place`, which stays as it is where the object lacks the key.
    pub(super) fn read<T: RowValue>(&mut self, key: &'static str, place: &mut T) -> Result<(), RowMistake> {
        if let Some(value) = self.find(key) {
            *place = T::read(value).map_err(|mistake| mistake.at(key))?;
        }
        Ok(())
    }

    /// The value of a key that the object must have.
    pub(super) fn required<T: RowValue>(&mut self, key: &'static str) -> Result<T, RowMistake> {
        let value = self.find(key).ok_or_else(|| RowMistake::new(format!("missing field `{key}`")))?;
        T::read(value)
    }

    /// Checks the value of a key that is of no use for the program.
    pub(super) fn check<T: RowValue>(&mut self, key: &'static str) -> Result<(), RowMistake> {
        self.read(key, &mut None::<T>)
    }

    fn find(&mut self, key: &'static str) -> Option<Value> {
        if self.left == 0 {
            return None;
        }
        self.known.push(key);
        let value = self.members.get_mut(key)?;
        self.left -= 1;
        Some(value.take())
    }

    /// Refuses a key that was not read: it may be misspelled.
    pub(super) fn end(&self) -> Result<(), RowMistake> {
        if self.left == 0 {
            return Ok(());
        }
        let unknown = |key: &&String| !self.known.contains(&key.as_str());
        let Some(key) = self.members.keys().find(unknown) else { return Ok(()) };
        let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        let why = format!("unknown field `{key}`, expected one of {}", known.join(", "));
        Err(RowMistake::new(why).at(key))
    }
}
