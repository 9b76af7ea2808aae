//! A string that cannot be printed.
//!
//! Tokens, client secrets and private keys travel through the program as [`Secret`]. The type has no `Display`, and
//! its `Debug` prints `[redacted]`. Clones share one memory, which is wiped when the last of them is dropped. Copies
//! that libraries make, such as the HTTP library's send buffer, are not wiped.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::byte_set::ByteSet;

/// A token, password or key. Printing it is a compile error or prints `[redacted]`.
#[derive(Clone)]
pub(crate) struct Secret(Arc<SharedText>);

struct SharedText {
    text: Zeroizing<String>,
    is_b64token: OnceLock<bool>,
}

impl Drop for SharedText {
    fn drop(&mut self) {
        clear_for_wipe(&mut self.text);
    }
}

/// Makes the wipe of a text that is about to be dropped quick: `zeroize` wipes letters one by one, and the room behind
/// the last letter in blocks.
pub(crate) fn clear_for_wipe(text: &mut Zeroizing<String>) {
    text.clear();
}

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::of(Zeroizing::new(text.into()))
    }

    fn of(text: Zeroizing<String>) -> Self {
        Self(Arc::new(SharedText { text, is_b64token: OnceLock::new() }))
    }

    /// Gives out the text, for a request body, a header or a token file alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0.text
    }

    /// Whether the text has only characters of a `b64token` (RFC 6750 2.1), which no notation quotes and no client
    /// expands. Found once: every configuration asks for each of its tokens.
    pub(crate) fn is_b64token(&self) -> bool {
        let is_allowed = |byte: &u8| OF_B64TOKENS[usize::from(*byte)];
        *self.0.is_b64token.get_or_init(|| self.expose().as_bytes().iter().all(is_allowed))
    }

    /// Identifies the secret in files and comparisons.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.expose().as_bytes())
    }
}

/// Whether each byte may be in a `b64token`. A table, since millions of bytes are looked up in a cycle.
const OF_B64TOKENS: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0_u8);
    // A constant has no `for`.
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        byte += 1;
    }
    table
};

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Whether every character is printable ASCII, as in tokens, client ids and client secrets (VSCHAR, RFC 6749 appendix
/// A).
pub(crate) fn is_printable(text: &str) -> bool {
    const UNPRINTABLE: ByteSet<0> = ByteSet::controls_and([]).and_non_ascii();
    UNPRINTABLE.spares(text)
}

/// The first 64 bits of a SHA-256, written as 16 hexadecimal digits. The digits tell secrets of high entropy apart
/// without revealing them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::head_of(&digest(&SHA256, bytes))
    }

    fn head_of(hash: &ring::digest::Digest) -> Self {
        let mut head = [0; 8];
        head.copy_from_slice(&hash.as_ref()[..8]);
        Self(head)
    }

    /// Its eight bytes.
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// Reads 16 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits)?;
        Some(Self(number.to_be_bytes()))
    }
}

/// The fingerprint of several parts.
pub(crate) struct Digest(ring::digest::Context);

impl Default for Digest {
    fn default() -> Self {
        Self(ring::digest::Context::new(&SHA256))
    }
}

impl Digest {
    /// Adds a part. Its length counts too: where one part ends and the next begins makes a difference.
    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.update(&part.len().to_be_bytes());
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint::head_of(&self.0.finish())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 16 hexadecimal digits"))
    }
}

/// A text with secrets in it, while it is written. A [`String`] that moves to a larger buffer leaves the old one
/// unwiped; this type wipes it.
#[derive(Default)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn push(&mut self, more: &str) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.max(2 * self.0.capacity())));
            larger.push_str(&self.0);
            // The smaller buffer is wiped as it is dropped.
            clear_for_wipe(&mut self.0);
            self.0 = larger;
        }
        self.0.push_str(more);
    }

    pub(crate) fn extend<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        parts.into_iter().for_each(|part| self.push(part));
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The finished text, in the buffer that it was written to.
    pub(crate) fn finish(mut self) -> Secret {
        Secret::of(std::mem::take(&mut self.0))
    }

    /// Begins anew in the same buffer. The rest of the last text is overwritten by the next, or wiped at the end.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        clear_for_wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_reveal_the_text() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "[redacted]");
    }

    #[test]
    fn a_b64token_has_nothing_to_quote() {
        for (text, expected) in [
            ("aZ09-._~+/=", true),
            ("", true),
            ("a b", false),
            ("a$b", false),
            ("a\"b", false),
            ("a{b", false),
            ("a\\b", false),
            ("ü", false),
            ("a\n", false),
        ] {
            assert_eq!(Secret::new(text).is_b64token(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_text_that_outgrows_its_buffer_is_whole() {
        let mut text = SecretText::default();
        for round in 0..100 {
            text.extend(["ab", "", "c"]);
            assert_eq!(text.as_str(), "abc".repeat(round + 1));
        }
        assert_eq!(text.finish().expose(), "abc".repeat(100));
    }

    #[test]
    fn fingerprint_is_the_head_of_sha256() {
        // printf abc | sha256sum
        let fingerprint = Secret::new("abc").fingerprint();
        assert_eq!(fingerprint.to_string(), "ba7816bf8f01cfea");
        assert_eq!(Fingerprint::parse("ba7816bf8f01cfea"), Some(fingerprint));
        for wrong in ["", "ba7816bf8f01cfe", "ba7816bf8f01cfeaa", "+a7816bf8f01cfea", "ga7816bf8f01cfea"] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }
}
