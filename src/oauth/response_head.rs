//! Simplifies the head of an HTTP answer for the HTTP library.
//!
//! The library fails on more than 128 fields and on folded lines. The lost answer may hold the only refresh token. A
//! connection here joins folded lines, as RFC 9112 5.2 demands of readers. Only the fields that are used are passed on.

use std::fmt;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use zeroize::Zeroizing;

/// Largest head that is read.
pub(super) const LARGEST_HEAD: usize = 64 << 10;

/// The fields that the library and this program read.
const USED: [&[u8]; 10] = [
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"date",
    b"keep-alive",
    b"location",
    b"retry-after",
    b"transfer-encoding",
    b"www-authenticate",
];

/// Wraps every connection but that to a proxy, whose answer precedes bytes that are not HTTP.
#[derive(Debug)]
pub(super) struct HeadConnector {
    /// Host and port of the proxy.
    pub proxy: Option<(String, u16)>,
}

impl<T: Transport> Connector<T> for HeadConnector {
    type Out = HeadTransport<T>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<T>) -> Result<Option<Self::Out>, Error> {
        let uri = details.uri;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let to_proxy = details.config.proxy().is_none()
            && self.proxy.as_ref().is_some_and(|(host, known)| uri.host() == Some(host) && port == *known);
        Ok(chained.map(|inner| HeadTransport {
            inner,
            to_proxy,
            awaited: Awaited::Body,
            raw: Zeroizing::default(),
            input: Zeroizing::default(),
            consumed: 0,
            spent: Zeroizing::default(),
            progress: false,
        }))
    }
}

/// A connection whose answers have simple heads.
pub(super) struct HeadTransport<T> {
    inner: T,
    to_proxy: bool,
    awaited: Awaited,
    /// The bytes of a head that is not complete.
    raw: Zeroizing<Vec<u8>>,
    /// The bytes for the library to read.
    input: Zeroizing<Vec<u8>>,
    consumed: usize,
    /// The bytes of the peer that have been simplified. Wiped when the library is done with the answer.
    spent: Zeroizing<Vec<u8>>,
    progress: bool,
}

/// The next bytes of the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The head of an answer.
    Head,
    /// The bytes after a head, or bytes that are not HTTP.
    Body,
    /// None: the last answer is read, and the library keeps the connection.
    Nothing,
}

/// Without the input, which holds tokens.
impl<T> fmt::Debug for HeadTransport<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("HeadTransport")
    }
}

impl<T: Transport> Transport for HeadTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.awaited = if self.to_proxy { Awaited::Body } else { Awaited::Head };
        self.inner.transmit_output(amount, timeout)
    }

    /// Reads once. An incomplete head is not shown, so the library reads again, within the time that is left.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let more = self.inner.maybe_await_input(timeout)?;
        let arrived = self.inner.buffers().input();
        let length = arrived.len();
        let target = if self.awaited == Awaited::Head { &mut self.raw } else { &mut self.input };
        append(target, &[arrived]);
        self.inner.buffers().input_consume(length);
        if self.awaited == Awaited::Head {
            self.finish_heads()?;
        }
        self.progress = true;
        Ok(more)
    }

    /// The library calls this function when an answer is read, and again before the next request. Only then the
    /// connection is checked, which takes three system calls.
    fn is_open(&mut self) -> bool {
        let before = std::mem::replace(&mut self.awaited, Awaited::Nothing);
        let is_empty = self.input().is_empty() && self.raw.is_empty();
        (self.input, self.consumed, self.spent) = Default::default();
        is_empty && (before != Awaited::Nothing || self.inner.is_open())
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> HeadTransport<T> {
    /// Moves complete heads from `raw` to `input`, and the body behind them.
    fn finish_heads(&mut self) -> Result<(), Error> {
        loop {
            let end = if is_http(&self.raw) { head_end(&self.raw) } else { Some(0) };
            let Some(end) = end.filter(|end| *end <= LARGEST_HEAD) else {
                return match self.raw.len() {
                    length if length > LARGEST_HEAD => Err(Error::LargeResponseHeader(length, LARGEST_HEAD)),
                    _ => Ok(()),
                };
            };
            let head = simple_head(&self.raw[..end]);
            // An interim answer (100 Continue, 103 Early Hints) announces another one.
            if head.get(9) == Some(&b'1') && !head[9..].starts_with(b"101") {
                self.raw = Zeroizing::new(self.raw[end..].to_vec());
                continue;
            }
            append(&mut self.input, &[&head, &self.raw[end..]]);
            self.spent = std::mem::take(&mut self.raw);
            self.awaited = Awaited::Body;
            return Ok(());
        }
    }
}

impl<T: Transport> Buffers for HeadTransport<T> {
    fn output(&mut self) -> &mut [u8] {
        self.inner.buffers().output()
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.inner.buffers().tmp_and_output()
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..]
    }

    /// Returns no room: [`Transport::await_input`] fills the buffer.
    fn input_append_buf(&mut self) -> &mut [u8] {
        &mut []
    }

    fn input_appended(&mut self, _: usize) {}

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
        if self.consumed == self.input.len() && self.consumed > LARGEST_HEAD {
            // More than an answer with tokens: the memory is released before the end.
            self.input = Zeroizing::default();
            self.consumed = 0;
        }
    }

    fn can_use_input(&self) -> bool {
        self.progress && !self.input().is_empty()
    }
}

