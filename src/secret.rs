//! A string that cannot be printed.
//!
//! Tokens, client secrets and private keys travel through the program as [`Secret`]. It has no
//! `Display`, its `Debug` says `[redacted]`, and its memory is wiped on drop (copies that
//! libraries make, such as the HTTP library's send buffer, are not).

use std::fmt;

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// A token, password or key. Printing it is a compile error or prints `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: for a request body, a header or a token file, and nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the text: names a secret in files and
    /// comparisons without revealing it (64 bits of a hash of a high-entropy value).
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(self.0.as_bytes())
    }
}

/// Whether every character may stand in a token, client id or client secret (RFC 6749 appendix A: VSCHAR).
pub(crate) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The first 16 hexadecimal digits of the SHA-256 of `bytes`.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    // Not through the formatter, which costs as much as the hash: ten thousand files are told apart so.
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().take(8).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A text with secrets in it that is still being written. What [`String`] would leave behind when it moves to a
/// larger buffer is wiped here.
#[derive(Default)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Appends `more`.
    pub(crate) fn push(&mut self, more: &str) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.max(2 * self.0.capacity())));
            larger.push_str(&self.0);
            // The smaller buffer is wiped as it is dropped.
            self.0 = larger;
        }
        self.0.push_str(more);
    }

    /// Appends every part.
    pub(crate) fn extend<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        parts.into_iter().for_each(|part| self.push(part));
    }

    /// The text so far.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The finished text, in the buffer that it was written to.
    pub(crate) fn finish(self) -> Secret {
        Secret(self.0)
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
        assert_eq!(Secret::new("abc").fingerprint(), "ba7816bf8f01cfea");
    }
}
