//! What a client writes, any bytes read in any pieces: split into lines as all of it at once, and each line read as a
//! message.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::bridge::lines::{Input, InputLine};
use token_refresher_fuzz::bridge::message::{Message, on_one_line, read};

/// The longest line.
const LIMIT: usize = 100;

/// Hands over so many bytes at a time.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().map_or(usize::MAX, |size| usize::from(*size).max(1));
        let count = size.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

fn in_pieces(bytes: &[u8], sizes: &[u8], limit: usize) -> Vec<InputLine> {
    let mut input = Input::new(Pieces { bytes, sizes: sizes.iter().cycle() }, limit);
    let mut lines = Vec::new();
    loop {
        match input.next().expect("it can be read") {
            InputLine::End => return lines,
            line => lines.push(line),
        }
    }
}

/// The same with all bytes at hand.
fn at_once(bytes: &[u8], limit: usize) -> Vec<InputLine> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let kept = lines.filter(|line| line.len() > limit || !line.iter().all(u8::is_ascii_whitespace));
    kept.map(|line| if line.len() > limit { InputLine::TooLong } else { InputLine::Message(line.to_vec()) })
        .collect()
}

/// What is seen of a message.
fn shown(message: &Message<'_>) -> String {
    match message {
        Message::Request(request) => format!("request {:?} {}", request.id, request.method),
        Message::Notification(notification) => format!("notification {}", notification.method),
        Message::Answer(answer) => format!("answer {:?} {}", answer.id, answer.error.is_some()),
        Message::Batch(parts) => parts.iter().map(shown).collect::<Vec<_>>().join(", "),
    }
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (sizes, bytes) = input;
    for limit in [LIMIT, usize::MAX / 2] {
        let lines = in_pieces(bytes, sizes, limit);
        assert_eq!(lines, at_once(bytes, limit), "in pieces of {sizes:?}, at most {limit}");
    }
    // As one message too, which a server may send over several lines.
    let lines = in_pieces(bytes, sizes, LIMIT).into_iter().filter_map(|line| match line {
        InputLine::Message(line) => Some(line),
        _ => None,
    });
    for text in lines.chain([bytes.to_vec()]) {
        let Ok(message) = read(&text) else { continue };
        let before = shown(&message);
        let mut line = text.clone();
        on_one_line(&mut line);
        let after = read(&line).map(|message| shown(&message));
        assert_eq!(after.as_ref(), Ok(&before), "{:?}", String::from_utf8_lossy(&text));
    }
});
