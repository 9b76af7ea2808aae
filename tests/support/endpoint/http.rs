//! HTTP/1.1 on a raw socket: the part that a token endpoint needs, and every fault that a script can order.
//!
//! A request is read up to its last byte, which stays in the socket. Closing a socket with an unread byte makes Linux
//! send RST instead of FIN. So [`End::Reset`] needs no `unsafe` and no further crate.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Far above the head of every request of the tests.
const HEAD_LIMIT: usize = 64 * 1024;
/// Far above the body of every request of the tests.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: String,
    /// The request target: the path, with its query if there is one.
    pub target: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of the first header of that name (given in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the client wants this to be the connection's last request.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads one request but leaves its last byte in the socket (see [`take_last_byte`]). `None` when the client closed the
/// connection instead.
pub(super) fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut window = [0; 16 * 1024];
    loop {
        let seen = stream.peek(&mut window)?;
        if seen == 0 {
            return if head.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        let before = head.len();
        head.extend_from_slice(&window[..seen]);
        // The blank line may have begun in earlier bytes.
        let from = before.saturating_sub(3);
        if let Some(at) = head[from..].windows(4).position(|four| four == b"\r\n\r\n") {
            head.truncate(from + at + 4);
            let mut request = parse_head(&head)?;
            let length = body_length(&request)?;
            let of_head = head.len() - before - usize::from(length == 0);
            stream.read_exact(&mut window[..of_head])?;
            if length > 0 {
                request.body = vec![0; length];
                stream.read_exact(&mut request.body[..length - 1])?;
                if stream.peek(&mut request.body[length - 1..])? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok(Some(request));
        }
        stream.read_exact(&mut window[..seen])?;
        if head.len() > HEAD_LIMIT {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

/// Takes the byte that [`read_request`] left: from here a close is a FIN.
pub(super) fn take_last_byte(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0])
}

fn parse_head(head: &[u8]) -> io::Result<Request> {
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    let text = std::str::from_utf8(head).map_err(|_| invalid())?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Err(invalid());
    };
    let headers = lines
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(invalid)?;
    Ok(Request { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() })
}

fn body_length(request: &Request) -> io::Result<usize> {
    let Some(text) = request.header("content-length") else { return Ok(0) };
    match text.parse() {
        Ok(length) if length <= BODY_LIMIT => Ok(length),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// An endpoint's answer: the framing headers are added when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer without headers of its own.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A JSON answer of RFC 6749 section 5.1, which no cache may store.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string())
            .header("Content-Type", "application/json")
            .header("Cache-Control", "no-store")
            .header("Pragma", "no-cache")
    }

    /// The same answer with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`, in two chunks.
    Chunked,
    /// By closing the connection.
    UntilClose,
}

/// The end of a connection where an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Nothing more, and the connection stays open until the client gives up.
    Silence,
}

/// How an answer is brought to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As it should be.
    Whole(Framing),
    /// A whole head and the first `keep` bytes of the body.
    CutBody { framing: Framing, keep: usize, end: End },
    /// The first `keep` bytes of the head.
    CutHead { keep: usize, end: End },
    /// The request is read, and not a byte answered.
    Nothing(End),
    /// The head at once, then the body byte by byte with this pause before each.
    SlowBody(Duration),
    /// The head byte by byte with this pause before each.
    SlowHead(Duration),
    /// A head without a length and a body that never ends.
    EndlessBody,
    /// Header after header.
    EndlessHead,
    /// These bytes and nothing else, then FIN: not HTTP at all, perhaps.
    Raw(Vec<u8>),
}

impl Delivery {
    /// Whether the connection can carry another request afterwards.
    pub(crate) fn keeps_open(&self) -> bool {
        matches!(
            self,
            Self::Whole(Framing::Length | Framing::Chunked) | Self::SlowBody(_) | Self::SlowHead(_)
        )
    }

    /// How it ends when it does not stay open.
    pub(crate) fn end(&self) -> End {
        match self {
            Self::CutBody { end, .. } | Self::CutHead { end, .. } | Self::Nothing(end) => *end,
            _ => End::Close,
        }
    }
}

/// Writes `answer` to `stream` in the manner of `delivery`. `pause` waits that long and says `false`
/// when the endpoint is being stopped.
pub(super) fn deliver(
    stream: &mut TcpStream,
    answer: &Answer,
    delivery: &Delivery,
    keep_alive: bool,
    pause: &dyn Fn(Duration) -> bool,
) -> io::Result<()> {
    let framing = match delivery {
        Delivery::Whole(framing) | Delivery::CutBody { framing, .. } => *framing,
        Delivery::EndlessBody => Framing::UntilClose,
        _ => Framing::Length,
    };
    let head = head(answer, framing, keep_alive && delivery.keeps_open());
    match delivery {
        Delivery::Whole(_) => stream.write_all(&[head, framed(&answer.body, framing, true)].concat()),
        Delivery::CutBody { keep, .. } => {
            let kept = &answer.body[..answer.body.len().min(*keep)];
            stream.write_all(&[head, framed(kept, framing, false)].concat())
        }
        Delivery::CutHead { keep, .. } => stream.write_all(&head[..head.len().min(*keep)]),
        Delivery::Nothing(_) => Ok(()),
        Delivery::SlowBody(each) => {
            stream.write_all(&head)?;
            slowly(stream, &answer.body, *each, pause)
        }
        Delivery::SlowHead(each) => {
            slowly(stream, &head, *each, pause)?;
            stream.write_all(&answer.body)
        }
        Delivery::EndlessBody => {
            stream.write_all(&head)?;
            forever(stream, &[b' '; 8192])
        }
        Delivery::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            forever(stream, b"X-Padding: 0123456789012345678901234567890123456789\r\n")
        }
        Delivery::Raw(bytes) => stream.write_all(bytes),
    }
}

fn head(answer: &Answer, framing: Framing, keep_alive: bool) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    match framing {
        Framing::Length => {
            let _ = write!(text, "Content-Length: {}\r\n", answer.body.len());
        }
        Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => {}
    }
    text.push_str(if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
    text.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

fn framed(body: &[u8], framing: Framing, complete: bool) -> Vec<u8> {
    if framing != Framing::Chunked {
        return body.to_vec();
    }
    // Two chunks, so that a reader that stops after the first is found out.
    let mut out = Vec::new();
    let (first, second) = body.split_at(body.len() / 2);
    for chunk in [first, second].into_iter().filter(|chunk| !chunk.is_empty()) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    if complete {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out
}

fn slowly(
    stream: &mut TcpStream,
    bytes: &[u8],
    each: Duration,
    pause: &dyn Fn(Duration) -> bool,
) -> io::Result<()> {
    for byte in bytes {
        if !pause(each) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        stream.write_all(&[*byte])?;
    }
    Ok(())
}

/// Ends when the client closes or the endpoint is stopped: both make the write fail.
fn forever(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(bytes)?;
    }
}

/// Decodes `application/x-www-form-urlencoded` text; `None` where it is not well-formed.
pub(crate) fn parse_form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((form_decode(name)?, form_decode(value)?))
        })
        .collect()
}

/// Decodes `+` and `%XX`; `None` for a broken escape, a raw control or non-ASCII character.
pub(crate) fn form_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'!'..=b'~' => byte,
            _ => return None,
        });
    }
    String::from_utf8(out).ok()
}
