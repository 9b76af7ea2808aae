//! What an endpoint said, made fit for a log line.
//!
//! An error answer is text from outside: it may hold line breaks that forge log lines, colour codes,
//! or the very secret that was sent.

use crate::secret::Secret;

/// Longest description that is shown.
const LONGEST: usize = 200;
/// Longest error code that is shown; the registered ones have at most 30 characters.
const LONGEST_CODE: usize = 64;
/// A piece of a secret of this length counts as the secret: a server that cuts what it echoes must
/// not get half a token into a log.
const PIECE: usize = 12;
/// Nothing after this is looked at, so that the search stays cheap for an endless description.
const LOOKED_AT: usize = 4_000;

/// One line of at most 200 characters without control characters, or a word in its place if it
/// repeats one of the secrets.
pub(crate) fn shown(text: &str, secrets: &[&Secret]) -> String {
    clean(text, secrets, LONGEST)
}

/// The same for an error code.
pub(super) fn shown_code(code: &str, secrets: &[&Secret]) -> String {
    clean(code, secrets, LONGEST_CODE)
}

fn clean(text: &str, secrets: &[&Secret], longest: usize) -> String {
    // What a reader cannot see goes first: a secret with zero-width characters in it is still one.
    let visible: String = text.chars().take(LOOKED_AT).filter(|character| is_visible(*character)).collect();
    if secrets.iter().any(|secret| repeats(&visible, secret.expose())) {
        return "(withheld: it repeats a secret)".to_owned();
    }
    let one_line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(longest) {
        Some((end, _)) => one_line[..end].to_owned(),
        None => one_line,
    }
}

/// Blanks stay (they are joined later); control and formatting characters go, among them those that
/// turn the direction of writing.
fn is_visible(character: char) -> bool {
    let formatting = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    (!character.is_control() || character.is_whitespace()) && !formatting
}

fn repeats(text: &str, secret: &str) -> bool {
    let percent = super::encode::percent_encode(secret);
    // Without blanks too: a line break in the middle does not make it another secret.
    let dense: String = text.split_whitespace().collect();
    [secret, &percent].into_iter().filter(|secret| !secret.is_empty()).any(|secret| {
        let bytes = secret.as_bytes();
        let whole = text.contains(secret) || dense.contains(secret);
        whole || bytes.len() > PIECE && bytes.windows(PIECE).any(|piece| contains(dense.as_bytes(), piece))
    })
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
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
    fn a_repeated_secret_is_withheld() {
        let secret = Secret::new("s3cret/with+a:tail");
        for text in [
            "bad token s3cret/with+a:tail",
            "bad token s3cret%2Fwith%2Ba%3Atail",
            "bad token s3cret/with\u{0}+a:tail",
            "bad token s3cret/wi\nth+a:tail",
            "bad token s3cret/with+a...",
        ] {
            assert_eq!(shown(text, &[&secret]), "(withheld: it repeats a secret)", "{text:?}");
        }
        assert_eq!(shown("pass\nword", &[&Secret::new("password")]), "(withheld: it repeats a secret)");
        assert_eq!(shown("bad s3cret", &[&secret]), "bad s3cret");
        assert_eq!(shown("nothing", &[&Secret::new("")]), "nothing");
    }

    proptest! {
        #[test]
        fn no_text_gets_a_secret_or_a_control_character_through(
            before in any::<String>(), after in any::<String>(), secret in "[ -~]{1,40}"
        ) {
            prop_assume!(!secret.trim().is_empty());
            let line = shown(&format!("{before}{secret}{after}"), &[&Secret::new(secret.clone())]);
            let withheld = line == "(withheld: it repeats a secret)";
            prop_assert!(withheld || !line.contains(&secret) || before.chars().count() >= LOOKED_AT);
            prop_assert!(line.chars().count() <= 200 && !line.chars().any(char::is_control));
        }
    }
}
