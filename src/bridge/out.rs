//! The output for the client: one message, one line, one write.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::message::{Id, on_one_line};

/// The error code for a text that is not JSON.
pub(super) const PARSE_ERROR: i64 = -32700;

/// The error code for JSON that is no message.
pub(super) const INVALID_REQUEST: i64 = -32600;

/// The error code of the bridge itself, where a server gave no answer. Codes from -32020 down to -32099 are MCP's.
pub(super) const NO_ANSWER: i64 = -32000;

/// The output to the client, shared by all threads.
pub(super) struct ClientOutput {
    to: Mutex<Box<dyn Write + Send>>,
    /// Called when the client does not read any more.
    broken: Box<dyn Fn() + Send + Sync>,
}

impl ClientOutput {
    pub(super) fn new(to: Box<dyn Write + Send>, broken: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { to: Mutex::new(to), broken }
    }

    /// Passes a message on. Only the line ends between its members change.
    pub(super) fn pass(&self, mut message: Vec<u8>) {
        on_one_line(&mut message);
        message.push(b'\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if to.write_all(&message).and_then(|()| to.flush()).is_err() {
            (self.broken)();
        }
    }

    /// Answers a request with an error of the bridge itself.
    pub(super) fn error(&self, id: Option<&Id>, code: i64, message: &str) {
        let id = id.map_or("null", Id::as_json);
        let message = json!(message);
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#);
        self.pass(text.into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_is_one_line() {
        let shared = Shared::default();
        let out = ClientOutput::new(Box::new(shared.clone()), Box::new(|| panic!("it can be written")));
        out.pass(b"{\"a\":\r\n 1}".to_vec());
        out.error(None, PARSE_ERROR, "no \"JSON\"");
        let written = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no \"JSON\""}}"#;
        assert_eq!(written, format!("{{\"a\":   1}}\n{error}\n"));
    }
}
