//! Why an exchange brought no answer: from the HTTP library's errors to a cause and words for a message.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use ureq::Timeout;

use super::super::outcome::{Concerns, Failure};
use crate::files::reason;

/// How many files a name lookup may open at a time: its tables, and a socket for each name server.
const LOOKUP_FILES: usize = 8;

/// The cause of a missing answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// The connection, or the endpoint at its end.
    Connection,
    /// The time limit.
    Timeout,
    /// The machine, which has no more files, threads or memory.
    Local,
    /// The answer itself, which cannot be decoded: another request would bring the same.
    Undecodable,
}

/// Why there is no answer.
pub(crate) struct NoReply {
    /// Whether the body, or a part of it, was handed to the connection.
    pub left: bool,
    /// The reason, in the words of a message.
    pub why: String,
    pub cause: Cause,
}

impl NoReply {
    /// An answer that came and cannot be read.
    pub(super) fn broken(why: String) -> Self {
        Self { left: true, why, cause: Cause::Undecodable }
    }

    /// The failure for a request of which nothing was sent.
    pub(crate) fn unreachable(&self, message: String) -> Failure {
        let is_local = self.cause == Cause::Local;
        let concerns = if is_local { Concerns::Machine } else { Concerns::Endpoint };
        Failure { concerns, ..Failure::unreachable(message) }
    }
}

/// The kind of missing answer that an error of the HTTP library means. `left` tells whether a part of the body was
/// handed over.
pub(super) fn no_reply(error: &ureq::Error, left: bool) -> NoReply {
    let cause = match error {
        ureq::Error::Timeout(_) => Cause::Timeout,
        ureq::Error::Io(error) if is_local(error) => Cause::Local,
        error if !left && is_lookup(error) && lacks_files() => {
            let why = "this process may open no more files (ulimit -n)".to_owned();
            return NoReply { left, why, cause: Cause::Local };
        }
        _ => Cause::Connection,
    };
    NoReply { left, why: http_words(error), cause }
}

/// Whether a name may not have resolved. The system's lookup gives one error for an unknown name and for a lack of
/// files.
fn is_lookup(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Whether this process cannot open the few files of a lookup.
fn lacks_files() -> bool {
    let files: Result<Vec<_>, Errno> = (0..LOOKUP_FILES)
        .map(|_| open(Path::new("/"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()))
        .collect();
    files.is_err_and(|error| matches!(error, Errno::MFILE | Errno::NFILE))
}

/// The error of the HTTP library, in the words of a message.
pub(crate) fn http_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => "its name was not resolved in time".to_owned(),
        ureq::Error::Timeout(Timeout::Connect) => "connecting took too long".to_owned(),
        ureq::Error::Timeout(_) => "it did not come in time".to_owned(),
        ureq::Error::HostNotFound => "its name does not resolve".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "the answer is larger than 1 MiB".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "the answer's header is larger than 64 KiB".to_owned(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused the connection".to_owned(),
        ureq::Error::Protocol(_) => "it does not speak HTTP".to_owned(),
        ureq::Error::Io(error) => connection_words(error),
        other => other.to_string(),
    }
}

/// Whether this machine has run out of a resource.
fn is_local(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS))
}

/// The problem of a connection, in the words of a message.
pub(crate) fn connection_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            "the connection was reset".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => {
            let text = reason(error);
            tls_words(&text).map_or(text.clone(), str::to_owned)
        }
    }
}

/// The meaning of the TLS library's error, whose own words are the names of its types.
fn tls_words(text: &str) -> Option<&'static str> {
    let known = [
        // A private certificate authority is the usual reason.
        (
            "UnknownIssuer",
            "its certificate is signed by an authority that is not known here; where that is a private one, name its \
             certificate in SSL_CERT_FILE",
        ),
        ("InvalidContentType", "it does not speak TLS"),
        ("BadSignature", "the signature of its certificate is wrong"),
        ("NotValidForName", "its certificate is for another name"),
        ("ProtocolVersion", "it speaks only versions of TLS before 1.2"),
        ("HandshakeFailure", "it and this program have no TLS in common"),
    ];
    known.iter().find(|(name, _)| text.contains(name)).map(|(_, words)| *words)
}
