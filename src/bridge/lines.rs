//! Splits the client's input into lines: one line, one message.
//!
//! A line is returned without its end. A line over the limit is skipped to its end and reported, so that later messages
//! still arrive. The text behind the last line end is a line too.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

/// The next part of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputLine {
    /// A line that holds more than blanks.
    Message(Vec<u8>),
    /// A line over the limit, which was skipped.
    TooLong,
    /// The end of the input.
    End,
}

/// How much is read at once: as much as a pipe holds.
const CHUNK: usize = 64 << 10;

/// Reads lines from `R`.
pub(super) struct Input<R> {
    from: R,
    limit: usize,
    /// The last read, of which the part `unused` is left.
    chunk: Vec<u8>,
    unused: Range<usize>,
    /// The beginning of the line under way, from earlier reads.
    line: Vec<u8>,
    /// Whether the line under way is over the limit.
    skipping: bool,
    ended: bool,
}

impl<R: Read> Input<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        let chunk = vec![0; CHUNK];
        Self { from, limit, chunk, unused: 0..0, line: Vec::new(), skipping: false, ended: false }
    }

    /// Waits for the next line.
    pub(super) fn next(&mut self) -> io::Result<InputLine> {
        loop {
            let Range { start, end } = self.unused;
            let length = memchr(b'\n', &self.chunk[start..end]);
            self.keep(start..length.map_or(end, |length| start + length));
            match length {
                Some(length) => self.unused.start += length + 1,
                None => self.unused = 0..0,
            }
            if length.is_some() || self.ended {
                match self.whole() {
                    Some(line) => return Ok(line),
                    None if length.is_none() => return Ok(InputLine::End),
                    None => {}
                }
            } else {
                self.fill()?;
            }
        }
    }

    /// Adds a part of the chunk to the line under way.
    fn keep(&mut self, part: Range<usize>) {
        if !self.skipping {
            self.line.extend_from_slice(&self.chunk[part]);
        }
        // The last byte may be the carriage return of the line's end.
        if self.line.len() > self.limit + 1 {
            self.skipping = true;
            self.line = Vec::new();
        }
    }

    /// Ends the line under way; `None` for a line of blanks.
    fn whole(&mut self) -> Option<InputLine> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.skipping) {
            return Some(InputLine::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > self.limit {
            return Some(InputLine::TooLong);
        }
        line.iter().any(|byte| !byte.is_ascii_whitespace()).then_some(InputLine::Message(line))
    }

    fn fill(&mut self) -> io::Result<()> {
        let count = loop {
            match self.from.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        self.unused = 0..count;
        self.ended = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a few bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            let (head, rest) = self.0.split_at(count);
            buffer[..count].copy_from_slice(head);
            self.0 = rest;
            Ok(count)
        }
    }

    fn all(input: &[u8], drop: usize, limit: usize) -> Vec<InputLine> {
        let mut lines = Input::new(Drops(input, drop), limit);
        let mut found = Vec::new();
        loop {
            match lines.next().unwrap() {
                InputLine::End => return found,
                line => found.push(line),
            }
        }
    }

    fn message(text: &str) -> InputLine {
        InputLine::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        for drop in [1, 2, 3, 100] {
            let found = all(b"{\"a\":1}\r\n\n  \n{\"b\":2}\nlast", drop, 100);
            assert_eq!(found, [message("{\"a\":1}"), message("{\"b\":2}"), message("last")]);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_and_the_next_one_arrives() {
        for drop in [1, 7, 1000] {
            assert_eq!(
                all(b"12345\n123456\nabc\n", drop, 5),
                [message("12345"), InputLine::TooLong, message("abc")]
            );
            assert_eq!(all(b"123456789", drop, 5), [InputLine::TooLong]);
        }
    }

    #[test]
    fn a_carriage_return_that_arrives_before_its_line_end_counts_for_nothing() {
        for drop in [1, 6, 1000] {
            assert_eq!(all(b"12345\r\nabc\r\n", drop, 5), [message("12345"), message("abc")], "by {drop}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_added(
            parts in prop::collection::vec("[a-z\"{}]{1,9}", 0..9),
            drop in 1_usize..30,
        ) {
            let input = parts.join("\n");
            let expected: Vec<InputLine> = parts.iter().map(|part| message(part)).collect();
            prop_assert_eq!(all(input.as_bytes(), drop, 100), expected);
        }
    }
}
