//! The user's own members of an entry (`disabled`, allowed tools, time limits). The members are recorded when the entry
//! is removed with its service, and restored with it.
//!
//! Only switches, numbers and lists of words are recorded. A text or an object may hold a secret, and the status file
//! is no place for secrets.

use std::collections::BTreeMap;

use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::common::Ranged as _;

use super::parse::parse;
use super::render::Node;
use crate::clients::entry::ClientEntry;
use crate::clients::notation::Fixed;

/// Members of an entry by name, each with its value as written.
pub(crate) type UserMembers = BTreeMap<String, String>;

/// The members of an entry that its user has set. `is_kept` tells the members that this program decides about.
/// `defaults` are the values that a new entry gets.
pub(super) fn user_members(
    text: &str,
    object: &Object,
    is_kept: impl Fn(&str) -> bool,
    defaults: &[(&str, Fixed)],
) -> UserMembers {
    let mut members = UserMembers::new();
    for prop in &object.properties {
        let (name, range) = (prop.name.as_str(), prop.value.range());
        let is_default = defaults.iter().any(|(key, value)| *key == name && is_fixed(&prop.value, *value));
        if !is_kept(name) && is_plain(&prop.value) && !is_default {
            members.insert(name.to_owned(), text[range.start..range.end].to_owned());
        }
    }
    members
}

/// A new entry with the members that the user had set in an earlier one.
pub(super) fn with_user_members<'a>(entry: &'a ClientEntry, members: Option<&'a UserMembers>) -> Node<'a> {
    let mut all: Vec<(&str, Node)> =
        entry.members.iter().map(|(key, value)| (*key, Node::from(value))).collect();
    let is_valid = |text: &str| parse(text).ok().flatten().is_some_and(|value| is_plain(&value));
    let theirs = |key: &str| members.and_then(|members| members.get(key)).filter(|text| is_valid(text));
    for (key, value) in &entry.extra {
        all.push((key, theirs(key).map_or_else(|| Node::from(value), |text| Node::Written(text))));
    }
    for key in members.into_iter().flat_map(BTreeMap::keys) {
        if let Some(text) = theirs(key).filter(|_| all.iter().all(|(there, _)| there != key)) {
            all.push((key, Node::Written(text)));
        }
    }
    Node::Object(all)
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::BooleanLit(_) | Value::NumberLit(_) => true,
        Value::Array(list) => list.elements.iter().all(|one| matches!(one, Value::StringLit(_))),
        _ => false,
    }
}

fn is_fixed(value: &Value, fixed: Fixed) -> bool {
    match (value, fixed) {
        (Value::BooleanLit(there), Fixed::Flag(flag)) => there.value == flag,
        (Value::Array(list), Fixed::Names(names)) => is_list_of(list, names),
        _ => false,
    }
}

/// Whether a list holds these words and nothing else.
pub(super) fn is_list_of<W: AsRef<str>>(list: &Array, words: &[W]) -> bool {
    let there = list.elements.iter().map(|one| one.as_string_lit().map(|text| &*text.value));
    there.eq(words.iter().map(|word| Some(word.as_ref())))
}
