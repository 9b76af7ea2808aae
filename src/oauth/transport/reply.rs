//! An answer, read whole from its connection.

use std::io::Read as _;

use ureq::http::{self, HeaderMap};
use ureq::{Body, BodyReader};
use zeroize::Zeroizing;

use super::no_reply::{NoReply, no_reply};
use crate::oauth::decompress;

/// The largest body that is read, equal to golang's limit. The largest known answers are a few kilobytes.
const LARGEST_BODY: u64 = 1 << 20;

/// An answer, as far as it came.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
    /// Why the body is not whole, if it is not.
    pub cut: Option<NoReply>,
    /// The connection of the answer.
    pub connection: AnswerConnection,
}

impl Reply {
    /// The connection and the bytes, which remain when the answer is understood.
    pub(crate) fn into_connection(self) -> AnswerConnection {
        let Self { mut connection, body, .. } = self;
        connection.body = body;
        connection
    }

    /// The text of a header, if present.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the end of the body was marked, so that a whole body is known to be whole.
    pub(crate) fn end_is_marked(&self) -> bool {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
        chunked || self.headers.contains_key("content-length")
    }
}

/// The connection of an answer, and the answer's bytes. After the drop the connection is idle until the next request,
/// and the bytes are wiped. The drop takes system calls, a lock and time, so it must not delay storing the answer.
#[derive(Default)]
pub(crate) struct AnswerConnection {
    reader: Option<BodyReader<'static>>,
    body: Zeroizing<Vec<u8>>,
}

impl Drop for AnswerConnection {
    fn drop(&mut self) {
        if let Some(rest) = &mut self.reader {
            // The library looks for the end of the body and keeps the connection. An error does not matter, since the
            // answer is complete.
            let _ = rest.read(&mut [0]);
        }
    }
}

pub(super) fn read(response: http::Response<Body>) -> Reply {
    let (parts, body) = response.into_parts();
    let announced = body.content_length().filter(|length| *length <= LARGEST_BODY);
    let mut reader = body.into_with_config().limit(LARGEST_BODY).reader();
    // With room for the whole body: a buffer that grows leaves copies of tokens behind.
    let room = usize::try_from(announced.unwrap_or(LARGEST_BODY)).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let mut connection = AnswerConnection::default();
    let read = match announced {
        Some(length) => {
            let read = reader.by_ref().take(length).read_to_end(&mut bytes);
            connection.reader = Some(reader);
            read
        }
        None => reader.read_to_end(&mut bytes),
    };
    let encoding = parts.headers.get("content-encoding").and_then(|value| value.to_str().ok());
    let (body, cut) = match read {
        Err(error) => (bytes, Some(no_reply(&ureq::Error::from(error), true))),
        Ok(_) => {
            match decompress::decompressed(bytes, encoding, usize::try_from(LARGEST_BODY).unwrap_or(0)) {
                Ok(body) => (body, None),
                Err(error) => (Zeroizing::default(), Some(NoReply::broken(error.words()))),
            }
        }
    };
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: in_utf_8(body), cut, connection }
}

/// Replaces bytes that are not UTF-8. JSON must be UTF-8 (RFC 8259 8.1), but some servers write names and descriptions
/// in Latin-1. Such a text must not cost a token or hide an error code, which are both ASCII.
fn in_utf_8(bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if std::str::from_utf8(&bytes).is_ok() {
        return bytes;
    }
    let mut text = Zeroizing::new(Vec::with_capacity(3 * bytes.len()));
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            text.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    text
}
