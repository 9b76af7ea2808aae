//! The texts of an endpoint, made safe for a log line.
//!
//! An error answer is text from outside. Such a text may hold colour codes, line breaks that forge log lines, or the
//! very secret.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::encode::percent_encode;
use crate::secret::Secret;

/// Longest description that is shown.
const LONGEST: usize = 200;
/// Longest error code that is shown; the registered ones have at most 30 characters.
const LONGEST_CODE: usize = 64;
/// So many successive characters of a secret count as the secret.
const PIECE: usize = 8;
/// A shorter secret is not looked for: nearly every message has its letters by chance, and it can be guessed anyway.
const SHORTEST: usize = 4;
/// The text after so many characters is not read, so that an endless description costs little.
const LOOKED_AT: usize = 4_000;

/// Replaces a text that repeats a part of a secret.
const WITHHELD: &str = "withheld: it repeats a secret";

/// One line of at most 200 characters without control characters and secrets.
pub(crate) fn shown(text: &str, secrets: &[&Secret]) -> String {
    clean(text, secrets, LONGEST).unwrap_or_else(|| WITHHELD.to_owned())
}

/// Like [`shown`], for an error code.
pub(super) fn shown_code(code: &str, secrets: &[&Secret]) -> String {
    clean(code, secrets, LONGEST_CODE).unwrap_or_else(|| format!("({WITHHELD})"))
}

/// A clean line; `None` where the text repeats a part of a secret.
fn clean(text: &str, secrets: &[&Secret], longest: usize) -> Option<String> {
    // A cycle cleans the names of ten thousand files, nearly all of which need no change.
    if secrets.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    // A secret with zero-width characters in it is still a secret, so these are removed first.
    let visible: String = text.chars().take(LOOKED_AT).filter(|character| is_visible(*character)).collect();
    if !secrets.is_empty() && repeats(&visible, secrets) {
        return None;
    }
    let one_line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = one_line.char_indices().nth(longest).map_or(one_line.len(), |(end, _)| end);
    Some(one_line[..end].to_owned())
}

/// Whether a character is kept. Blanks are joined later; control and formatting characters are removed, also those that
/// turn the direction of writing.
fn is_visible(character: char) -> bool {
    let formatting = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    (!character.is_control() || character.is_whitespace()) && !formatting
}

/// Whether the text repeats a part of a secret, in any spelling in which servers repeat their input.
fn repeats(text: &str, secrets: &[&Secret]) -> bool {
    // Without blanks: a line break in the middle does not make it another secret.
    let dense = lowered(&text.split_whitespace().collect::<String>());
    let decoded = percent_decode_str(&dense).decode_utf8_lossy().into_owned();
    let url_safe = dense.replace('+', "-").replace('/', "_");
    let texts = [dense.as_bytes(), decoded.as_bytes(), url_safe.as_bytes()];
    let pieces = Pieces::of(&texts);
    let holds = |spelling: &Zeroizing<String>| {
        let bytes = spelling.as_bytes();
        if bytes.len() < PIECE {
            bytes.len() >= SHORTEST
                && texts.iter().any(|text| text.windows(bytes.len()).any(|piece| piece == bytes))
        } else {
            bytes.windows(PIECE).any(|piece| pieces.contains(piece))
        }
    };
    secrets.iter().any(|secret| spellings(secret.expose()).iter().any(holds))
}

/// The pieces of a short text, for a comparison with a secret of any length. A bit for each hash is tested first, since
/// nearly every piece of a secret is in neither.
struct Pieces<'a> {
    bits: Vec<bool>,
    set: HashSet<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    fn of(texts: &[&'a [u8]]) -> Self {
        let mut pieces = Self { bits: vec![false; 1 << 16], set: HashSet::new() };
        for piece in texts.iter().flat_map(|text| text.windows(PIECE)) {
            pieces.bits[Self::slot(piece)] = true;
            pieces.set.insert(piece);
        }
        pieces
    }

    fn contains(&self, piece: &[u8]) -> bool {
        self.bits[Self::slot(piece)] && self.set.contains(piece)
    }

    /// A multiplicative hash of 16 bits.
    fn slot(piece: &[u8]) -> usize {
        let number = piece.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).unwrap_or_default()
    }
}

