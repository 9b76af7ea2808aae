//! A row of the table of providers in three forms: its text, the object with the keys of the row from which it starts,
//! and the finished provider.

use std::sync::{Arc, OnceLock};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use ureq::http::{HeaderName, HeaderValue};

use super::built_in::{BuiltInRow, ConstTexts, ROWS};
use super::provider::Provider;
use super::read_row::read_row;
use super::row_object::RowMistake;

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
    pub(super) fn of(provider: Arc<Provider>) -> Self {
        Self { built_in: None, provider: provider.into() }
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
        self.provider.get_or_init(|| self.read().unwrap_or_default())
    }

    pub(super) fn read(&self) -> Result<Arc<Provider>, String> {
        row(self.name().to_owned(), &self.object()?, true)
    }

    /// The object from which a built-in row is read, with the keys of the row from which it starts.
    pub(super) fn object(&self) -> Result<Map<String, Value>, String> {
        let Some(own) = self.built_in else { return Ok(Map::new()) };
        let like = own.like.list().first().and_then(|like| ROWS.iter().find(|row| row.name == *like));
        let mut objects = Objects::new();
        if let Some(like) = like {
            let object = serde_json::from_str(like.text).map_err(|error| error.to_string())?;
            objects.push((like.name.to_owned(), object));
        }
        let keys: Pairs<Value> = serde_json::from_str(own.text).map_err(|error| error.to_string())?;
        merged(&objects, own.name, keys)
    }
}

/// Rows that are not read yet, by name.
pub(super) type Objects = Vec<(String, Map<String, Value>)>;

/// The keys of a row, added to those of the row that it replaces or is like.
pub(super) fn merged(
    objects: &Objects,
    name: &str,
    keys: Pairs<Value>,
) -> Result<Map<String, Value>, String> {
    let known =
        |name: &str| objects.iter().find(|(known, _)| known == name).map(|(_, object)| object.clone());
    let like = keys.0.iter().find(|(key, _)| key == "like").and_then(|(_, value)| value.as_str());
    let mut object = match like {
        Some(like) => {
            let mut object =
                known(like).ok_or_else(|| format!("row {name}, key like: there is no row {like}"))?;
            // With these keys of the other row, two rows would answer to one name.
            for key in ["aliases", "hosts", "recognised_by", "variant_of"] {
                object.remove(key);
            }
            object
        }
        None => known(name).unwrap_or_default(),
    };
    for (key, value) in keys.0 {
        object.insert(key, value);
    }
    Ok(object)
}

pub(super) fn row(
    name: String,
    object: &Map<String, Value>,
    is_built_in: bool,
) -> Result<Arc<Provider>, String> {
    let row = read_row(object).map_err(|RowMistake { key, why }| format!("row {name}, key {key}: {why}"))?;
    finished(row, name, is_built_in)
}

fn finished(mut row: Provider, name: String, is_built_in: bool) -> Result<Arc<Provider>, String> {
    for (header, value) in &row.headers {
        if HeaderName::try_from(header).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(format!("row {name}, key headers: {header:?} is not a header with a value"));
        }
    }
    if row.title.is_empty() {
        row.title.clone_from(&name);
    }
    (row.name, row.built_in) = (name, is_built_in);
    Ok(Arc::new(row))
}

/// The members of a JSON object in their order; a repeated name is an error.
pub(super) struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Pairs<T>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, T)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format!("{key} is there twice")));
                    }
                    pairs.push((key, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        input.deserialize_map(Members(std::marker::PhantomData))
    }
}
