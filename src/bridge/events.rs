//! Reads an event stream (HTML standard, "Server-sent events") piece by piece.
//!
//! Data goes straight into the event under way, so that a large message is in memory once. Comments are skipped without
//! being kept.

use std::time::Duration;

use memchr::memchr2;

/// A whole event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerEvent {
    /// The kind of the event; empty for a plain message.
    pub name: String,
    /// The data, the lines joined by line ends.
    pub data: Vec<u8>,
}

/// An event or a line is larger than the limit. A caller that goes on after the `used` bytes skips the rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub used: usize,
}

/// The part of a line to which the next bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    /// The beginning of a line, whose field is not known yet.
    Beginning,
    /// The value of a `data` field.
    Data,
    /// A comment.
    Comment,
    /// The rest of a line that was too large.
    Skipped,
}

/// The state of one stream.
pub(super) struct Events {
    limit: usize,
    within: LinePart,
    /// The line so far, while its field is not known.
    line: Vec<u8>,
    /// The length of the comment under way.
    comment: usize,
    /// The data so far; `None` for an event without data.
    data: Option<Vec<u8>>,
    name: String,
    /// Whether a part of the event under way was too large.
    spoilt: bool,
    first_line: bool,
    after_cr: bool,
    /// The id of the event under way, or of an earlier one if it has none.
    id: Option<String>,
    /// The id at the end of the last whole event, since a cut event has to come again.
    last_id: Option<String>,
    retry: Option<Duration>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The beginning of a line of data.
const DATA: &[u8] = b"data:";

/// Whether a line that begins so is a line of data. The blank that may begin the value must be here too.
fn is_data(line: &[u8]) -> bool {
    line.len() > DATA.len() && line.starts_with(DATA)
}

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            within: LinePart::Beginning,
            line: Vec::new(),
            comment: 0,
            data: None,
            name: String::new(),
            spoilt: false,
            first_line: true,
            after_cr: false,
            id: None,
            last_id: None,
            retry: None,
        }
    }

    /// The id of the last event with one, behind which a resumed stream goes on.
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
        *self = Self { id: last_id.clone(), last_id, retry, ..Self::new(self.limit) };
    }

    /// Reads bytes. Returns how many were used, and the event that they ended.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<ServerEvent>), TooLarge> {
        let mut used = 0;
        while used < bytes.len() {
            if std::mem::take(&mut self.after_cr) && bytes[used] == b'\n' {
                used += 1;
                continue;
            }
            let rest = &bytes[used..];
            // A byte by byte search would cost more than all other work for a large event.
            let end = memchr2(b'\n', b'\r', rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            used += piece.len();
            if !self.piece(piece) {
                self.skip_line();
                return Err(TooLarge { used });
            }
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

    /// Adds a part of a line; `false` where the line or event is too large.
    fn piece(&mut self, piece: &[u8]) -> bool {
        match self.within {
            LinePart::Data => self.add_data(piece),
            LinePart::Comment => self.comment += piece.len(),
            LinePart::Skipped => return true,
            // The usual case: the line's data goes where it belongs without a detour.
            LinePart::Beginning if self.line.is_empty() && !self.first_line && is_data(piece) => {
                self.begin_data(&piece[DATA.len()..]);
                self.within = LinePart::Data;
            }
            LinePart::Beginning => {
                self.line.extend_from_slice(piece);
                self.look_at_beginning();
            }
        }
        // The end of a line adds nothing, and may be the end of the event.
        piece.is_empty() || self.line.len().max(self.data_length()).max(self.comment) <= self.limit
    }

    /// Forgets a part that was too large: a comment, or the whole event.
    fn skip_line(&mut self) {
        let within = std::mem::replace(&mut self.within, LinePart::Skipped);
        if within == LinePart::Comment {
            self.comment = 0;
        } else {
            self.spoilt = true;
            self.line = Vec::new();
            self.data = self.data.take().map(|_| Vec::new());
        }
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
            self.within = LinePart::Comment;
            self.comment = self.line.len();
            self.line.clear();
        } else if is_data(&self.line) {
            let line = std::mem::take(&mut self.line);
            self.begin_data(&line[DATA.len()..]);
            self.within = LinePart::Data;
        }
    }

    fn data_length(&self) -> usize {
        self.data.as_ref().map_or(0, Vec::len)
    }

    fn add_data(&mut self, bytes: &[u8]) {
        let data = self.data.get_or_insert_default();
        if !self.spoilt {
            data.extend_from_slice(bytes);
        }
    }

    fn begin_data(&mut self, value: &[u8]) {
        if self.data.is_some() {
            self.add_data(b"\n");
        }
        self.add_data(value.strip_prefix(b" ").unwrap_or(value));
    }

    fn end_of_line(&mut self) -> Option<ServerEvent> {
        self.first_line = false;
        let (within, line) = (self.within, std::mem::take(&mut self.line));
        self.within = LinePart::Beginning;
        if within != LinePart::Beginning {
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
            b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into_owned()),
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
        self.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let spoilt = std::mem::take(&mut self.spoilt);
        self.data.take().filter(|_| !spoilt).map(|data| ServerEvent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The events of a stream that comes in steps; a part that is too large as an event with that name.
    fn read(events: &mut Events, mut bytes: &[u8], step: usize) -> Vec<(String, String)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(step.min(bytes.len()));
            let (used, event) = match events.feed(now) {
                Ok(fed) => fed,
                Err(TooLarge { used }) => {
                    found.push(("too large".to_owned(), String::new()));
                    (used, None)
                }
            };
            found.extend(event.map(|event| (event.name, String::from_utf8(event.data).unwrap())));
            bytes = &bytes[used..];
            assert!(used > 0 || later.is_empty());
        }
        found
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
                let found = read(&mut Events::new(100), stream.as_bytes(), step);
                let found: Vec<_> = found.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
                assert_eq!(found, expected, "{stream:?} by {step}");
            }
        }
    }

    #[test]
    fn the_id_and_the_pause_are_kept_and_survive_a_restart() {
        let mut events = Events::new(100);
        read(&mut events, b"id: 7\nretry: 250\n\nid: a\0b\nretry: soon\ndata: half", 3);
        events.restart();
        assert_eq!(read(&mut events, b"data: whole\n\n", 3), [(String::new(), "whole".to_owned())]);
        assert_eq!((events.last_id(), events.retry()), (Some("7"), Some(Duration::from_millis(250))));
        read(&mut events, b"id\n\n", 3);
        assert_eq!(events.last_id(), None);
    }

    #[test]
    fn the_id_of_an_event_that_was_cut_is_not_the_last_one() {
        let mut events = Events::new(100);
        read(&mut events, b"id: 1\ndata: a\n\nid: 2\ndata: b\n", 3);
        assert_eq!(events.last_id(), Some("1"));
        events.restart();
        read(&mut events, b"data: c\n\n", 3);
        assert_eq!(events.last_id(), Some("1"), "nor that of the event after the cut");
        read(&mut events, b"id: 3\n\n", 3);
        assert_eq!(events.last_id(), Some("3"), "an event without data counts");
    }

    #[test]
    fn what_is_too_large_is_told_once_and_skipped() {
        let long = "x".repeat(40);
        let many = "data: aaaa\n".repeat(9);
        for (stream, before) in [
            (format!("id: 1\ndata: {long}\ndata: {long}\nid: 2\n\n"), "2"),
            (format!("id: 1\n{long}\ndata: b\nid: 2\n\n"), "2"),
            (format!("id: 1\n{many}\n"), "1"),
        ] {
            for step in [1, 4, 1000] {
                let mut events = Events::new(20);
                let found = read(&mut events, format!("{stream}data: next\n\n").as_bytes(), step);
                let expected =
                    [("too large", ""), ("", "next")].map(|(name, data)| (name.to_owned(), data.to_owned()));
                assert_eq!(found, expected, "{stream:?} by {step}");
                assert_eq!(events.last_id(), Some(before), "it is not wanted again");
            }
        }
        let found = read(&mut Events::new(20), format!("data: a\n:{long}\n\n").as_bytes(), 4);
        let expected = [("too large", ""), ("", "a")].map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(found, expected, "a comment spoils no event");
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