/// The secret itself and its other spellings in messages, in lower case and without blanks.
fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let reserved = |length| Zeroizing::new(String::with_capacity(length));
    let mut plain = reserved(secret.len());
    plain.extend(secret.split_whitespace());
    let mut spellings = vec![lowered(&plain)];
    // A short secret in base64 or in reverse is a piece of many harmless words.
    if plain.len() < PIECE {
        return spellings;
    }
    let mut reversed = reserved(plain.len());
    reversed.extend(plain.chars().rev());
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    let digits = secret.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten();
    let mut hexadecimal = reserved(2 * secret.len());
    hexadecimal.extend(digits);
    spellings.extend([lowered(&percent_encode(secret)), lowered(&reversed), hexadecimal]);
    // Inside of a longer text, base64 begins at one of three places.
    for skipped in 0..3.min(secret.len()) {
        let rest = &secret.as_bytes()[skipped..];
        spellings.push(lowered(&Zeroizing::new(URL_SAFE_NO_PAD.encode(rest))));
    }
    spellings
}

fn lowered(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_description_is_one_harmless_line() {
        for (text, line) in [
            ("refresh_token is invalid", "refresh_token is invalid"),
            ("a\r\n2026-01-01 [ERROR] forged", "a 2026-01-01 [ERROR] forged"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
            ("abc\u{202e}def\u{200b}", "abcdef"),
            ("line\u{2028}two\u{85}three", "line two three"),
            ("  ", ""),
        ] {
            assert_eq!(shown(text, &[]), line);
        }
        assert_eq!(shown(&"ä".repeat(300), &[]).chars().count(), 200);
        assert_eq!(shown_code(&"x".repeat(300), &[]).len(), 64);
    }

    #[test]
    fn a_repeated_secret_is_withheld_in_every_spelling() {
        let secret = Secret::new("s3cret/with+a:tail");
        for text in [
            "bad token s3cret/with+a:tail",
            "bad token S3CRET/WITH+A:TAIL",
            "bad token s3cret%2Fwith%2Ba%3Atail",
            "bad token %73%33%63%72%65%74%2f%77%69%74%68",
            "bad token s3cret/with\u{0}+a:tail",
            "bad token s3cret/wi\nth+a:tail",
            "bad token s3cret/with+a...",
            "bad token ...h+a:tail",
            "bad token liat:a+htiw/terc3s",
            "bad token czNjcmV0L3dpdGgrYTp0YWls",
            // base64 of "id:" and the secret, of "x" and the secret.
            "Basic aWQ6czNjcmV0L3dpdGgrYTp0YWls",
            "got eHMzY3JldC93aXRoK2E6dGFpbA==",
            "got 7333637265742f77697468",
        ] {
            assert_eq!(shown(text, &[&secret]), WITHHELD, "{text:?}");
        }
        assert_eq!(shown("pass\nword", &[&Secret::new("password")]), WITHHELD);
        assert_eq!(shown("bad s3cret", &[&secret]), "bad s3cret");
        assert_eq!(shown("nothing", &[&Secret::new("")]), "nothing");
        // One letter would withhold every message.
        assert_eq!(shown("the client is unknown", &[&Secret::new("c")]), "the client is unknown");
        assert_eq!(shown("the client is unknown", &[&Secret::new("ient")]), WITHHELD);
        assert_eq!(shown("the word is swordfish", &[&Secret::new("word")]), WITHHELD);
    }

    proptest! {
        #[test]
        fn no_text_gets_a_secret_or_a_control_character_through(
            before in any::<String>(), after in any::<String>(), secret in "[!-~]{4}[ -~]{0,36}"
        ) {
            prop_assume!(!secret.trim().is_empty());
            let line = shown(&format!("{before}{secret}{after}"), &[&Secret::new(secret.clone())]);
            prop_assert!(line == WITHHELD || !line.contains(&secret) || before.chars().count() >= LOOKED_AT);
            prop_assert!(line.chars().count() <= 200 && !line.chars().any(char::is_control));
        }
    }
}
