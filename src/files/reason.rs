//! The operating system's message, with a remedy where the system's words name none.

use std::io;

/// An operating-system error in the program's words: lowercase, without the error number.
pub(crate) fn reason(error: &io::Error) -> String {
    if error.raw_os_error() == Some(libc::EACCES) {
        let uid = rustix::process::geteuid().as_raw();
        return format!(
            "permission denied; let uid {uid} use it (chmod, chown), or run token-refresher as its owner"
        );
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