/// Appends without leaving a copy behind where the buffer has to grow.
fn append(buffer: &mut Zeroizing<Vec<u8>>, more: &[&[u8]]) {
    let needed = buffer.len() + more.iter().map(|part| part.len()).sum::<usize>();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * buffer.capacity())));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    for part in more {
        buffer.extend_from_slice(part);
    }
}

/// Whether the bytes begin an HTTP answer, as far as they came.
fn is_http(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(is, should)| is == should)
}

/// The start of the body, behind the first empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if matches!(&bytes[line_start..at], b"" | b"\r") && line_start > 0 {
            return Some(at + 1);
        }
        line_start = at + 1;
    }
    None
}

/// The head with folded lines joined and without the fields that are not used.
fn simple_head(head: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        match lines.last_mut() {
            Some(folded) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                folded.push(b' ');
                folded.extend_from_slice(line.trim_ascii());
            }
            _ => lines.push(line.to_vec()),
        }
    }
    let is_used = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        USED.iter().any(|used| used.eq_ignore_ascii_case(name))
    };
    let mut simple = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        if index == 0 && !line.is_empty() || is_used(&line) {
            simple.extend_from_slice(&line);
            simple.extend_from_slice(b"\r\n");
        }
    }
    if head.is_empty() {
        simple.clear();
    } else {
        simple.extend_from_slice(b"\r\n");
    }
    simple
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn simple(head: &str) -> String {
        String::from_utf8(simple_head(head.as_bytes())).unwrap()
    }

    #[test]
    fn folded_lines_are_joined_and_unused_fields_dropped() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            ("HTTP/1.0 400\nRetry-After: 5\n\n", "HTTP/1.0 400\r\nRetry-After: 5\r\n\r\n"),
            (
                "HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\nContent-Type: application/json;\r\n charset=utf-8\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n",
            ),
            (
                "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\ncontent-LENGTH : 7\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-LENGTH : 7\r\n\r\n",
            ),
        ] {
            assert_eq!(simple(head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_head_ends_at_the_first_empty_line() {
        for (bytes, end) in [
            ("HTTP/1.1 200 OK\r\n\r\nbody", Some(19)),
            ("HTTP/1.1 200 OK\n\nbody", Some(17)),
            ("HTTP/1.1 200 OK\r\na: b\r\n", None),
            ("", None),
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\n", Some(25)),
        ] {
            assert_eq!(head_end(bytes.as_bytes()), end, "{bytes:?}");
        }
        assert!(is_http(b"") && is_http(b"HT") && is_http(b"HTTP/1.1 200") && !is_http(b"\x16\x03\x01"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let end = head_end(&bytes).unwrap_or(bytes.len());
            prop_assert!(end <= bytes.len());
            simple_head(&bytes[..end]);
        }
    }
}
