//! A part of HTTP/1.1 for a server under test: whole requests in, answers of any form out.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: String,
    pub path: String,
    /// The headers in their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// Shared: a test that looks for what has come copies all requests each time.
    pub body: Arc<[u8]>,
    /// The number of the connection.
    pub connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The method of the message in the body.
    pub(crate) fn rpc(&self) -> String {
        self.json()["method"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The way back on one connection. Clones write to the same connection.
#[derive(Clone)]
pub(crate) struct Reply {
    stream: Arc<Mutex<TcpStream>>,
}

impl Reply {
    /// An answer of one piece.
    pub(crate) fn send(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut answer = head.into_bytes();
        answer.extend_from_slice(body);
        self.raw(&answer);
    }

    /// A JSON document.
    pub(crate) fn json(&self, status: u16, body: &str) {
        self.send(status, &[("Content-Type", "application/json")], body.as_bytes());
    }

    /// Begins an event stream.
    pub(crate) fn events(&self) -> Events {
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        Events(self.clone())
    }

    /// Sends any bytes. A client that has gone does not matter here.
    pub(crate) fn raw(&self, bytes: &[u8]) -> bool {
        self.stream.lock().unwrap().write_all(bytes).is_ok()
    }

    /// Closes the connection.
    pub(crate) fn cut(&self) {
        let _ = self.stream.lock().unwrap().shutdown(Shutdown::Both);
    }

    /// Whether the other side has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        let stream = self.stream.lock().unwrap();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        match peeked {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// An event stream under way.
#[derive(Clone)]
pub(crate) struct Events(Reply);

impl Events {
    /// Sends one message as one event; `false` if the client is gone.
    pub(crate) fn message(&self, message: &str) -> bool {
        self.bytes(format!("data: {message}\n\n").as_bytes())
    }

    /// One message with an id.
    pub(crate) fn numbered(&self, id: &str, message: &str) -> bool {
        self.bytes(format!("id: {id}\ndata: {message}\n\n").as_bytes())
    }

    /// Any bytes of the stream.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> bool {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.0.raw(&chunk)
    }

    /// Ends the stream as a server does.
    pub(crate) fn end(&self) {
        self.0.raw(b"0\r\n\r\n");
    }

    /// Ends the stream in the middle.
    pub(crate) fn cut(&self) {
        self.0.cut();
    }

    /// Whether the other side has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Serves one connection until it ends.
pub(crate) fn serve(stream: TcpStream, connection: usize, handle: impl Fn(Seen, Reply)) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let reply = Reply { stream: Arc::new(Mutex::new(stream.try_clone()?)) };
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut seen = Seen { method, path, headers, body: Arc::default(), connection };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        seen.body = body.into();
        handle(seen, reply.clone());
    }
}
