//! The text of the table of providers as JSON objects, each with the keys of the row from which it starts.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::built_in::{BuiltInRow, ROWS};

impl BuiltInRow {
    /// The row's object, with the keys of the row from which it starts. Without the keys that are not `wanted`.
    pub(super) fn object(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Map<String, Value>, String> {
        let members = |row: &Self| {
            let takes = |key: &str| key == LIKE || wanted(key);
            Wanted::<Value>::new(&takes).deserialize(&mut serde_json::Deserializer::from_str(row.text))
        };
        let like = self.like.list().first().and_then(|like| ROWS.iter().find(|row| row.name == *like));
        let mut objects = Objects::new();
        if let Some(like) = like {
            // One by one: a map that is collected sorts its members first, with code of its own.
            let mut object = Map::new();
            object.extend(members(like).map_err(|error| error.to_string())?.0);
            objects.push((like.name.to_owned(), object));
        }
        merged(&objects, self.name, members(self).map_err(|error| error.to_string())?)
    }
}

/// The key with the name of the row from which a row starts.
const LIKE: &str = "like";

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
    let like = keys.0.iter().find(|(key, _)| key == LIKE).and_then(|(_, value)| value.as_str());
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

/// The members of a JSON object in their order; a repeated name is an error.
pub(super) struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Wanted::new(&|_| true).deserialize(input)
    }
}

/// Reads the members whose keys the function takes, and passes over the others.
struct Wanted<'a, T> {
    takes: &'a dyn Fn(&str) -> bool,
    of: PhantomData<T>,
}

impl<'a, T> Wanted<'a, T> {
    fn new(takes: &'a dyn Fn(&str) -> bool) -> Self {
        Self { takes, of: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Wanted<'_, T> {
    type Value = Pairs<T>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Wanted<'_, T> {
    type Value = Pairs<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(String, T)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if !(self.takes)(&key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!("{key} is there twice")));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(Pairs(pairs))
    }
}
