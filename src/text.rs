//! Words for people: counts, lines that fit, and text that can move no cursor.

use std::borrow::Cow;
use std::fmt;

/// A count with its noun: `1 token`, `3 tokens`.
pub(crate) struct Count<'a, N>(pub N, pub &'a str);

impl<N: Copy + fmt::Display + PartialEq + From<u8>> fmt::Display for Count<'_, N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = match *count {
            one if one == N::from(1) => "",
            _ if noun.ends_with("sh") => "es",
            _ => "s",
        };
        write!(out, "{count} {noun}{ending}")
    }
}

/// Breaks `words` into lines of at most `width` letters. A longer word gets a line of its own.
pub(crate) fn lines(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if used + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
                used += 1 + length;
            }
            _ => {
                let mut line = String::with_capacity(width.min(words.len()));
                line.push_str(word);
                lines.push(line);
                used = length;
            }
        }
    }
    lines
}

/// Escapes the letters that could begin a line, move a cursor or turn the direction of reading. Backslashes are kept,
/// because no backslash can forge output, and paths remain readable.
pub(crate) fn escaped(message: &str) -> Cow<'_, str> {
    // Most messages are plain, which a look at the bytes shows.
    if message.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !message.contains(acts) {
        return Cow::Borrowed(message);
    }
    let mut text = String::with_capacity(message.len() + 16);
    for letter in message.chars() {
        if acts(letter) {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    Cow::Owned(text)
}

/// A command line for a POSIX shell that passes `words` on unchanged.
pub(crate) fn shell_command(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| shell_word(word)).collect();
    quoted.join(" ")
}

/// Writes `word` as a POSIX shell reads it back, in quotes where they are needed.
pub(crate) fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:@%,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    // Nothing is special between single quotes but the single quote itself.
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// Whether a terminal obeys the letter instead of showing it, or the letter misleads a reader's eye.
pub(crate) fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_its_plural() {
        for (count, noun, words) in [
            (0, "token", "0 tokens"),
            (1, "token", "1 token"),
            (2, "token", "2 tokens"),
            (1, "refresh", "1 refresh"),
            (2, "refresh", "2 refreshes"),
        ] {
            assert_eq!(Count(count, noun).to_string(), words);
        }
    }

    #[test]
    fn a_long_text_is_broken_between_words() {
        assert_eq!(lines("one  two\nthree", 7), ["one two", "three"]);
        assert_eq!(lines("one two", 6), ["one", "two"]);
        assert_eq!(lines("é é", 3), ["é é"]);
        assert_eq!(lines("a longer b", 4), ["a", "longer", "b"]);
        assert_eq!(lines(" ", 4), [""; 0]);
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_not_read_it_back() {
        for (word, quoted) in [
            ("/srv/a-b_1", "/srv/a-b_1"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }

    #[test]
    fn a_shell_gets_every_word_as_it_is() {
        let words =
            ["/opt/my tools/x", "it's", "", "a$HOME", "`id`", "x\"y\\z", "*", "~", "ü", "plain-1.2", "--a=b"];
        let script = format!("for word in {}; do printf '%s\\n' \"$word\"; done", shell_command(&words));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.join("\n") + "\n");
    }

    #[test]
    fn what_acts_is_escaped_and_the_rest_stays() {
        assert_eq!(
            escaped("a\nb\u{1b}[2J\u{9b}\u{202e}\u{200f} C:\\new é"),
            "a\\nb\\u{1b}[2J\\u{9b}\\u{202e}\\u{200f} C:\\new é"
        );
        assert!(matches!(escaped("C:\\new é"), Cow::Borrowed(_)));
    }
}
