//! Reads the event stream of an answer to its end.

use std::io::Read;

use super::events::{Events, ServerEvent, TooLarge};
use super::http::io_words;

/// The result of reading a stream.
pub(super) enum Followed<T> {
    /// The stream is over.
    Over {
        /// The reason, in the words of a message.
        why: String,
        /// Whether any bytes came, even a comment that keeps the connection open.
        came: bool,
    },
    /// The stream was left before its end, with this result.
    Left(T),
}

/// Calls `each` with the events that hold a message, until the stream ends or `each` returns a result.
pub(super) fn follow<T>(
    body: &mut impl Read,
    events: &mut Events,
    mut each: impl FnMut(Result<ServerEvent, TooLarge>) -> Option<T>,
) -> Followed<T> {
    // On the stack, since the allocator would get memory of this size from the system for each call.
    let mut buffer = [0; 16 << 10];
    let mut came = false;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => return Followed::Over { why: "the server ended the stream".to_owned(), came },
            Ok(count) => count,
            Err(error) => return Followed::Over { why: io_words(&error), came },
        };
        came = true;
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            let (used, event) = match events.feed(bytes) {
                // An event without data only gives an id.
                Ok((used, event)) => (used, event.filter(|event| !event.data.is_empty()).map(Ok)),
                Err(TooLarge { used }) => (used, Some(Err(TooLarge { used }))),
            };
            bytes = &bytes[used..];
            if let Some(left) = event.and_then(&mut each) {
                return Followed::Left(left);
            }
        }
    }
}
