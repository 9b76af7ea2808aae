//! The events during a sign-in in the browser.

use super::redirect::Verdict;

pub(super) enum Event {
    /// A redirect came to the listener.
    Redirect(Verdict),
    /// The person pasted the address of a redirect.
    Pasted(Verdict),
    /// The person pasted another text; the reply to it.
    NotAnAddress(&'static str),
    /// Standard input has ended.
    InputEnded,
}
