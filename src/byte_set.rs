//! Finds the bytes that a text may not hold, eight at a time: every token of every configuration is looked through.

/// A set of bytes: the control characters of ASCII, some others, and perhaps all that are not ASCII.
#[derive(Clone, Copy)]
pub(crate) struct ByteSet<const N: usize> {
    others: [u8; N],
    /// Each of the others in every byte of a word.
    words: [u64; N],
    has_non_ascii: bool,
}

/// One in every byte of a word.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit of every byte of a word.
const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
const DELETES: u64 = u64::from_ne_bytes([0x7f; 8]);

impl<const N: usize> ByteSet<N> {
    /// The control characters below the space, DEL, and `others`.
    pub(crate) const fn controls_and(others: [u8; N]) -> Self {
        let (mut words, mut index) = ([0; N], 0);
        // A constant function has no `for`.
        while index < N {
            words[index] = u64::from_ne_bytes([others[index]; 8]);
            index += 1;
        }
        Self { others, words, has_non_ascii: false }
    }

    /// The set with all bytes over 0x7f.
    pub(crate) const fn and_non_ascii(self) -> Self {
        Self { has_non_ascii: true, ..self }
    }

    /// Whether no byte of `text` is in the set.
    pub(crate) fn spares(self, text: &str) -> bool {
        self.position(text.as_bytes()).is_none()
    }

    /// The place of the first byte in the set.
    pub(crate) fn position(self, bytes: &[u8]) -> Option<usize> {
        let (words, _) = bytes.as_chunks::<8>();
        let spared = words.iter().take_while(|word| !self.meets(u64::from_ne_bytes(**word))).count() * 8;
        let rest = &bytes[spared..];
        rest.iter().position(|byte| self.has(*byte)).map(|place| spared + place)
    }

    fn has(self, byte: u8) -> bool {
        byte.is_ascii_control() || self.others.contains(&byte) || self.has_non_ascii && !byte.is_ascii()
    }

    /// Whether any of the eight bytes is in the set. A byte below a limit borrows when the limit is subtracted, and so
    /// gets its highest bit. Another byte gets the bit by a borrow alone, which only a byte of the set can begin.
    fn meets(self, word: u64) -> bool {
        let below = |word: u64, limits: u64| word.wrapping_sub(limits) & !word;
        let mut met = below(word, SPACES) | below(word ^ DELETES, ONES);
        for other in self.words {
            met |= below(word ^ other, ONES);
        }
        (met | if self.has_non_ascii { word } else { 0 }) & HIGHEST != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTED: ByteSet<2> = ByteSet::controls_and([b'"', b'\\']);
    const PRINTABLE: ByteSet<0> = ByteSet::controls_and([]).and_non_ascii();

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = [b'!'; 20];
                bytes[place] = byte;
                let in_quoted = byte < b' ' || matches!(byte, b'"' | b'\\' | 0x7f);
                assert_eq!(QUOTED.position(&bytes), in_quoted.then_some(place), "{byte}");
                let unprintable = !(b' '..=b'~').contains(&byte);
                assert_eq!(PRINTABLE.position(&bytes), unprintable.then_some(place), "{byte}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_of_several_is_found(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let first = bytes.iter().position(|byte| QUOTED.has(*byte));
            prop_assert_eq!(QUOTED.position(&bytes), first);
        }
    }
}
