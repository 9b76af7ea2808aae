//! New JSON text, in the style of the file that it goes into.

use crate::clients::entry::EntryValue;
use crate::clients::notation::Fixed;
use crate::clients::quote::{push_fixed, push_quoted, push_words};
use crate::secret::{Secret, SecretText};

/// A value to write.
pub(super) enum Node<'a> {
    Text(&'a str),
    /// A value in its JSON notation.
    Written(&'a str),
    Fixed(Fixed),
    List(Vec<&'a str>),
    Object(Vec<(&'a str, Node<'a>)>),
}

impl<'a> From<&'a EntryValue> for Node<'a> {
    fn from(value: &'a EntryValue) -> Self {
        match value {
            EntryValue::Text(text) => Self::Text(text.expose()),
            EntryValue::Texts(headers) => Self::Object(
                headers.iter().map(|(name, value)| (*name, Self::Text(value.expose()))).collect(),
            ),
            EntryValue::Words(words) => Self::List(words.iter().map(String::as_str).collect()),
            EntryValue::Fixed(fixed) => Self::Fixed(*fixed),
        }
    }
}

/// The layout of a file.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    /// The line ending.
    pub newline: &'a str,
    /// One step of indentation.
    pub step: &'a str,
}

/// The text of a value. `indent` is the indentation of its line; none: all on one line.
pub(super) fn render(node: &Node, indent: Option<&str>, style: Style) -> Secret {
    let mut text = SecretText::default();
    push(&mut text, node, indent, style);
    text.finish()
}

fn push(text: &mut SecretText, node: &Node, indent: Option<&str>, style: Style) {
    match node {
        Node::Text(value) => push_quoted(text, value),
        Node::Written(value) => text.push(value),
        Node::Fixed(fixed) => push_fixed(text, *fixed),
        Node::List(words) => push_words(text, words.iter().copied()),
        Node::Object(members) => {
            let inner = indent.map(|indent| format!("{indent}{}", style.step));
            text.push("{");
            for (index, (key, value)) in members.iter().enumerate() {
                text.push(if index == 0 { "" } else { "," });
                match &inner {
                    Some(inner) => text.extend([style.newline, inner]),
                    None if index > 0 => text.push(" "),
                    None => {}
                }
                push_member(text, key, value, inner.as_deref(), style);
            }
            if let (Some(indent), false) = (indent, members.is_empty()) {
                text.extend([style.newline, indent]);
            }
            text.push("}");
        }
    }
}

/// Appends `"key": value`.
pub(super) fn push_member(
    text: &mut SecretText,
    key: &str,
    value: &Node,
    indent: Option<&str>,
    style: Style,
) {
    push_quoted(text, key);
    text.push(": ");
    push(text, value, indent, style);
}
