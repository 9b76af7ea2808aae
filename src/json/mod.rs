//! A JSON object as text with known members.
//!
//! Token files and server files belong to their users and to other tools. So unknown members, their order, the spelling
//! of numbers and the indentation must survive a rewrite. `serde_json` loses them: even with all its preserving
//! features on, a printed value has other exponents and escapes. So the object is kept as text with the places of the
//! values. A change replaces only the text of one value.

mod edit;
mod objects;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::byte_set::ByteSet;
// Not those that first ask the processor for its features: on a virtual machine that takes longer than to read a file.
use memchr::arch::all::memchr::One;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

pub(crate) use edit::{MemberEdit, spliced, splices, with_member};
pub(crate) use objects::read_objects;

/// The most levels of objects and arrays in each other; the usual limit of JSON parsers.
pub(crate) const DEEPEST: usize = 128;

/// One member of an object: its decoded name and the place of its value in the text.
#[derive(Clone, Debug)]
pub(crate) struct JsonMember {
    /// The name, escapes decoded.
    pub name: String,
    /// The value's bytes in the text that was parsed.
    pub place: Range<usize>,
    spelling: Spelling,
}

/// The spelling of a member's value, found once, because a scan reads a token often.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    /// A text in quotes that is spelled as it is.
    Plain,
    /// A text with escapes.
    Escaped,
    /// No text.
    Other,
}

impl Spelling {
    fn of(value: &str) -> Self {
        match inside_quotes(value) {
            None => Self::Other,
            Some(inner) if One::new(b'\\').find(inner.as_bytes()).is_none() => Self::Plain,
            Some(_) => Self::Escaped,
        }
    }

    /// The text of a value in this spelling; `None` also for a lone surrogate, which is no text.
    fn text_of(self, value: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Plain => inside_quotes(value).map(Cow::Borrowed),
            Self::Escaped => serde_json::from_str(value).ok().map(Cow::Owned),
            Self::Other => None,
        }
    }
}

impl JsonMember {
    /// The member's text in the `whole` that was parsed; `None` for any other value.
    pub(crate) fn text<'a>(&self, whole: &'a str) -> Option<Cow<'a, str>> {
        self.spelling.text_of(&whole[self.place.clone()])
    }
}

/// Why a text is not a JSON object, in words that quote nothing of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NotAnObject {
    /// Nothing but white space.
    Empty,
    /// The text begins like another kind of JSON value, valid or not.
    OtherKind(&'static str),
    /// The text ends in the middle of the object.
    CutShort,
    /// Objects and arrays inside each other more than [`DEEPEST`] times. No tool writes such a file, and other tools
    /// cannot read one.
    TooDeep,
    /// Not JSON at this line and column (both from 1).
    Syntax(usize, usize),
}

impl fmt::Display for NotAnObject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("it is empty"),
            Self::OtherKind(kind) => write!(out, "it holds {kind}, not a JSON object"),
            Self::CutShort => out.write_str("it is not valid JSON: it ends too early"),
            Self::TooDeep => write!(out, "it is nested more than {DEEPEST} levels deep"),
            Self::Syntax(line, column) => write!(out, "it is not valid JSON: line {line}, column {column}"),
        }
    }
}

/// The members of the JSON object that `text` holds, in their order, duplicates included.
pub(crate) fn members(text: &str) -> Result<Vec<JsonMember>, NotAnObject> {
    match text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        None => return Err(NotAnObject::Empty),
        Some(b'{') => {}
        Some(b'[') => return Err(NotAnObject::OtherKind("an array")),
        Some(b'"') => return Err(NotAnObject::OtherKind("a text")),
        Some(b'-' | b'0'..=b'9') => return Err(NotAnObject::OtherKind("a number")),
        Some(b't' | b'f' | b'n') => return Err(NotAnObject::OtherKind("a bare word")),
        Some(_) => return Err(NotAnObject::OtherKind("something else")),
    }
    // Most token files have fewer.
    let mut members = Vec::with_capacity(16);
    let start = text.as_ptr().addr();
    let parsed = each_member(text, |name, value| {
        // A raw value borrows from the text, so its address tells its place.
        let from = value.get().as_ptr().addr() - start;
        let place = from..from + value.get().len();
        members.push(JsonMember { name: name.to_owned(), place, spelling: Spelling::of(value.get()) });
    });
    parsed.map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => NotAnObject::CutShort,
        _ => NotAnObject::Syntax(error.line(), error.column()),
    })?;
    if depth(text) > DEEPEST {
        return Err(NotAnObject::TooDeep);
    }
    Ok(members)
}

/// The number of levels of objects and arrays in a JSON text: exact above [`DEEPEST`], else an upper bound.
fn depth(text: &str) -> usize {
    // Nearly every text has too few brackets to be looked at closely.
    let opening = opening_brackets(text.as_bytes());
    if opening <= DEEPEST {
        return opening;
    }
    let (mut now, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The number of `{` and `[`, counted in eight bytes at a time: every text is looked through.
fn opening_brackets(bytes: &[u8]) -> usize {
    const SEVEN_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    // The two brackets differ in this bit alone.
    const DIFFERENCE: u64 = u64::from_ne_bytes([b'{' ^ b'['; 8]);
    const BRACKETS: u64 = u64::from_ne_bytes([b'{'; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    let in_word = |word: &[u8; 8]| {
        let others = (u64::from_ne_bytes(*word) | DIFFERENCE) ^ BRACKETS;
        // The highest bit of each byte that is no bracket. No byte carries into the next.
        let marked = ((others & SEVEN_BITS) + SEVEN_BITS) | others;
        (!marked & !SEVEN_BITS).count_ones() as usize
    };
    let counted: usize = words.iter().map(in_word).sum();
    counted + rest.iter().filter(|byte| matches!(byte, b'{' | b'[')).count()
}

/// Hands over the members of the JSON object that `text` holds, in their order, duplicates included. Stores none of
/// them, so that an object of a million members costs nothing.
pub(crate) fn each_member<'a>(text: &'a str, each: impl FnMut(&str, &'a RawValue)) -> serde_json::Result<()> {
    let mut parser = serde_json::Deserializer::from_str(text);
    EachMember(each).deserialize(&mut parser)?;
    parser.end()
}

struct EachMember<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue)> DeserializeSeed<'de> for EachMember<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for EachMember<F> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(MemberName(name)) = map.next_key()? {
            (self.0)(&name, map.next_value()?);
        }
        Ok(())
    }
}

