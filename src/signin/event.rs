//! What a sign-in in the browser waits for.

use super::redirect::Verdict;

/// Something that happened while a sign-in waits.
pub(super) enum Event {
    /// A redirect came to the listener.
    Redirect(Verdict),
    /// The person pasted the address of a redirect.
    Pasted(Verdict),
    /// The person pasted something else: what to say about it.
    NotAnAddress(&'static str),
    /// Standard input has ended.
    InputEnded,
}
