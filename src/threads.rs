//! Starts threads.

use std::io;
use std::thread::Builder;

/// Starts a thread that nothing waits for.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start_boxed(name, Box::new(work))
}

/// In a box, all kinds of work are one: the code for the start of a thread is several KB for each kind.
fn start_boxed(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