/// A member's name, borrowed from the text unless it has escapes.
#[derive(serde::Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

/// The string that a value's text spells; `None` for any other value, and for a lone surrogate, which is no text.
pub(crate) fn as_text(value: &str) -> Option<Cow<'_, str>> {
    Spelling::of(value).text_of(value)
}

fn inside_quotes(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// `value` as a JSON string, in a buffer that is wiped.
pub(crate) fn quoted(value: &str) -> Zeroizing<String> {
    // With room for the text and no more: a buffer that grows leaves a copy, and the whole buffer is wiped later.
    let mut length = 0;
    quote(value, &mut |block| length += block.len());
    let mut text = Zeroizing::new(String::with_capacity(length));
    quote(value, &mut |block| text.push_str(block));
    text
}

/// The kind of value that a text spells, with its article.
pub(crate) fn kind(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The bytes that are escaped in a quoted text. DEL is among them: TOML wants it escaped.
const ESCAPED: ByteSet<2> = ByteSet::controls_and([b'"', b'\\']);

/// Hands over `text` in double quotes, block by block, with the escapes that JSON, YAML and TOML share. Written
/// here because `serde_json` leaves copies of a secret behind.
pub(crate) fn quote(text: &str, push: &mut dyn FnMut(&str)) {
    push("\"");
    escape(text, push);
    push("\"");
}

/// Hands over a part of a quoted text, without the quotes around it.
pub(crate) fn escape(mut text: &str, push: &mut dyn FnMut(&str)) {
    const DIGITS: &str = "0123456789abcdef";
    while let Some(at) = ESCAPED.position(text.as_bytes()) {
        push(&text[..at]);
        let byte = text.as_bytes()[at];
        text = &text[at + 1..];
        match byte {
            b'"' => push("\\\""),
            b'\\' => push("\\\\"),
            control => {
                push("\\u00");
                for nibble in [control >> 4, control & 15].map(usize::from) {
                    push(&DIGITS[nibble..=nibble]);
                }
            }
        }
    }
    push(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quoted_text_is_handed_over_in_blocks() {
        for (text, blocks) in [
            ("", &["\"", "", "\""][..]),
            ("plain ü", &["\"", "plain ü", "\""]),
            ("a\"b\\", &["\"", "a", "\\\"", "b", "\\\\", "", "\""]),
            ("\n\u{7f}x", &["\"", "", "\\u00", "0", "a", "", "\\u00", "7", "f", "x", "\""]),
        ] {
            let mut handed_over = Vec::new();
            quote(text, &mut |block| handed_over.push(block.to_owned()));
            assert_eq!(handed_over, blocks, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_said_without_quoting_it() {
        for (text, said) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("[1]", "it holds an array, not a JSON object"),
            ("\"secret\"", "it holds a text, not a JSON object"),
            ("{\"a\":", "it is not valid JSON: it ends too early"),
            ("{\"a\": }", "it is not valid JSON: line 1, column 7"),
            ("{} x", "it is not valid JSON: line 1, column 4"),
        ] {
            assert_eq!(members(text).unwrap_err().to_string(), said, "{text:?}");
        }
    }

    #[test]
    fn opening_brackets_are_counted_at_every_place_and_nothing_else_is() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                for around in [b'a', b'[', b'{', 0xff] {
                    let mut bytes = [around; 20];
                    bytes[place] = byte;
                    let expected = bytes.iter().filter(|byte| b"[{".contains(byte)).count();
                    assert_eq!(opening_brackets(&bytes), expected, "{byte} at {place} among {around}");
                }
            }
        }
    }

    #[test]
    fn two_hundred_thousand_brackets_are_refused_without_a_stack() {
        let nested =
            |levels| format!("{{\"deep\":{}{},\"a\":\"[{{\"}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(members(&nested(200_000)).unwrap_err(), NotAnObject::TooDeep);
        assert_eq!(members(&nested(DEEPEST)).unwrap_err(), NotAnObject::TooDeep);
        assert_eq!(members(&nested(DEEPEST - 1)).unwrap().len(), 2);
        let open = format!("{{\"deep\":{}", "[".repeat(200_000));
        assert_eq!(members(&open).unwrap_err(), NotAnObject::CutShort);
    }

    #[test]
    fn only_strings_are_text() {
        assert_eq!(as_text("\"a\\nb\"").as_deref(), Some("a\nb"));
        assert_eq!(as_text("\"plain\"").as_deref(), Some("plain"));
        assert_eq!(as_text("\"\\ud800\""), None);
        assert_eq!(as_text("12"), None);
        assert_eq!(as_text("null"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}|[\\{\\}\\[\\]\":,\\\\a-z0-9 ]{0,60}") {
            if let Ok(found) = members(&text) {
                for member in found {
                    prop_assert!(text.get(member.place).is_some());
                }
            }
        }
    }
}
