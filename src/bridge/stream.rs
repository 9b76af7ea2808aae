//! Reads the event stream of an answer to its end.

use std::io::Read;

use super::events::{Events, ServerEvent, TooLarge};
use super::http::io_words;

/// How reading a stream ended.
pub(super) enum Followed<T> {
    /// The stream is over.
    Over {
        /// The reason, in the words of a message.
        why: String,
        /// Whether anything came, and be it a comment that keeps the connection alive.
        came: bool,
    },
    /// It was left before its end, with this.
    Left(T),
}

/// Hands over the events of a stream that hold a message, until its end or until `each` gives something back.
pub(super) fn follow<T>(
    body: &mut impl Read,
    events: &mut Events,
    mut each: impl FnMut(Result<ServerEvent, TooLarge>) -> Option<T>,
) -> Followed<T> {
    // On the stack: memory of that size for each call would come from the system each time.
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
                // Without data it only says where the stream is.
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
