//! A layer between the HTTP library and a connection that sees where a request begins and ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use zeroize::Zeroizing;

use super::socket::{ConnectionControl, Progress};

/// How long a peer may be silent in the middle of a header or of a document.
const STALL: Duration = Duration::from_secs(30);

/// Adds the layer to a connection. The layer limits the silence of the peer, and sees when a request has left. A header
/// is sent in one packet with the bytes behind it.
#[derive(Debug)]
pub(super) struct GuardConnector(pub Arc<ConnectionControl>);

impl<In: Transport> Connector<In> for GuardConnector {
    type Out = GuardedSocket<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let guarded = |inner| GuardedSocket { inner, control: Arc::clone(&self.0), held: None, begun: false };
        Ok(chained.map(guarded))
    }
}

/// A connection with a [`ConnectionControl`].
pub(super) struct GuardedSocket<T> {
    inner: T,
    control: Arc<ConnectionControl>,
    /// The beginning of a request, which has not been sent yet. Zeroized, since the token is in it.
    held: Option<Zeroizing<Vec<u8>>>,
    /// Whether the library has written a part of the request.
    begun: bool,
}

/// Without its output, which holds the token.
impl<T> fmt::Debug for GuardedSocket<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GuardedSocket").field("control", &self.control).finish_non_exhaustive()
    }
}

impl<T: Transport> GuardedSocket<T> {
    /// Sends the held bytes, and the first `amount` bytes of the output behind them.
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
            // One packet instead of two, so that the server does not wake up for half a request.
            self.held = Some(Zeroizing::new(self.inner.buffers().output()[..amount].to_vec()));
            return Ok(());
        }
        match self.held.take() {
            Some(held) => self.send_held(&held, amount, timeout),
            None => self.inner.transmit_output(amount, timeout),
        }
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        // The library waits for input only after it has written the whole request.
        if let Some(held) = self.held.take() {
            self.send_held(&held, 0, timeout)?;
        }
        self.begun = false;
        self.control.record(Progress::Left);
        // A server may take any time for its answer, but not in the middle of a header.
        if self.control.is_silence_limited() || !self.inner.buffers().input().is_empty() {
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
    use std::time::Duration;

    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// A connection that accepts all output, and whose peer is silent.
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
        GuardedSocket { inner: peer, control: Arc::default(), held: None, begun: false }
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
                    assert!(!socket.control.wait_for(Progress::Left, Duration::ZERO));
                }
                socket.await_input(NextTimeout::default()).unwrap();
                assert!(socket.control.wait_for(Progress::Left, Duration::ZERO));
                let packets: Vec<_> =
                    socket.inner.packets.drain(..).map(|all| String::from_utf8(all).unwrap()).collect();
                assert_eq!(packets, expected, "{parts:?}");
                socket.control.begin();
            }
        }
    }

    #[test]
    fn nothing_that_is_sent_is_shown() {
        let mut socket = guarded();
        write(&mut socket, "secret");
        let bytes = format!("{:?}", b"secret");
        assert!(!format!("{socket:?}").contains(bytes.trim_matches(['[', ']'])));
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
        socket.control.limit_silence();
        assert_eq!(waits(&mut socket), stall, "a document is on its way");
    }
}
