//! Reads an event stream (HTML standard, "Server-sent events") piece by piece.
//!
//! Data goes straight into the event under way, so that a large message is in memory once. Comments are
//! skipped without being kept.

use std::time::Duration;

use memchr::memchr2;

/// An event that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerEvent {
    /// What kind of event it is; empty for a plain message.
    pub name: String,
    /// Its data, the lines joined by line ends.
    pub data: Vec<u8>,
}

/// An event or a line is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// What the bytes that come next belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// The beginning of a line: its field is not known yet.
    Beginning,
    /// The value of a `data` field.
    Data,
    /// A comment.
    Comment,
}

/// The state of one stream.
pub(super) struct Events {
    limit: usize,
    within: Within,
    /// The line so far, while its field is not known.
    line: Vec<u8>,
    /// How long the comment under way is.
    comment: usize,
    data: Vec<u8>,
    has_data: bool,
    name: String,
    first_line: bool,
    after_cr: bool,
    last_id: Option<String>,
    retry: Option<Duration>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The beginning of a line of data.
const DATA: &[u8] = b"data:";

/// Whether a line that begins so is one of data. The blank that may begin the value has to be here too.
fn is_data(line: &[u8]) -> bool {
    line.len() > DATA.len() && line.starts_with(DATA)
}

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            within: Within::Beginning,
            line: Vec::new(),
            comment: 0,
            data: Vec::new(),
            has_data: false,
            name: String::new(),
            first_line: true,
            after_cr: false,
            last_id: None,
            retry: None,
        }
    }

    /// The id of the last event that had one: where a resumed stream goes on.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How long the server wants a client to wait before it opens the stream again.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Forgets a line and an event that were cut, for a stream that is resumed.
    pub(super) fn restart(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { last_id, retry, ..Self::new(self.limit) };
    }

    /// Takes bytes in. Gives back how many were used and the event that they ended, if one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<ServerEvent>), TooLarge> {
        let mut used = 0;
        while used < bytes.len() {
            if std::mem::take(&mut self.after_cr) && bytes[used] == b'\n' {
                used += 1;
                continue;
            }
            let rest = &bytes[used..];
            // A byte by byte search would cost more than everything else that is done with a large event.
            let end = memchr2(b'\n', b'\r', rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            self.piece(piece)?;
            used += piece.len();
            if let Some(end) = end {
                self.after_cr = rest[end] == b'\r';
                used += 1;
                if let Some(event) = self.end_of_line() {
                    return Ok((used, Some(event)));
                }
            }
        }
        Ok((used, None))
    }

    /// Takes in a part of a line.
    fn piece(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        match self.within {
            Within::Data => self.data.extend_from_slice(piece),
            Within::Comment => self.comment += piece.len(),
            // Nearly always so: the line's data then goes where it belongs without a detour.
            Within::Beginning if self.line.is_empty() && !self.first_line && is_data(piece) => {
                self.begin_data(&piece[DATA.len()..]);
                self.within = Within::Data;
            }
            Within::Beginning => {
                self.line.extend_from_slice(piece);
                self.look_at_beginning();
            }
        }
        let held = self.line.len().max(self.data.len()).max(self.comment);
        if held > self.limit { Err(TooLarge) } else { Ok(()) }
    }

    /// Finds out whether the line is a comment or data, as soon as its beginning tells.
    fn look_at_beginning(&mut self) {
        if self.first_line && self.line.len() >= BYTE_ORDER_MARK.len() {
            self.first_line = false;
            if self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
        }
        if self.line.first() == Some(&b':') {
            self.within = Within::Comment;
            self.comment = self.line.len();
            self.line.clear();
        } else if is_data(&self.line) {
            let line = std::mem::take(&mut self.line);
            self.begin_data(&line[DATA.len()..]);
            self.within = Within::Data;
        }
    }

    fn begin_data(&mut self, value: &[u8]) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
    }

    fn end_of_line(&mut self) -> Option<ServerEvent> {
        self.first_line = false;
        let (within, line) = (self.within, std::mem::take(&mut self.line));
        self.within = Within::Beginning;
        if within != Within::Beginning {
            return None;
        }
        if line.is_empty() {
            return self.end_of_event();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.begin_data(value),
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.last_id = Some(String::from_utf8_lossy(value).into_owned()),
            b"retry" => {
                let digits =
                    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                self.retry =
                    digits.and_then(|text| text.parse().ok()).map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        None
    }

    fn end_of_event(&mut self) -> Option<ServerEvent> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then_some(ServerEvent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(events: &mut Events, mut bytes: &[u8], step: usize) -> Result<Vec<(String, String)>, TooLarge> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(step.min(bytes.len()));
            let (used, event) = events.feed(now)?;
            found.extend(event.map(|event| (event.name, String::from_utf8(event.data).unwrap())));
            bytes = &bytes[used..];
            assert!(used > 0 || later.is_empty());
        }
        Ok(found)
    }

    #[test]
    fn events_as_the_standard_reads_them() {
        for (stream, expected) in [
            ("data: a\n\n", &[("", "a")][..]),
            ("data:a\r\rdata:  b\r\n\r\n", &[("", "a"), ("", " b")]),
            ("\u{feff}data: a\n\n", &[("", "a")]),
            (": hello\n\n:\n\ndata: a\n\n", &[("", "a")]),
            ("data: {\ndata:  \"a\":1}\ndata\n\n", &[("", "{\n \"a\":1}\n")]),
            ("event: ping\ndata: x\n\ndata: y\n\n", &[("ping", "x"), ("", "y")]),
            ("event: lost\n\ndata: y\n\n", &[("", "y")]),
            ("data:\n\n", &[("", "")]),
            ("data: never ended\n", &[]),
            ("nonsense\ndatabase: no\ndata: a\n\n", &[("", "a")]),
        ] {
            for step in [1, 2, 5, 1000] {
                let found = read(&mut Events::new(100), stream.as_bytes(), step).unwrap();
                let found: Vec<_> = found.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
                assert_eq!(found, expected, "{stream:?} by {step}");
            }
        }
    }

    #[test]
    fn the_id_and_the_pause_are_kept_and_survive_a_restart() {
        let mut events = Events::new(100);
        read(&mut events, b"id: 7\nretry: 250\n\nid: a\0b\nretry: soon\ndata: half", 3).unwrap();
        events.restart();
        assert_eq!(read(&mut events, b"data: whole\n\n", 3).unwrap(), [(String::new(), "whole".to_owned())]);
        assert_eq!((events.last_id(), events.retry()), (Some("7"), Some(Duration::from_millis(250))));
        read(&mut events, b"id\n\n", 3).unwrap();
        assert_eq!(events.last_id(), None);
    }

    #[test]
    fn what_never_ends_is_given_up() {
        for stream in [
            "data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ":aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(read(&mut Events::new(20), stream.as_bytes(), 4), Err(TooLarge), "{stream}");
        }
        let many = "data: aaaa\n".repeat(9);
        assert_eq!(read(&mut Events::new(20), many.as_bytes(), 4), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(
            stream in "(data|id|event|retry|:|[a-z]{0,3}|[:\r\n \u{feff}]){0,40}",
            step in 1_usize..9,
        ) {
            let (mut whole, mut cut) = (Events::new(1000), Events::new(1000));
            prop_assert_eq!(read(&mut whole, stream.as_bytes(), 9999), read(&mut cut, stream.as_bytes(), step));
            prop_assert_eq!(whole.last_id(), cut.last_id());
        }
    }
}
