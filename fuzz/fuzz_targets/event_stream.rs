//! An event stream of any bytes, cut anywhere: the same events as a reader finds that has the whole text at once.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::bridge::events::{Events, TooLarge};

/// The largest event.
const LIMIT: usize = 200;

/// More than any input.
const UNLIMITED: usize = usize::MAX / 2;

/// What a stream came to.
#[derive(PartialEq, Debug)]
struct Read {
    events: Vec<(String, Vec<u8>)>,
    /// How often something was too large.
    too_large: usize,
    last_id: Option<String>,
    retry: Option<Duration>,
}

fn in_pieces(mut bytes: &[u8], sizes: &[u8], limit: usize) -> Read {
    let mut stream = Events::new(limit);
    let mut sizes = sizes.iter().map(|size| usize::from(*size).max(1)).cycle();
    let (mut events, mut too_large) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let piece = &bytes[..sizes.next().unwrap_or(bytes.len()).min(bytes.len())];
        let fed = stream.feed(piece);
        let (used, event) = match fed {
            Ok((used, event)) => {
                assert!(event.is_some() || used == piece.len(), "bytes are left and no event has ended");
                (used, event)
            }
            Err(TooLarge { used }) => {
                too_large += 1;
                (used, None)
            }
        };
        assert!(used > 0 && used <= piece.len(), "{used} of {}", piece.len());
        events.extend(event.map(|event| (event.name, event.data)));
        bytes = &bytes[used..];
    }
    for (_, data) in &events {
        // The line end behind the last line of an event is joined before the event's size is looked at.
        assert!(data.len() <= limit + 1, "an event of {} bytes", data.len());
    }
    Read { events, too_large, last_id: stream.last_id().map(str::to_owned), retry: stream.retry() }
}

/// The same by the words of the standard, with all bytes at hand.
fn by_the_standard(bytes: &[u8]) -> Read {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut read = Read { events: Vec::new(), too_large: 0, last_id: None, retry: None };
    let (mut name, mut data, mut id) = (String::new(), None, None);
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let line = &rest[..end];
        rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(&rest[end + 1..]);
        let (field, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = String::from_utf8_lossy(value).into_owned();
        match field {
            b"" if line.is_empty() => {
                read.last_id.clone_from(&id);
                let name = std::mem::take(&mut name);
                read.events.extend(data.take().map(|data| (name, data)));
            }
            b"data" => {
                let mut lines = data.take().map_or_else(Vec::new, |mut lines: Vec<u8>| {
                    lines.push(b'\n');
                    lines
                });
                lines.extend_from_slice(value);
                data = Some(lines);
            }
            b"event" => name = text,
            b"id" if !value.contains(&0) => id = Some(text),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                read.retry = text.parse().ok().map(Duration::from_millis).or(read.retry);
            }
            _ => {}
        }
    }
    read.last_id = read.last_id.filter(|id| !id.is_empty());
    read
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (sizes, bytes) = input;
    let whole = in_pieces(bytes, &[], UNLIMITED);
    assert_eq!(whole, by_the_standard(bytes), "{:?}", String::from_utf8_lossy(bytes));
    assert_eq!(whole, in_pieces(bytes, sizes, UNLIMITED), "in pieces of {sizes:?}");
    assert_eq!(
        in_pieces(bytes, &[], LIMIT),
        in_pieces(bytes, sizes, LIMIT),
        "in pieces of {sizes:?}, limited"
    );
});
