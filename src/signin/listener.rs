//! The listener for one redirect on 127.0.0.1, for the minutes of one sign-in.
//!
//! The listener answers one kind of request, and goes on waiting after any other. Each connection gets a thread and a
//! few seconds. So a silent connection delays no redirect.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::event::Event;
use super::http_request::{LARGEST_HEAD, NotServed, head_length, parse};
use super::redirect::{Expected, Verdict, judge};
use crate::threads;

/// The longest time for a connection to send a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a connection that cannot be accepted, most likely because the descriptors are used up. Without a
/// pause the loop would spin; a person does not notice a twentieth of a second.
const PAUSE: Duration = Duration::from_millis(50);

/// The most connections at the same time. A browser opens about six.
const MOST: usize = 32;

/// The most bytes that are read behind a request before the connection is closed. A browser that is still sending
/// would not see the answer otherwise.
const DRAINED: u64 = 1 << 20;

/// The longest silence of such a browser on this machine. Most browsers have sent all, and close at once.
const DRAINING: Duration = Duration::from_millis(500);

/// A bound port, before the listener accepts connections.
pub(super) struct Listener {
    socket: TcpListener,
    port: u16,
}

impl Listener {
    /// Binds this port of 127.0.0.1, or any free one.
    pub(super) fn bind(port: Option<u16>) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Begins to wait for a redirect to `path`. The first one is sent to `events`.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn listen(
        self,
        path: &str,
        expected: Expected,
        events: mpsc::Sender<Event>,
    ) -> io::Result<()> {
        let hosts = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.port)).to_vec();
        let waiting = Arc::new(Waiting {
            path: path.to_owned(),
            hosts,
            expected,
            answered: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        threads::start("redirect", move || {
            for stream in self.socket.incoming() {
                let Ok(stream) = stream else {
                    std::thread::sleep(PAUSE);
                    continue;
                };
                if waiting.connections.fetch_add(1, Ordering::SeqCst) >= MOST {
                    waiting.connections.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let (waiting, events) = (Arc::clone(&waiting), events.clone());
                let serve = move || {
                    // A client that went away needs no answer.
                    let _ = waiting.serve(stream, &events);
                    waiting.connections.fetch_sub(1, Ordering::SeqCst);
                };
                // Without a thread, the connection is closed.
                let _ = threads::start("connection", serve);
            }
        })
    }
}

/// The common state of all connections.
struct Waiting {
    path: String,
    hosts: Vec<String>,
    expected: Expected,
    /// Whether a redirect has come.
    answered: AtomicBool,
    connections: AtomicUsize,
}

impl Waiting {
    fn serve(&self, mut stream: TcpStream, events: &mpsc::Sender<Event>) -> io::Result<()> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_HEAD));
        let Some(length) = read_head(&mut stream, &mut bytes)? else {
            return answer(stream, "431 Request Header Fields Too Large", "This is not a redirect.");
        };
        let request = match parse(&bytes[..length], &self.hosts) {
            Ok(request) => request,
            Err(NotServed::Malformed) => return answer(stream, "400 Bad Request", "This is not a redirect."),
            Err(NotServed::WrongMethod) => {
                return answer(stream, "405 Method Not Allowed\r\nAllow: GET", "This is not a redirect.");
            }
            Err(NotServed::WrongHost) => {
                return answer(stream, "421 Misdirected Request", "This is not a redirect.");
            }
        };
        if request.path != self.path {
            return answer(stream, "404 Not Found", "There is nothing here.");
        }
        let verdict = judge(request.query, &self.expected);
        if verdict == Verdict::NoRedirect {
            return answer(stream, "404 Not Found", "There is nothing here.");
        }
        if self.answered.swap(true, Ordering::SeqCst) {
            return answer(stream, "409 Conflict", "This sign-in has its answer already.");
        }
        let (status, text) = match &verdict {
            Verdict::Code(_) => ("200 OK", "The sign-in goes on in the terminal. You can close this window."),
            _ => ("400 Bad Request", "The sign-in failed; the terminal says why. You can close this window."),
        };
        let answered = answer(stream, status, text);
        // Fails where the sign-in has ended.
        let _ = events.send(Event::Redirect(verdict));
        answered
    }
}

/// Reads until the head is whole. `None` where the head is too large.
fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let deadline = Instant::now() + PATIENCE;
    let mut window = Zeroizing::new([0_u8; 2048]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let room = window.len().min(LARGEST_HEAD - bytes.len());
        let read = stream.read(&mut window[..room])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&window[..read]);
        if let Some(length) = head_length(bytes) {
            return Ok(Some(length));
        }
        if bytes.len() >= LARGEST_HEAD {
            return Ok(None);
        }
    }
}

/// Sends a page, and closes the connection so that the page arrives.
fn answer(mut stream: TcpStream, status: &str, text: &str) -> io::Result<()> {
    let body = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>token-refresher</title><p>token-refresher: {text}</p>\n"
    );
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(DRAINING))?;
    io::copy(&mut stream.take(DRAINED), &mut io::sink()).map(drop)
}
