//! File names as text. A name on Linux is bytes, and a message, a JSON document and a configuration need text.
//!
//! A name in UTF-8 is its own text. Each other byte is spelled `\xff`. So is the backslash of a name that holds such a
//! spelling itself. So two names are never spelled alike, and every spelling leads back to its name.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::files::{Directory, FileAt};

pub(crate) fn spelled(name: &OsStr) -> String {
    if let Some(text) = name.to_str().filter(|text| !text.contains("\\x")) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(name.len() + 16);
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace("\\x", "\\x5cx"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The name with this spelling.
pub(crate) fn name_of(text: &str) -> OsString {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        name.extend_from_slice(before.as_bytes());
        if let Some(byte) = spelled_byte(after) {
            name.push(byte);
            rest = &after[2..];
        } else {
            name.extend_from_slice(b"\\x");
            rest = after;
        }
    }
    name.extend_from_slice(rest.as_bytes());
    OsString::from_vec(name)
}

/// The byte that two digits spell. No ASCII letter but the backslash is ever spelled, above all no slash.
fn spelled_byte(after: &str) -> Option<u8> {
    let digits = after.get(..2).filter(|digits| !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok().filter(|byte| *byte >= 0x80 || *byte == b'\\')
}

/// The name that a person gave: spelled as in a message, or its bytes.
pub(crate) fn named(argument: &OsStr) -> String {
    argument.to_str().map_or_else(|| spelled(argument), str::to_owned)
}

/// The file of this spelling in `directory`.
pub(crate) fn file_in(directory: &Directory, name: &str) -> FileAt {
    directory.file_at(name_of(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_is_not_utf_8_is_spelled() {
        for (name, text) in [
            (&b"github-repos-egress.json"[..], "github-repos-egress.json"),
            ("\u{e4}\n\"".as_bytes(), "\u{e4}\n\""),
            (b"b\xff-egress.json", "b\\xff-egress.json"),
            (b"b\\xff-egress.json", "b\\x5cxff-egress.json"),
            (b"b\\\xff", "b\\\\xff"),
            // A surrogate, as Windows writes it.
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
            (b"a\\b", "a\\b"),
        ] {
            assert_eq!(spelled(OsStr::from_bytes(name)), text);
            assert_eq!(name_of(text).as_bytes(), name);
        }
        // No text that a person may type leads to another directory.
        assert_eq!(name_of("\\x2fetc\\x00\\x+f"), "\\x2fetc\\x00\\x+f");
    }

    proptest! {
        #[test]
        fn every_spelling_leads_back(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'x'), Just(b'f'), Just(b'5'), any::<u8>()], 0..24)
        ) {
            let name = OsStr::from_bytes(&bytes);
            prop_assert_eq!(name_of(&spelled(name)), name);
        }
    }
}
