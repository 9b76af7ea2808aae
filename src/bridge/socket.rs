//! The sockets below the HTTP library.
//!
//! The library's own sockets have no TCP keep-alive, and no wait that another thread can end. Through a
//! [`ConnectionControl`] other threads can cut a connection, and wait until a request has left.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use crate::oauth::Addresses;

/// After how much silence the system probes whether the peer still exists.
const KEEP_ALIVE_AFTER: Duration = Duration::from_mins(1);

/// The interval of the probes, and the number of unanswered ones that ends the connection.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMES: u32 = 4;

/// The connection of a thread, as other threads see and control it.
#[derive(Debug, Default)]
pub(super) struct ConnectionControl {
    socket: Mutex<Weak<TcpStream>>,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// Whether the next bytes are a document on its way, which must not stop in the middle.
    silence_limited: AtomicBool,
}

/// The progress of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Progress {
    /// The request has not left, or not all of it.
    #[default]
    Leaving,
    /// The whole request was given to the system.
    Left,
    /// The header of the answer has come.
    Answered,
}

impl ConnectionControl {
    /// Ends every read and write of the connection at this moment.
    pub(super) fn cut(&self) {
        if let Some(socket) = lock(&self.socket).upgrade() {
            // Fails where the peer has ended the connection already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.record(Progress::Answered);
    }

    /// Begins another request.
    pub(super) fn begin(&self) {
        *lock(&self.progress) = Progress::Leaving;
        self.silence_limited.store(false, Ordering::Relaxed);
    }

    /// Records the progress of the request.
    pub(super) fn record(&self, progress: Progress) {
        let mut known = lock(&self.progress);
        if progress > *known {
            *known = progress;
            self.changed.notify_all();
        }
    }

    /// Waits for this progress of the request; `false` if it takes longer than `limit`.
    pub(super) fn wait_for(&self, progress: Progress, limit: Duration) -> bool {
        let known = lock(&self.progress);
        let waited = self.changed.wait_timeout_while(known, limit, |known| *known < progress);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *known >= progress
    }

    /// From now on the silence of the peer is limited.
    pub(super) fn limit_silence(&self) {
        self.silence_limited.store(true, Ordering::Relaxed);
    }

    /// Whether the silence of the peer is limited.
    pub(super) fn is_silence_limited(&self) -> bool {
        self.silence_limited.load(Ordering::Relaxed)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens TCP connections for one [`ConnectionControl`].
#[derive(Debug)]
pub(super) struct Dialer {
    pub control: Arc<ConnectionControl>,
    pub addresses: Addresses,
}

impl<In: Transport> Connector<In> for Dialer {
    type Out = Either<In, Socket>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let opened = open(&details.addrs, details.timeout.not_zero().map(|limit| *limit));
        let stream = Arc::new(opened.inspect_err(|_| self.addresses.forget())?);
        *lock(&self.control.socket) = Arc::downgrade(&stream);
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Socket { stream, buffers, read_limit: None, write_limit: None })))
    }
}

/// Tries the addresses one after the other; `limit` is for all of them together.
fn open(addresses: &[SocketAddr], limit: Option<Duration>) -> Result<TcpStream, Error> {
    let each = limit.map(|limit| limit / u32::try_from(addresses.len().max(1)).unwrap_or(1));
    let mut last = Error::HostNotFound;
    for address in addresses {
        let stream = match each {
            Some(limit) => TcpStream::connect_timeout(address, limit),
            None => TcpStream::connect(address),
        };
        match stream {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                keep_alive(&stream)?;
                return Ok(stream);
            }
            Err(error) if is_slow(&error) => last = Error::Timeout(Timeout::Connect),
            Err(error) => last = Error::Io(error),
        }
    }
    Err(last)
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_ALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_EVERY)?;
    Ok(sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_TIMES)?)
}

fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// A TCP connection.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
}

/// Without the buffers, which hold the token.
impl fmt::Debug for Socket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Socket").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let limit = timeout.not_zero().map(|limit| *limit);
        if limit != self.write_limit {
            self.stream.set_write_timeout(limit)?;
            self.write_limit = limit;
        }
        let output = &self.buffers.output()[..amount];
        (&*self.stream).write_all(output).map_err(|error| in_time(error, timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let limit = timeout.not_zero().map(|limit| *limit);
        if limit != self.read_limit {
            self.stream.set_read_timeout(limit)?;
            self.read_limit = limit;
        }
        let input = self.buffers.input_append_buf();
        let amount = loop {
            match (&*self.stream).read(input) {
                Ok(amount) => break amount,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(in_time(error, timeout.reason)),
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        let looked = recv(&*self.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        looked.is_err_and(|error| error == Errno::WOULDBLOCK)
    }
}

fn in_time(error: io::Error, reason: Timeout) -> Error {
    if is_slow(&error) { Error::Timeout(reason) } else { Error::Io(error) }
}
