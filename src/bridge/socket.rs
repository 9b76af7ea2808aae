//! The sockets below the HTTP library.
//!
//! The library's own sockets know neither TCP keep-alive nor a wait that ends when another thread says so.
//! A [`Line`] is what other threads see of a connection: they can cut it, and wait until a request has left.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};
use zeroize::Zeroizing;

use crate::oauth::Addresses;

/// How long a peer may take in the middle of a header, or of an answer that is one document.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// How long a connection is silent before the system asks whether the peer is still there.
const KEEP_ALIVE_AFTER: Duration = Duration::from_mins(1);

/// How often it asks, and how many times in vain.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMES: u32 = 4;

/// What other threads see of the connection that a thread uses.
#[derive(Debug, Default)]
pub(super) struct Line {
    socket: Mutex<Weak<TcpStream>>,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// What comes next is a document that is on its way: it must not stop in the middle.
    hurried: AtomicBool,
}

/// How far the request on a line has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Progress {
    /// It may not have left, or not all of it.
    #[default]
    Leaving,
    /// All of it was handed to the system.
    Left,
    /// The header of the answer is there.
    Answered,
}

impl Line {
    /// Ends whatever is read from or written to the connection at this moment.
    pub(super) fn cut(&self) {
        if let Some(socket) = lock(&self.socket).upgrade() {
            // Fails where the peer has ended it already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.note(Progress::Answered);
    }

    /// Another request begins.
    pub(super) fn begin(&self) {
        *lock(&self.progress) = Progress::Leaving;
        self.hurried.store(false, Ordering::Relaxed);
    }

    /// The request has come so far.
    pub(super) fn note(&self, progress: Progress) {
        let mut known = lock(&self.progress);
        if progress > *known {
            *known = progress;
            self.changed.notify_all();
        }
    }

    /// Waits until the request has come so far; `false` where it took longer than `limit`.
    pub(super) fn wait_for(&self, progress: Progress, limit: Duration) -> bool {
        let known = lock(&self.progress);
        let waited = self.changed.wait_timeout_while(known, limit, |known| *known < progress);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *known >= progress
    }

    /// From now on the peer must not fall silent for longer than [`STALL`].
    pub(super) fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens TCP connections for one [`Line`].
#[derive(Debug)]
pub(super) struct Dialer {
    pub line: Arc<Line>,
    /// Where the addresses come from.
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
        *lock(&self.line.socket) = Arc::downgrade(&stream);
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
#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
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

/// Limits waits for the peer in the middle of something, sees when a request has left, and sends its header together
/// with what comes behind it.
#[derive(Debug)]
pub(super) struct Sentry(pub Arc<Line>);

impl<In: Transport> Connector<In> for Sentry {
    type Out = GuardedSocket<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let guarded = |inner| GuardedSocket { inner, line: Arc::clone(&self.0), held: None, begun: false };
        Ok(chained.map(guarded))
    }
}

/// A connection with a [`Line`].
#[derive(Debug)]
pub(super) struct GuardedSocket<T> {
    inner: T,
    line: Arc<Line>,
    /// The beginning of a request, which has not been sent yet. It holds the token.
    held: Option<Zeroizing<Vec<u8>>>,
    /// Whether the library has written something of the request.
    begun: bool,
}

impl<T: Transport> GuardedSocket<T> {
    /// Sends what is held back, and the first `amount` bytes of the output behind it.
    fn send_held(&mut self, held: &[u8], amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.inner.buffers().output();
        let all = held.len() + amount;
        if all <= output.len() {
            output.copy_within(..amount, held.len());
            output[..held.len()].copy_from_slice(held);
            return self.inner.transmit_output(all, timeout);
        }
        let behind = output[..amount].to_vec();
        output[..held.len()].copy_from_slice(held);
        self.inner.transmit_output(held.len(), timeout)?;
        self.inner.buffers().output()[..amount].copy_from_slice(&behind);
        self.inner.transmit_output(amount, timeout)
    }
}

impl<T: Transport> Transport for GuardedSocket<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            // One packet instead of two: the server need not wake up for half a request.
            self.held = Some(Zeroizing::new(self.inner.buffers().output()[..amount].to_vec()));
            return Ok(());
        }
        match self.held.take() {
            Some(held) => self.send_held(&held, amount, timeout),
            None => self.inner.transmit_output(amount, timeout),
        }
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        // The library waits for input only after it has written all of the request.
        if let Some(held) = self.held.take() {
            self.send_held(&held, 0, timeout)?;
        }
        self.begun = false;
        self.line.note(Progress::Left);
        // A server may take any time until it answers, but not in the middle of a header.
        if self.line.hurried.load(Ordering::Relaxed) || !self.inner.buffers().input().is_empty() {
            timeout.per_read = Some(Limit::Exact(STALL));
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that takes everything, and whose peer is silent.
    #[derive(Debug)]
    struct Peer {
        buffers: LazyBuffers,
        packets: Vec<Vec<u8>>,
        waits: Vec<Option<Limit>>,
    }

    impl Transport for Peer {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
            self.packets.push(self.buffers.output()[..amount].to_vec());
            Ok(())
        }

        fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
            self.waits.push(timeout.per_read);
            Ok(false)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    fn guarded() -> GuardedSocket<Peer> {
        let peer = Peer { buffers: LazyBuffers::new(100, 20), packets: Vec::new(), waits: Vec::new() };
        GuardedSocket { inner: peer, line: Arc::default(), held: None, begun: false }
    }

    fn write(socket: &mut GuardedSocket<Peer>, text: &str) {
        socket.buffers().output()[..text.len()].copy_from_slice(text.as_bytes());
        socket.transmit_output(text.len(), NextTimeout::default()).unwrap();
    }

    #[test]
    fn a_header_leaves_with_what_comes_behind_it() {
        for (parts, expected) in [
            (&["header"][..], &["header"][..]),
            (&["header", " and body"], &["header and body"]),
            (&["header", " and body", " and more"], &["header and body", " and more"]),
            (&["a long header", " and a long body"], &["a long header", " and a long body"]),
        ] {
            let mut socket = guarded();
            // The second request on the connection is like the first.
            for _ in 0..2 {
                for part in parts {
                    write(&mut socket, part);
                    assert!(!socket.line.wait_for(Progress::Left, Duration::ZERO));
                }
                socket.await_input(NextTimeout::default()).unwrap();
                assert!(socket.line.wait_for(Progress::Left, Duration::ZERO));
                let packets: Vec<_> =
                    socket.inner.packets.drain(..).map(|all| String::from_utf8(all).unwrap()).collect();
                assert_eq!(packets, expected, "{parts:?}");
                socket.line.begin();
            }
        }
    }

    #[test]
    fn a_server_may_take_any_time_but_not_in_the_middle_of_something() {
        let mut socket = guarded();
        let stall = Some(Limit::Exact(STALL));
        let waits = |socket: &mut GuardedSocket<Peer>| {
            socket.await_input(NextTimeout::default()).unwrap();
            socket.inner.waits.pop().unwrap()
        };
        assert_eq!(waits(&mut socket), None, "until it answers, and on a silent stream");
        socket.inner.buffers.input_append_buf()[..4].copy_from_slice(b"HTTP");
        socket.inner.buffers.input_appended(4);
        assert_eq!(waits(&mut socket), stall, "a header has begun");
        socket.inner.buffers.input_consume(4);
        assert_eq!(waits(&mut socket), None);
        socket.line.hurry();
        assert_eq!(waits(&mut socket), stall, "a document is on its way");
    }
}
