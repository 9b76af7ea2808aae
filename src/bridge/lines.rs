//! Splits what the client writes into lines: one line, one message.
//!
//! A line is handed over without its end. A line over the limit is skipped to its end and reported, so that
//! the messages behind it still arrive. The text behind the last line end is a line too.

use std::io::{self, Read};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputLine {
    /// A line that holds more than blanks.
    Message(Vec<u8>),
    /// A line that was larger than the limit, and was skipped.
    TooLong,
    /// The end of the input.
    End,
}

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Reads lines from `R`.
pub(super) struct Input<R> {
    from: R,
    limit: usize,
    /// What was read; what was handed over is still there before `start`.
    pending: Vec<u8>,
    start: usize,
    /// Up to where `pending` is known to hold no line end.
    searched: usize,
    ended: bool,
}

impl<R: Read> Input<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        Self { from, limit, pending: Vec::new(), start: 0, searched: 0, ended: false }
    }

    /// Waits for the next line.
    pub(super) fn next(&mut self) -> io::Result<InputLine> {
        let mut skipping = false;
        loop {
            if let Some(length) = self.line_length() {
                let line = self.take(length);
                if skipping || line.len() > self.limit {
                    return Ok(InputLine::TooLong);
                }
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Ok(InputLine::Message(line));
                }
                continue;
            }
            if self.ended {
                return Ok(if skipping { InputLine::TooLong } else { InputLine::End });
            }
            // The last byte may be the carriage return of the line's end.
            if self.pending.len() - self.start > self.limit + 1 {
                skipping = true;
            }
            if skipping {
                self.pending = Vec::new();
                (self.start, self.searched) = (0, 0);
            }
            self.fill()?;
        }
    }

    /// The length of the first line without its end, if its end is here.
    fn line_length(&mut self) -> Option<usize> {
        let found = self.pending[self.searched..].iter().position(|byte| *byte == b'\n');
        match found {
            Some(at) => Some(self.searched + at - self.start),
            None if self.ended && self.pending.len() > self.start => Some(self.pending.len() - self.start),
            None => {
                self.searched = self.pending.len();
                None
            }
        }
    }

    /// Takes the first `length` bytes, and the line end behind them.
    fn take(&mut self, length: usize) -> Vec<u8> {
        let end = self.start + length;
        let next = (end + 1).min(self.pending.len());
        // A large line is moved out and the rest behind it is copied; a small line is copied.
        let mut line = if self.start == 0 && length > CHUNK {
            let rest = self.pending[next..].to_vec();
            self.searched = 0;
            std::mem::replace(&mut self.pending, rest)
        } else {
            let line = self.pending[self.start..end].to_vec();
            (self.start, self.searched) = (next, next);
            line
        };
        line.truncate(length);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line
    }

    fn fill(&mut self) -> io::Result<()> {
        self.pending.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let length = self.pending.len();
        // A large message grows by half, so that growing never costs a second copy of it.
        self.pending.reserve(CHUNK.max(length / 2));
        self.pending.resize(length + CHUNK, 0);
        let outcome = loop {
            match self.from.read(&mut self.pending[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let count = *outcome.as_ref().unwrap_or(&0);
        self.pending.truncate(length + count);
        self.ended = count == 0;
        outcome.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands over a few bytes at a time.
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
